/* loop_uv.c - core/loop.h over libuv.
 *
 * libuv polls, wakes and catches signals; timers are our own wheel, names our own threads. libuv's
 * handles end asynchronously while ours end at once, so each of them is a small struct of its own
 * that is cut loose and frees itself when libuv is done with it.
 */
#include "core/loop.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/list.h"
#include "core/blocking.h"
#include "core/resolve.h"

/* What a turn does at most before it looks at the descriptors again. */
#define TIMERS_A_TURN 1000
#define SOONS_A_TURN 1000

struct loop {
    uv_loop_t uv;
    uv_timer_t bound; /* of the wait */
    int64_t bound_us; /* when it passes, INT64_MAX when it is off */
    uv_async_t news;
    const void *thread;
    struct world *world;
    struct resolver *resolver; /* NULL until the first name */
    struct spares spares;
    struct blocking *computer; /* NULL until the first job */
    int64_t now_us, *kept;     /* see loop_keep() */
    bool is_fresh;             /* now_us was read since the wait ended */
    int handles;               /* watches, folders and signals that are on */
    struct list soons;
    struct wheel wheel;

    pthread_mutex_t lock; /* of the notes */
    struct note *head, **tail;
};

struct poll {
    uv_poll_t uv;
    struct watch *watch;
    int fd, events;
};

struct catcher {
    uv_signal_t uv;
    struct signal_watch *watch;
};

struct eye {
    uv_fs_event_t uv;
    struct folder_watch *watch;
};

/* An address that differs from thread to thread names the thread without a call. */
static _Thread_local char here;

static void must_be_mine(const struct loop *loop)
{
    CHECK(loop->thread == &here);
}

/* --- time ------------------------------------------------------------------------------------- */

/* Everything that libuv calls comes through here first: the clock is read once, after the wait. */
static struct loop *awake(const void *uv_handle)
{
    struct loop *loop = uv_loop_get_data(uv_handle_get_loop(uv_handle));
    if (!loop->is_fresh)
        loop_refresh(loop);
    return loop;
}

struct world *loop_world(const struct loop *loop)
{
    return loop->world;
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

int64_t loop_refresh(struct loop *loop)
{
    loop->now_us = loop->world->now_us(loop->world);
    loop->is_fresh = true;
    if (loop->kept != NULL)
        *loop->kept = loop->now_us;
    return loop->now_us;
}

void loop_keep(struct loop *loop, int64_t *now_us)
{
    loop->kept = now_us;
    if (now_us != NULL)
        *now_us = loop->now_us;
}

void loop_arm(struct loop *loop, struct timer *t, int64_t at_us)
{
    must_be_mine(loop);
    wheel_arm(&loop->wheel, t, at_us);
}

void loop_disarm(struct loop *loop, struct timer *t)
{
    must_be_mine(loop);
    wheel_disarm(&loop->wheel, t);
}

/* --- soon ------------------------------------------------------------------------------------- */

void soon_init(struct soon *s, void (*run)(struct soon *s))
{
    s->run = run;
    node_init(&s->node);
}

void loop_soon(struct loop *loop, struct soon *s)
{
    must_be_mine(loop);
    if (!node_is_listed(&s->node))
        list_push_tail(&loop->soons, &s->node);
}

void loop_unsoon(struct loop *loop, struct soon *s)
{
    must_be_mine(loop);
    list_remove(&loop->soons, &s->node);
}

static void run_soons(struct loop *loop)
{
    for (int i = 0; i < SOONS_A_TURN; i++) {
        struct list_node *n = list_pop_head(&loop->soons);
        if (n == NULL)
            return;
        struct soon *s = container_of(n, struct soon, node);
        s->run(s);
    }
}

/* --- descriptors ------------------------------------------------------------------------------ */

_Static_assert((int)WATCH_READ == (int)UV_READABLE && (int)WATCH_WRITE == (int)UV_WRITABLE,
               "events are passed as they are");

static void polled(uv_poll_t *uv, int status, int events);

static bool poll_start(struct poll *p, int events)
{
    p->events = events;
    return uv_poll_start(&p->uv, events, polled) == 0;
}

static void polled(uv_poll_t *uv, int status, int events)
{
    struct poll *p = container_of(uv, struct poll, uv);
    awake(uv);
    /* At an error of the descriptor libuv stops. The owner finds the error by reading or writing,
     * and as long as it does neither it is told again. */
    if (status < 0) {
        events = p->events;
        CHECK(poll_start(p, events));
    }
    p->watch->ready(p->watch, events);
}

static struct poll *poll_new(struct loop *loop, int fd)
{
    struct poll *p = malloc(sizeof *p);
    if (p == NULL)
        return NULL;
    if (uv_poll_init(&loop->uv, &p->uv, fd) != 0) {
        free(p);
        return NULL;
    }
    p->fd = fd;
    p->events = 0;
    loop->handles++;
    return p;
}

static void free_poll(uv_handle_t *uv)
{
    free(container_of((uv_poll_t *)uv, struct poll, uv));
}

void watch_init(struct watch *w, void (*ready)(struct watch *w, int events))
{
    *w = (struct watch){.ready = ready};
}

bool watch_is_on(const struct watch *w)
{
    return w->impl != NULL;
}

bool loop_watch(struct loop *loop, struct watch *w, int fd, int events)
{
    must_be_mine(loop);
    CHECK(events != 0 && (events & ~(WATCH_READ | WATCH_WRITE)) == 0);
    struct poll *p = w->impl;
    if (p != NULL && p->fd == fd && p->events == events)
        return true;
    if (p != NULL && p->fd != fd)
        loop_unwatch(loop, w);
    if (w->impl == NULL && (w->impl = p = poll_new(loop, fd)) == NULL)
        return false;
    p->watch = w;
    CHECK(poll_start(p, events));
    return true;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
    must_be_mine(loop);
    struct poll *p = w->impl;
    if (p == NULL)
        return;
    w->impl = NULL;
    p->watch = NULL;
    loop->handles--;
    uv_close((uv_handle_t *)&p->uv, free_poll); /* out of epoll at once, freed later */
}

/* --- files ------------------------------------------------------------------------------------ */

static void seen(uv_fs_event_t *uv, const char *name, int events, int status)
{
    (void)name; /* not every system tells it, and whoever reads the folder again needs none */
    (void)events;
    (void)status;
    struct eye *e = container_of(uv, struct eye, uv);
    awake(uv);
    e->watch->changed(e->watch);
}

static void free_eye(uv_handle_t *uv)
{
    free(container_of((uv_fs_event_t *)uv, struct eye, uv));
}

bool loop_watch_folder(struct loop *loop, struct folder_watch *w, const char *path)
{
    must_be_mine(loop);
    struct stat found;
    struct eye *e = stat(path, &found) == 0 && S_ISDIR(found.st_mode) ? malloc(sizeof *e) : NULL;
    if (e == NULL)
        return false;
    if (uv_fs_event_init(&loop->uv, &e->uv) != 0) {
        free(e);
        return false;
    }
    e->watch = w;
    w->impl = e;
    loop->handles++;
    if (uv_fs_event_start(&e->uv, seen, path, 0) == 0)
        return true;
    loop_unwatch_folder(loop, w);
    return false;
}

void loop_unwatch_folder(struct loop *loop, struct folder_watch *w)
{
    must_be_mine(loop);
    struct eye *e = w->impl;
    if (e == NULL)
        return;
    w->impl = NULL;
    loop->handles--;
    uv_close((uv_handle_t *)&e->uv, free_eye);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void caught(uv_signal_t *uv, int signum)
{
    struct catcher *c = container_of(uv, struct catcher, uv);
    awake(uv);
    c->watch->arrived(c->watch, signum);
}

static void free_catcher(uv_handle_t *uv)
{
    free(container_of((uv_signal_t *)uv, struct catcher, uv));
}

bool loop_signal(struct loop *loop, struct signal_watch *s, int signum)
{
    must_be_mine(loop);
    struct catcher *c = malloc(sizeof *c);
    if (c == NULL)
        return false;
    if (uv_signal_init(&loop->uv, &c->uv) != 0) {
        free(c);
        return false;
    }
    c->watch = s;
    s->impl = c;
    loop->handles++;
    if (uv_signal_start(&c->uv, caught, signum) == 0)
        return true;
    loop_unsignal(loop, s);
    return false;
}

void loop_unsignal(struct loop *loop, struct signal_watch *s)
{
    must_be_mine(loop);
    struct catcher *c = s->impl;
    if (c == NULL)
        return;
    s->impl = NULL;
    loop->handles--;
    uv_close((uv_handle_t *)&c->uv, free_catcher);
}

/* --- news from other threads ------------------------------------------------------------------ */

static struct note *take_notes(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct note *first = loop->head;
    loop->head = NULL;
    loop->tail = &loop->head;
    pthread_mutex_unlock(&loop->lock);
    return first;
}

static void hand_out_notes(struct loop *loop)
{
    struct note *n = take_notes(loop);
    while (n != NULL) {
        struct note *next = n->next;
        n->arrived(n); /* the note may be gone now */
        n = next;
    }
}

static void news_came(uv_async_t *uv)
{
    hand_out_notes(awake(uv));
}

/* The wake-up is sent under the lock: who sees that no note is left may free the loop. */
void loop_post(struct loop *loop, struct note *n)
{
    n->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool is_first = loop->head == NULL;
    *loop->tail = n;
    loop->tail = &n->next;
    if (is_first)
        CHECK(uv_async_send(&loop->news) == 0);
    pthread_mutex_unlock(&loop->lock);
}

/* --- names ------------------------------------------------------------------------------------ */

struct resolve *loop_resolve(struct loop *loop, const char *host, const char *service,
                             resolve_done *done, void *data)
{
    must_be_mine(loop);
    if (loop->resolver == NULL && (loop->resolver = resolver_new(loop)) == NULL)
        return NULL;
    return resolver_ask(loop->resolver, host, service, done, data);
}

void resolve_forget(struct resolve **r)
{
    resolver_forget(r);
}

/* --- computing -------------------------------------------------------------------------------- */

struct blocking *loop_computer(struct loop *loop)
{
    must_be_mine(loop);
    if (loop->computer == NULL)
        loop->computer = blocking_new(loop, "nebula-compute");
    return loop->computer;
}

struct spares *loop_spares(struct loop *loop)
{
    must_be_mine(loop);
    return &loop->spares;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* The turn goes on, which is all it is for. When it passes before the poll, because somebody else
 * had the processor, libuv would see no timer any more and wait for ever. */
static void bound_passed(uv_timer_t *uv)
{
    struct loop *loop = container_of(uv, struct loop, bound);
    loop->bound_us = INT64_MAX;
    uv_stop(uv->loop);
}

/* libuv ends the whole process when it finds no descriptors for its first pipe and its epoll. */
static bool has_descriptors(void)
{
    int fd[3], n = 0;
    while (n < (int)COUNT(fd) && (fd[n] = eventfd(0, EFD_CLOEXEC)) >= 0)
        n++;
    for (int i = 0; i < n; i++)
        close(fd[i]);
    return n == (int)COUNT(fd);
}

struct loop *loop_new(struct world *world)
{
    struct loop *loop = malloc(sizeof *loop);
    if (loop == NULL)
        return NULL;
    *loop = (struct loop){.world = world, .thread = &here, .bound_us = INT64_MAX};
    if (!has_descriptors() || uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    if (uv_async_init(&loop->uv, &loop->news, news_came) != 0) {
        CHECK(uv_loop_close(&loop->uv) == 0);
        free(loop);
        return NULL;
    }
    CHECK(uv_timer_init(&loop->uv, &loop->bound) == 0);
    uv_loop_set_data(&loop->uv, loop);
    pthread_mutex_init(&loop->lock, NULL);
    loop->tail = &loop->head;
    list_init(&loop->soons);
    spares_init(&loop->spares);
    wheel_init(&loop->wheel, loop_refresh(loop));
    return loop;
}

void loop_free(struct loop **loop_in)
{
    struct loop *loop = *loop_in;
    *loop_in = NULL;
    must_be_mine(loop);
    resolver_free(&loop->resolver);
    if (loop->computer != NULL)
        blocking_free(&loop->computer);
    spares_fini(&loop->spares, loop);
    hand_out_notes(loop); /* forgotten names on their way */
    CHECK(loop->handles == 0 && loop->wheel.count == 0 && list_is_empty(&loop->soons));
    uv_close((uv_handle_t *)&loop->news, NULL);
    uv_close((uv_handle_t *)&loop->bound, NULL);
    CHECK(uv_run(&loop->uv, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&loop->uv) == 0);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

/* Bounds the wait; false when there is nothing to wait for. Rounded up to the milliseconds of the
 * poll, so that nothing is early. A bound that passes sooner stays: it ends one turn for nothing,
 * while a new one in each turn would cost a clock and libuv's heap. */
static bool may_wait(struct loop *loop, int64_t until_us)
{
    if (!list_is_empty(&loop->soons) || until_us <= loop->now_us)
        return false;
    if (loop->bound_us <= until_us)
        return true;
    int64_t wait_us = until_us - loop_refresh(loop); /* the last turn may be long ago */
    if (wait_us <= 0)
        return false;
    int64_t ms = wait_us / 1000 + (wait_us % 1000 > 0);
    loop->bound_us = loop->now_us + ms * 1000;
    uv_update_time(&loop->uv);
    CHECK(uv_timer_start(&loop->bound, bound_passed, (uint64_t)ms, 0) == 0);
    return true;
}

/* Waits, and serves descriptors, news and signals. */
static void poll_once(struct loop *loop, int64_t until_us)
{
    bool waits = may_wait(loop, until_us);
    loop->is_fresh = false;
    uv_run(&loop->uv, waits ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (!loop->is_fresh)
        loop_refresh(loop);
}

void loop_turn(struct loop *loop, int64_t until_us)
{
    must_be_mine(loop);
    int64_t timer_us = wheel_next_us(&loop->wheel);
    poll_once(loop, timer_us < until_us ? timer_us : until_us);
    wheel_turn(&loop->wheel, loop->now_us, TIMERS_A_TURN);
    run_soons(loop);
}
