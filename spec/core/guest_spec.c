/* guest_spec.c - the engine in somebody else's loop: an epoll that watches nebula_fd() and nothing
 * else. Each wait is bounded by seconds, and one that passes is a wake-up that was lost.
 */
#include "nebula.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "support/stage.h"

#define LOST_MS 20000
#define TICKETS_MOST 4096

struct guest {
    struct nebula *n;
    int epoll;
    int32_t shop;
    int steps;
    char folder[32], file[48];
};

/* --- an engine, a file, an epoll -------------------------------------------------------------- */

static int32_t declare(struct guest *g)
{
    const struct nebula_option file = {.name = "file", .value = g->file};
    const struct nebula_spec spec = {
        .name = "shop",
        .kind = "sqlite",
        .driver = "sqlite",
        .policy_name = "standard",
        .roles = 2,
        .role_name = {"reader", "writer"},
        .role_max = {0, 1},
        .check = "select 1",
        .rollback = "rollback",
        .option = &file,
        .options = 1,
        .pool = {.max = 4, .queue = 1000, .connecting = 2, .check_us = -1, .connect_us = 5000 * MS},
        .policy = {.deadline_us = 20000 * MS, .wait_us = 20000 * MS, .tries = 1},
    };
    return nebula_declare(g->n, &spec);
}

static int open_guest(void **state)
{
    static struct guest g;
    g = (struct guest){.folder = "/tmp/nebula-guest-XXXXXX"};
    if (mkdtemp(g.folder) == NULL)
        return -1;
    snprintf(g.file, sizeof g.file, "%s/shop.db", g.folder);
    const struct nebula_options options = {.name = "guest", .log_level = 4, .log_fd = 2};
    g.n = nebula_open(&options, NULL, 0);
    g.shop = g.n == NULL ? -1 : declare(&g);
    g.epoll = epoll_create1(EPOLL_CLOEXEC);
    int fd = g.n == NULL ? -1 : nebula_fd(g.n);
    struct epoll_event event = {.events = EPOLLIN};
    *state = &g;
    return g.shop > 0 && fd >= 0 && fd == nebula_fd(g.n) &&
                   epoll_ctl(g.epoll, EPOLL_CTL_ADD, fd, &event) == 0
               ? 0
               : -1;
}

static int close_guest(void **state)
{
    struct guest *g = *state;
    static const char *const left[] = {"shop.db", "shop.db-wal", "shop.db-shm"};
    nebula_close(&g->n);
    close(g->epoll);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", g->folder, left[i]);
        unlink(path);
    }
    return rmdir(g->folder);
}

static bool is_readable(const struct guest *g, int within_ms)
{
    struct epoll_event event;
    return epoll_wait(g->epoll, &event, 1, within_ms) == 1;
}

static void step(struct guest *g)
{
    assert_true(is_readable(g, LOST_MS));
    nebula_step(g->n);
    g->steps++;
}

static void come_to_rest(struct guest *g)
{
    while (is_readable(g, 0))
        step(g);
}

/* One event for each time that the descriptor is readable, and no look before it is. */
static struct nebula_event next(struct guest *g)
{
    struct nebula_event event;
    do
        step(g);
    while (!nebula_next(g->n, &event));
    return event;
}

static int32_t ask(const struct guest *g, const char *text, int64_t within_us)
{
    const struct nebula_request request = {.resource = g->shop,
                                           .verb = NEBULA_RUN,
                                           .text = text,
                                           .text_size = (uint32_t)strlen(text),
                                           .within_us = within_us};
    return nebula_call(g->n, &request);
}

#define ENDLESS                                                                                    \
    "with recursive a(i) as (select 1 union all select i + 1 from a where i < 1000000000) "        \
    "select count(*) from a"

#define SLOW                                                                                       \
    "with recursive a(i) as (select 1 union all select i + 1 from a where i < 30000) "             \
    "select count(*) from a"

/* --- nothing is lost -------------------------------------------------------------------------- */

/* What of the load one ticket is. */
enum what { CALL, BOUNDED_CALL, SLEEP, LATE_CALL };

static int32_t begin(struct guest *g, int i, enum what *what)
{
    *what = i % 500 == 7 ? LATE_CALL : (enum what)(i % 3);
    switch (*what) {
    case CALL:
        return ask(g, "select 7", 0);
    case BOUNDED_CALL:
        return ask(g, "select 7", 20000 * MS - i);
    case SLEEP:
        return nebula_sleep(g->n, i % 2000);
    case LATE_CALL:
        return ask(g, ENDLESS, 2 * MS);
    }
    return -1;
}

static void ten_thousand_calls_and_sleeps_end(void **state)
{
    enum { ALL = 10000, AT_ONCE = 64 };
    static enum what what[TICKETS_MOST];
    struct guest *g = *state;
    int deadline = -1;
    for (int begun = 0, ended = 0; ended < ALL;) {
        while (begun < ALL && begun - ended < AT_ONCE) {
            enum what one;
            int32_t ticket = begin(g, begun++, &one);
            assert_in_range(ticket, 1, TICKETS_MOST - 1);
            what[ticket] = one;
        }
        struct nebula_event event = next(g);
        assert_true((event.code == 0) == (what[event.ticket] != LATE_CALL));
        deadline += event.code != 0;
        nebula_done(g->n, event.ticket);
        ended++;
    }
    assert_int_equal(deadline + 1, ALL / 500);
}

static void what_ends_outside_a_step_is_seen(void **state)
{
    struct guest *g = *state;
    come_to_rest(g);
    int32_t first = nebula_wait(g->n), second = nebula_wait(g->n);
    assert_true(first > 0 && second > 0);
    assert_false(is_readable(g, 0));
    nebula_wake(g->n, first, 0);
    assert_true(is_readable(g, 0));
    assert_int_equal(next(g).ticket, first);
    nebula_cancel(g->n, second);
    assert_true(is_readable(g, 0));
    assert_int_equal(next(g).ticket, second);
    come_to_rest(g);
    int32_t third = nebula_sleep(g->n, 0);
    assert_true(is_readable(g, 0));
    assert_int_equal(next(g).ticket, third);
    nebula_done(g->n, first);
    nebula_done(g->n, second);
    nebula_done(g->n, third);
    come_to_rest(g);
    assert_false(is_readable(g, 20));
}

/* The sooner one is asked for while the descriptor waits for the later one. */
static void a_sooner_time_counts(void **state)
{
    struct guest *g = *state;
    int32_t later = nebula_sleep(g->n, 10000 * MS);
    assert_false(is_readable(g, 20));
    int64_t at_us = nebula_now_us(g->n) + 5 * MS;
    int32_t sooner = nebula_sleep(g->n, 5 * MS);
    assert_int_equal(next(g).ticket, sooner);
    assert_true(nebula_now_us(g->n) >= at_us && nebula_now_us(g->n) < at_us + 5000 * MS);
    nebula_done(g->n, sooner);
    nebula_done(g->n, later);
}

/* The main thread waits for something. */
static bool is_asleep(void)
{
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    FILE *stat = fopen(path, "r");
    bool is_read = stat != NULL && fscanf(stat, "%*d (%*[^)]) %c", &state) == 1;
    if (stat != NULL)
        fclose(stat);
    return is_read && state == 'S';
}

static void *interrupt_asleep(void *n)
{
    while (!is_asleep())
        sched_yield();
    nebula_interrupt(n);
    return NULL;
}

static void another_thread_wakes_it(void **state)
{
    struct guest *g = *state;
    come_to_rest(g);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_asleep, g->n), 0);
    step(g);
    pthread_join(thread, NULL);
}

/* --- the loop below it ------------------------------------------------------------------------ */

struct pipe_watch {
    struct watch watch;
    struct soon soon;
    struct loop *loop;
    int fd[2], seen;
};

static void seen(struct watch *w, int events)
{
    (void)events;
    container_of(w, struct pipe_watch, watch)->seen++;
}

static void watch_pipe(struct soon *s)
{
    struct pipe_watch *p = container_of(s, struct pipe_watch, soon);
    assert_true(loop_watch(p->loop, &p->watch, p->fd[0], WATCH_READ));
}

static bool waits_for_something(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

/* libuv tells the kernel of it in a later turn. */
static void a_new_watch_is_seen_wherever_it_began(void **state)
{
    struct stage *s = *state;
    struct pipe_watch p = {.loop = s->loop};
    assert_int_equal(pipe(p.fd), 0);
    assert_int_equal(write(p.fd[1], "x", 1), 1);
    watch_init(&p.watch, seen);
    soon_init(&p.soon, watch_pipe);
    int fd = loop_fd(s->loop);
    assert_false(waits_for_something(fd));

    watch_pipe(&p.soon);
    assert_true(waits_for_something(fd));
    loop_step(s->loop);
    assert_int_equal(p.seen, 1);
    assert_true(waits_for_something(fd));
    loop_unwatch(s->loop, &p.watch);
    while (waits_for_something(fd))
        loop_step(s->loop);

    loop_soon(s->loop, &p.soon);
    assert_true(waits_for_something(fd));
    loop_step(s->loop);
    assert_true(p.seen == 2 || waits_for_something(fd));
    loop_unwatch(s->loop, &p.watch);
    close(p.fd[0]);
    close(p.fd[1]);
}

/* --- and nothing is done in vain -------------------------------------------------------------- */

/* Until the clock says that so much has passed. */
static void stay_away(int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

static void a_span_does_not_begin_before_it_is_asked_for(void **state)
{
    struct guest *g = *state;
    int32_t ticket = ask(g, "select 7", 0); /* so that one is open */
    assert_int_equal(next(g).code, 0);
    nebula_done(g->n, ticket);
    stay_away(1001); /* the host has other things to do, for longer than the span */
    ticket = ask(g, SLOW, 1000 * MS);
    assert_int_equal(next(g).code, 0);
    nebula_done(g->n, ticket);
}

static void waiting_costs_few_steps(void **state)
{
    struct guest *g = *state;
    int before = g->steps;
    for (int i = 0; i < 20; i++) {
        int32_t ticket = nebula_sleep(g->n, 10 * MS);
        assert_int_equal(next(g).ticket, ticket);
        nebula_done(g->n, ticket);
    }
    assert_in_range(g->steps - before, 20, 80);
    int32_t call = ask(g, "select 7", 0);
    assert_int_equal(next(g).code, 0);
    nebula_done(g->n, call);
    before = g->steps;
    for (int i = 0; i < 100; i++) {
        call = ask(g, "select 7", 0);
        assert_int_equal(next(g).code, 0);
        nebula_done(g->n, call);
    }
    assert_in_range(g->steps - before, 100, 250);
}

/* A turn of our own beside it. */
static void turns_and_steps_go_together(void **state)
{
    struct guest *g = *state;
    for (int i = 0; i < 200; i++) {
        struct nebula_event event;
        int32_t ticket = i % 3 == 0 ? nebula_sleep(g->n, 100) : ask(g, "select 7", 0);
        while (!nebula_next(g->n, &event))
            if (i % 2 == 0)
                nebula_turn(g->n, INT64_MAX);
            else
                step(g);
        assert_int_equal(event.ticket, ticket);
        nebula_done(g->n, ticket);
    }
}

int main(void)
{
#define GUEST(test) cmocka_unit_test_setup_teardown(test, open_guest, close_guest)
    const struct CMUnitTest tests[] = {
        GUEST(ten_thousand_calls_and_sleeps_end),
        GUEST(what_ends_outside_a_step_is_seen),
        GUEST(a_sooner_time_counts),
        GUEST(another_thread_wakes_it),
        GUEST(a_span_does_not_begin_before_it_is_asked_for),
        STAGED(a_new_watch_is_seen_wherever_it_began),
        GUEST(waiting_costs_few_steps),
        GUEST(turns_and_steps_go_together),
    };
    return cmocka_run_group_tests_name("a guest's loop", tests, NULL, NULL);
}
