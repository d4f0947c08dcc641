/* listener.h - who listens: a task's channels, and a backlog of what was told on them and not heard.
 *
 * A number is the listener's row in the engine's table and how many there were before: an old number
 * is an error and never somebody else's listener.
 */
#ifndef CORE_LISTENER_H
#define CORE_LISTENER_H

#include "core/backlog.h"
#include "core/engine.h"
#include "core/hearer.h"

struct hear;
struct listen;

struct listener {
    struct hearer hearer;
    struct list_node in_task;
    struct engine *engine;
    struct task *task;
    int64_t number;
    struct listen *listen; /* who waits for it to open */
    struct backlog backlog;
    struct list waiting; /* tickets of nebula_hear() that wait for something */
    struct list served;  /* and those that have it */
    uint64_t told;
};

/* Of the current task, at no channel yet. NULL when out of memory or at the bound: then the engine
 * has the sentence. */
struct listener *listener_new(struct ear *ear, int32_t most, int64_t bytes_most);
/* Leaves the ear. Whoever waits for it to open or for something to hear is told *why; what is in the
 * queue may still be heard. */
void listener_end(struct listener *l, const struct error *why);
/* Ends it, and everything of it is gone but what tickets have already. */
void listener_free(struct listener *l);

/* NULL when it was closed. */
struct listener *listener_find(const struct engine *e, int64_t number);

/* The one that a local hearer is. */
static inline struct listener *listener_of(struct hearer *h)
{
    return container_of(h, struct listener, hearer);
}
/* Whether something waits to be heard. */
static inline bool listener_has_news(const struct listener *l)
{
    return backlog_has_news(&l->backlog);
}
/* Gives h what is next. There is something. */
void listener_serve(struct listener *l, struct hear *h);
/* Takes back what h was given and nobody looked at. */
void listener_take_back(struct listener *l, struct hear *h);

#endif
