/* timers.c - the engine's timing wheel beside the heap of libuv: arm, cancel and fire, at 1,000 to 1,000,000 timers.
 *
 * Both are asked by the same dice: a timer of up to a minute from now, as a bound of a call is. One is armed anew while
 * so many are armed, which moves it; one is cancelled and armed again; and all of them are fired, in a thousand steps of
 * time. libuv's fire all in one turn. The thread's CPU time counts.
 *
 * A million timers are in no cache. What that costs is told by a walk over as many of them that does no more than any list
 * has to: it writes to one at random, and to the two to which that one points.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/check.h"
#include "base/wheel.h"
#include "stage.h"

#define PAIRS 15
#define MOVES 200000
#define SPAN_MS 60000
#define STEPS 1000

static const int counts[] = {1000, 10000, 100000, 1000000};

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *d, uint32_t below)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((d->state >> 33) % below);
}

static int64_t fired;

/* --- ours ------------------------------------------------------------------------------------- */

struct ours {
    struct wheel wheel;
    struct timer *timer;
    int count;
    int64_t now_us;
};

static void count_one(struct timer *t)
{
    (void)t;
    fired++;
}

static int64_t some_time(const struct ours *o, struct dice *d)
{
    return o->now_us + 1 + (int64_t)roll(d, SPAN_MS) * 1000;
}

static void ours_open(struct ours *o, int count)
{
    struct dice d = {1};
    *o = (struct ours){.timer = malloc((size_t)count * sizeof *o->timer), .count = count};
    CHECK(o->timer != NULL);
    wheel_init(&o->wheel, 0);
    for (int i = 0; i < count; i++) {
        timer_init(&o->timer[i], count_one);
        wheel_arm(&o->wheel, &o->timer[i], some_time(o, &d));
    }
    wheel_next_us(&o->wheel);
}

/* What was armed is hung where it belongs by what the loop asks before it waits: every 64 here. */
static double ours_move(struct ours *o, bool cancels)
{
    struct dice d = {7};
    double begun_ns = bench_thread_ns();
    for (int i = 0; i < MOVES; i++) {
        struct timer *t = &o->timer[roll(&d, (uint32_t)o->count)];
        if (cancels)
            wheel_disarm(&o->wheel, t);
        wheel_arm(&o->wheel, t, some_time(o, &d));
        if (i % 64 == 63)
            wheel_next_us(&o->wheel);
    }
    return (bench_thread_ns() - begun_ns) / MOVES;
}

static double ours_fire(struct ours *o)
{
    fired = 0;
    double begun_ns = bench_thread_ns();
    for (int step = 1; step <= STEPS + 1; step++) {
        o->now_us += SPAN_MS / STEPS * 1000;
        while (wheel_turn(&o->wheel, o->now_us, 1000) == 1000)
            continue;
    }
    double took_ns = bench_thread_ns() - begun_ns;
    CHECK(fired == o->count);
    return took_ns / o->count;
}

/* --- no more than memory ------------------------------------------------------------------------ */

struct bare {
    struct bare *prev, *next;
    int64_t written[3]; /* as large as a timer */
};

static double bare_walk(int count)
{
    struct bare *all = malloc((size_t)count * sizeof *all);
    struct dice d = {1};
    CHECK(all != NULL && sizeof *all == sizeof(struct timer));
    for (int i = 0; i < count; i++) {
        all[i].prev = &all[roll(&d, (uint32_t)count)];
        all[i].next = &all[roll(&d, (uint32_t)count)];
    }
    double begun_ns = bench_thread_ns();
    for (int i = 0; i < MOVES; i++) {
        struct bare *one = &all[roll(&d, (uint32_t)count)];
        one->written[0] = one->prev->written[0] = one->next->written[0] = i;
    }
    double took_ns = (bench_thread_ns() - begun_ns) / MOVES;
    free(all);
    return took_ns;
}

/* --- libuv's ---------------------------------------------------------------------------------- */

struct other {
    uv_loop_t loop;
    uv_timer_t *timer;
    int count;
};

static void count_other(uv_timer_t *t)
{
    (void)t;
    fired++;
}

static void other_open(struct other *o, int count)
{
    struct dice d = {1};
    o->count = count;
    o->timer = malloc((size_t)count * sizeof *o->timer);
    CHECK(o->timer != NULL && uv_loop_init(&o->loop) == 0);
    for (int i = 0; i < count; i++) {
        uv_timer_init(&o->loop, &o->timer[i]);
        uv_timer_start(&o->timer[i], count_other, 1 + roll(&d, SPAN_MS), 0);
    }
}

static double other_move(struct other *o, bool cancels)
{
    struct dice d = {7};
    double begun_ns = bench_thread_ns();
    for (int i = 0; i < MOVES; i++) {
        uv_timer_t *t = &o->timer[roll(&d, (uint32_t)o->count)];
        if (cancels)
            uv_timer_stop(t);
        uv_timer_start(t, count_other, 1 + roll(&d, SPAN_MS), 0);
    }
    return (bench_thread_ns() - begun_ns) / MOVES;
}

/* The clock of a loop cannot be set from outside, so all are armed for the past: it fires them one by one as it would. */
static double other_fire(struct other *o)
{
    for (int i = 0; i < o->count; i++)
        uv_timer_stop(&o->timer[i]);
    struct dice d = {3};
    for (int i = 0; i < o->count; i++)
        uv_timer_start(&o->timer[i], count_other, 1 + roll(&d, 20), 0);
    for (double until_us = bench_wall_us() + 25000; bench_wall_us() < until_us;)
        continue;
    fired = 0;
    double begun_ns = bench_thread_ns();
    uv_run(&o->loop, UV_RUN_NOWAIT);
    double took_ns = bench_thread_ns() - begun_ns;
    CHECK(fired == o->count);
    return took_ns / o->count;
}

static void other_close(struct other *o)
{
    for (int i = 0; i < o->count; i++)
        uv_close((uv_handle_t *)&o->timer[i], NULL);
    uv_run(&o->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&o->loop) == 0);
    free(o->timer);
}

/* --- in turn ---------------------------------------------------------------------------------- */

struct times {
    double arm, cancel, fire;
};

static void measure_other(int count, struct times *others)
{
    struct other other;
    other_open(&other, count);
    others->arm = other_move(&other, false);
    others->cancel = other_move(&other, true);
    others->fire = other_fire(&other);
    other_close(&other);
}

static void measure(int count, struct times *mine, struct times *others)
{
    static struct ours ours;
    ours_open(&ours, count);
    mine->arm = ours_move(&ours, false);
    if (others != NULL)
        measure_other(count, others);
    mine->cancel = ours_move(&ours, true);
    mine->fire = ours_fire(&ours);
    free(ours.timer);
}

static void tell(const struct times *mine, const struct times *others)
{
    for (size_t at = 0; at < COUNT(counts); at++)
        fprintf(stderr, "%7d timers: arm %.0f, cancel %.0f, fire %.0f ns; libuv %.0f, %.0f, %.0f\n",
                counts[at], mine[at].arm, mine[at].cancel, mine[at].fire, others[at].arm,
                others[at].cancel, others[at].fire);
}

int main(void)
{
    for (int i = 0; i < PAIRS; i++) {
        struct times mine[COUNT(counts)], others[COUNT(counts)];
        for (size_t at = 0; at < COUNT(counts); at++)
            measure(counts[at], &mine[at], at < 3 || i == 0 ? &others[at] : NULL);
        bench_pair("timer.arm", mine[2].arm, others[2].arm);
        bench_pair("timer.cancel", mine[2].cancel, others[2].cancel);
        bench_pair("timer.fire", mine[2].fire, others[2].fire);
        double grown = bare_walk(counts[3]) / bare_walk(counts[0]);
        bench_pair("timer.million.arm", mine[3].arm / mine[0].arm, grown);
        bench_pair("timer.million.cancel", mine[3].cancel / mine[0].cancel, grown);
        bench_pair("timer.million.fire", mine[3].fire / mine[0].fire, grown);
        if (i == 0)
            tell(mine, others);
    }
    return 0;
}
