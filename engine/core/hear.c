#include "core/hear.h"

#include "core/task.h"

static void hear_abandon(struct ticket *t)
{
    struct hear *h = (struct hear *)t;
    loop_disarm(t->engine->loop, &h->timer);
    list_remove(&h->listener->waiting, &h->node);
    h->listener = NULL;
    error_set(&h->error, ERROR_CANCELLED, "the task was cancelled");
}

static void hear_free(struct ticket *t)
{
    struct hear *h = (struct hear *)t;
    struct listener *l = h->listener;
    if (l != NULL) {
        list_remove(&l->served, &h->node);
        if (!h->is_read)
            listener_take_back(l, h);
    }
    free(h->message);
    free(h);
}

static const struct ticket_type hear_ticket = {.abandon = hear_abandon, .free = hear_free};

struct hear *hear_of(struct ticket *t)
{
    return t->type == &hear_ticket ? (struct hear *)t : NULL;
}

void hear_served(struct hear *h)
{
    loop_disarm(h->ticket.engine->loop, &h->timer);
    ticket_end(&h->ticket, ERROR_OK);
}

void hear_refused(struct hear *h, const struct error *why)
{
    loop_disarm(h->ticket.engine->loop, &h->timer);
    h->listener = NULL;
    h->error = *why;
    ticket_end(&h->ticket, why->code);
}

static void too_late(struct timer *t)
{
    struct hear *h = container_of(t, struct hear, timer);
    struct error why;
    long long ms = (engine_now(h->ticket.engine) - h->begun_us) / 1000;
    list_remove(&h->listener->waiting, &h->node);
    error_set(&why, ERROR_DEADLINE, "nothing was told within %lld ms", ms);
    hear_refused(h, &why);
}

static struct hear *hear_new(struct listener *l)
{
    struct hear *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->listener = l;
    h->begun_us = engine_now(l->engine);
    node_init(&h->node);
    timer_init(&h->timer, too_late);
    return h;
}

static int64_t ends_at_us(const struct hear *h, int64_t within_us)
{
    int64_t deadline_us = h->ticket.task->deadline_us;
    int64_t at_us = within_us > 0 ? engine_in(h->ticket.engine, within_us) : INT64_MAX;
    return at_us < deadline_us ? at_us : deadline_us;
}

int32_t hear_begin(struct engine *e, int64_t listener, int64_t within_us)
{
    struct listener *l = listener_find(e, listener);
    int32_t refusal = task_may_begin(e, "listener");
    if (refusal < 0)
        return refusal;
    if (l == NULL)
        return engine_refuse(e, ERROR_STALE, "the listener was closed already");
    if (l->hearer.ear == NULL && !listener_has_news(l))
        return engine_refuse(e, ERROR_CLOSED,
                             "the listener has ended: the engine is shutting down");
    struct hear *h = hear_new(l);
    if (h == NULL)
        return engine_refuse(e, ERROR_MEMORY, "no memory to hear");
    int32_t number = ticket_begin(&h->ticket, e, &hear_ticket);
    if (number < 0) {
        free(h);
        return number;
    }
    list_push_tail(&l->waiting, &h->node);
    if (listener_has_news(l))
        listener_serve(l, h);
    else
        loop_arm(e->loop, &h->timer, ends_at_us(h, within_us));
    return number;
}
