#include "core/monitor.h"

#include "base/histogram.h"
#include "core/pool.h"
#include "core/resource.h"
#include "rules/advice.h"

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
    int64_t now_us = engine_now(c->engine), held_us = now_us - c->since_us;
    if (c->state != CONN_LEASED || held_us == 0)
        return;
    record(&m->hold, held_us);
    m->noted++;
    m->held_us += held_us;
    c->since_us = now_us;
}

/* --- the window ------------------------------------------------------------------------------ */

static struct monitor_totals totals(const struct pool *p)
{
    const struct monitor *m = &p->monitor;
    struct monitor_totals t = {
        .at_us = engine_now(p->engine),
        .leased_us = m->held_us,
        .leases = pool_leases(p),
        .waited = p->stats.waited,
        .refused = p->stats.refused[REFUSAL_FULL] + p->stats.refused[REFUSAL_LATE],
        .noted = m->noted,
    };
    t.ended = t.leases;
    for (struct list_node *n = list_head(&p->conns); n != NULL; n = list_next(&p->conns, n)) {
        const struct conn *c = container_of(n, struct conn, node);
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

/* One that comes a whole half too late comes to a pool that had no connection for so long, because
 * with one the keeper looks: nothing happened, and nothing older counts. */
void monitor_look(struct pool *p)
{
    struct monitor *m = &p->monitor;
    int64_t late_us = engine_now(p->engine) - m->middle.at_us - MONITOR_HALF_US;
    if (late_us < 0)
        return;
    struct monitor_totals now = totals(p);
    if (late_us >= MONITOR_HALF_US) {
        turn(m, &now);
        m->middle.at_us = now.at_us - MONITOR_HALF_US;
    }
    turn(m, &now);
}

int64_t monitor_next(const struct pool *p)
{
    return list_is_empty(&p->conns) ? INT64_MAX : p->monitor.middle.at_us + MONITOR_HALF_US;
}

void monitor_init(struct pool *p)
{
    p->monitor.first.at_us = p->monitor.middle.at_us = engine_now(p->engine);
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

const char *figure_name(enum figure f)
{
    static const char *const name[FIGURES] = {
#define X(name, key, kind, text) [FIGURE_##name] = (key),
        FIGURE_TABLE(X)
#undef X
    };
    CHECK((size_t)f < FIGURES);
    return name[f];
}

bool figure_is_whole(enum figure f)
{
    enum { WHOLE, REAL };
    static const uint8_t kind_of[FIGURES] = {
#define X(name, key, kind, text) [FIGURE_##name] = (kind),
        FIGURE_TABLE(X)
#undef X
    };
    CHECK((size_t)f < FIGURES);
    return kind_of[f] == WHOLE;
}

/* Since the window began. */
static struct monitor_totals window(struct pool *p)
{
    monitor_look(p);
    const struct monitor_totals now = totals(p), *first = &p->monitor.first;
    return (struct monitor_totals){
        .at_us = now.at_us - first->at_us,
        .leased_us = now.leased_us - first->leased_us,
        .leases = now.leases - first->leases,
        .ended = now.ended - first->ended,
        .waited = now.waited - first->waited,
        .refused = now.refused - first->refused,
        .noted = now.noted - first->noted,
    };
}

static double a_second(uint64_t count, int64_t span_us)
{
    return span_us == 0 ? 0 : (double)count * 1e6 / (double)span_us;
}

/* Three quantiles and the longest, of `zeros` more that took no time. */
static void read_times(const struct histogram *h, uint64_t zeros, double *number)
{
    static const int32_t permille[] = {500, 950, 990};
    if (h == NULL)
        return;
    for (size_t i = 0; i < COUNT(permille); i++)
        number[i] = (double)histogram_quantile_us(h, zeros, permille[i]);
    number[COUNT(permille)] = (double)histogram_max_us(h);
}

static int64_t mean_us(const struct histogram *h, uint64_t count)
{
    return h == NULL || count == 0 ? 0 : histogram_sum_us(h) / (int64_t)count;
}

static struct advice_on advised_on(const struct pool *p, const double *number)
{
    return (struct advice_on){
        .window_us = (int64_t)number[FIGURE_WINDOW_US],
        .leases = (uint64_t)number[FIGURE_LEASES],
        .arrivals_per_s = number[FIGURE_ARRIVALS_PER_S],
        .hold_p95_us = (int64_t)number[FIGURE_HOLD_P95_US],
        .hold_mean_us = (int64_t)number[FIGURE_HOLD_MEAN_US],
        .wait_p95_us = (int64_t)number[FIGURE_WAIT_P95_US],
        .max = p->size.max,
        .listening = (int32_t)p->count[CONN_LISTENING],
        .is_fixed = p->resource->spec->role_is_fixed[p->role],
    };
}

void monitor_read(struct pool *p, double *number)
{
    const struct monitor_totals w = window(p);
    const struct monitor *m = &p->monitor;
    for (int32_t i = 0; i < FIGURES; i++)
        number[i] = 0;
    number[FIGURE_WINDOW_US] = (double)w.at_us;
    number[FIGURE_LEASES] = (double)w.leases;
    number[FIGURE_WAITED] = (double)w.waited;
    number[FIGURE_REFUSED] = (double)w.refused;
    number[FIGURE_ARRIVALS_PER_S] = a_second(w.leases + w.refused, w.at_us);
    number[FIGURE_UTILISATION] = a_second((uint64_t)w.leased_us, w.at_us) / 1e6 / p->size.max;
    number[FIGURE_ENDED] = (double)w.ended;
    number[FIGURE_HOLD_MEAN_US] = (double)mean_us(m->hold, w.ended);
    read_times(m->wait, w.leases - w.waited, &number[FIGURE_WAIT_P50_US]);
    read_times(m->hold, w.ended - w.noted, &number[FIGURE_HOLD_P50_US]);
    const struct advice_on on = advised_on(p, number);
    number[FIGURE_ADVISED_MAX] = advice_max(&on);
}

void monitor_advice(struct pool *p, char *out, size_t size)
{
    double number[FIGURES];
    monitor_read(p, number);
    const struct advice_on on = advised_on(p, number);
    advice_words(&on, out, size);
}
