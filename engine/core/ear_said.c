/* What an ear tells those who hear by it, and what there is to say of itself. */
#include "core/ear.h"
#include "core/resource.h"

static void tell_all(const struct list *hearers, const struct gap *g)
{
    for (struct list_node *n = list_head(hearers); n != NULL; n = list_next(hearers, n)) {
        struct hearer *h = container_of(n, struct hearer, in_ear);
        if (h->is_open)
            h->type->gap(h, g);
    }
}

void ear_gap(struct ear *e, const struct gap *g)
{
    e->gaps++;
    engine_trace(e->pool->engine, TRACE_GAP, e->pool->resource->number, g->why.code, g->span_us, 0);
    tell_all(&e->listeners, g);
    tell_all(&e->hearers, g);
}

/* While it asks for all again, one gap is for everything. */
void ear_missed(struct ear *e, const struct gap *g)
{
    if (e->is_whole)
        ear_gap(e, g);
}

void ear_told(struct ear *e, const struct told *t)
{
    const struct channel *c = e->is_whole ? channels_find(&e->channels, t->channel) : NULL;
    e->told++;
    if (c == NULL)
        return;
    for (struct list_node *n = list_head(&c->members); n != NULL; n = list_next(&c->members, n)) {
        struct hearer *h = container_of(n, struct member, in_channel)->hearer;
        if (h->is_open)
            h->type->told(h, t);
    }
}

void ear_explain(const struct ear *e, int64_t begun_us, struct error *out)
{
    const char *name = e->pool->resource->name;
    long long ms = (engine_now(e->pool->engine) - begun_us) / 1000;
    if (e->state == EAR_QUEUED)
        pool_explain_wait(e->pool, begun_us, true, out);
    else if (e->state == EAR_PAUSING)
        error_set(out, e->why.code, "%s: nothing to listen by within %lld ms: %s", name, ms,
                  e->why.text);
    else if (e->state == EAR_FAR)
        error_set(out, ERROR_DEADLINE,
                  "%s: no answer from worker %d, by which all listen, after %lld ms", name,
                  e->line.home, ms);
    else
        error_set(out, ERROR_DEADLINE, "%s: no answer by the deadline, after %lld ms", name, ms);
}

const char *ear_state_name(const struct ear *e)
{
    static const char *const name[EAR_STATES] = {
        [EAR_CLOSED] = "closed",   [EAR_QUEUED] = "waiting for a connection", [EAR_OPEN] = "open",
        [EAR_PAUSING] = "pausing", [EAR_FAR] = "by another worker",
    };
    return name[e->state];
}
