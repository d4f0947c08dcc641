#include "core/start.h"

#include "core/pool.h"

struct start {
    struct ticket ticket;
    struct starter starter;
    struct timer timer;
    struct pool *pool;
    struct error error;
};

static void start_abandon(struct ticket *t)
{
    struct start *s = (struct start *)t;
    loop_disarm(t->engine->loop, &s->timer);
    keep_unstart(s->pool, &s->starter);
    error_set(&s->error, ERROR_CANCELLED, "%s: the task was cancelled",
              s->pool->resource->spec.name);
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
    const struct pool *p = s->pool;
    keep_unstart(s->pool, &s->starter);
    if (p->trouble != NULL)
        error_set(&s->error, p->trouble->code, "%s: did not start within %lld ms: %s",
                  p->resource->spec.name, (long long)p->resource->spec.pool.start_us / 1000,
                  p->trouble->text);
    else
        error_set(&s->error, ERROR_UNREACHABLE, "%s: not warm within %lld ms",
                  p->resource->spec.name, (long long)p->resource->spec.pool.start_us / 1000);
    ticket_end(&s->ticket, s->error.code);
}

const struct error *start_error(struct ticket *t)
{
    return t->type == &start_ticket ? &((struct start *)t)->error : NULL;
}

int32_t start_begin(struct resource *r)
{
    struct engine *e = r->engine;
    struct pool *p = resource_pool(r, 0);
    struct start *s = p == NULL ? NULL : calloc(1, sizeof *s);
    if (s == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory to start", r->spec.name);
    int32_t number = ticket_begin(&s->ticket, e, &start_ticket);
    if (number < 0) {
        free(s);
        return number;
    }
    s->pool = p;
    s->starter.started = started;
    s->starter.is_patient = r->spec.pool.start_us > 0;
    node_init(&s->starter.node);
    timer_init(&s->timer, too_late);
    if (s->starter.is_patient)
        loop_arm(e->loop, &s->timer, engine_now(e) + r->spec.pool.start_us);
    keep_start(p, &s->starter);
    return number;
}
