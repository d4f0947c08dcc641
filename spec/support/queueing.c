#include "support/queueing.h"

#include <math.h>

#include "base/check.h"

enum { SERVED, REFUSED, DEADLINE, ARRIVAL };

#define REFUSAL_US 1000

/* --- chance ------------------------------------------------------------------------------------ */

double queueing_even(struct queueing *q)
{
    uint64_t x = q->dice += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return ((double)((x ^ x >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

double queueing_normal(struct queueing *q)
{
    return sqrt(-2 * log(queueing_even(q))) * cos(2 * M_PI * queueing_even(q));
}

static double takes_us(struct queueing *q)
{
    const struct queueing_server *s = &q->server;
    double n = q->served, us = s->mean_us * (s->slow > 0 ? s->slow : 1);
    if (s->kind == QUEUEING_CONTENDED)
        us *= 1 + s->contention * (n - 1) + s->coherence * n * (n - 1);
    if (s->spread == QUEUEING_EXPONENTIAL)
        us *= -log(queueing_even(q));
    if (s->spread == QUEUEING_LOGNORMAL)
        us *= exp(s->sigma * queueing_normal(q) - s->sigma * s->sigma / 2);
    return us + 1;
}

/* --- what comes next --------------------------------------------------------------------------- */

static void push(struct queueing *q, int64_t at_us, int32_t what, int32_t of, uint32_t use)
{
    int32_t i = q->events++;
    CHECK(q->events <= (int32_t)COUNT(q->event));
    for (; i > 0 && q->event[(i - 1) / 2].at_us > at_us; i = (i - 1) / 2)
        q->event[i] = q->event[(i - 1) / 2];
    q->event[i] = (struct queueing_event){at_us, what, of, use};
}

static struct queueing_event pop(struct queueing *q)
{
    struct queueing_event first = q->event[0], last = q->event[--q->events];
    int32_t i = 0;
    for (int32_t next = 1; next < q->events; next = 2 * i + 1) {
        next += next + 1 < q->events && q->event[next + 1].at_us < q->event[next].at_us;
        if (q->event[next].at_us >= last.at_us)
            break;
        q->event[i] = q->event[next];
        i = next;
    }
    q->event[i] = last;
    return first;
}

/* --- the server -------------------------------------------------------------------------------- */

static double speed(const struct queueing *q)
{
    return q->served > q->server.at_once ? (double)q->server.at_once / q->served : 1;
}

static void work(struct queueing *q)
{
    q->work += (double)(q->now_us - q->worked_us) * speed(q);
    q->worked_us = q->now_us;
}

/* Whoever is done first, if nobody comes or goes meanwhile. */
static void look_ahead(struct queueing *q)
{
    int32_t first = 0;
    q->change++;
    if (q->served == 0)
        return;
    for (int32_t i = 1; i < q->served; i++)
        if (q->call[q->line[i]].done < q->call[q->line[first]].done)
            first = i;
    double us = fmax(0, (q->call[q->line[first]].done - q->work) / speed(q));
    push(q, q->now_us + (int64_t)us + 1, SERVED, first, q->change);
}

static void serve(struct queueing *q, int32_t of)
{
    q->served++;
    push(q, q->now_us + (int64_t)takes_us(q), SERVED, of, 0);
}

static void serve_beside(struct queueing *q, int32_t of)
{
    work(q);
    q->call[of].done = q->work + takes_us(q);
    q->line[q->served++] = of;
    look_ahead(q);
}

static void reach_server(struct queueing *q, int32_t of)
{
    const struct queueing_server *s = &q->server;
    if (s->kind == QUEUEING_SHARED)
        serve_beside(q, of);
    else if (s->kind == QUEUEING_CONTENDED || q->served < s->at_once)
        serve(q, of);
    else if (s->room > 0 && q->last - q->first >= (uint32_t)s->room)
        push(q, q->now_us + REFUSAL_US, REFUSED, of, 0);
    else
        q->line[q->last++ % QUEUEING_CALLS] = of;
}

/* --- those who call ---------------------------------------------------------------------------- */

static struct limit_pass may(const struct queueing_client *c)
{
    struct limit_pass fixed = {.under = c->under < c->fixed ? c->under + 1 : 0};
    return c->fixed > 0 ? fixed : limit_begin(&c->limit, &c->policy, c->under);
}

static void start(struct queueing *q, struct queueing_client *c, struct limit_pass pass)
{
    CHECK(q->unused_count > 0);
    int32_t of = q->unused[--q->unused_count];
    struct queueing_call *call = &q->call[of];
    *call =
        (struct queueing_call){.by = c, .pass = pass, .begun_us = q->now_us, .use = call->use + 1};
    c->under++;
    if (c->deadline_us > 0)
        push(q, q->now_us + c->deadline_us, DEADLINE, of, call->use);
    reach_server(q, of);
}

static void start_who_waits(struct queueing *q, struct queueing_client *c)
{
    struct limit_pass pass;
    while (c->waiting > 0 && (pass = may(c)).under > 0) {
        c->waiting--;
        start(q, c, pass);
    }
}

static void end(struct queueing *q, struct queueing_call *call, bool is_well)
{
    struct queueing_client *c = call->by;
    struct limit_seen *seen = &c->seen[c->workers > 0 ? (call - q->call) % c->workers : 0];
    int64_t latency_us = q->now_us - call->begun_us;
    call->is_ended = true;
    c->under--;
    c->well += is_well;
    c->failed += !is_well;
    c->waiting += c->tasks > 0;
    if (c->fixed == 0 && limit_note(seen, call->pass, latency_us, is_well, q->now_us))
        limit_turn(&c->limit, &c->policy, seen, q->now_us);
    start_who_waits(q, c);
}

static void arrive(struct queueing *q, int32_t of)
{
    struct queueing_client *c = &q->client[of];
    struct limit_pass pass = may(c);
    push(q, q->now_us + (int64_t)(-log(queueing_even(q)) * 1e6 / c->per_s) + 1, ARRIVAL, of, 0);
    if (c->is_away)
        return;
    if (pass.under > 0 && c->waiting == 0)
        start(q, c, pass);
    else if (c->waiting < c->queue)
        c->waiting++;
    else
        c->refused++;
}

/* --- what happens ------------------------------------------------------------------------------ */

static void leave_server(struct queueing *q, int32_t of, bool is_well)
{
    q->unused[q->unused_count++] = of;
    if (!q->call[of].is_ended)
        end(q, &q->call[of], is_well);
}

static void served(struct queueing *q, int32_t of)
{
    q->served--;
    while (q->server.kind == QUEUEING_LINE && q->first != q->last && q->served < q->server.at_once)
        serve(q, q->line[q->first++ % QUEUEING_CALLS]);
    leave_server(q, of, true);
}

static void served_beside(struct queueing *q, int32_t place, uint32_t change)
{
    if (change != q->change)
        return; /* somebody came or went */
    work(q);
    int32_t of = q->line[place];
    q->line[place] = q->line[--q->served];
    look_ahead(q);
    leave_server(q, of, true);
}

static void happen(struct queueing *q, const struct queueing_event *e)
{
    if (e->what == SERVED && q->server.kind == QUEUEING_SHARED)
        served_beside(q, e->of, e->use);
    else if (e->what == SERVED)
        served(q, e->of);
    else if (e->what == REFUSED)
        leave_server(q, e->of, false);
    else if (e->what == ARRIVAL)
        arrive(q, e->of);
    else if (q->call[e->of].use == e->use && !q->call[e->of].is_ended)
        end(q, &q->call[e->of], false);
}

void queueing_begin(struct queueing *q, uint64_t seed)
{
    q->dice = seed * 0xd1342543de82ef95U;
    for (int32_t i = 0; i < QUEUEING_CALLS; i++)
        q->unused[q->unused_count++] = i;
    for (int32_t i = 0; i < q->clients; i++) {
        struct queueing_client *c = &q->client[i];
        c->waiting = c->tasks;
        if (c->per_s > 0)
            push(q, 1, ARRIVAL, i, 0);
        if (c->fixed == 0)
            limit_turn(&c->limit, &c->policy, &c->seen[0], 0);
        start_who_waits(q, c);
    }
}

void queueing_run(struct queueing *q, int64_t until_us)
{
    while (q->events > 0 && q->event[0].at_us <= until_us) {
        struct queueing_event e = pop(q);
        q->now_us = e.at_us;
        happen(q, &e);
    }
    q->now_us = until_us;
}
