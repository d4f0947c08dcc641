/* given.c - the driver's side of given.h: the names of the engine, in a driver that is an object of its
 * own.
 *
 * The table stands in the one variable of the project that changes: it is set once, before the
 * first connection, and never to another value. Two engines of one library give the same table; a
 * second copy of the library in the process is refused.
 */
#include "drivers/given.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic(const struct given *) taken;

static const struct given *given(void)
{
    return atomic_load_explicit(&taken, memory_order_relaxed);
}

static bool is_of_this_build(const struct given *g)
{
    return strcmp(g->version, NEBULA_VERSION) == 0 && g->size == sizeof *g &&
           g->conn_size == sizeof(struct conn) && g->request_size == sizeof(struct request);
}

__attribute__((visibility("default"))) bool given_take(const struct given *g)
{
    const struct given *before = NULL;
    return is_of_this_build(g) &&
           (atomic_compare_exchange_strong(&taken, &before, g) || before == g);
}

void conn_opened(struct conn *c)
{
    given()->conn_opened(c);
}

void conn_replied(struct conn *c, struct request *r)
{
    given()->conn_replied(c, r);
}

void conn_failed(struct conn *c, const struct error *why)
{
    given()->conn_failed(c, why);
}

void conn_cancelled(struct conn *c)
{
    given()->conn_cancelled(c);
}

void conn_turned(struct conn *c)
{
    given()->conn_turned(c);
}

void conn_closed(struct conn *c)
{
    given()->conn_closed(c);
}

void conn_told(struct conn *c, const struct told *told)
{
    given()->conn_told(c, told);
}

void conn_notice(struct conn *c, const char *text)
{
    given()->conn_notice(c, text);
}

struct loop *conn_loop(const struct conn *c)
{
    return given()->conn_loop(c);
}

int64_t conn_open_until_us(const struct conn *c)
{
    return given()->conn_open_until_us(c);
}

const char *conn_resource(const struct conn *c)
{
    return given()->conn_resource(c);
}

bool context_is_sampled(const struct context *c)
{
    return given()->context_is_sampled(c);
}

bool target_has(const struct target *t, const struct nebula_option *option)
{
    return given()->target_has(t, option);
}

const char *target_get(const struct target *t, const char *name, const char *fallback)
{
    return given()->target_get(t, name, fallback);
}

struct world *loop_world(const struct loop *loop)
{
    return given()->loop_world(loop);
}

int64_t loop_now_us(const struct loop *loop)
{
    return given()->loop_now_us(loop);
}

void loop_arm(struct loop *loop, struct timer *t, int64_t at_us)
{
    given()->loop_arm(loop, t, at_us);
}

void loop_disarm(struct loop *loop, struct timer *t)
{
    given()->loop_disarm(loop, t);
}

void soon_init(struct soon *s, void (*run)(struct soon *s))
{
    given()->soon_init(s, run);
}

void loop_soon(struct loop *loop, struct soon *s)
{
    given()->loop_soon(loop, s);
}

void loop_unsoon(struct loop *loop, struct soon *s)
{
    given()->loop_unsoon(loop, s);
}

void watch_init(struct watch *w, void (*ready)(struct watch *w, int events))
{
    given()->watch_init(w, ready);
}

bool loop_watch(struct loop *loop, struct watch *w, int fd, int events)
{
    return given()->loop_watch(loop, w, fd, events);
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
    given()->loop_unwatch(loop, w);
}

void loop_post(struct loop *loop, struct note *n)
{
    given()->loop_post(loop, n);
}

struct resolve *loop_resolve(struct loop *loop, const char *host, const char *service,
                             resolve_done *done, void *data)
{
    return given()->loop_resolve(loop, host, service, done, data);
}

void resolve_forget(struct resolve **r)
{
    given()->resolve_forget(r);
}

struct blocking *loop_computer(struct loop *loop)
{
    return given()->loop_computer(loop);
}

struct blocking *blocking_new(struct loop *loop, const char *name)
{
    return given()->blocking_new(loop, name);
}

void blocking_run(struct blocking *b, struct job *j)
{
    given()->blocking_run(b, j);
}

void blocking_move(struct blocking *b, struct loop *loop)
{
    given()->blocking_move(b, loop);
}

void blocking_free(struct blocking **b)
{
    given()->blocking_free(b);
}
