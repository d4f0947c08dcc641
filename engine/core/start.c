#include "core/start.h"

#include "core/pool.h"
#include "core/task.h"
#include "core/tenant.h"

struct start {
    struct ticket ticket;
    struct starter starter;
    struct timer timer;
    struct pool *pool;
    int64_t begun_us;
    struct error error;
};

static void start_abandon(struct ticket *t)
{
    struct start *s = (struct start *)t;
    loop_disarm(t->engine->loop, &s->timer);
    keep_unstart(s->pool, &s->starter);
    error_set(&s->error, ERROR_CANCELLED, "%s: the task was cancelled", s->pool->resource->name);
}

static void start_free(struct ticket *t)
{
    free(t);
}

static const struct ticket_type start_ticket = {.abandon = start_abandon, .free = start_free};

static void started(struct starter *starter, const struct error *why)
{
    struct start *s = container_of(starter, struct start, starter);
    loop_disarm(s->ticket.engine->loop, &s->timer);
    s->error = *why;
    ticket_end(&s->ticket, why->code);
}

static void too_late(struct timer *t)
{
    struct start *s = container_of(t, struct start, timer);
    struct pool *p = s->pool;
    const char *name = p->resource->name;
    long long ms = (engine_now(p->engine) - s->begun_us) / 1000;
    keep_unstart(p, &s->starter);
    if (p->trouble != NULL)
        pool_explain_trouble(p, ms, &s->error);
    else if ((p->gate & GATE_PAUSED) != 0)
        error_set(&s->error, ERROR_PAUSED, "%s: still paused after %lld ms", name, ms);
    else
        error_set(&s->error, ERROR_UNREACHABLE, "%s: not warm within %lld ms", name, ms);
    ticket_end(&s->ticket, s->error.code);
}

/* An impatient one has no time of its own: it ends with the first attempt. */
static int64_t ends_at_us(const struct start *s)
{
    int64_t start_us = s->pool->resource->spec->pool.start_us,
            deadline_us = s->ticket.task->deadline_us;
    int64_t at_us = start_us > 0 ? engine_in(s->ticket.engine, start_us) : INT64_MAX;
    return at_us < deadline_us ? at_us : deadline_us;
}

struct error *start_error(struct ticket *t)
{
    return t->type == &start_ticket ? &((struct start *)t)->error : NULL;
}

int32_t start_begin(struct resource *r)
{
    struct engine *e = r->engine;
    int32_t refusal = task_may_begin(e, r->name);
    if (refusal < 0)
        return refusal;
    if ((r = tenant_resource(r)) == NULL)
        return -(int32_t)e->error.code;
    if (e->is_stopping)
        return engine_refuse(e, ERROR_CLOSED, "%s: the engine is shutting down", r->name);
    if (r->is_draining)
        return engine_refuse(e, ERROR_PAUSED, "%s: drained until it is resumed", r->name);
    struct pool *p = resource_pool(r, 0);
    struct start *s = p == NULL ? NULL : calloc(1, sizeof *s);
    if (s == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory to start", r->name);
    int32_t number = ticket_begin(&s->ticket, e, &start_ticket);
    if (number < 0) {
        free(s);
        return number;
    }
    s->pool = p;
    s->starter.started = started;
    s->starter.is_patient = r->spec->pool.start_us > 0;
    node_init(&s->starter.node);
    timer_init(&s->timer, too_late);
    s->begun_us = engine_now(e);
    loop_arm(e->loop, &s->timer, ends_at_us(s));
    keep_start(p, &s->starter);
    return number;
}
