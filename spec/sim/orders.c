#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/gather.h"
#include "core/pool.h"
#include "core/resource.h"
#include "ledger_trace.h"
#include "nebula_chaos.h"
#include "play.h"
#include "unlikely.h"

static int64_t roll(struct play *p, int64_t low, int64_t high)
{
    return dice_between(&p->dice, low, high);
}

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

/* Asks one worker by the control socket's words; what is ordered is done in all. True when it was done. */
__attribute__((format(printf, 2, 3))) static bool ask(struct play *p, const char *format, ...)
{
    char request[160];
    struct worker *w = troupe_pick(p);
    va_list args;
    va_start(args, format);
    vsnprintf(request, sizeof request, format, args);
    va_end(args);
    if (w == NULL)
        return false;
    play_note(p, "worker %d is asked %s", w->index, request);
    bool is_done = strstr(nebula_ask(w->nebula, request), "\"ok\":true") != NULL;
    if (!is_done && !p->is_starved && !p->is_stopping)
        law_broken("%s was refused: %s", request, nebula_ask(w->nebula, request));
    return is_done;
}

/* Of all workers: who does not look for a second is left out. */
static void ask_all(struct play *p, const char *request)
{
    struct worker *w = troupe_pick(p);
    if (w == NULL)
        return;
    const struct op op = {.kind = OP_ASK,
                          .actor = &w->operator,
                          .begun_us = world_time_us(),
                          .deadline_us = world_time_us() + GATHER_US};
    nebula_task_enter(w->nebula, 0);
    play_begin(p, &op, nebula_ask_all(w->nebula, request));
}

static void look(struct play *p, const struct declared *d)
{
    struct nebula_hold hold;
    struct worker *w = troupe_pick(p);
    while (w != NULL && nebula_hold(w->nebula, &hold))
        play_note(p, "connection %u is held for %lld us", hold.connection, (long long)hold.held_us);
    if (chance(p, 300))
        ask_all(p, "{\"verb\":\"ls\"}");
    else if (chance(p, 500))
        ask(p, "{\"verb\":\"ls\"}");
    else
        ask(p, "{\"verb\":\"inspect\",\"name\":\"%s\"}", d->spec.name);
}

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* What is there may stay for a while, and until all have heard of it there may be as many as before. */
static void remember_bounds(struct play *p, int i)
{
    struct declared *d = &p->declared[i];
    for (int32_t role = 0; role < d->spec.roles; role++) {
        int32_t wires = server_wires(d->server, role), *left = &d->conns_left[role];
        *left = larger(*left, larger(wires, role == 0 ? d->max : 0));
        for (int32_t n = 0; n < p->workers; n++) {
            const struct pool *pool = laws_pool(&p->worker[n], i, role);
            int32_t waiters = pool == NULL ? 0 : (int32_t)pool->waiters.count;
            int32_t max = pool == NULL ? d->max : larger(d->max, pool->size.max);
            /* Until it hears of it, or of what was ordered before, as many may wait as could be served. */
            p->worker[n].waiters_left[i][role] = larger(waiters, max);
        }
    }
}

void play_declared(struct declared *d)
{
    d->least = d->spec.pool.min;
    d->max = d->most = d->spec.pool.max;
    d->size = 0;
}

/* What bounds and strategy make of one another. */
static void set_max(struct declared *d)
{
    d->max = d->most;
    if (d->size > 0 && d->size < d->most)
        d->max = larger(d->size, larger(d->least, 1));
    troupe_cap(d, 0);
}

static void resize(struct play *p, int i)
{
    struct declared *d = &p->declared[i];
    int32_t max = (int32_t)roll(p, 1, 8), min = chance(p, 500) ? 0 : (int32_t)roll(p, 0, max);
    int32_t least = d->least, most = d->most;
    remember_bounds(p, i);
    d->least = min;
    d->most = max;
    set_max(d); /* as it is when those who came first are served */
    bool is_done = ask(p, "{\"verb\":\"resize\",\"name\":\"%s\",\"min\":%d,\"max\":%d}",
                       d->spec.name, min, max);
    if (!is_done) {
        d->least = least;
        d->most = most;
    }
    d->resized_us = world_time_us();
    set_max(d);
}

/* Whoever is home would say it, and who is changes: so it may be any. */
static void answer_size(struct play *p, int i)
{
    struct declared *d = &p->declared[i];
    struct worker *w = troupe_pick(p);
    const struct nebula_sized told = {.size = (int32_t)roll(p, 1, 9), .answer = 1};
    int32_t before = d->size;
    if (w == NULL)
        return;
    const struct resource *r = table_get(&w->engine->resources, w->number[i]);
    if (r == NULL || r->size[0] == told.size || r->sizing == NULL)
        return; /* which would be no news to him, and so to nobody */
    play_note(p, "%s is to have %d", d->spec.name, told.size);
    remember_bounds(p, i);
    d->size = told.size;
    set_max(d);
    if (nebula_size(w->nebula, w->number[i], 0, &told) < 0) {
        d->size = before;
        if (!p->is_starved && !p->is_stopping)
            law_broken("a size was refused: %s", nebula_error(w->nebula));
    }
    d->resized_us = world_time_us();
    set_max(d);
}

static void pause_or_drain(struct play *p, struct declared *d)
{
    const char *name = d->spec.name;
    if (chance(p, 500))
        d->is_paused |= ask(p, "{\"verb\":\"pause\",\"name\":\"%s\"}", name);
    else
        d->is_paused |= ask(p, "{\"verb\":\"drain\",\"name\":\"%s\",\"within_us\":%lld}", name,
                            (long long)roll(p, 0, 500 * MS));
}

static void resume(struct play *p, int i)
{
    const struct worker *w = troupe_pick(p);
    if (w != NULL && nebula_resume(w->nebula, w->number[i]) == 0)
        p->declared[i].is_paused = false;
}

void play_resume(struct play *p)
{
    for (int i = 0; i < DECLARED; i++)
        resume(p, i);
}

static void meet_renewal(const struct pool *p)
{
    static const enum unlikely met[CONN_STATES] = {[CONN_OPENING] = RENEWED_WHILE_CONNECTING,
                                                   [CONN_IDLE] = RENEWED_WHILE_IDLE,
                                                   [CONN_CHECKING] = RENEWED_IN_CHECK,
                                                   [CONN_RESETTING] = RENEWED_IN_RESET};
    for (enum conn_state s = CONN_OPENING; p != NULL && s < CONN_STATES; s++)
        if ((s == CONN_IDLE || met[s] != 0) && pool_count(p, s) > 0)
            unlikely_met(met[s]);
    if (p != NULL && ledger_trace_on_its_way(&p->stake) > 0)
        unlikely_met(RENEWED_ON_ITS_WAY);
}

static void renew(struct play *p, int i)
{
    struct declared *d = &p->declared[i];
    struct worker *w = troupe_pick(p);
    if (w == NULL)
        return;
    int32_t percent = chance(p, 500) ? 100 : (int32_t)roll(p, 1, 100);
    int64_t every_us = percent == 100 ? 0 : roll(p, 0, 100 * MS);
    play_note(p, "%s is renewed", d->spec.name);
    for (int n = 0; n < p->workers * d->spec.roles; n++)
        meet_renewal(laws_pool(&p->worker[n / d->spec.roles], i, n % d->spec.roles));
    const struct op op = {.kind = OP_RENEW,
                          .actor = &w->operator,
                          .resource = i,
                          .begun_us = world_time_us(),
                          .deadline_us = NEVER};
    nebula_task_enter(w->nebula, 0);
    play_begin(p, &op, nebula_reconnect(w->nebula, w->number[i], percent, every_us));
}

/* In one worker alone, as if the way from there were bad. */
static void disturb(struct play *p, int i)
{
    static const int32_t code[] = {ERROR_LOST, ERROR_PROTOCOL, ERROR_LOCKED, ERROR_SERVER};
    struct declared *d = &p->declared[i];
    struct worker *w = troupe_pick(p);
    if (w == NULL)
        return;
    struct nebula_chaos said = {.during_us = roll(p, 0, 5) == 0 ? 0 : roll(p, MS, SECOND),
                                .fail = (double)roll(p, 0, 300) / 1000,
                                .code = code[roll(p, 0, (int64_t)COUNT(code) - 1)],
                                .delay_share = (double)roll(p, 0, 1000) / 1000,
                                .delay_us = chance(p, 300) ? 0 : roll(p, 0, 30 * MS),
                                .delay_quantile = chance(p, 500) ? 0 : 0.9,
                                .connect = chance(p, 500) ? 0 : (double)roll(p, 0, 500) / 1000};
    said.is_cut = said.fail > 0 && said.code == ERROR_LOST && chance(p, 500);
    if (said.delay_quantile == 0 && said.delay_us > 0 && chance(p, 500))
        said.delay_most_us = 2 * said.delay_us;
    play_note(p, "worker %d has chaos in %s", w->index, d->spec.name);
    if (nebula_chaos(w->nebula, w->number[i], &said) < 0 && !p->is_starved)
        law_broken("chaos was refused: %s", nebula_error(w->nebula));
}

void play_operate(struct play *p)
{
    int i = (int)roll(p, 0, DECLARED - 1);
    struct declared *d = &p->declared[i];
    int64_t what = roll(p, 0, 12);
    if (what < 4 && d->is_paused) {
        resume(p, i);
    } else if (what < 2 && !p->is_faultless) {
        pause_or_drain(p, d);
    } else if (what == 5 && !p->is_faultless) {
        server_crash(d->server, world_time_us() + roll(p, 0, 500 * MS));
    } else if (what == 6) {
        look(p, d);
    } else if (what == 9 && !p->is_faultless) {
        disturb(p, i);
    } else if (what == 10) {
        resize(p, i);
    } else if (what == 11) {
        renew(p, i);
    } else if (what == 12) {
        answer_size(p, i);
    }
}
