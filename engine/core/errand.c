#include "core/errand.h"

#include "core/task.h"
#include "core/tenant.h"

struct errand {
    struct ticket ticket;
    struct list_node node; /* among those of the engine that are not over */
    struct timer timer;
    struct resource *resource;
    errand_over *is_over;
    struct error error;
};

static void stop_waiting(struct errand *d)
{
    struct engine *e = d->resource->engine;
    loop_disarm(e->loop, &d->timer);
    list_remove(&e->errands, &d->node);
}

static void errand_abandon(struct ticket *t)
{
    struct errand *d = (struct errand *)t;
    stop_waiting(d);
    error_set(&d->error, ERROR_CANCELLED, "%s: the task was cancelled", d->resource->name);
}

static void errand_free(struct ticket *t)
{
    ((struct errand *)t)->resource->users--;
    free(t);
}

static const struct ticket_type errand_ticket = {.abandon = errand_abandon, .free = errand_free};

static void end(struct errand *d, const struct error *why)
{
    stop_waiting(d);
    d->error = *why;
    ticket_end(&d->ticket, why->code);
}

static void too_late(struct timer *t)
{
    struct errand *d = container_of(t, struct errand, timer);
    struct error why;
    error_set(&why, ERROR_DEADLINE, "%s: the deadline passed first; what was begun goes on",
              d->resource->name);
    end(d, &why);
}

static bool is_done_of(const struct errand *d, const struct resource *r)
{
    for (int32_t role = 0; role < r->spec->roles; role++) {
        const struct pool *p = resource_peek(r, role);
        if (p != NULL && !d->is_over(p))
            return false;
    }
    return true;
}

static bool is_done(const struct errand *d)
{
    const struct resource *one = d->resource;
    while (one != NULL && is_done_of(d, one))
        one = tenants_next(d->resource, one);
    return one == NULL;
}

void errand_look(struct engine *e)
{
    struct list_node *n, *next;
    for (n = list_head(&e->errands); n != NULL; n = next) {
        next = list_next(&e->errands, n);
        struct errand *d = container_of(n, struct errand, node);
        if (is_done(d))
            end(d, &(struct error){.code = ERROR_OK});
    }
}

void errand_fail(struct resource *r, errand_over *is_over, const struct error *why)
{
    struct list *l = &r->engine->errands;
    struct list_node *n, *next;
    for (n = list_head(l); n != NULL; n = next) {
        next = list_next(l, n);
        struct errand *d = container_of(n, struct errand, node);
        if (d->resource == r && d->is_over == is_over)
            end(d, why);
    }
}

struct error *errand_error(struct ticket *t)
{
    return t->type == &errand_ticket ? &((struct errand *)t)->error : NULL;
}

int32_t errand_begin(struct resource *r, errand_over *is_over)
{
    struct engine *e = r->engine;
    struct errand *d = calloc(1, sizeof *d);
    if (d == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory to wait", r->name);
    int32_t number = ticket_begin(&d->ticket, e, &errand_ticket);
    if (number < 0) {
        free(d);
        return number;
    }
    d->resource = r;
    r->users++;
    d->is_over = is_over;
    node_init(&d->node);
    timer_init(&d->timer, too_late);
    list_push_tail(&e->errands, &d->node);
    if (e->task->deadline_us != INT64_MAX)
        loop_arm(e->loop, &d->timer, e->task->deadline_us);
    return number;
}
