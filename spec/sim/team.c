#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "team.h"

void team_begin(struct team *w, int count, int32_t max)
{
    *w = (struct team){.count = count, .stuck = -1};
    rig_begin(&w->of[0]);
    w->of[0].spec.pool.max = max;
    w->of[0].spec.pool.queue = 100;
    for (int i = 1; i < count; i++) {
        w->of[i] = w->of[0];
        w->of[i].spec.option = &w->of[0].option;
    }
    w->ledger = nebula_ledger_new(count);
    assert_non_null(w->ledger);
    server_cap(w->of[0].server, 0, max);
}

void team_open_one(struct team *w, int i)
{
    struct rig *r = &w->of[i];
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .name = "crew"};
    r->nebula = nebula_open_worker(w->ledger, i, &options, NULL, 0);
    assert_non_null(r->nebula);
    r->engine = (struct engine *)(void *)r->nebula;
    r->shop = nebula_declare(r->nebula, &r->spec);
    assert_true(r->shop > 0);
}

void team_open_all(struct team *w)
{
    for (int i = 0; i < w->count; i++)
        team_open_one(w, i);
}

void team_turn_all(struct team *w)
{
    for (int i = 0; i < w->count; i++)
        if (w->of[i].nebula != NULL && i != w->stuck)
            rig_pass(&w->of[i], 0);
}

/* A little at a time, so that none is late for its timers because another one moved the time. */
void team_pass(struct team *w, int64_t span_us)
{
    int64_t until_us = world_time_us() + span_us;
    do {
        team_turn_all(w);
        if (world_time_us() < until_us)
            world_move(world_time_us() +
                       (until_us - world_time_us() < 50 ? until_us - world_time_us() : 50));
    } while (world_time_us() < until_us);
    team_turn_all(w);
    team_turn_all(w);
}

void team_end(struct team *w)
{
    w->stuck = -1;
    for (int i = 0; i < w->count; i++)
        if (w->of[i].nebula != NULL)
            nebula_close(&w->of[i].nebula);
    nebula_ledger_free(&w->ledger);
    rig_end(&w->of[0]);
}

int64_t team_lease_in(struct team *w, int i)
{
    int64_t lease = rig_ask(&w->of[i]);
    if (lease != 0)
        return lease;
    int32_t ticket = rig_ticket(&w->of[i]);
    for (int n = 0; n < 1000 && !rig_is_answered(&w->of[i], ticket); n++)
        team_pass(w, 100);
    assert_true(rig_is_answered(&w->of[i], ticket));
    return rig_lease_of(&w->of[i], ticket);
}

/* The answer of all, asked in one. */
json_t *team_ask(struct team *w, int i, const char *request)
{
    struct rig *r = &w->of[i];
    int32_t ticket = nebula_ask_all(r->nebula, request);
    assert_true(ticket > 0);
    for (int n = 0; n < 1200 && !rig_is_answered(r, ticket); n++)
        team_pass(w, MS);
    assert_true(rig_is_answered(r, ticket));
    json_t *answer = json_loads(nebula_asked(r->nebula, ticket), 0, NULL);
    assert_non_null(answer);
    assert_int_equal(rig_await(r, ticket, NULL), ERROR_OK);
    return answer;
}

json_t *team_at(const json_t *o, const char *key)
{
    json_t *value = json_object_get(o, key);
    if (value == NULL)
        fail_msg("no %s", key);
    return value;
}

int64_t team_number(const json_t *o, const char *key)
{
    return json_integer_value(team_at(o, key));
}

const char *team_text(const json_t *o, const char *key)
{
    return json_string_value(team_at(o, key));
}

const char *team_state_of(struct team *w, int i)
{
    static char state[32];
    json_t *answer = team_ask(w, i, TEAM_INSPECT);
    snprintf(state, sizeof state, "%s", team_text(team_at(answer, "resource"), "state"));
    json_decref(answer);
    return state;
}

int32_t team_wait_for(struct team *w, int i, int32_t ticket)
{
    assert_true(ticket > 0);
    for (int n = 0; n < 20000 && !rig_is_answered(&w->of[i], ticket); n++)
        team_pass(w, MS);
    return rig_await(&w->of[i], ticket, NULL);
}

void team_hold(struct team *w, int i, int64_t span_us)
{
    int64_t lease = team_lease_in(w, i);
    team_pass(w, span_us);
    rig_release(&w->of[i], lease);
}
