#include "core/listener.h"

#include <stdlib.h>
#include <string.h>

#include "core/ear.h"
#include "core/hear.h"
#include "core/listen.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/task.h"

#define ROW_BITS 20

_Static_assert(ENGINE_LISTENERS_MOST < 1 << ROW_BITS, "a row has its place in a number");

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
    l->ear = ear;
    l->number = ++e->listened << ROW_BITS | row;
    l->most = (uint32_t)most;
    l->bytes_most = bytes_most;
    node_init(&l->in_ear);
    node_init(&l->in_task);
    node_init(&l->in_opening);
    list_init(&l->members);
    messages_init(&l->queue);
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

bool listener_add(struct listener *l, const char *channel)
{
    struct channels *all = &l->ear->channels;
    for (struct list_node *n = list_head(&l->members); n != NULL; n = list_next(&l->members, n))
        if (strcmp(container_of(n, struct member, in_listener)->channel->name, channel) == 0)
            return true;
    struct member *m = calloc(1, sizeof *m);
    struct channel *c = m == NULL ? NULL : channels_use(all, channel);
    if (c == NULL) {
        free(m);
        return false;
    }
    m->channel = c;
    m->listener = l;
    node_init(&m->in_channel);
    node_init(&m->in_listener);
    list_push_tail(&c->members, &m->in_channel);
    list_push_tail(&l->members, &m->in_listener);
    return true;
}

bool listener_ask_missing(const struct listener *l)
{
    bool is_one = false;
    for (struct list_node *n = list_head(&l->members); n != NULL; n = list_next(&l->members, n)) {
        struct channel *c = container_of(n, struct member, in_listener)->channel;
        c->is_asked = !c->is_in_force;
        is_one |= c->is_asked;
    }
    return is_one;
}

static void leave_channels(struct listener *l)
{
    for (struct list_node *n = list_head(&l->members), *next; n != NULL; n = next) {
        next = list_next(&l->members, n);
        struct member *m = container_of(n, struct member, in_listener);
        list_remove(&m->channel->members, &m->in_channel);
        channels_drop(&l->ear->channels, m->channel);
        free(m);
    }
    list_init(&l->members);
}

void listener_end(struct listener *l, const struct error *why)
{
    struct ear *ear = l->ear;
    if (ear == NULL)
        return;
    leave_channels(l);
    l->ear = NULL;
    l->is_open = false;
    struct list_node *n;
    while ((n = list_pop_head(&l->waiting)) != NULL)
        hear_refused(container_of(n, struct hear, node), why);
    if (l->listen != NULL)
        listen_ended(l->listen, why);
    l->listen = NULL;
    ear_leave(ear, l);
}

/* --- the queue -------------------------------------------------------------------------------- */

static const char *name_of(const struct listener *l)
{
    return l->ear->pool->resource->name;
}

/* One gap for what were several; that nothing could be told says more than that it was too much. */
static void widen(struct gap *g, const struct gap *by)
{
    if (g->why.code == ERROR_OK || by->why.code != ERROR_FULL)
        g->why = by->why;
    g->missed += by->missed;
    g->span_us += by->span_us;
}

/* The oldest one becomes a part of the gap before the queue. False when there is none. */
static bool drop_oldest(struct listener *l, const struct error *why)
{
    struct message *m = messages_shift(&l->queue);
    if (m == NULL)
        return false;
    const struct gap one = {.why = *why, .missed = 1};
    l->missed += !m->is_gap;
    widen(&l->front, m->is_gap ? message_gap(m) : &one);
    free(m);
    return true;
}

static bool is_over_full(const struct listener *l)
{
    return l->queue.list.count > l->most || l->queue.bytes > l->bytes_most;
}

static void trim(struct listener *l)
{
    struct error why;
    if (!is_over_full(l))
        return;
    error_set(&why, ERROR_FULL,
              "%s: the queue of the listener was full: %u messages or %lld bytes are the most",
              name_of(l), l->most, (long long)l->bytes_most);
    l->gaps += l->front.why.code == ERROR_OK;
    while (is_over_full(l))
        drop_oldest(l, &why);
}

static void feed(struct listener *l)
{
    struct list_node *n;
    while (listener_has_news(l) && (n = list_head(&l->waiting)) != NULL)
        listener_serve(l, container_of(n, struct hear, node));
}

static void push(struct listener *l, struct message *m)
{
    messages_push(&l->queue, m);
    feed(l);
    trim(l);
}

/* There is no memory for what comes next: it is missed, and all before it, since the gap that needs
 * none is before what is left. */
static void miss(struct listener *l, const struct gap *g)
{
    while (drop_oldest(l, &g->why))
        continue;
    l->missed += (uint64_t)g->missed;
    widen(&l->front, g);
    feed(l);
}

void listener_tell(struct listener *l, const struct told *t)
{
    struct message *m = message_of_told(t);
    l->told++;
    if (m != NULL) {
        push(l, m);
        return;
    }
    struct gap g = {.missed = 1};
    error_set(&g.why, ERROR_MEMORY, "%s: no memory to keep what was told", name_of(l));
    l->gaps += l->front.why.code == ERROR_OK;
    miss(l, &g);
}

void listener_gap(struct listener *l, const struct gap *g)
{
    struct message *m = message_of_gap(g);
    l->gaps++;
    if (m != NULL)
        push(l, m);
    else
        miss(l, g);
}

void listener_serve(struct listener *l, struct hear *h)
{
    if (l->front.why.code == ERROR_OK) {
        h->message = messages_shift(&l->queue);
    } else {
        h->gap = l->front;
        l->front = (struct gap){.missed = 0};
    }
    list_remove(&l->waiting, &h->node);
    list_push_tail(&l->served, &h->node);
    hear_served(h);
}

void listener_take_back(struct listener *l, struct hear *h)
{
    struct message *m = h->message;
    if (m == NULL && h->gap.why.code != ERROR_OK) {
        widen(&l->front, &h->gap);
    } else if (m != NULL) {
        h->message = NULL;
        messages_unshift(&l->queue, m);
        if (l->front.why.code != ERROR_OK) /* which is newer */
            drop_oldest(l, &l->front.why);
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
    struct message *m;
    while ((m = messages_shift(&l->queue)) != NULL)
        free(m);
    list_remove(&l->task->listeners, &l->in_task);
    table_drop(&l->engine->listeners, (int32_t)(l->number & ((1 << ROW_BITS) - 1)));
    free(l);
}
