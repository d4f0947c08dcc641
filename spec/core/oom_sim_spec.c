/* No allocation may be the one that breaks us: the n-th fails, for n from 1 until a scenario asks
 * for fewer than n. Nothing aborts, nothing leaks, every ticket ends, and what the engine says
 * about a statement stays true. So it is not under coverage, whose own allocations fail too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/memory.h"
#include "sim/rig.h"

#define IDS 32

struct play {
    struct rig rig;
    enum outcome outcome[IDS]; /* of what was said about an id */
    bool is_said[IDS];
};

/* --- what may fail, does --------------------------------------------------------------------- */

static int64_t try_lease(struct play *p)
{
    int64_t lease = rig_lease(&p->rig);
    return lease > 0 ? lease : 0;
}

static void try_release(struct play *p, int64_t lease)
{
    if (lease != 0)
        nebula_release(p->rig.nebula, lease, NEBULA_GOOD);
}

static bool say(struct play *p, struct nebula_request request)
{
    struct nebula_reply reply;
    int32_t ticket = rig_request(&p->rig, request);
    return ticket > 0 && rig_await(&p->rig, ticket, &reply) == ERROR_OK;
}

/* Adds id once, on the lease or 0, and remembers what became of it. */
static void add(struct play *p, int64_t lease, int id, int64_t within_us)
{
    char text[32];
    snprintf(text, sizeof text, "add %d %d", id, id);
    struct nebula_reply reply = {.outcome = OUTCOME_FAILED};
    int32_t ticket = rig_request(
        &p->rig, (struct nebula_request){.lease = lease, .text = text, .within_us = within_us});
    if (ticket > 0)
        rig_await(&p->rig, ticket, &reply);
    p->outcome[id] = (enum outcome)reply.outcome;
    p->is_said[id] = true;
}

static void compare(struct play *p)
{
    rig_pass(&p->rig, 5 * SECOND);
    for (int id = 0; id < IDS; id++) {
        int applied = server_applied(p->rig.server, id);
        bool is_true = p->outcome[id] == OUTCOME_OK       ? applied == 1
                       : p->outcome[id] == OUTCOME_FAILED ? applied == 0
                                                          : applied <= 1;
        if (p->is_said[id] && !is_true)
            law_broken("id %d: outcome %d, but applied %d times", id, (int)p->outcome[id], applied);
    }
}

/* --- scenarios -------------------------------------------------------------------------------- */

static void calls(struct play *p)
{
    for (int id = 0; id < 4; id++)
        add(p, 0, id, 0);
    server_order(p->rig.server, FAULT_STUCK);
    add(p, 0, 4, 20 * MS);
    server_order(p->rig.server, FAULT_CONFLICT);
    add(p, 0, 5, 0);
    server_order(p->rig.server, FAULT_LOST_AFTER);
    add(p, 0, 6, 0);
    server_order(p->rig.server, FAULT_ERROR);
    add(p, 0, 7, 0);
}

static void leases(struct play *p)
{
    int64_t lease[3];
    int32_t waits = 0;
    for (int i = 0; i < 2; i++)
        lease[i] = try_lease(p);
    lease[2] = rig_ask(&p->rig);
    if (lease[2] == 0)
        waits = rig_ticket(&p->rig);
    add(p, lease[0], 1, 0);
    try_release(p, lease[0]);
    if (waits != 0)
        lease[2] = rig_lease_of(&p->rig, waits);
    add(p, lease[2] > 0 ? lease[2] : 0, 2, 0);
    try_release(p, lease[1]);
    try_release(p, lease[2]);
}

static void dirty_sessions(struct play *p)
{
    static const char *const left[] = {"set 9", "begin 9"};
    for (int i = 0; i < 2; i++) {
        int64_t lease = try_lease(p);
        say(p, (struct nebula_request){.lease = lease, .text = left[i]});
        try_release(p, lease);
        add(p, 0, i, 0);
    }
}

static void streams(struct play *p)
{
    int64_t lease = try_lease(p);
    struct nebula_request request = {
        .lease = lease, .verb = NEBULA_STREAM, .text = "rows 9 9", .window = 2};
    if (lease != 0 && say(p, request)) {
        request = (struct nebula_request){.lease = lease, .verb = NEBULA_PULL, .window = 2};
        say(p, request);
    }
    try_release(p, lease);
    add(p, 0, 1, 0);
}

static void tasks(struct play *p)
{
    struct nebula *n = p->rig.nebula;
    int32_t task = nebula_task_open(n, 0);
    nebula_task_enter(n, task > 0 ? task : 0);
    nebula_task_deadline(n, world_time_us() + SECOND);
    int32_t nap = nebula_sleep(n, MS), wait = nebula_wait(n);
    try_lease(p);
    add(p, 0, 1, 0);
    if (nap > 0)
        rig_await(&p->rig, nap, NULL);
    nebula_task_enter(n, 0);
    if (task > 0)
        nebula_task_close(n, task);
    else if (wait > 0)
        nebula_cancel(n, wait);
    add(p, 0, 2, 0);
}

static void outages(struct play *p)
{
    server_order(p->rig.server, FAULT_REFUSED);
    int32_t start = nebula_start(p->rig.nebula, p->rig.shop);
    if (start > 0)
        rig_await(&p->rig, start, NULL);
    add(p, 0, 1, 0);
    server_crash(p->rig.server, world_time_us() + 100 * MS);
    rig_pass(&p->rig, 50 * MS);
    add(p, 0, 2, 0);
    rig_pass(&p->rig, SECOND);
    add(p, 0, 3, 0);
}

static void looking(struct play *p)
{
    add(p, 0, 1, 0);
    static const char *const question[] = {"{\"verb\":\"ls\"}",
                                           "{\"verb\":\"inspect\",\"name\":\"shop\"}", "nonsense"};
    for (int i = 0; i < 3; i++)
        assert_non_null(nebula_ask(p->rig.nebula, question[i]));
    nebula_pause(p->rig.nebula, p->rig.shop);
    add(p, 0, 2, 0);
    nebula_resume(p->rig.nebula, p->rig.shop);
    add(p, 0, 3, 0);
}

static void stops(struct play *p)
{
    int64_t lease = try_lease(p);
    add(p, lease, 1, 0);
    nebula_stop(p->rig.nebula, world_time_us() + 50 * MS);
    add(p, lease, 2, 0);
    rig_pass(&p->rig, SECOND);
}

/* --- the n-th allocation ---------------------------------------------------------------------- */

/* False when the scenario did not ask for so many. */
static bool run_failing(void (*scenario)(struct play *p), int64_t nth)
{
    struct play p = {.is_said = {false}};
    rig_begin(&p.rig);
    p.rig.spec.pool.min = 1;
    p.rig.spec.pool.check_us = 10 * MS;
    p.rig.spec.policy.tries = 3;
    p.rig.spec.policy.pause_us = p.rig.spec.policy.pause_max_us = MS;
    p.rig.spec.policy.budget_least = 100;
    memory_fail(nth);
    rig_open(&p.rig);
    if (p.rig.nebula != NULL && p.rig.shop > 0) {
        scenario(&p);
        compare(&p);
    }
    bool failed = memory_failed() > 0;
    const char *verdict = rig_close(&p.rig);
    if (verdict != NULL)
        fail_msg("allocation %lld: %s", (long long)nth, verdict);
    return failed;
}

static void fail_each(void **scenario)
{
    void (*run)(struct play *) = *(void (**)(struct play *))scenario;
    int64_t nth = 1;
    while (run_failing(run, nth))
        nth++;
    print_message("# %lld allocations failed in turn\n", (long long)nth - 1);
    assert_true(nth > 10); /* else nothing was tested */
}

int main(void)
{
    static void (*const scenario[])(struct play *) = {calls, leases,  dirty_sessions, streams,
                                                      tasks, outages, looking,        stops};
    static const char *const name[] = {"calls", "leases",  "dirty_sessions", "streams",
                                       "tasks", "outages", "looking",        "stops"};
    struct CMUnitTest tests[sizeof scenario / sizeof *scenario];
    for (size_t i = 0; i < sizeof scenario / sizeof *scenario; i++)
        tests[i] = (struct CMUnitTest){.name = name[i],
                                       .test_func = fail_each,
                                       .initial_state = *(void *const *)(const void *)&scenario[i]};
    return cmocka_run_group_tests_name("out of memory", tests, NULL, NULL);
}
