#include "core/monitor.h"

#include "base/histogram.h"
#include "core/pool.h"
#include "core/resource.h"

/* --- recording ------------------------------------------------------------------------------- */

static void record(struct histogram **h, int64_t us)
{
    if (*h == NULL)
        *h = calloc(1, sizeof **h);
    if (*h != NULL)
        histogram_record(*h, us);
}

void monitor_waited(struct pool *p, int64_t waited_us)
{
    record(&p->monitor.wait, waited_us);
}

void monitor_held(struct conn *c)
{
    struct monitor *m = &c->pool->monitor;
    int64_t now_us = engine_now(c->pool->engine), held_us = now_us - c->since_us;
    if (c->state != CONN_LEASED || held_us == 0)
        return;
    record(&m->hold, held_us);
    m->noted++;
    m->held_us += held_us;
    c->since_us = now_us;
}

/* --- the window ------------------------------------------------------------------------------ */

static int64_t room_us(const struct pool *p)
{
    const struct monitor *m = &p->monitor;
    return m->room_us + (engine_now(p->engine) - m->bounded_us) * p->size.max;
}

void monitor_bounds(struct pool *p)
{
    p->monitor.room_us = room_us(p);
    p->monitor.bounded_us = engine_now(p->engine);
}

static struct monitor_totals totals(const struct pool *p)
{
    const struct monitor *m = &p->monitor;
    struct monitor_totals t = {
        .at_us = engine_now(p->engine),
        .leased_us = m->held_us,
        .room_us = room_us(p),
        .leases = pool_leases(p),
        .waited = p->stats.waited,
        .refused = p->stats.refused[REFUSAL_FULL] + p->stats.refused[REFUSAL_LATE],
        .noted = m->noted,
    };
    t.ended = t.leases;
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next) {
        if (c->state != CONN_LEASED)
            continue;
        t.ended--;
        t.leased_us += t.at_us - c->since_us;
    }
    return t;
}

static void turn(struct monitor *m, const struct monitor_totals *now)
{
    m->first = m->middle;
    m->middle = *now;
    if (m->wait != NULL)
        histogram_turn(m->wait);
    if (m->hold != NULL)
        histogram_turn(m->hold);
}

/* What was so then, as if it had been so since: without a connection nothing happened in between. */
static struct monitor_totals since(const struct pool *p, struct monitor_totals then,
                                   int64_t span_us)
{
    then.at_us -= span_us;
    then.room_us -= span_us * p->size.max;
    return then;
}

/* One that comes too late comes to a pool that had no connection for so long, because with one the keeper looks.
 * After a whole half nothing older counts. */
void monitor_look(struct pool *p)
{
    struct monitor *m = &p->monitor;
    int64_t late_us = engine_now(p->engine) - m->middle.at_us - MONITOR_HALF_US;
    if (late_us < 0)
        return;
    struct monitor_totals now = totals(p);
    if (late_us >= MONITOR_HALF_US) {
        turn(m, &now);
        m->middle = since(p, now, MONITOR_HALF_US);
    } else if (p->conns.count == 0) {
        now = since(p, now, late_us);
    }
    turn(m, &now);
}

int64_t monitor_next(const struct pool *p)
{
    return p->conns.count == 0 ? INT64_MAX : p->monitor.middle.at_us + MONITOR_HALF_US;
}

void monitor_init(struct pool *p)
{
    p->monitor.first.at_us = p->monitor.middle.at_us = engine_now(p->engine);
    p->monitor.bounded_us = engine_now(p->engine);
}

static void drop(struct histogram *h)
{
    if (h != NULL)
        histogram_fini(h);
    free(h);
}

void monitor_fini(struct pool *p)
{
    drop(p->monitor.wait);
    drop(p->monitor.hold);
}

/* --- reading --------------------------------------------------------------------------------- */

static double a_second(double count, int64_t span_us)
{
    return span_us == 0 ? 0 : count * 1e6 / (double)span_us;
}

void monitor_window(struct pool *p, struct window *w)
{
    monitor_look(p);
    const struct monitor *m = &p->monitor;
    const struct monitor_totals now = totals(p), *first = &m->first;
    int64_t span_us = now.at_us - first->at_us;
    *w = (struct window){
        .span_us = span_us,
        .leases = now.leases - first->leases,
        .ended = now.ended - first->ended,
        .waited = now.waited - first->waited,
        .refused = now.refused - first->refused,
        .noted = now.noted - first->noted,
        .in_use = a_second((double)(now.leased_us - first->leased_us), span_us) / 1e6,
        .room = a_second((double)(now.room_us - first->room_us), span_us) / 1e6,
        .max = p->size.max,
        .listening = (int32_t)p->count[CONN_LISTENING],
        .least = p->loads == NULL ? 0 : p->reaches,
        .is_fixed = p->resource->spec->role_is_fixed[p->role],
    };
    w->arrivals_per_s = a_second((double)(w->leases + w->refused), span_us);
    if (m->wait != NULL)
        w->wait = *m->wait;
    if (m->hold != NULL)
        w->hold = *m->hold;
}
