#include "core/errand.h"

#include <string.h>

#include "core/crew.h"
#include "core/task.h"
#include "core/tenant.h"

struct errand {
    struct ticket ticket;
    struct list_node node; /* among those of the engine that are not over */
    struct timer timer;
    struct resource *resource;
    errand_over *is_over;
    struct list sentries; /* that did not come back */
    struct error error;
};

/* In another worker it is that worker's, on its way back whoever's it comes to. */
struct sentry {
    struct news news;
    struct list_node at_home; /* its errand's, for the thread of whoever waits */
    struct errand *errand;    /* so is this; NULL: nobody waits any more */
    struct list_node out;     /* the engine's where it is */
    int32_t home;
    struct resource *resource; /* there */
    errand_over *is_over;
    struct error error;
    struct order order;
    char name[]; /* of the resource */
};

/* Those who are out find nobody when they come back. */
static void stop_waiting(struct errand *d)
{
    struct engine *e = d->resource->engine;
    struct list_node *n;
    loop_disarm(e->loop, &d->timer);
    list_remove(&e->errands, &d->node);
    while ((n = list_pop_head(&d->sentries)) != NULL)
        container_of(n, struct sentry, at_home)->errand = NULL;
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

static bool is_done_of(const struct resource *r, errand_over *is_over)
{
    for (int32_t role = 0; role < r->spec->roles; role++) {
        const struct pool *p = resource_peek(r, role);
        if (p != NULL && !is_over(p))
            return false;
    }
    return true;
}

static bool is_done(const struct resource *r, errand_over *is_over)
{
    const struct resource *one = r;
    while (one != NULL && is_done_of(one, is_over))
        one = tenants_next(r, one);
    return one == NULL;
}

/* --- in other workers ------------------------------------------------------------------------- */

static void came_back(struct news *n, struct engine *home)
{
    (void)home;
    struct sentry *s = container_of(n, struct sentry, news);
    struct errand *d = s->errand;
    if (d != NULL) {
        list_remove(&d->sentries, &s->at_home);
        if (s->error.code != ERROR_OK)
            end(d, &s->error);
        else if (list_is_empty(&d->sentries) && is_done(d->resource, d->is_over))
            end(d, &(struct error){.code = ERROR_OK});
    }
    free(s);
}

static void send_back(struct sentry *s, struct engine *there, const struct error *why)
{
    s->error = *why;
    if (why->code != ERROR_OK)
        error_set(&s->error, why->code, "worker %d: %s", there->worker, why->text);
    s->news.arrived = came_back;
    if (!crew_send(there, s->home, &s->news))
        free(s);
}

static void leave_post(struct sentry *s, const struct error *why)
{
    struct engine *there = s->resource->engine;
    list_remove(&there->sentries, &s->out);
    s->resource->users--;
    send_back(s, there, why);
}

/* Only what was resumed meanwhile is not being drained any more; and who leaves drains by himself. */
static enum error_code obey(struct resource *r, const struct order *o, struct error *why)
{
    if (r->engine->is_stopping)
        return ERROR_OK;
    if (order_obey(r, o, why) == ERROR_OK && o->what == ORDER_DRAIN && !r->is_draining)
        error_set(why, ERROR_CANCELLED, "%s: resumed before it was drained", r->name);
    return why->code;
}

static void arrived(struct news *n, struct engine *there)
{
    struct sentry *s = container_of(n, struct sentry, news);
    struct error why = {.code = ERROR_OK};
    s->resource = resource_find(there, s->name);
    if (s->resource == NULL || obey(s->resource, &s->order, &why) != ERROR_OK) {
        send_back(s, there, &why);
        return;
    }
    s->resource->users++;
    list_push_tail(&there->sentries, &s->out);
    errand_look(there);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void look_at_sentries(struct engine *e)
{
    struct list_node *n, *next;
    for (n = list_head(&e->sentries); n != NULL; n = next) {
        next = list_next(&e->sentries, n);
        struct sentry *s = container_of(n, struct sentry, out);
        if (is_done(s->resource, s->is_over))
            leave_post(s, &(struct error){.code = ERROR_OK});
    }
}

void errand_look(struct engine *e)
{
    struct list_node *n, *next;
    for (n = list_head(&e->errands); n != NULL; n = next) {
        next = list_next(&e->errands, n);
        struct errand *d = container_of(n, struct errand, node);
        if (list_is_empty(&d->sentries) && is_done(d->resource, d->is_over))
            end(d, &(struct error){.code = ERROR_OK});
    }
    look_at_sentries(e);
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
    l = &r->engine->sentries;
    for (n = list_head(l); n != NULL; n = next) {
        next = list_next(l, n);
        struct sentry *s = container_of(n, struct sentry, out);
        if (s->resource == r && s->is_over == is_over)
            leave_post(s, why);
    }
}

struct error *errand_error(struct ticket *t)
{
    return t->type == &errand_ticket ? &((struct errand *)t)->error : NULL;
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* False when out of memory: as many as there may be workers, sent or not. */
static bool make_sentries(struct errand *d, const struct order *o)
{
    const struct engine *e = d->resource->engine;
    size_t size = strlen(d->resource->name) + 1;
    for (int32_t i = crew_others(e) == 0 ? e->workers : 0; i < e->workers; i++) {
        struct sentry *s = i == e->worker ? NULL : calloc(1, sizeof *s + size);
        if (s == NULL && i != e->worker)
            return false;
        if (s == NULL)
            continue;
        *s = (struct sentry){.news.arrived = arrived,
                             .errand = d,
                             .home = e->worker,
                             .is_over = d->is_over,
                             .order = *o};
        memcpy(s->name, d->resource->name, size);
        s->order.name = s->name;
        node_init(&s->at_home);
        node_init(&s->out);
        list_push_tail(&d->sentries, &s->at_home);
    }
    return true;
}

static void drop_sentries(struct errand *d)
{
    struct list_node *n, *next;
    for (n = list_head(&d->sentries); n != NULL; n = next) {
        next = list_next(&d->sentries, n);
        list_remove(&d->sentries, n);
        free(container_of(n, struct sentry, at_home));
    }
}

static void send_sentries(struct errand *d)
{
    struct engine *e = d->resource->engine;
    struct list_node *n, *next;
    int32_t worker = 0;
    for (n = list_head(&d->sentries); n != NULL; n = next, worker++) {
        next = list_next(&d->sentries, n);
        struct sentry *s = container_of(n, struct sentry, at_home);
        worker += worker == e->worker;
        if (crew_send(e, worker, &s->news))
            continue;
        list_remove(&d->sentries, n);
        free(s);
    }
}

static int32_t refuse(struct errand *d, const struct error *why)
{
    struct engine *e = d->resource->engine;
    drop_sentries(d);
    ticket_drop(&d->ticket);
    return engine_refuse(e, why->code, "%s", why->text);
}

/* The ticket comes first, so that nothing is begun without one. */
static struct errand *make(struct resource *r, errand_over *is_over, int32_t *number_out)
{
    struct engine *e = r->engine;
    struct errand *d = calloc(1, sizeof *d);
    if (d == NULL) {
        *number_out = engine_refuse(e, ERROR_MEMORY, "%s: no memory to wait", r->name);
        return NULL;
    }
    *number_out = ticket_begin(&d->ticket, e, &errand_ticket);
    if (*number_out < 0) {
        free(d);
        return NULL;
    }
    d->resource = r;
    r->users++;
    d->is_over = is_over;
    node_init(&d->node);
    timer_init(&d->timer, too_late);
    list_init(&d->sentries);
    list_push_tail(&e->errands, &d->node);
    return d;
}

int32_t errand_begin(struct resource *r, struct order *o, errand_over *is_over)
{
    struct engine *e = r->engine;
    int32_t number;
    struct error why;
    if (crew_is_full(e, &why))
        return engine_refuse(e, why.code, "%s: %s", r->name, why.text);
    struct errand *d = make(r, is_over, &number);
    if (d == NULL)
        return number;
    o->name = r->name;
    o->number = crew_number(e);
    if (!make_sentries(d, o)) {
        error_set(&why, ERROR_MEMORY, "%s: no memory to tell the other workers", r->name);
        return refuse(d, &why);
    }
    if (order_obey(r, o, &why) != ERROR_OK)
        return refuse(d, &why);
    send_sentries(d);
    if (e->task->deadline_us != INT64_MAX)
        loop_arm(e->loop, &d->timer, e->task->deadline_us);
    errand_look(e);
    return number;
}
