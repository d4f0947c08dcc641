#include "core/listener.h"

#include <stdlib.h>

#include "core/ear.h"
#include "core/hear.h"
#include "core/listen.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/task.h"

#define ROW_BITS 20

_Static_assert(ENGINE_LISTENERS_MOST < 1 << ROW_BITS, "a row has its place in a number");

static const struct hearer_type type;

/* --- life ------------------------------------------------------------------------------------- */

struct listener *listener_new(struct ear *ear, int32_t most, int64_t bytes_most)
{
    struct engine *e = ear->pool->engine;
    const char *name = ear->pool->resource->name;
    struct listener *l = calloc(1, sizeof *l);
    int32_t row = l == NULL ? 0 : table_add(&e->listeners, l);
    if (row == 0) {
        bool is_full = l != NULL && e->listeners.used == e->listeners.most;
        free(l);
        engine_refuse(e, is_full ? ERROR_LIMIT : ERROR_MEMORY,
                      "%s: no room for one more listener beside %d", name, e->listeners.used);
        return NULL;
    }
    l->engine = e;
    l->task = e->task;
    hearer_init(&l->hearer, &type, ear);
    l->number = ++e->listened << ROW_BITS | row;
    backlog_init(&l->backlog, (uint32_t)most, bytes_most);
    node_init(&l->in_task);
    list_init(&l->waiting);
    list_init(&l->served);
    list_push_tail(&e->task->listeners, &l->in_task);
    return l;
}

struct listener *listener_find(const struct engine *e, int64_t number)
{
    struct listener *l = table_get(&e->listeners, (int32_t)(number & ((1 << ROW_BITS) - 1)));
    return l != NULL && l->number == number ? l : NULL;
}

void listener_end(struct listener *l, const struct error *why)
{
    struct ear *ear = l->hearer.ear;
    if (ear == NULL)
        return;
    hearer_leave_channels(&l->hearer);
    l->hearer.ear = NULL;
    l->hearer.is_open = false;
    struct list_node *n;
    while ((n = list_pop_head(&l->waiting)) != NULL)
        hear_refused(container_of(n, struct hear, node), why);
    if (l->listen != NULL)
        listen_ended(l->listen, why);
    l->listen = NULL;
    ear_leave(ear, &l->hearer);
}

/* --- the queue -------------------------------------------------------------------------------- */

static const char *name_of(const struct listener *l)
{
    return l->hearer.ear->pool->resource->name;
}

static void trim(struct listener *l)
{
    struct error why;
    const struct backlog *b = &l->backlog;
    if (!backlog_is_over_full(b))
        return;
    error_set(&why, ERROR_FULL,
              "%s: the queue of the listener was full: %u messages or %lld bytes are the most",
              name_of(l), b->most, (long long)b->bytes_most);
    backlog_trim(&l->backlog, &why);
}

static void feed(struct listener *l)
{
    struct list_node *n;
    while (listener_has_news(l) && (n = list_head(&l->waiting)) != NULL)
        listener_serve(l, container_of(n, struct hear, node));
}

static void push(struct listener *l, struct message *m)
{
    messages_push(&l->backlog.queue, m);
    feed(l);
    trim(l);
}

static void miss(struct listener *l, const struct gap *g)
{
    backlog_miss(&l->backlog, g);
    feed(l);
}

static void tell(struct hearer *h, const struct told *t)
{
    struct listener *l = listener_of(h);
    struct message *m = message_of_told(t);
    l->told++;
    if (m != NULL) {
        push(l, m);
        return;
    }
    struct gap g = {.missed = 1};
    error_set(&g.why, ERROR_MEMORY, "%s: no memory to keep what was told", name_of(l));
    l->backlog.gaps += l->backlog.front.why.code == ERROR_OK;
    miss(l, &g);
}

static void gap(struct hearer *h, const struct gap *g)
{
    struct listener *l = listener_of(h);
    struct message *m = message_of_gap(g);
    l->backlog.gaps++;
    if (m != NULL)
        push(l, m);
    else
        miss(l, g);
}

void listener_serve(struct listener *l, struct hear *h)
{
    if (l->backlog.front.why.code == ERROR_OK) {
        h->message = messages_shift(&l->backlog.queue);
    } else {
        h->gap = l->backlog.front;
        l->backlog.front = (struct gap){.missed = 0};
    }
    list_remove(&l->waiting, &h->node);
    list_push_tail(&l->served, &h->node);
    hear_served(h);
}

void listener_take_back(struct listener *l, struct hear *h)
{
    struct message *m = h->message;
    if (m == NULL && h->gap.why.code != ERROR_OK) {
        gap_widen(&l->backlog.front, &h->gap);
    } else if (m != NULL) {
        h->message = NULL;
        messages_unshift(&l->backlog.queue, m);
        if (l->backlog.front.why.code != ERROR_OK) /* which is newer */
            backlog_drop_oldest(&l->backlog, &l->backlog.front.why);
    }
    feed(l);
}

void listener_free(struct listener *l)
{
    struct error why;
    struct list_node *n;
    error_set(&why, ERROR_CLOSED, "the listener was closed");
    listener_end(l, &why);
    while ((n = list_pop_head(&l->served)) != NULL)
        container_of(n, struct hear, node)->listener = NULL;
    backlog_fini(&l->backlog);
    list_remove(&l->task->listeners, &l->in_task);
    table_drop(&l->engine->listeners, (int32_t)(l->number & ((1 << ROW_BITS) - 1)));
    free(l);
}

/* --- in its ear ------------------------------------------------------------------------------- */

static void opened(struct hearer *h)
{
    struct listener *l = listener_of(h);
    listen_ended(l->listen, &(struct error){.code = ERROR_OK});
    l->listen = NULL;
}

/* It never opened, so nobody knows of it. */
static void failed(struct hearer *h, const struct error *why)
{
    listener_end(listener_of(h), why);
    listener_free(listener_of(h));
}

static void ended(struct hearer *h, const struct error *why)
{
    if (h->is_open)
        listener_end(listener_of(h), why);
    else
        failed(h, why);
}

static const struct hearer_type type = {
    .opened = opened, .failed = failed, .ended = ended, .told = tell, .gap = gap};
