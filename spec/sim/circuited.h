/* circuited.h - a fleet each of whose servers has a circuit. */
#ifndef SIM_CIRCUITED_H
#define SIM_CIRCUITED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/circuits_at.h"
#include "core/operation.h"
#include "fleet.h"
#include "support/said.h"

#define IN_A_ROW 3
#define BROKEN 1 /* beta */

static const struct nebula_circuit usual = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                            .per = NEBULA_CIRCUIT_PER_ENDPOINT,
                                            .window = 10,
                                            .least = 10,
                                            .percent = 50,
                                            .consecutive = IN_A_ROW,
                                            .probes = 2,
                                            .probe_us = 2 * (int64_t)SECOND,
                                            .pause_us = 10 * (int64_t)SECOND,
                                            .pause_max_us = 40 * (int64_t)SECOND};

static inline void say(struct fleet *p, const struct nebula_circuit *said)
{
    assert_int_equal(say_circuit(p->rig.nebula, p->rig.shop, said), 0);
}

/* So that nothing but circuits leaves anybody out. */
static inline void begin(struct fleet *p, int hosts)
{
    fleet_begin(p, hosts, NEBULA_LEAST_RECENTLY_USED);
    p->balance.consecutive = 0;
    p->balance.factor = 0;
}

static inline void open_all(struct fleet *p)
{
    fleet_open(p);
    say(p, &usual);
    fleet_warm_up(p);
}

static inline struct guards *guards_of(struct fleet *p, int32_t operation)
{
    return operation_find(table_get(&p->rig.engine->resources, p->rig.shop), operation)->guards;
}

static inline struct circuits_view view(struct fleet *p, int at)
{
    struct circuits_view v;
    assert_true(circuits_at_view(guards_of(p, 0), at, &v));
    return v;
}

static inline enum circuit_state state(struct fleet *p, int at)
{
    return view(p, at).state;
}

static inline int32_t ask(struct fleet *p)
{
    return rig_say(&p->rig, 0, "get 1 1");
}

static inline int fail_of(struct fleet *p, int calls)
{
    int failed = 0;
    for (int i = 0; i < calls; i++) {
        failed += ask(p) != ERROR_OK;
        rig_pass(&p->rig, MS);
    }
    return failed;
}

/* One of them does what it may until its circuit is open; the calls that failed. */
static inline int break_one(struct fleet *p, int at)
{
    int failed = 0;
    fleet_break(p, at, true);
    for (int i = 0; i < 200 && state(p, at) != CIRCUIT_OPEN; i++)
        failed += fail_of(p, 1);
    assert_int_equal(state(p, at), CIRCUIT_OPEN);
    return failed;
}

/* The same, and its connections live. */
static inline void mute(struct fleet *p)
{
    server_pace(p->server[BROKEN], 5 * SECOND);
    for (int i = 0; i < 200 && state(p, BROKEN) != CIRCUIT_OPEN; i++)
        rig_await(
            &p->rig,
            rig_request(&p->rig, (struct nebula_request){.text = "get 1 1", .within_us = 50 * MS}),
            NULL);
    assert_int_equal(state(p, BROKEN), CIRCUIT_OPEN);
    rig_pass(&p->rig, SECOND);
    server_pace(p->server[BROKEN], 0);
}

#endif
