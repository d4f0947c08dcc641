/* Several workers and a server that is down, in virtual time: one probe of the process, one ramp, one number of those
 * who may connect at once, whoever the workers are and whatever becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/shift.h"

#define CREW 4

static int32_t opening_in(const struct shift *w, int i)
{
    int32_t opening = 0;
    for (int32_t role = 0; shift_is_open(w, i) && role < w->of[i].spec.roles; role++) {
        const struct pool *p = engine_pool(w->of[i].engine, w->of[i].shop, role);
        opening += p == NULL ? 0 : (int32_t)p->count[CONN_OPENING];
    }
    return opening;
}

static int32_t opening(const struct shift *w)
{
    int32_t sum = 0;
    for (int i = 0; i < w->count; i++)
        sum += opening_in(w, i);
    return sum;
}

static int32_t failed(const struct shift *w)
{
    int32_t sum = 0;
    for (int i = 0; i < w->count; i++)
        if (shift_is_open(w, i) && rig_pool(&w->of[i]) != NULL)
            sum += (int32_t)rig_pool(&w->of[i])->stats.open_failed;
    return sum;
}

/* What is looked at after each step: never more at once than was allowed by then. */
static struct {
    int32_t most, allowed;
    int64_t opened; /* when the first of the ramp opened */
    bool is_ramp;
} seen;

static void looked(struct shift *w)
{
    int32_t now = opening(w);
    seen.most = now > seen.most ? now : seen.most;
    if (!seen.is_ramp)
        return;
    int64_t opened = server_opened(w->of[0].server) - seen.opened;
    int32_t allowed = opened >= 2 ? 4 : 1 << opened;
    if (now > allowed)
        fail_msg("%d connect at once, after %lld of a ramp", now, (long long)opened);
}

static void begin(struct shift *w, int32_t max, int32_t connecting)
{
    memset(&seen, 0, sizeof seen);
    shift_begin(w, CREW);
    w->looked = looked;
    w->spec->pool.max = max;
    w->spec->pool.connecting = connecting;
    w->spec->policy.wait_us = w->spec->policy.deadline_us = 30 * (int64_t)SECOND;
    server_cap(w->of[0].server, 0, max);
}

static void release(struct shift *w, int i, int32_t ticket)
{
    rig_release(&w->of[i], shift_take(w, i, ticket));
}

/* --- how many connect ------------------------------------------------------------------------- */

static void so_many_connect_at_once_in_all_workers(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t ticket[2 * CREW];
    begin(&w, 2 * CREW, 3);
    shift_open_all(&w);
    for (int i = 0; i < 2 * CREW; i++)
        ticket[i] = shift_ask(&w, i % CREW);
    shift_pass(&w, 100 * MS);
    for (int i = 0; i < 2 * CREW; i++)
        release(&w, i % CREW, ticket[i]);
    assert_int_equal(seen.most, 3);
    shift_end(&w);
}

static void one_of_all_probes_and_one_ramp_follows(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t ticket[2 * CREW];
    begin(&w, 2 * CREW, 4);
    shift_open_all(&w);
    server_crash(w.of[0].server, world_time_us() + 3 * (int64_t)SECOND);
    for (int i = 0; i < 2 * CREW; i++)
        ticket[i] = shift_ask(&w, i % CREW);
    shift_pass(&w, 20 * MS);
    assert_int_equal(opening(&w), 0);
    int32_t at_first = failed(&w);
    assert_in_range(at_first, 1, 4); /* who connected before anybody knew */
    seen.most = 0;
    seen.is_ramp = true;
    seen.opened = server_opened(w.of[0].server);
    shift_pass(&w, 2900 * MS);
    assert_int_equal(seen.most, 1);
    assert_in_range(failed(&w) - at_first, 3, 20); /* one after another, with pauses that grow */
    shift_pass(&w, 2 * (int64_t)SECOND);
    assert_int_equal(seen.most, 4);
    for (int i = 0; i < 2 * CREW; i++)
        release(&w, i % CREW, ticket[i]);
    shift_end(&w);
}

/* As many attempts as one worker alone makes, in an outage of the same length. */
static int32_t attempts_of(int workers)
{
    struct shift w;
    begin(&w, 8, 2);
    for (int i = 0; i < workers; i++)
        shift_open(&w, i);
    server_crash(w.of[0].server, INT64_MAX);
    for (int i = 0; i < workers; i++)
        shift_ask(&w, i);
    shift_pass(&w, 20 * (int64_t)SECOND);
    int32_t attempts = failed(&w);
    shift_end(&w);
    return attempts;
}

static void more_workers_do_not_knock_oftener(void **unused)
{
    (void)unused;
    int32_t alone = attempts_of(1), together = attempts_of(CREW);
    assert_in_range(alone, 20, 80);
    assert_in_range(together, alone / 2, alone * 3 / 2);
}

static void where_nobody_waits_the_home_probes(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 4, 2);
    w.spec->pool.min = 2;
    shift_open_all(&w);
    for (int i = 0; i < CREW; i++)
        nebula_start(w.of[i].nebula, w.of[i].shop);
    shift_pass(&w, 100 * MS);
    server_crash(w.of[0].server, world_time_us() + SECOND);
    shift_pass(&w, 20 * MS);
    seen.most = 0;
    shift_pass(&w, 900 * MS);
    assert_int_equal(seen.most, 1);
    shift_pass(&w, 2 * (int64_t)SECOND);
    int32_t idle = 0;
    for (int i = 0; i < CREW; i++)
        idle += rig_count(&w.of[i], CONN_IDLE);
    assert_int_equal(idle, 2);
    shift_end(&w);
}

static void with_fewer_connections_than_workers_all_are_served(void **unused)
{
    (void)unused;
    for (int32_t max = 1; max < CREW; max++) {
        struct shift w;
        int32_t ticket[CREW];
        begin(&w, max, 4);
        shift_open_all(&w);
        server_crash(w.of[0].server, world_time_us() + 2 * (int64_t)SECOND);
        for (int i = 0; i < CREW; i++)
            ticket[i] = shift_ask(&w, i);
        shift_pass(&w, 4 * (int64_t)SECOND);
        for (int served = 0, i = 0; served < CREW; i = (i + 1) % CREW) {
            if (ticket[i] == 0 || !shift_has(&w, i, ticket[i]))
                continue;
            release(&w, i, ticket[i]);
            ticket[i] = 0;
            served++;
            shift_pass(&w, 20 * MS);
        }
        assert_in_range(server_opened(w.of[0].server), 1, max);
        shift_end(&w);
    }
}

/* --- what becomes of the one that probes ------------------------------------------------------ */

/* The worker of which an attempt is under way. */
static int prober(const struct shift *w)
{
    for (int i = 0; i < w->count; i++)
        if (opening_in(w, i) > 0)
            return i;
    return -1;
}

/* All wait; the server was down, and the probe is never answered. */
static void begin_silence(struct shift *w, int32_t *ticket)
{
    begin(w, CREW, 4);
    w->spec->pool.connect_us = 3 * (int64_t)SECOND;
    shift_open_all(w);
    server_crash(w->of[0].server, world_time_us() + 10 * MS);
    for (int i = 0; i < CREW; i++)
        ticket[i] = shift_ask(w, i);
    shift_pass(w, 10 * MS);
    assert_true(failed(w) > 0);
    server_order(w->of[0].server, FAULT_NO_OPEN);
    for (int i = 0; i < 1000 && prober(w) < 0; i++)
        shift_pass(w, MS);
    shift_pass(w, 100 * MS);
    assert_int_equal(opening(w), 1);
}

static void who_leaves_passes_the_probe_on(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t ticket[CREW];
    begin_silence(&w, ticket);
    int gone = prober(&w);
    shift_close(&w, gone);
    shift_pass(&w, 20 * MS); /* and not when its bound is over */
    for (int i = 0; i < CREW; i++)
        if (i != gone)
            release(&w, i, ticket[i]);
    shift_end(&w);
}

static void a_worker_that_is_stuck_keeps_the_probe_for_a_bound(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t ticket[CREW];
    begin_silence(&w, ticket);
    int stuck = prober(&w);
    w.is_stuck[stuck] = true;
    shift_pass(&w, 3700 * MS);
    assert_int_equal(opening(&w), 1);
    shift_pass(&w, 200 * MS + 20 * MS);
    for (int i = 0; i < CREW; i++)
        if (i != stuck)
            release(&w, i, ticket[i]);
    w.is_stuck[stuck] = false;
    shift_pass(&w, MS); /* its attempt is over, and nobody is the wiser for it */
    assert_int_equal(rig_pool(&w.of[stuck])->reach[0].endpoint->fill.failures, 0);
    shift_pass(&w, 10 * MS);
    release(&w, stuck, ticket[stuck]);
    shift_end(&w);
}

/* --- what the others hear --------------------------------------------------------------------- */

static void who_does_not_wait_hears_of_the_failure_elsewhere(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 4, 1);
    w.spec->pool.is_fail_fast = true;
    shift_open_all(&w);
    server_crash(w.of[0].server, world_time_us() + SECOND);
    int32_t first = shift_ask(&w, 0), second = shift_ask(&w, 1);
    shift_pass(&w, 10 * MS);
    assert_int_equal(rig_await(&w.of[0], first, NULL), ERROR_UNREACHABLE);
    struct nebula_reply reply;
    assert_int_equal(rig_pool(&w.of[1])->stats.open_failed, 0); /* it did not try itself */
    assert_true(shift_has(&w, 1, second));
    nebula_reply(w.of[1].nebula, second, &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_non_null(strstr(reply.text, "connection refused"));
    rig_await(&w.of[1], second, NULL);
    shift_end(&w);
}

static void and_of_its_end(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 4, 1);
    shift_open_all(&w);
    server_crash(w.of[0].server, world_time_us() + 300 * MS);
    int32_t first = shift_ask(&w, 0), second = shift_ask(&w, 1);
    shift_pass(&w, 100 * MS);
    nebula_cancel(w.of[1].nebula, second);
    shift_pass(&w, 0);
    rig_await(&w.of[1], second, NULL);
    assert_non_null(rig_pool(&w.of[1])->trouble);
    shift_pass(&w, 2 * (int64_t)SECOND);
    release(&w, 0, first);
    assert_null(rig_pool(&w.of[1])->trouble);
    assert_int_equal(rig_pool(&w.of[1])->reach[0].endpoint->fill.failures, 0);
    shift_end(&w);
}

static void a_server_that_accepts_nobody_is_so_for_all(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 4, 1);
    shift_open_all(&w);
    server_order(w.of[0].server, FAULT_DENIED);
    int32_t ticket[CREW];
    for (int i = 0; i < CREW; i++)
        ticket[i] = shift_ask(&w, i);
    shift_pass(&w, 10 * MS);
    for (int i = 0; i < CREW; i++)
        assert_int_equal(rig_await(&w.of[i], ticket[i], NULL), ERROR_DENIED);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_connect_at_once_in_all_workers),
        cmocka_unit_test(one_of_all_probes_and_one_ramp_follows),
        cmocka_unit_test(more_workers_do_not_knock_oftener),
        cmocka_unit_test(where_nobody_waits_the_home_probes),
        cmocka_unit_test(with_fewer_connections_than_workers_all_are_served),
        cmocka_unit_test(who_leaves_passes_the_probe_on),
        cmocka_unit_test(a_worker_that_is_stuck_keeps_the_probe_for_a_bound),
        cmocka_unit_test(who_does_not_wait_hears_of_the_failure_elsewhere),
        cmocka_unit_test(and_of_its_end),
        cmocka_unit_test(a_server_that_accepts_nobody_is_so_for_all),
    };
    return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
