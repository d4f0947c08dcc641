/* leave_sim_spec.c - each of some workers closes its engine at each moment of a busy story: nothing is lost for the others,
 * and nothing stays counted. limit: 300 s
 *
 * The story has waiters, connections that are being opened, on their way, cancelled and broken, a probe, a minimum, calls
 * that are tried again, and a max that is smaller than the number of workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "core/ledger.h"
#include "core/outage.h"
#include "sim/shift.h"

#define CREW 4
#define MAX 2
#define STEP_US 250
#define STEPS 240 /* 60 ms: the crash is at 20, the server is back at 40 */
#define CRASH_STEP 80
#define BACK_US (20 * MS)
#define ASKS 64

/* What somebody waits for, and has. */
struct asked {
    int worker;
    int32_t ticket;
    bool is_lease, is_over;
};

struct story {
    struct shift w;
    struct asked asked[ASKS];
    int asks;
    int64_t lease[ASKS];
    int lessee[ASKS];
    int leases;
    struct dice dice;
};

static void looked(struct shift *w)
{
    int32_t wires = server_wires(w->of[0].server, 0);
    if (wires > MAX)
        fail_msg("%d connections, %d is max", wires, MAX);
}

static void begin(struct story *s, const char *driver)
{
    *s = (struct story){.dice = {.state = 7}};
    shift_begin(&s->w, CREW);
    struct nebula_spec *spec = s->w.spec;
    spec->driver = driver;
    spec->pool.max = MAX;
    spec->pool.min = 1;
    spec->policy.deadline_us = spec->policy.wait_us = 30 * (int64_t)SECOND;
    spec->policy.tries = 20;
    spec->policy.pause_us = spec->policy.pause_max_us = 2 * MS;
    spec->policy.budget = 100;
    spec->policy.budget_least = 100;
    server_cap(s->w.of[0].server, 0, MAX);
    s->w.looked = looked;
    shift_open_all(&s->w);
    for (int i = 0; i < CREW; i++)
        nebula_start(s->w.of[i].nebula, s->w.of[i].shop);
}

static void ask(struct story *s, int i, bool is_lease)
{
    struct rig *r = &s->w.of[i];
    int64_t lease = is_lease ? rig_ask(r) : 0;
    if (lease > 0) {
        s->lease[s->leases] = lease;
        s->lessee[s->leases++] = i;
        return;
    }
    int32_t ticket =
        is_lease
            ? rig_ticket(r)
            : rig_request(r, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
    CHECK(s->asks < ASKS);
    s->asked[s->asks++] = (struct asked){.worker = i, .ticket = ticket, .is_lease = is_lease};
}

/* Gives back what has been had for a step, and hears what came. */
static void hear(struct story *s)
{
    while (s->leases > 0) {
        s->leases--;
        if (shift_is_open(&s->w, s->lessee[s->leases]))
            nebula_release(s->w.of[s->lessee[s->leases]].nebula, s->lease[s->leases], NEBULA_GOOD);
    }
    for (int n = 0; n < s->asks; n++) {
        struct asked *a = &s->asked[n];
        if (a->is_over || !shift_is_open(&s->w, a->worker) ||
            !shift_has(&s->w, a->worker, a->ticket))
            continue;
        struct nebula_reply reply;
        int32_t code = rig_await(&s->w.of[a->worker], a->ticket, &reply);
        a->is_over = true;
        if (a->is_lease && code == ERROR_OK) {
            s->lease[s->leases] = reply.lease;
            s->lessee[s->leases++] = a->worker;
        }
    }
}

static void step(struct story *s, int n)
{
    if (n == CRASH_STEP)
        server_crash(s->w.of[0].server, world_time_us() + BACK_US);
    if (n == CRASH_STEP + 20)
        server_order(s->w.of[0].server, FAULT_SLOW_OPEN);
    int i = n % CREW;
    if (n % 5 == 0 && s->asks < ASKS && shift_is_open(&s->w, i))
        ask(s, i, n % 3 != 0);
    if (n % 17 == 0 && s->asks > 0) {
        struct asked *a = &s->asked[dice_below(&s->dice, s->asks)];
        if (!a->is_over && shift_is_open(&s->w, a->worker))
            nebula_cancel(s->w.of[a->worker].nebula, a->ticket);
    }
    shift_pass(&s->w, STEP_US);
    hear(s);
}

/* The others go on, until nobody waits any more; then one of them keeps the minimum. */
static void rest(struct story *s)
{
    server_calm(s->w.of[0].server);
    for (int n = 0; n < 400; n++) {
        shift_pass(&s->w, n < 20 ? 50 * MS : 2 * MS); /* first the pauses of those who probe */
        hear(s);
    }
    for (int n = 0; n < s->asks; n++)
        if (!s->asked[n].is_over && shift_is_open(&s->w, s->asked[n].worker))
            fail_msg("worker %d waits for ever", s->asked[n].worker);
}

static void inspect(const struct story *s)
{
    int homes = 0;
    int32_t conns = 0;
    for (int i = 0; i < CREW; i++) {
        if (!shift_is_open(&s->w, i))
            continue;
        const struct pool *p = rig_pool(&s->w.of[i]);
        homes += p->is_home;
        conns += pool_all(p);
        assert_int_equal(p->permits, 0);
        assert_int_equal(p->reach[0].endpoint->fill.failures, 0);
    }
    assert_int_equal(homes, 1);
    assert_in_range(conns, 1, MAX);
    assert_int_equal(server_wires(s->w.of[0].server, 0), conns);
    for (int i = 0; i < CREW; i++)
        if (shift_is_open(&s->w, i))
            assert_int_equal(permits_out(&rig_pool(&s->w.of[i])->stake), conns);
}

/* shift_end() finds what is left: in the ledger, at the server, in memory. */
static void leave_at(int when, int who, const char *driver)
{
    static struct story s;
    begin(&s, driver);
    for (int n = 0; n < STEPS; n++) {
        if (n == when)
            shift_close(&s.w, who);
        step(&s, n);
    }
    rest(&s);
    inspect(&s);
    shift_end(&s.w);
}

static void one_may_leave_at_any_moment(void **unused)
{
    (void)unused;
    for (int when = 0; when < STEPS; when++)
        leave_at(when, when % CREW, "sim");
}

static void so_may_the_one_that_follows(void **unused)
{
    (void)unused;
    for (int when = 0; when < STEPS; when++)
        leave_at(when, (when + 1) % CREW, "sim");
}

static void and_where_the_driver_keeps_its_connections(void **unused)
{
    (void)unused;
    for (int when = 0; when < STEPS; when++)
        leave_at(when, when % CREW, "sim_plain");
}

/* One after another, until one is left. */
static void all_but_one_may_leave(void **unused)
{
    (void)unused;
    static struct story s;
    for (int gap = 1; gap < STEPS / CREW; gap++) {
        begin(&s, "sim");
        for (int n = 0; n < STEPS; n++) {
            int who = n / gap;
            if (n % gap == 0 && who > 0 && who < CREW)
                shift_close(&s.w, who);
            step(&s, n);
        }
        rest(&s);
        inspect(&s);
        shift_end(&s.w);
    }
}

/* Who comes again has the same number, and nothing of what it was. */
static void who_left_may_come_again(void **unused)
{
    (void)unused;
    static struct story s;
    for (int when = 0; when < STEPS - 10; when += 3) {
        begin(&s, "sim");
        for (int n = 0; n < STEPS; n++) {
            if (n == when)
                shift_close(&s.w, when % CREW);
            if (n == when + 10) {
                for (int a = 0; a < s.asks; a++) /* of what it waited for nobody waits any more */
                    s.asked[a].is_over |= s.asked[a].worker == when % CREW;
                shift_open(&s.w, when % CREW);
            }
            step(&s, n);
        }
        ask(&s, when % CREW, true); /* its pool is made with the first use */
        rest(&s);
        inspect(&s);
        shift_end(&s.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_may_leave_at_any_moment),
        cmocka_unit_test(so_may_the_one_that_follows),
        cmocka_unit_test(and_where_the_driver_keeps_its_connections),
        cmocka_unit_test(all_but_one_may_leave),
        cmocka_unit_test(who_left_may_come_again),
    };
    return cmocka_run_group_tests_name("leave", tests, NULL, NULL);
}
