#include "core/load.h"

#include "core/circuits_at.h"
#include "core/pool.h"
#include "core/resource.h"

/* --- what is known now ------------------------------------------------------------------------ */

#define NEWS_US 10000000   /* between two looks at one that was not what the role needs */
#define WITHOUT_US 1000000 /* without a connection: then another endpoint gives one up, each time */

static void tell(const struct pool *p, int32_t at, const char *text, const char *why,
                 int64_t span_us)
{
    const struct log_field field[] = {{.key = "resource", .text = p->resource->name},
                                      {.key = "endpoint", .text = p->reach[at].endpoint->name},
                                      {.key = "why", .text = why},
                                      {.key = "ms", .number = span_us / 1000}};
    engine_log(p->engine, why == NULL ? LOG_INFO : LOG_WARN, text, field, why == NULL ? 2 : 4);
}

/* Whoever was ejected, or is back, since somebody looked. */
static void look_at_ejected(struct pool *p)
{
    struct loads *l = p->loads;
    int64_t now_us = engine_now(p->engine);
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct eject *e = &l->eject[i];
        if (eject_is_out(e, now_us) == l->of[i].is_out)
            continue;
        l->of[i].is_out = !l->of[i].is_out;
        if (l->of[i].is_out) {
            tell(p, i, "the endpoint is ejected", eject_reason(e->why), e->until_us - now_us);
            keep_retire(p, i);
        } else {
            tell(p, i, "the endpoint is back from its ejection", NULL, 0);
        }
    }
}

static bool is_shut(const struct pool *p, int32_t at)
{
    return (p->loads->shut >> at & 1) != 0;
}

static bool is_panic(const struct pool *p)
{
    int32_t usable = 0, all = 0;
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        all += !reach_is_unfit(r);
        usable +=
            !reach_is_unfit(r) && !reach_is_down(r) && !p->loads->of[i].is_out && !is_shut(p, i);
    }
    return eject_is_panic(&p->loads->policy, usable, all);
}

static bool may_use(const struct pool *p, int32_t at)
{
    return !p->loads->of[at].is_out || p->loads->is_panic;
}

static bool is_of_use(const struct pool *p, int32_t at)
{
    const struct reach *r = &p->reach[at];
    return may_use(p, at) && !reach_is_unfit(r) && !reach_is_down(r);
}

/* Who was down, ejected, or not what the role needs, comes back slowly. */
static void look_at_returns(struct pool *p)
{
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        struct load *l = &p->loads->of[i];
        bool is_away = l->is_out || reach_is_down(r) || reach_is_unfit(r);
        if (l->is_away && !is_away)
            l->back_us = engine_now(p->engine);
        l->is_away = is_away;
    }
}

static void refresh(struct pool *p)
{
    struct loads *l = p->loads;
    struct world *w = p->engine->world;
    eject_look(&l->fleet, &l->policy, engine_now(p->engine), w->random(w));
    look_at_ejected(p);
    look_at_returns(p);
    l->shut = circuits_at_shut_for_all(p->resource);
    l->is_panic = is_panic(p);
}

static double slow_start_of(const struct pool *p, int32_t at)
{
    int64_t back_us = p->loads->of[at].back_us;
    int64_t since_us = engine_now(p->engine) - back_us;
    return back_us == 0 ? 1 : balance_slow_start(since_us, p->loads->said.slow_start_us);
}

static void weigh(struct pool *p, int32_t at, double fastest_us)
{
    struct loads *l = p->loads;
    const struct eject *e = &l->eject[at];
    struct balance_weight *from = &l->of[at].from;
    *from = (struct balance_weight){
        .health = balance_health((int64_t)e->streak + p->reach[at].endpoint->fill.failures),
        .success = balance_success(e->well[0] + e->well[1], e->failed[0] + e->failed[1]),
        .latency = balance_speed(l->balance[at].latency_us, fastest_us),
        .slow_start = slow_start_of(p, at)};
    l->balance[at].weight = balance_weight((enum balance_rule)l->said.rule, from);
}

/* As it was seen: what has decayed since is nobody's speed, and would make all others slow. 0: unknown. */
static double fastest(const struct pool *p)
{
    double fastest_us = 0;
    for (int32_t i = 0; i < p->reaches; i++) {
        double seen_us = p->loads->of[i].latency.mean_us;
        if (seen_us > 0 && is_of_use(p, i) && (fastest_us == 0 || seen_us < fastest_us))
            fastest_us = seen_us;
    }
    return fastest_us;
}

/* It decays to that of the fastest: whoever was away for minutes is not faster than all the others together. */
static double latency_of(const struct pool *p, int32_t at, double fastest_us)
{
    double own_us = balance_latency_at(&p->loads->of[at].latency, engine_now(p->engine));
    return own_us > 0 && own_us < fastest_us ? fastest_us : own_us;
}

static void weigh_all(struct pool *p)
{
    double fastest_us = fastest(p);
    for (int32_t i = 0; i < p->reaches; i++) {
        p->loads->balance[i].latency_us = latency_of(p, i, fastest_us);
        weigh(p, i, fastest_us);
    }
}

static enum balance_state state_of(const struct pool *p, int32_t at, uint32_t ready, uint32_t may)
{
    if (!may_use(p, at) || (may >> at & 1) == 0)
        return BALANCE_OUT;
    if ((ready >> at & 1) != 0)
        return BALANCE_READY;
    return is_of_use(p, at) ? BALANCE_BUSY : BALANCE_OUT;
}

/* --- choosing --------------------------------------------------------------------------------- */

/* For one more, here and in all workers together. */
static bool has_room(const struct pool *p)
{
    if (pool_staying(p) < pool_all(p))
        return true;
    return pool_all(p) < p->size.max && (p->permits > 0 || !permits_is_full(&p->stake));
}

/* Whoever may not be connected to now, or is probed already, is named again when he may be. As long as he was
 * wanted, one more connection would be opened, and that to another one each time. */
static bool may_come(const struct pool *p, int32_t at)
{
    const struct reach *r = &p->reach[at];
    bool is_coming = r->opening > 0 && !reach_is_down(r);
    return is_coming || (may_use(p, at) && !is_shut(p, at) && reach_may_open(p, at));
}

/* It has no connection, and that is not what it is like for a moment, while they go from worker to worker. */
static bool is_without(const struct pool *p, int32_t at)
{
    int64_t had_us = p->loads->of[at].had_us;
    bool is_long = had_us == 0 || engine_now(p->engine) - had_us >= WITHOUT_US;
    return is_long && p->reach[at].conns == 0;
}

/* Where there is no room, who has a connection has to do with it. */
static void want(struct pool *p, int32_t at)
{
    struct load *l = &p->loads->of[at];
    if (!may_come(p, at) || (p->reach[at].conns > 0 && !has_room(p)))
        return;
    p->loads->has_news |= !l->is_wanted || is_without(p, at);
    l->is_wanted = true;
}

/* Whoever has no connection because he did not answer, or was not what the role needs, is looked at anew
 * while there is work: the one as soon as he may be, the other every now and then. */
static void want_news(struct pool *p)
{
    int64_t now_us = engine_now(p->engine);
    for (int32_t i = 0; i < p->reaches; i++) {
        struct load *l = &p->loads->of[i];
        const struct reach *r = &p->reach[i];
        bool is_due = reach_is_down(r) || (reach_is_unfit(r) && now_us >= l->news_us);
        if (r->conns > 0 || !is_due || !may_come(p, i))
            continue;
        l->news_us = now_us + NEWS_US;
        want(p, i);
    }
}

uint32_t load_idle(const struct pool *p)
{
    uint32_t idle = 0;
    for (int32_t i = 0; i < p->reaches; i++)
        idle |= (uint32_t)!list_is_empty(&p->loads->of[i].idle) << i;
    return idle;
}

int32_t load_choose(struct pool *p, uint64_t key, uint32_t ready, uint32_t may)
{
    struct loads *l = p->loads;
    struct world *w = p->engine->world;
    refresh(p);
    weigh_all(p);
    for (int32_t i = 0; i < p->reaches; i++)
        l->balance[i].state = state_of(p, i, ready, may);
    struct balance_choice chosen =
        balance_choose((enum balance_rule)l->said.rule, l->balance, p->reaches, key, w->random(w));
    if (chosen.best >= 0 && chosen.best != chosen.ready)
        want(p, chosen.best);
    want_news(p);
    if (l->has_news)
        keep_soon(p);
    return chosen.ready;
}

void load_use(struct conn *c)
{
    struct loads *l = c->pool->loads;
    balance_use(l->balance, c->pool->reaches, c->reach, ++l->uses);
    l->of[c->reach].had_us = engine_now(c->pool->engine);
}

/* --- where connections are -------------------------------------------------------------------- */

static void become_idle(struct conn *c)
{
    const struct pool *p = c->pool;
    struct list *idle = &p->loads->of[c->reach].idle;
    if (p->idle.is_fifo == conn_was_resting(c)) /* the next to be lent; rested ones were the last */
        list_push_head(idle, conn_turn(c));
    else
        list_push_tail(idle, conn_turn(c));
}

void load_moved(struct conn *c, enum conn_state from)
{
    struct loads *l = c->pool->loads;
    l->balance[c->reach].outstanding += load_is_carrying(c->state) - load_is_carrying(from);
    if (from == CONN_IDLE)
        list_remove(&l->of[c->reach].idle, conn_turn(c));
    if (c->state == CONN_IDLE)
        become_idle(c);
}

void load_came(struct conn *c)
{
    c->pool->loads->balance[c->reach].outstanding++; /* it is LEASED, to nobody yet */
}

void load_left(struct conn *c)
{
    list_remove(&c->pool->loads->of[c->reach].idle, conn_turn(c));
}

void load_shared(struct conn *c, int32_t more)
{
    c->pool->loads->balance[c->reach].outstanding += more;
}

/* --- what came of it -------------------------------------------------------------------------- */

void load_note(const struct conn *c, enum error_code code, int64_t span_us)
{
    struct pool *p = c->pool;
    struct loads *l = p->loads;
    struct world *w = p->engine->world;
    if (error_is_ours(code) || (p->gate & (GATE_STOPPING | GATE_DRAINING)) != 0)
        return;
    bool is_well = !error_blames_server(code);
    int64_t now_us = engine_now(p->engine);
    eject_note(&l->fleet, &l->policy, c->reach, is_well, now_us, w->random(w));
    /* Who fails quickly is not fast. */
    if (is_well || span_us > l->of[c->reach].latency.mean_us)
        balance_latency_note(&l->of[c->reach].latency, span_us, now_us);
    look_at_ejected(p);
}

/* --- opening ---------------------------------------------------------------------------------- */

int32_t load_demand(const struct pool *p, int32_t waiting)
{
    int32_t wanted = 0;
    for (int32_t i = 0; p->loads != NULL && i < p->reaches; i++)
        wanted += p->loads->of[i].is_wanted;
    return waiting > wanted ? waiting : wanted;
}

/* Those who wait name the same endpoint one after the other, as long as nobody is served: it is wanted until one
 * connection is on its way there. */
static bool comes_first(const struct pool *p, int32_t at)
{
    return p->loads->of[at].is_wanted && p->reach[at].opening == 0;
}

void load_survey(const struct pool *p, struct choice_of *of)
{
    bool is_one = false;
    for (int32_t i = 0; i < p->reaches; i++) {
        if (!may_use(p, i) || is_shut(p, i))
            of[i].state = CHOICE_USELESS;
        of[i].conns = of[i].conns * BALANCE_WEIGHT_MOST / p->loads->balance[i].weight;
        is_one = is_one || (comes_first(p, i) && of[i].state == CHOICE_READY);
    }
    for (int32_t i = 0; is_one && i < p->reaches; i++)
        if (!comes_first(p, i) && of[i].state == CHOICE_READY)
            of[i].state = CHOICE_FULL;
}

bool load_is_wanted(const struct pool *p, int32_t at)
{
    return p->loads != NULL && p->loads->of[at].is_wanted;
}

bool load_is_shunned(const struct pool *p, int32_t at)
{
    return p->loads != NULL && !may_use(p, at);
}

void load_arrived(struct pool *p, int32_t at)
{
    if (p->loads != NULL)
        p->loads->of[at].is_wanted = false;
}

int64_t load_again_us(const struct pool *p, int32_t at)
{
    int64_t out_us = may_use(p, at) ? 0 : p->loads->eject[at].until_us;
    int64_t shut_us = is_shut(p, at) ? circuits_at_again_us(p->resource, at) : 0;
    return out_us > shut_us ? out_us : shut_us;
}

/* The one that would be lent last; NULL. */
static struct conn *last_idle(const struct pool *p, int32_t at)
{
    struct list_node *n = list_tail(&p->loads->of[at].idle);
    return n == NULL ? NULL : conn_of_turn(p, n);
}

/* One that is shut keeps one for its probes. */
static struct conn *of_one_that_is_out(const struct pool *p)
{
    for (int32_t i = 0; i < p->reaches; i++) {
        uint32_t idle = p->loads->of[i].idle.count, kept = may_use(p, i) && is_shut(p, i);
        if ((!may_use(p, i) || kept > 0) && idle > kept)
            return last_idle(p, i);
    }
    return NULL;
}

/* The endpoint with the most connections gives one up; never its only one. -1: there is none. */
static int32_t richest(const struct pool *p)
{
    int32_t richest = -1;
    for (int32_t i = 0; i < p->reaches; i++)
        if (p->reach[i].conns > 1 && (richest < 0 || p->reach[i].conns > p->reach[richest].conns))
            richest = i;
    return richest;
}

/* An idle one; or, where all have something to do, the one that was lent last, as it comes home. */
static struct conn *one_of(const struct pool *p, int32_t at)
{
    struct conn *latest = at < 0 ? NULL : last_idle(p, at);
    if (at < 0 || latest != NULL)
        return latest;
    for (struct conn *c = p->conns.first; c != NULL; c = c->next)
        if (c->reach == at && c->state == CONN_LEASED &&
            (latest == NULL || c->since_us > latest->since_us))
            latest = c;
    return latest;
}

/* Some may not come any more; and whoever has a connection and wants more has to wait for room. */
static void forget_wishes(struct pool *p)
{
    bool is_room = has_room(p);
    for (int32_t i = 0; i < p->reaches; i++)
        p->loads->of[i].is_wanted &= may_come(p, i) && (is_room || p->reach[i].conns == 0);
}

/* Somebody is named and has no connection at all, for which something is done now. */
static bool is_one_without(struct pool *p)
{
    bool is_one = false;
    for (int32_t i = 0; i < p->reaches; i++) {
        struct load *l = &p->loads->of[i];
        if (!l->is_wanted || !is_without(p, i))
            continue;
        l->had_us = engine_now(p->engine);
        is_one = true;
    }
    return is_one;
}

static struct conn *spare(const struct pool *p, bool is_one)
{
    struct conn *c = is_one || !list_is_empty(&p->waiters) ? of_one_that_is_out(p) : NULL;
    return c == NULL && is_one ? one_of(p, richest(p)) : c;
}

void load_make_room(struct pool *p)
{
    if (p->loads == NULL)
        return;
    refresh(p);
    p->loads->has_news = false;
    forget_wishes(p);
    bool is_one = is_one_without(p);
    struct conn *c = has_room(p) ? NULL : spare(p, is_one);
    struct error why;
    if (c != NULL && c->state != CONN_IDLE)
        conn_retire(c);
    if (c == NULL || c->state != CONN_IDLE)
        return;
    error_set(&why, ERROR_CLOSED, "%s: connection %u makes room for one to another endpoint",
              p->resource->name, c->id);
    conn_close(c, &why);
}

/* --- for people ------------------------------------------------------------------------------- */

void load_read(struct pool *p, int32_t at, double *number)
{
    refresh(p);
    weigh_all(p);
    const struct loads *l = p->loads;
    const struct eject *e = &l->eject[at];
    const struct balance_weight *from = &l->of[at].from;
    int64_t well = e->well[0] + e->well[1], calls = well + e->failed[0] + e->failed[1];
    int64_t left_us = e->until_us - engine_now(p->engine);
    bool is_used = state_of(p, at, load_idle(p), ~l->shut) != BALANCE_OUT;
    number[LOAD_WEIGHT] = is_used ? l->balance[at].weight : 0;
    number[LOAD_HEALTH] = from->health;
    number[LOAD_SUCCESS] = from->success;
    number[LOAD_SPEED] = from->latency;
    number[LOAD_SLOW_START] = from->slow_start;
    number[LOAD_OUTSTANDING] = l->balance[at].outstanding;
    number[LOAD_LATENCY] = l->balance[at].latency_us / 1e6;
    number[LOAD_CALLS] = (double)calls;
    number[LOAD_SUCCESS_RATE] = calls == 0 ? 1 : (double)well / (double)calls;
    number[LOAD_EJECTIONS] = e->ejections;
    number[LOAD_EJECTED_FOR] = left_us > 0 ? (double)left_us / 1e6 : 0;
}

bool load_is_ejected(const struct pool *p, int32_t at)
{
    return p->loads != NULL && eject_is_out(&p->loads->eject[at], engine_now(p->engine));
}

const char *load_ejected_by(const struct pool *p, int32_t at)
{
    return eject_reason(p->loads->eject[at].why);
}

bool load_is_panic(struct pool *p)
{
    refresh(p);
    return p->loads->is_panic;
}
