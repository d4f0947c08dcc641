/* ledger_threads_spec.c - one cap for all workers, on real threads that lose the processor between any two steps, come and
 * go, and change the cap. limit: 600 s
 *
 * TRANSFERS=n is how often a connection is given by the threads to one another (20000). ledger_tsan_spec.sh runs it under
 * the thread sanitizer, up to 10,000,000 times.
 */
#include "core/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#define THREADS 4
#define CAP 3

struct connection {
    struct parcel parcel;
    long uses; /* no atomic: two that have it at once are a race */
};

static struct {
    struct world *world;
    struct ledger *ledger;
    atomic_int live;
    atomic_long handed, uses;
    long wanted;
} stage;

struct thread {
    pthread_t thread;
    struct loop *loop;
    struct stake stake;
    struct connection *mine[CAP];
    int32_t count, permits;
    uint32_t dice;
    int64_t used, yields, lives;
    bool is_asking;
};

static uint32_t roll(struct thread *t, uint32_t below)
{
    t->dice = t->dice * 1664525u + 1013904223u;
    return (t->dice >> 12) % below;
}

/* Between two steps anything of the others may happen. */
static void yield_at_random(struct thread *t)
{
    uint32_t rolled = roll(t, 256);
    if (rolled < 64)
        sched_yield();
    else if (rolled == 64)
        usleep(roll(t, 20));
    t->yields += rolled <= 64;
}

static void come(struct stake *s)
{
    struct thread *t = container_of(s, struct thread, stake);
    int32_t permits;
    struct parcel *p = permits_receive(s, &permits), *next;
    for (; p != NULL; p = next) {
        next = p->next;
        CHECK(t->count < CAP);
        t->mine[t->count++] = container_of(p, struct connection, parcel);
        t->is_asking = false;
    }
    t->permits += permits;
    t->is_asking = t->is_asking && permits == 0;
}

static void open_with_permit(struct thread *t)
{
    t->permits--;
    CHECK(atomic_fetch_add(&stage.live, 1) < CAP);
    CHECK(t->count < CAP);
    t->mine[t->count] = calloc(1, sizeof *t->mine[0]);
    CHECK(t->mine[t->count] != NULL);
    t->count++;
}

static void close_last(struct thread *t)
{
    struct connection *c = t->mine[--t->count];
    atomic_fetch_add(&stage.uses, c->uses);
    free(c);
    atomic_fetch_sub(&stage.live, 1);
    yield_at_random(t);
    permits_give(&t->stake);
}

static void hand_last(struct thread *t)
{
    if (permits_hand(&t->stake, &t->mine[t->count - 1]->parcel, LEDGER_NOBODY)) {
        t->count--;
        atomic_fetch_add(&stage.handed, 1);
    }
}

/* Somebody who has one uses it, and lets it go if another one wants it; a few are closed, and so is what is too much. */
static void use_one(struct thread *t)
{
    t->mine[t->count - 1]->uses++;
    t->used++;
    bool is_wanted = permits_asked_us(&t->stake) != LEDGER_NOBODY;
    yield_at_random(t);
    if (roll(t, 64) == 0 || permits_doom(&t->stake))
        close_last(t);
    else if (is_wanted)
        hand_last(t);
}

static void want_one(struct thread *t)
{
    const struct asks a = {.arrived_us = {loop_refresh(t->loop)}, .count = 1, .room = 1};
    uint32_t how = roll(t, 8);
    if (t->is_asking && how == 0) {
        permits_unask(&t->stake);
        t->is_asking = false;
    } else if (t->is_asking && how == 2) { /* whoever has not heard what he was told is late */
        permits_take_back(&t->stake, a.arrived_us[0]);
        permits_take_back(&t->stake, a.arrived_us[0] + 10000000);
    } else if (!t->is_asking && how == 1) {
        permits_wish(&t->stake, &a);
        t->is_asking = true;
    } else if (!t->is_asking && permits_ask(&t->stake, &a)) {
        t->permits++;
    } else {
        t->is_asking = true;
    }
}

static void begin(struct thread *t)
{
    t->loop = loop_new(stage.world);
    CHECK(t->loop != NULL && permits_join(&t->stake, stage.ledger, t->loop, "shop", CAP));
    t->is_asking = false;
    t->lives++;
}

/* Whatever is on its way to it. */
static void leave(struct thread *t)
{
    permits_unask(&t->stake);
    yield_at_random(t);
    come(&t->stake);
    while (t->count > 0)
        close_last(t);
    for (; t->permits > 0; t->permits--)
        permits_give(&t->stake);
    permits_leave(&t->stake);
    yield_at_random(t);
    loop_free(&t->loop);
}

static void step(struct thread *t)
{
    if (t->permits > 0)
        open_with_permit(t);
    else if (t->count > 0)
        use_one(t);
    else
        want_one(t);
    yield_at_random(t);
    if (roll(t, 2048) == 0)
        permits_resize(&t->stake, 1 + (int32_t)roll(t, CAP));
    bool waits = t->count + t->permits == 0 && roll(t, 32) == 0; /* somebody will give, and tells */
    loop_turn(t->loop, waits ? loop_now_us(t->loop) + 1000 : 0);
}

static void *work(void *data)
{
    struct thread *t = data;
    begin(t);
    while (atomic_load(&stage.handed) < stage.wanted) {
        step(t);
        if (roll(t, 4096) == 0) {
            leave(t);
            begin(t);
        }
    }
    leave(t);
    return NULL;
}

static void threads_never_have_more_than_the_cap(void **unused)
{
    (void)unused;
    const char *told = getenv("TRANSFERS");
    struct thread t[THREADS];
    stage.wanted = told != NULL ? atol(told) : 20000;
    stage.world = world_real();
    stage.ledger = ledger_new(THREADS);
    for (int i = 0; i < THREADS; i++) {
        t[i] = (struct thread){.stake = {.worker = i, .look = come}, .dice = (uint32_t)i + 1};
        assert_int_equal(pthread_create(&t[i].thread, NULL, work, &t[i]), 0);
    }
    int64_t used = 0, yields = 0, lives = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(t[i].thread, NULL), 0);
        assert_true(t[i].used > 0);
        used += t[i].used;
        yields += t[i].yields;
        lives += t[i].lives;
    }
    assert_int_equal(atomic_load(&stage.live), 0);
    assert_true(atomic_load(&stage.uses) == used); /* each use is there once */
    print_message("# %ld hand-overs, %lld uses, %lld yields, %lld lives\n",
                  atomic_load(&stage.handed), (long long)used, (long long)yields, (long long)lives);
    ledger_free(&stage.ledger);
    free(stage.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_never_have_more_than_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
