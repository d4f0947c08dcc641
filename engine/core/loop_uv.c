/* loop_uv.c - core/loop.h over libuv: time, turns, and news from other threads.
 *
 * libuv polls, wakes and catches signals; timers are our own wheel, names our own threads.
 */
#include "core/loop_uv.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "core/resolve.h"

/* What a turn does at most before it looks at the descriptors again. */
#define TIMERS_A_TURN 1000
#define SOONS_A_TURN 1000
/* Turns that do not wait, because of what is to be done soon, may follow each other faster than the kernel
 * answers: they look at the descriptors no oftener than this. */
#define POLL_EVERY_US 50
#define CYCLES_A_MOMENT 8000 /* of a processor that has at least 1000 a microsecond */
/* About as long as it takes to fall asleep and to be woken from another processor. Who stayed up in vain sleeps at
 * once the next times: 1, 3, 7 and so on, at most so many. */
#define UP_US 20
#define NAPS_MOST 63

/* --- time ------------------------------------------------------------------------------------- */

struct loop *loop_awake(const void *uv_handle)
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

/* The processor's own count costs half as much as the clock. No two readings are so near to each other by
 * chance, so what counts differently on another processor is only read sooner. */
static bool is_same_moment(struct loop *loop)
{
#ifdef __x86_64__
    uint64_t cycle = __builtin_ia32_rdtsc();
    bool is_same = cycle - loop->cycle < CYCLES_A_MOMENT;
    loop->cycle = is_same ? loop->cycle : cycle;
    return is_same;
#else
    (void)loop;
    return false;
#endif
}

int64_t loop_refresh(struct loop *loop)
{
    loop->now_us = loop->world->now_us(loop->world);
    loop->is_fresh = true;
    if (loop->kept != NULL)
        *loop->kept = loop->now_us;
    return loop->now_us;
}

int64_t loop_glance(struct loop *loop)
{
    return is_same_moment(loop) ? loop->now_us : loop_refresh(loop);
}

void loop_keep(struct loop *loop, int64_t *now_us)
{
    loop->kept = now_us;
    if (now_us != NULL)
        *now_us = loop->now_us;
}

void loop_arm(struct loop *loop, struct timer *t, int64_t at_us)
{
    loop_must_be_mine(loop);
    wheel_arm(&loop->wheel, t, at_us);
    loop_alarm(loop, at_us);
}

void loop_disarm(struct loop *loop, struct timer *t)
{
    loop_must_be_mine(loop);
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
    loop_must_be_mine(loop);
    if (!node_is_listed(&s->node))
        list_push_tail(&loop->soons, &s->node);
    loop_stir(loop);
}

void loop_unsoon(struct loop *loop, struct soon *s)
{
    loop_must_be_mine(loop);
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

/* --- news from other threads ------------------------------------------------------------------ */

static struct note *take_notes(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct note *first = loop->head;
    loop->head = NULL;
    loop->tail = &loop->head;
    loop->is_up = !loop->is_guest; /* whose host sleeps when it likes */
    atomic_store_explicit(&loop->has_notes, false, memory_order_relaxed);
    pthread_mutex_unlock(&loop->lock);
    return first;
}

static bool has_notes(struct loop *loop)
{
    return atomic_load_explicit(&loop->has_notes, memory_order_relaxed);
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

static void news_came(uv_poll_t *uv, int status, int events)
{
    struct loop *loop = loop_awake(uv);
    uint64_t count;
    (void)events;
    CHECK(status == 0 && read(loop->news_fd, &count, sizeof count) == sizeof count);
    hand_out_notes(loop);
}

void loop_wake(struct loop *loop)
{
    static const uint64_t one = 1;
    CHECK(write(loop->news_fd, &one, sizeof one) == sizeof one);
}

bool loop_leave(struct loop *loop, struct note *n)
{
    n->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool is_to_be_roused = loop->head == NULL && !loop->is_up;
    *loop->tail = n;
    loop->tail = &n->next;
    atomic_store_explicit(&loop->has_notes, true, memory_order_relaxed);
    if (is_to_be_roused)
        atomic_fetch_add(&loop->rousing, 1);
    pthread_mutex_unlock(&loop->lock);
    return is_to_be_roused;
}

/* Who was woken under the lock would run into it, and sleep again. So it is open by now, and whoever saw the
 * note may want to free the loop. */
void loop_rouse(struct loop *loop)
{
    loop_wake(loop);
    atomic_fetch_sub(&loop->rousing, 1);
}

void loop_post(struct loop *loop, struct note *n)
{
    if (loop_leave(loop, n))
        loop_rouse(loop);
}

void loop_expect(struct loop *loop)
{
    loop_must_be_mine(loop);
    loop->expects = true;
}

/* From here on whoever leaves a note has to rouse the loop; false: there is one. */
static bool may_sleep(struct loop *loop)
{
    if (!loop->is_up)
        return true;
    pthread_mutex_lock(&loop->lock);
    loop->is_up = loop->head != NULL;
    pthread_mutex_unlock(&loop->lock);
    return !loop->is_up;
}

static void stay_up(struct loop *loop)
{
    int64_t until_us = loop_refresh(loop) + UP_US;
    while (!has_notes(loop) && loop->world->now_us(loop->world) < until_us)
        continue;
    int more = 2 * loop->in_vain + 1;
    loop->in_vain = has_notes(loop) ? 0 : more < NAPS_MOST ? more : NAPS_MOST;
    loop->naps = loop->in_vain;
}

/* What is expected comes within a moment, if its sender is at work on another processor. */
static void look_out(struct loop *loop, int64_t until_us)
{
    int64_t timer_us = wheel_next_us(&loop->wheel), soon_us = loop->now_us + UP_US;
    if (until_us < soon_us || timer_us < soon_us || !list_is_empty(&loop->soons))
        return;
    loop->expects = false;
    if (loop->naps > 0)
        loop->naps--;
    else if (!has_notes(loop))
        stay_up(loop);
}

/* --- names ------------------------------------------------------------------------------------ */

struct resolve *loop_resolve(struct loop *loop, const char *host, const char *service,
                             resolve_done *done, void *data)
{
    loop_must_be_mine(loop);
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
    loop_must_be_mine(loop);
    if (loop->computer == NULL)
        loop->computer = blocking_new(loop, "nebula-compute");
    return loop->computer;
}

struct spares *loop_spares(struct loop *loop)
{
    loop_must_be_mine(loop);
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

/* libuv ends the whole process when it finds no descriptors for its first pipe and its epoll; and one
 * is ours. */
static bool has_descriptors(void)
{
    int fd[4], n = 0;
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
    *loop = (struct loop){.world = world,
                          .thread = __builtin_thread_pointer(),
                          .bound_us = INT64_MAX,
                          .alarm_us = INT64_MAX};
    if (!has_descriptors() || uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    loop->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->news_fd < 0 || uv_poll_init(&loop->uv, &loop->news, loop->news_fd) != 0) {
        if (loop->news_fd >= 0)
            close(loop->news_fd);
        CHECK(uv_loop_close(&loop->uv) == 0);
        free(loop);
        return NULL;
    }
    CHECK(uv_poll_start(&loop->news, UV_READABLE, news_came) == 0);
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
    loop_must_be_mine(loop);
    resolver_free(&loop->resolver);
    if (loop->computer != NULL)
        blocking_free(&loop->computer);
    spares_fini(&loop->spares, loop);
    hand_out_notes(loop); /* forgotten names on their way */
    while (atomic_load(&loop->rousing) > 0)
        sched_yield();
    guest_leave(loop);
    CHECK(loop->handles == 0 && loop->wheel.count == 0 && list_is_empty(&loop->soons));
    uv_close((uv_handle_t *)&loop->news, NULL);
    uv_close((uv_handle_t *)&loop->bound, NULL);
    CHECK(uv_run(&loop->uv, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&loop->uv) == 0);
    close(loop->news_fd);
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
        return may_sleep(loop);
    int64_t wait_us = until_us - loop_refresh(loop); /* the last turn may be long ago */
    if (wait_us <= 0)
        return false;
    int64_t ms = wait_us / 1000 + (wait_us % 1000 > 0);
    loop->bound_us = loop->now_us + ms * 1000;
    uv_update_time(&loop->uv);
    CHECK(uv_timer_start(&loop->bound, bound_passed, (uint64_t)ms, 0) == 0);
    return may_sleep(loop);
}

/* Waits, and serves descriptors, news and signals. */
static void poll_once(struct loop *loop, int64_t until_us)
{
    bool waits = may_wait(loop, until_us);
    loop->is_fresh = loop->is_changed = false;
    uv_run(&loop->uv, waits ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (!loop->is_fresh)
        loop_refresh(loop);
    loop->polled_us = loop->now_us;
}

static bool may_poll_later(struct loop *loop)
{
    bool has_something = has_notes(loop) || !list_is_empty(&loop->soons);
    return has_something && loop_refresh(loop) < loop->polled_us + POLL_EVERY_US;
}

/* What is due by the loop's time. */
static void run_all(struct loop *loop)
{
    if (has_notes(loop))
        hand_out_notes(loop);
    wheel_turn(&loop->wheel, loop->now_us, TIMERS_A_TURN);
    run_soons(loop);
}

void loop_go_round(struct loop *loop, int64_t until_us)
{
    loop_must_be_mine(loop);
    loop->is_turning = true;
    int64_t timer_us = wheel_next_us(&loop->wheel);
    poll_once(loop, timer_us < until_us ? timer_us : until_us);
    run_all(loop);
    loop->is_turning = false;
}

void loop_turn(struct loop *loop, int64_t until_us)
{
    loop_must_be_mine(loop);
    if (loop->expects && !loop->is_guest)
        look_out(loop, until_us);
    if (!loop->is_guest && may_poll_later(loop)) {
        run_all(loop);
        return;
    }
    loop_go_round(loop, until_us);
    guest_settle(loop);
}
