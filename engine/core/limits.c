#include "core/limits.h"

#include <stdlib.h>

#include "rules/bulkhead.h"

/* What all workers have together. Of an engine that is alone it is its own. */
struct shared {
    struct common common;
    struct nebula_limit said;
    uint64_t said_at; /* see guards.h */
    struct bulkhead bulkhead;
    struct limit_policy policy; /* where the bound is found */
    struct shed_policy shedding;
    struct limit limit;
    struct shed shed;
    struct list queue; /* who is due first is the first one */
    int64_t thrown;    /* shed, ever */
    int32_t seats;
    struct worker_part {
        struct list told; /* served or shed, and not heard */
        struct seat seat;
    } part[]; /* by worker; one, without a seat, of an engine that is alone */
};

struct limits {
    struct guards *guards;
    struct shared *shared;
    struct limit_seen seen;
    struct soon soon; /* somebody here was served by a call of this worker */
};

static struct engine *engine_of(const struct limits *l)
{
    return l->guards->resource->engine;
}

static int32_t worker_of(const struct limits *l)
{
    return l->shared->seats == 0 ? 0 : engine_of(l)->worker;
}

/* --- how many ---------------------------------------------------------------------------------- */

static int32_t clamped(int32_t value, int32_t least, int32_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int32_t bound(const struct shared *s)
{
    if (s->said.concurrent == 0)
        return INT32_MAX;
    if (!s->said.is_adaptive)
        return s->said.concurrent;
    int32_t level = s->limit.trial == 0 ? s->policy.initial : s->limit.level;
    return clamped(level, s->policy.min, s->policy.max);
}

static struct bulkhead_policy room(const struct shared *s)
{
    return (struct bulkhead_policy){.concurrent = bound(s), .queue = s->said.queue};
}

/* Of whoever was let in just now, and is counted already. */
static struct limit_pass pass_of(const struct shared *s)
{
    if (!s->said.is_adaptive)
        return (struct limit_pass){.under = s->bulkhead.under};
    return limit_begin(&s->limit, &s->policy, s->bulkhead.under - 1);
}

/* --- the queue --------------------------------------------------------------------------------- */

static bool goes_first(const struct limited *a, const struct limited *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us
                                  : a->waiter.arrived_us < b->waiter.arrived_us;
}

/* Who comes is mostly due last. */
static void line_up(struct shared *s, struct limited *l)
{
    struct list_node *before = list_tail(&s->queue);
    while (before != NULL && goes_first(l, container_of(before, struct limited, node)))
        before = list_prev(&s->queue, before);
    if (before == NULL)
        list_push_head(&s->queue, &l->node);
    else
        list_insert_after(&s->queue, before, &l->node);
}

static void tell(struct shared *s, struct limited *l, enum limited_state state)
{
    l->state = state;
    list_push_tail(&s->part[l->worker].told, &l->node);
    if (s->seats > 0)
        seat_tell(&s->part[l->worker].seat);
}

/* Whoever comes out of the queue has a permit. He is late, too many, or it is his. */
static void let_out(struct shared *s, struct limited *l, int64_t now_us)
{
    enum shed_class class = l->waiter.class;
    if (now_us >= l->ends_us) {
        l->state = LIMITED_OUT; /* its time is over, and so it will hear */
        bulkhead_return(&s->bulkhead);
    } else if (shed_refuses(&s->shed, &s->shedding, class, now_us - l->waiter.arrived_us,
                            s->bulkhead.waiting, now_us)) {
        s->thrown++;
        bulkhead_return(&s->bulkhead);
        tell(s, l, LIMITED_SHED);
    } else {
        l->pass = pass_of(s);
        tell(s, l, LIMITED_SERVED);
    }
}

static void serve(struct shared *s, int64_t now_us)
{
    if (s->bulkhead.waiting == 0)
        return;
    const struct bulkhead_policy p = room(s);
    while (bulkhead_next(&s->bulkhead, &p))
        let_out(s, container_of(list_pop_head(&s->queue), struct limited, node), now_us);
}

/* --- touching ---------------------------------------------------------------------------------- */

static struct shared *enter(struct limits *l)
{
    common_lock(&l->shared->common);
    return l->shared;
}

static void leave(struct limits *l)
{
    struct shared *s = l->shared;
    bool is_heard = s->seats == 0 && list_head(&s->part[0].told) != NULL;
    common_unlock(&s->common);
    if (is_heard)
        loop_soon(engine_of(l)->loop, &l->soon);
}

static void explain_shed(const struct limits *l, const struct limited *one, struct error *out)
{
    struct engine *e = engine_of(l);
    error_set(out, ERROR_SHED, "%s: refused after it had waited %lld ms, as the queue is too slow",
              l->guards->resource->name,
              (long long)(engine_now(e) - one->waiter.arrived_us) / 1000);
}

/* The next one who has to hear; false when there is none. What he does of it may end him. */
static bool hear_one(struct limits *l)
{
    struct shared *s = enter(l);
    struct list_node *n = list_pop_head(&s->part[worker_of(l)].told);
    struct limited *one = n == NULL ? NULL : container_of(n, struct limited, node);
    bool is_served = one != NULL && one->state == LIMITED_SERVED;
    if (one != NULL)
        one->state = is_served ? LIMITED_IN : LIMITED_OUT;
    leave(l);
    if (one == NULL)
        return false;
    struct error why;
    if (!is_served)
        explain_shed(l, one, &why);
    one->served(one, is_served ? NULL : &why);
    return true;
}

static void hear(void *limits)
{
    while (hear_one(limits))
        ;
}

static void hear_soon(struct soon *s)
{
    hear(container_of(s, struct limits, soon));
}

/* --- the beginning and the end ----------------------------------------------------------------- */

static void go_by(struct shared *s, const struct nebula_rules *rules)
{
    const struct nebula_limit *l = &rules->limit;
    s->said = *l;
    s->policy = (struct limit_policy){
        .min = l->min, .max = l->max, .initial = l->concurrent, .tolerance = l->tolerance / 100.0};
    s->shedding.interval_us = rules->shed.interval_us;
    for (int i = 0; i < NEBULA_PRIORITIES; i++)
        s->shedding.of[i] = (struct shed_bounds){
            .target_us = rules->shed.interval_us > 0 ? rules->shed.of[i].target_us : 0,
            .most_us = rules->shed.of[i].most_us,
            .patience_us = rules->shed.of[i].patience_us,
        };
}

static struct common *make(const struct ledger *l, const void *rules)
{
    int32_t seats = l == NULL ? 0 : ledger_workers(l), parts = seats > 0 ? seats : 1;
    struct shared *s = calloc(1, sizeof *s + (size_t)parts * sizeof s->part[0]);
    if (s == NULL)
        return NULL;
    s->seats = seats;
    list_init(&s->queue);
    for (int32_t i = 0; i < parts; i++)
        list_init(&s->part[i].told);
    go_by(s, rules);
    return &s->common;
}

/* What was said later is in force. */
static void say(struct limits *l)
{
    const struct guards *g = l->guards;
    struct shared *s = enter(l);
    if (g->said >= s->said_at) {
        go_by(s, g->rules);
        s->said_at = g->said;
        serve(s, engine_now(engine_of(l)));
    }
    leave(l);
}

static struct limits *limits_new(struct guards *g)
{
    struct engine *e = g->resource->engine;
    struct limits *l = calloc(1, sizeof *l);
    struct common *c = l == NULL ? NULL : guards_join(g, "limit", make, g->rules);
    if (c == NULL) {
        free(l);
        return NULL;
    }
    l->guards = g;
    l->shared = container_of(c, struct shared, common);
    soon_init(&l->soon, hear_soon);
    if (l->shared->seats > 0) {
        common_lock(c);
        seat_take(&l->shared->part[e->worker].seat, c, e->loop, l, hear);
        common_unlock(c);
    }
    say(l);
    return l;
}

void limits_free(struct limits **limits)
{
    struct limits *l = *limits;
    *limits = NULL;
    if (l == NULL)
        return;
    struct common *c = &l->shared->common;
    loop_unsoon(engine_of(l)->loop, &l->soon);
    if (l->shared->seats > 0) {
        common_lock(c);
        seat_leave(&l->shared->part[engine_of(l)->worker].seat);
        common_unlock(c);
    }
    common_leave(c);
    free(l);
}

void limits_changed(struct guards *g)
{
    if (g->limits != NULL)
        say(g->limits);
}

/* --- for who calls ----------------------------------------------------------------------------- */

static void wait_in(struct limits *l, struct limited *one)
{
    one->state = LIMITED_WAITING;
    one->worker = worker_of(l);
    one->due_us = shed_due_us(&l->shared->shedding, &one->waiter);
    line_up(l->shared, one);
}

static void explain_full(const struct limits *l, int32_t waiting, bool is_fail_fast,
                         struct error *why)
{
    const struct guards *g = l->guards;
    if (waiting > 0 && !is_fail_fast)
        error_set(why, ERROR_FULL, "%s: %d calls wait for others to end already, which is the most",
                  g->resource->name, waiting);
    else
        error_set(why, ERROR_FULL, "%s: as many calls as may be are under way", g->resource->name);
}

enum limited_state limits_enter(struct guards *g, struct limited *one, struct error *why)
{
    static const enum limited_state entered[] = {[BULKHEAD_RUN] = LIMITED_IN,
                                                 [BULKHEAD_QUEUE] = LIMITED_WAITING,
                                                 [BULKHEAD_REFUSE] = LIMITED_OUT};
    if (g->limits == NULL && (g->limits = limits_new(g)) == NULL) {
        error_set(why, ERROR_MEMORY, "%s: no memory for a limit", g->resource->name);
        return LIMITED_OUT;
    }
    struct limits *l = g->limits;
    struct shared *s = enter(l);
    struct bulkhead_policy p = room(s);
    p.queue = one->is_fail_fast ? 0 : p.queue;
    enum bulkhead_verdict verdict = bulkhead_enter(&s->bulkhead, &p);
    int32_t waiting = s->bulkhead.waiting;
    if (verdict == BULKHEAD_RUN) {
        one->state = LIMITED_IN;
        one->pass = pass_of(s);
    } else if (verdict == BULKHEAD_QUEUE) {
        wait_in(l, one);
    }
    common_unlock(&s->common);
    if (verdict == BULKHEAD_REFUSE)
        explain_full(l, waiting, one->is_fail_fast, why);
    return entered
        [verdict]; /* its state may be another one by now: it is whoever's who serves it */
}

void limits_return(struct guards *g, struct limited *one, bool is_well, int64_t took_us)
{
    struct limits *l = g->limits;
    int64_t now_us = engine_now(engine_of(l));
    struct shared *s = enter(l);
    one->state = LIMITED_OUT;
    if (s->said.is_adaptive && took_us >= 0 &&
        limit_note(&l->seen, one->pass, took_us, is_well, now_us))
        limit_turn(&s->limit, &s->policy, &l->seen, now_us);
    bulkhead_return(&s->bulkhead);
    serve(s, now_us);
    leave(l);
}

void limits_leave(struct guards *g, struct limited *one)
{
    struct limits *l = g->limits;
    struct shared *s = enter(l); /* whoever serves it writes its state */
    if (one->state == LIMITED_WAITING) {
        list_remove(&s->queue, &one->node);
        bulkhead_leave(&s->bulkhead);
    } else if (one->state != LIMITED_OUT) {
        list_remove(&s->part[one->worker].told, &one->node);
        if (one->state == LIMITED_SERVED)
            bulkhead_return(&s->bulkhead);
    }
    one->state = LIMITED_OUT;
    serve(s, engine_now(engine_of(l)));
    leave(l);
}

/* --- for people -------------------------------------------------------------------------------- */

static void view_found(const struct shared *s, struct limits_view *out)
{
    struct limit_view v = limit_view(&s->limit, &s->policy);
    out->found = v.limit;
    out->latency_us = v.latency_us;
    out->least_us = v.rest_us;
}

bool limits_view(struct guards *g, struct limits_view *out)
{
    if (g->limits == NULL)
        return false;
    struct shared *s = enter(g->limits);
    *out = (struct limits_view){.under = s->bulkhead.under,
                                .waiting = s->bulkhead.waiting,
                                .most = bound(s),
                                .ran = s->bulkhead.ran,
                                .queued = s->bulkhead.queued,
                                .refused = s->bulkhead.refused,
                                .shed = s->thrown};
    if (s->said.is_adaptive)
        view_found(s, out);
    common_unlock(&s->common);
    return true;
}

void limits_explain(const struct guards *g, const struct limited *l, enum error_code code,
                    struct error *out)
{
    struct shared *s = enter(g->limits);
    int32_t most = bound(s);
    common_unlock(&s->common);
    const struct engine *e = g->resource->engine;
    error_set(out, code, "%s: waited %lld ms for one of %d calls under way to end",
              g->resource->name, (long long)(engine_now(e) - l->waiter.arrived_us) / 1000, most);
}
