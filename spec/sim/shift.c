#include "shift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define STEP_US 50

/* Only the first rig begins and ends the world. */
void shift_begin(struct shift *w, int count)
{
    *w = (struct shift){.count = count};
    rig_begin(&w->of[0]);
    w->spec = &w->of[0].spec;
    w->ledger = nebula_ledger_new(count);
    assert_non_null(w->ledger);
}

bool shift_is_open(const struct shift *w, int i)
{
    return w->of[i].nebula != NULL;
}

void shift_open(struct shift *w, int i)
{
    struct rig *r = &w->of[i];
    const struct nebula_options options = {
        .log_level = 4, .log_fd = -1, .name = "shift", .allow_chaos = true};
    if (i > 0)
        *r = (struct rig){.server = w->of[0].server, .spec = w->of[0].spec};
    memset(r->is_answered, 0, sizeof r->is_answered);
    r->nebula = nebula_open_worker(w->ledger, i, &options, NULL, 0);
    assert_non_null(r->nebula);
    r->engine = (struct engine *)(void *)r->nebula;
    r->shop = nebula_declare(r->nebula, &r->spec);
    assert_true(r->shop > 0);
}

void shift_open_all(struct shift *w)
{
    for (int i = 0; i < w->count; i++)
        shift_open(w, i);
}

void shift_close(struct shift *w, int i)
{
    nebula_close(&w->of[i].nebula);
}

static void turn_all(struct shift *w)
{
    for (int i = 0; i < w->count; i++)
        if (shift_is_open(w, i) && !w->is_stuck[i])
            rig_pass(&w->of[i], 0);
    if (w->looked != NULL)
        w->looked(w);
}

void shift_pass(struct shift *w, int64_t span_us)
{
    int64_t until_us = world_time_us() + span_us;
    for (;;) {
        turn_all(w);
        int64_t left_us = until_us - world_time_us();
        if (left_us <= 0)
            return;
        world_move(world_time_us() + (left_us < STEP_US ? left_us : STEP_US));
    }
}

void shift_end(struct shift *w)
{
    for (int i = 0; i < w->count; i++)
        if (shift_is_open(w, i))
            shift_close(w, i);
    nebula_ledger_free(&w->ledger);
    rig_end(&w->of[0]);
}

void shift_come(struct shift *w, int i, int32_t ticket)
{
    assert_true(ticket > 0);
    for (int n = 0; n < 200000 && !rig_is_answered(&w->of[i], ticket); n++)
        shift_pass(w, 100);
    assert_true(rig_is_answered(&w->of[i], ticket));
}

int32_t shift_await(struct shift *w, int i, int32_t ticket)
{
    shift_come(w, i, ticket);
    return rig_await(&w->of[i], ticket, NULL);
}

int64_t shift_lend(struct shift *w, int i)
{
    int64_t lease = rig_ask(&w->of[i]);
    if (lease != 0)
        return lease;
    int32_t ticket = rig_ticket(&w->of[i]);
    shift_come(w, i, ticket);
    return rig_lease_of(&w->of[i], ticket);
}

void shift_hold(struct shift *w, int i, int64_t span_us)
{
    int64_t lease = shift_lend(w, i);
    shift_pass(w, span_us);
    rig_release(&w->of[i], lease);
}

int32_t shift_ask(struct shift *w, int i)
{
    assert_int_equal(rig_ask(&w->of[i]), 0);
    return rig_ticket(&w->of[i]);
}

bool shift_has(const struct shift *w, int i, int32_t ticket)
{
    return rig_is_answered(&w->of[i], ticket);
}

int64_t shift_take(struct shift *w, int i, int32_t ticket)
{
    assert_true(shift_has(w, i, ticket));
    return rig_lease_of(&w->of[i], ticket);
}

int64_t shift_lease(struct shift *w, int i, int64_t within_us)
{
    int64_t lease = rig_ask(&w->of[i]);
    if (lease != 0)
        return lease;
    int32_t ticket = rig_ticket(&w->of[i]);
    shift_pass(w, within_us);
    return shift_has(w, i, ticket) ? rig_lease_of(&w->of[i], ticket) : 0;
}

void quit(struct ledger_pause *pause, int32_t worker, bool is_hand)
{
    struct quitter *q = container_of(pause, struct quitter, pause);
    q->hands += is_hand;
    if (worker == 0 && (q->at_hand ? is_hand : q->left > 0 && --q->left == 0))
        nebula_cancel(q->rig->nebula, q->ticket);
}
