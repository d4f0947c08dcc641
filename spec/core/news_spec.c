/* news_spec.c - news for a loop that is up, that sleeps, that expects them, and that is somebody's guest. */
#include "core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/thread.h"
#include "support/stage.h"

#define UP_US 20 /* the loop's own */

/* --- whether the loop sleeps ------------------------------------------------------------------ */

static atomic_int sleeps; /* polls that wait */

int epoll_pwait(int epoll, struct epoll_event *event, int most, int timeout_ms,
                const sigset_t *mask)
{
    atomic_fetch_add(&sleeps, timeout_ms != 0);
    int (*real)(int, struct epoll_event *, int, int, const sigset_t *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "epoll_pwait");
    return real(epoll, event, most, timeout_ms, mask);
}

int epoll_wait(int epoll, struct epoll_event *event, int most, int timeout_ms)
{
    return epoll_pwait(epoll, event, most, timeout_ms, NULL);
}

struct letter {
    struct note note;
    int arrived;
};

static void letter_arrived(struct note *n)
{
    container_of(n, struct letter, note)->arrived++;
}

static struct letter letter(void)
{
    return (struct letter){.note.arrived = letter_arrived};
}

/* From then on it is up. */
static void get_up(struct loop *loop)
{
    struct letter l = letter();
    loop_post(loop, &l.note);
    turn_until(loop, &l.arrived, 1);
}

/* --- roused or not ---------------------------------------------------------------------------- */

static void who_is_up_is_not_roused_and_does_not_sleep_over_it(void **state)
{
    struct stage *s = *state;
    get_up(s->loop);
    for (int i = 0; i < 3; i++) {
        struct letter l = letter();
        atomic_store(&sleeps, 0);
        assert_false(loop_leave(s->loop, &l.note));
        loop_turn(s->loop, INT64_MAX); /* for ever, if it sleeps */
        assert_int_equal(l.arrived, 1);
        assert_int_equal(atomic_load(&sleeps), 0);
    }
}

struct rouser {
    struct loop *loop;
    struct letter letter[2];
    bool was_first, was_second;
};

static void *rouse(void *data)
{
    struct rouser *r = data;
    while (atomic_load(&sleeps) == 0)
        usleep(100);
    r->was_first = loop_leave(r->loop, &r->letter[0].note);
    r->was_second = loop_leave(r->loop, &r->letter[1].note);
    if (r->was_first)
        loop_rouse(r->loop);
    return NULL;
}

static void who_sleeps_is_roused_once(void **state)
{
    struct stage *s = *state;
    get_up(s->loop);
    struct rouser r = {.loop = s->loop, .letter = {letter(), letter()}};
    pthread_t thread;
    atomic_store(&sleeps, 0);
    assert_true(thread_start(&thread, rouse, &r));
    turn_until(s->loop, &r.letter[1].arrived, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(r.was_first);
    assert_false(r.was_second);
    assert_int_equal(r.letter[0].arrived, 1);
}

static bool is_readable(int fd)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    int ready = epoll_wait(epoll, &event, 1, 0);
    close(epoll);
    return ready == 1;
}

static void a_guest_is_always_roused(void **state)
{
    struct stage *s = *state;
    get_up(s->loop);
    struct letter before = letter();
    assert_false(loop_leave(s->loop, &before.note));
    int fd = loop_fd(s->loop);
    assert_true(fd >= 0);
    assert_int_equal(before.arrived, 1);
    for (int i = 0; i < 3; i++) {
        struct letter l = letter();
        loop_post(s->loop, &l.note);
        assert_true(is_readable(fd));
        loop_step(s->loop);
        assert_int_equal(l.arrived, 1);
    }
}

/* --- expected --------------------------------------------------------------------------------- */

/* Time that goes on by a microsecond whenever it is read, and news that come at a time. */
struct clockwork {
    struct world world;
    struct loop *loop;
    struct letter letter;
    int64_t at_us, comes_us;
};

static int64_t tick(struct world *w)
{
    struct clockwork *c = (struct clockwork *)w;
    if (++c->at_us == c->comes_us)
        loop_post(c->loop, &c->letter.note);
    return c->at_us;
}

static int open_clockwork(void **state)
{
    static struct clockwork c;
    c = (struct clockwork){.world.now_us = tick, .letter = letter()};
    c.loop = loop_new(&c.world);
    *state = &c;
    return c.loop == NULL;
}

static int close_clockwork(void **state)
{
    struct clockwork *c = *state;
    loop_free(&c->loop);
    return 0;
}

/* Whether they found it up. */
static bool expect(struct clockwork *c, int64_t comes_in_us)
{
    atomic_store(&sleeps, 0);
    c->comes_us = c->at_us + comes_in_us;
    loop_expect(c->loop);
    loop_turn(c->loop, c->at_us + MS);
    return atomic_load(&sleeps) == 0;
}

/* How long it looked for what does not come. */
static int64_t expect_in_vain(struct clockwork *c)
{
    int64_t begun_us = c->at_us;
    c->comes_us = 0;
    loop_expect(c->loop);
    loop_turn(c->loop, c->at_us + MS);
    return c->at_us - begun_us;
}

static void news_that_are_expected_find_the_loop_up(void **state)
{
    struct clockwork *c = *state;
    for (int i = 1; i <= 10; i++) {
        assert_true(expect(c, UP_US / 2));
        assert_int_equal(c->letter.arrived, i);
    }
}

static void who_stayed_up_in_vain_sleeps_at_once_the_next_times(void **state)
{
    struct clockwork *c = *state;
    for (int naps = 1; naps < 64; naps = 2 * naps + 1) {
        assert_true(expect_in_vain(c) > UP_US);
        for (int i = 0; i < naps; i++)
            assert_true(expect_in_vain(c) < UP_US);
    }
    assert_true(expect(c, UP_US / 2)); /* and when they come again, again */
    assert_true(expect(c, UP_US / 2));
}

static void who_has_to_be_on_time_does_not_stay_up(void **state)
{
    struct clockwork *c = *state;
    int64_t begun_us = c->at_us;
    loop_expect(c->loop);
    loop_turn(c->loop, c->at_us + UP_US / 2);
    assert_true(c->at_us - begun_us < UP_US);
}

#define CLOCKED(test) cmocka_unit_test_setup_teardown(test, open_clockwork, close_clockwork)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(who_is_up_is_not_roused_and_does_not_sleep_over_it),
        STAGED(who_sleeps_is_roused_once),
        STAGED(a_guest_is_always_roused),
        CLOCKED(news_that_are_expected_find_the_loop_up),
        CLOCKED(who_stayed_up_in_vain_sleeps_at_once_the_next_times),
        CLOCKED(who_has_to_be_on_time_does_not_stay_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
