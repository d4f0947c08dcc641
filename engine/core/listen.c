#include "core/listen.h"

#include "core/ear.h"
#include "core/pool.h"
#include "core/task.h"
#include "core/tenant.h"

struct listen {
    struct ticket ticket;
    struct listener *listener; /* NULL once it has ended */
    struct timer timer;
    int64_t begun_us;
    int64_t number; /* of the listener that hears */
    struct error error;
};

static void listen_abandon(struct ticket *t)
{
    struct listen *l = (struct listen *)t;
    loop_disarm(t->engine->loop, &l->timer);
    error_set(&l->error, ERROR_CANCELLED, "%s: the task was cancelled",
              l->listener->hearer.ear->pool->resource->name);
    l->listener->listen = NULL;
    listener_free(l->listener);
    l->listener = NULL;
}

/* A listener that nobody can know of would hear for nobody. */
static void listen_free(struct ticket *t)
{
    struct listen *l = (struct listen *)t;
    struct listener *listener = listener_find(t->engine, l->number);
    if (t->state == TICKET_ENDED && listener != NULL)
        listener_free(listener);
    free(l);
}

static const struct ticket_type listen_ticket = {.abandon = listen_abandon, .free = listen_free};

struct listen *listen_of(struct ticket *t)
{
    return t->type == &listen_ticket ? (struct listen *)t : NULL;
}

struct error *listen_error(struct listen *l)
{
    return &l->error;
}

int64_t listen_listener(const struct listen *l)
{
    return l->number;
}

void listen_ended(struct listen *l, const struct error *why)
{
    loop_disarm(l->ticket.engine->loop, &l->timer);
    l->number = why->code == ERROR_OK ? l->listener->number : 0;
    l->listener = NULL;
    l->error = *why;
    ticket_end(&l->ticket, why->code);
}

static void too_late(struct timer *t)
{
    struct listen *l = container_of(t, struct listen, timer);
    struct listener *listener = l->listener;
    struct error why;
    ear_explain(listener->hearer.ear, l->begun_us, &why);
    listener_end(listener, &why);
    listener_free(listener);
}

static int64_t ends_at_us(const struct listen *l, const struct nebula_policy *policy,
                          int64_t within_us)
{
    int64_t span_us = within_us > 0 ? within_us : policy->deadline_us;
    int64_t at_us = engine_in(l->ticket.engine, span_us);
    int64_t deadline_us = l->ticket.task->deadline_us;
    return at_us < deadline_us ? at_us : deadline_us;
}

/* NULL when it cannot be; then the engine has the sentence. */
static struct listener *new_listener(struct ear *ear, const struct nebula_channels *asked)
{
    struct listener *l = listener_new(ear, asked->queue, asked->bytes);
    for (int32_t i = 0; l != NULL && i < asked->count; i++) {
        if (hearer_add(&l->hearer, asked->name[i]))
            continue;
        bool is_full = ear->channels.all.count == CHANNELS_MOST;
        engine_refuse(l->engine, is_full ? ERROR_LIMIT : ERROR_MEMORY,
                      "%s: no room for one more channel beside %u", ear->pool->resource->name,
                      ear->channels.all.count);
        listener_free(l);
        return NULL;
    }
    return l;
}

static struct ear *ear_of(struct resource *r)
{
    struct pool *p = resource_pool(r, 0);
    if (p != NULL && p->ear == NULL)
        p->ear = ear_new(p);
    return p == NULL ? NULL : p->ear;
}

static struct listen *listen_new(struct ear *ear, const struct nebula_channels *asked)
{
    struct engine *e = ear->pool->engine;
    struct listen *l = calloc(1, sizeof *l);
    if (l == NULL) {
        engine_refuse(e, ERROR_MEMORY, "%s: no memory to listen", ear->pool->resource->name);
        return NULL;
    }
    l->listener = new_listener(ear, asked);
    if (l->listener == NULL) {
        free(l);
        return NULL;
    }
    l->begun_us = engine_now(e);
    timer_init(&l->timer, too_late);
    return l;
}

int32_t listen_begin(struct resource *r, const struct nebula_channels *asked)
{
    struct engine *e = r->engine;
    int32_t refusal = task_may_begin(e, r->name);
    if (refusal < 0)
        return refusal;
    if (e->is_stopping)
        return engine_refuse(e, ERROR_CLOSED, "%s: the engine is shutting down", r->name);
    if ((r = tenant_resource(r)) == NULL)
        return -(int32_t)e->error.code;
    struct ear *ear = ear_of(r);
    if (ear == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory to listen", r->name);
    struct listen *l = listen_new(ear, asked);
    if (l == NULL)
        return -(int32_t)e->error.code;
    int32_t number = ticket_begin(&l->ticket, e, &listen_ticket);
    if (number < 0) {
        listener_free(l->listener);
        free(l);
        return number;
    }
    l->listener->listen = l;
    loop_arm(e->loop, &l->timer, ends_at_us(l, &r->spec->policy, asked->within_us));
    ear_join(ear, &l->listener->hearer);
    return number;
}
