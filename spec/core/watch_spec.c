/* watch_spec.c - the loop on real descriptors, above all when one goes and its number comes back.
 */
#include "core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "support/stage.h"

struct ear {
    struct watch watch;
    struct stage *stage;
    int fd, told, events;
    bool reads, leaves; /* reads a byte, stops when told */
    void (*also)(struct ear *e);
    struct ear *other;
    int *gone;
};

static void hear(struct watch *w, int events)
{
    struct ear *e = container_of(w, struct ear, watch);
    char byte;
    e->told++;
    e->events = events;
    if (e->reads)
        assert_int_equal(read(e->fd, &byte, 1), 1);
    if (e->leaves)
        loop_unwatch(e->stage->loop, w);
    if (e->also != NULL)
        e->also(e);
}

static void ear_init(struct ear *e, struct stage *s, int fd)
{
    *e = (struct ear){.stage = s, .fd = fd};
    watch_init(&e->watch, hear);
}

static void say(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void a_watch_tells_as_long_as_it_is_true(void **state)
{
    struct stage *s = *state;
    int p[2];
    assert_int_equal(pipe(p), 0);
    struct ear e;
    ear_init(&e, s, p[0]);
    assert_false(watch_is_on(&e.watch));
    assert_true(loop_watch(s->loop, &e.watch, p[0], WATCH_READ));
    assert_true(loop_watch(s->loop, &e.watch, p[0], WATCH_READ));
    assert_true(watch_is_on(&e.watch));
    loop_turn(s->loop, 0);
    assert_int_equal(e.told, 0);
    say(p[1]);
    turn_until(s->loop, &e.told, 3); /* not read, so told again */
    assert_int_equal(e.events, WATCH_READ);
    e.reads = true;
    loop_turn(s->loop, INT64_MAX);
    loop_turn(s->loop, 0);
    assert_int_equal(e.told, 4);
    close(p[1]); /* the end is readable */
    e.reads = false;
    turn_until(s->loop, &e.told, 5);
    loop_unwatch(s->loop, &e.watch);
    loop_unwatch(s->loop, &e.watch);
    assert_false(watch_is_on(&e.watch));
    close(p[0]);
}

static void what_it_waits_for_can_be_changed(void **state)
{
    struct stage *s = *state;
    int p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    struct ear e;
    ear_init(&e, s, p[0]);
    assert_true(loop_watch(s->loop, &e.watch, p[0], WATCH_READ));
    loop_turn(s->loop, 0);
    assert_int_equal(e.told, 0);
    assert_true(loop_watch(s->loop, &e.watch, p[0], WATCH_READ | WATCH_WRITE));
    turn_until(s->loop, &e.told, 1);
    assert_int_equal(e.events, WATCH_WRITE);
    say(p[1]);
    turn_until(s->loop, &e.told, 2);
    assert_int_equal(e.events, WATCH_READ | WATCH_WRITE);
    assert_true(loop_watch(s->loop, &e.watch, p[0], WATCH_WRITE));
    turn_until(s->loop, &e.told, 3);
    assert_int_equal(e.events, WATCH_WRITE);
    assert_true(loop_watch(s->loop, &e.watch, p[1], WATCH_READ)); /* another descriptor */
    loop_turn(s->loop, 0);
    assert_int_equal(e.told, 3);
    say(p[0]);
    turn_until(s->loop, &e.told, 4);
    loop_unwatch(s->loop, &e.watch);
    close(p[0]);
    close(p[1]);
}

static void free_ear(struct ear *e)
{
    (*e->gone)++;
    loop_unwatch(e->stage->loop, &e->watch);
    close(e->fd);
    free(e);
}

static void a_watch_may_be_freed_when_it_is_told(void **state)
{
    struct stage *s = *state;
    int p[2], gone = 0;
    assert_int_equal(pipe(p), 0);
    struct ear *e = malloc(sizeof *e);
    assert_non_null(e);
    ear_init(e, s, p[0]);
    e->also = free_ear;
    e->gone = &gone;
    assert_true(loop_watch(s->loop, &e->watch, p[0], WATCH_READ));
    say(p[1]);
    turn_until(s->loop, &gone, 1);
    close(p[1]);
}

static void a_number_may_be_used_again_at_once(void **state)
{
    struct stage *s = *state;
    struct ear old, fresh;
    int p[2], q[2];
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pipe(p), 0);
        ear_init(&old, s, p[0]);
        assert_true(loop_watch(s->loop, &old.watch, p[0], WATCH_READ));
        if (i % 2 == 0)
            loop_turn(s->loop, 0); /* known to the kernel, or not yet */
        say(p[1]);
        loop_unwatch(s->loop, &old.watch);
        close(p[0]);
        assert_int_equal(pipe(q), 0);
        assert_int_equal(q[0], p[0]);
        ear_init(&fresh, s, q[0]);
        assert_true(loop_watch(s->loop, &fresh.watch, q[0], WATCH_READ));
        loop_turn(s->loop, 0);
        assert_int_equal(old.told + fresh.told, 0);
        say(q[1]);
        turn_until(s->loop, &fresh.told, 1);
        assert_int_equal(old.told, 0);
        loop_unwatch(s->loop, &fresh.watch);
        close(p[1]);
        close(q[0]);
        close(q[1]);
    }
}

/* Closes the other's descriptor and watches a new one of the same number, which has nothing to say.
 */
static void replace_other(struct ear *e)
{
    struct ear *other = e->other;
    int p[2];
    e->also = other->also = NULL;
    loop_unwatch(e->stage->loop, &other->watch);
    close(other->fd);
    assert_int_equal(pipe(p), 0);
    assert_int_equal(p[0], other->fd);
    ear_init(other, e->stage, p[0]);
    assert_true(loop_watch(e->stage->loop, &other->watch, p[0], WATCH_READ));
    e->other = NULL;
    e->events = p[1];
}

static void news_of_the_old_number_is_not_told_to_the_new(void **state)
{
    struct stage *s = *state;
    struct ear ear[2];
    int p[2][2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pipe(p[i]), 0);
    for (int i = 0; i < 2; i++) {
        ear_init(&ear[i], s, p[i][0]);
        ear[i].other = &ear[1 - i];
        ear[i].also = replace_other;
        ear[i].reads = true;
        assert_true(loop_watch(s->loop, &ear[i].watch, p[i][0], WATCH_READ));
        say(p[i][1]);
    }
    loop_turn(s->loop,
              INT64_MAX); /* both are ready in one poll; who is told first replaces the other */
    loop_turn(s->loop, 0);
    assert_int_equal(ear[0].told + ear[1].told, 1);
    close(ear[0].told ? ear[0].events : ear[1].events);
    for (int i = 0; i < 2; i++) {
        loop_unwatch(s->loop, &ear[i].watch);
        close(ear[i].fd);
        close(p[i][1]);
    }
}

static void what_cannot_be_watched_is_refused(void **state)
{
    struct stage *s = *state;
    struct ear e, second;
    int p[2], file = open("/proc/self/exe", O_RDONLY);
    assert_int_equal(pipe(p), 0);
    ear_init(&e, s, -1);
    ear_init(&second, s, -1);
    assert_false(loop_watch(s->loop, &e.watch, file, WATCH_READ));
    close(file);
    assert_false(loop_watch(s->loop, &e.watch, file, WATCH_READ));
    assert_false(watch_is_on(&e.watch));
    assert_true(loop_watch(s->loop, &e.watch, p[0], WATCH_READ));
    assert_false(loop_watch(s->loop, &second.watch, p[0], WATCH_READ)); /* one a descriptor */
    loop_unwatch(s->loop, &e.watch);
    close(p[0]);
    close(p[1]);
}

static void an_error_is_told_until_somebody_acts(void **state)
{
    struct stage *s = *state;
    int p[2];
    assert_int_equal(pipe(p), 0);
    struct ear e;
    ear_init(&e, s, p[1]);
    while (write(p[1], "0123456789abcdef", 16) == 16 && fcntl(p[1], F_SETFL, O_NONBLOCK) == 0)
        ; /* full, so that it is not simply writable */
    assert_true(loop_watch(s->loop, &e.watch, p[1], WATCH_WRITE));
    loop_turn(s->loop, 0);
    assert_int_equal(e.told, 0);
    close(p[0]);
    turn_until(s->loop, &e.told, 3);
    assert_int_equal(e.events, WATCH_WRITE);
    loop_unwatch(s->loop, &e.watch);
    close(p[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(a_watch_tells_as_long_as_it_is_true),
        STAGED(what_it_waits_for_can_be_changed),
        STAGED(a_watch_may_be_freed_when_it_is_told),
        STAGED(a_number_may_be_used_again_at_once),
        STAGED(news_of_the_old_number_is_not_told_to_the_new),
        STAGED(what_cannot_be_watched_is_refused),
        STAGED(an_error_is_told_until_somebody_acts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
