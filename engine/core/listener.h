/* listener.h - who listens: a task's channels, and a queue of what was told on them and not heard.
 *
 * The queue has a bound in messages and in bytes. Beyond it the oldest ones are dropped: whoever
 * hears too slowly is told at once that there is a gap and looks for himself, and what is left for
 * him then is the newest. So that a gap needs no memory, the one before the queue lies in the
 * listener.
 *
 * A number is the listener's row in the engine's table and how many there were before: an old number
 * is an error and never somebody else's listener.
 */
#ifndef CORE_LISTENER_H
#define CORE_LISTENER_H

#include "core/channel.h"
#include "core/engine.h"
#include "core/message.h"

struct ear;
struct hear;
struct listen;

struct listener {
    struct list_node in_ear, in_task;
    struct list_node in_opening; /* while the server has not agreed to all its channels */
    struct engine *engine;
    struct task *task;
    struct ear *ear; /* NULL: nothing is told any more */
    int64_t number;
    struct listen *listen; /* who waits for it to open */
    struct list members;
    bool is_open; /* hears whatever is told */

    struct gap front; /* before the queue */
    struct messages queue;
    int64_t bytes_most;
    uint32_t most;
    struct list waiting; /* tickets of nebula_hear() that wait for something */
    struct list served;  /* and those that have it */
    uint64_t told, missed, gaps;
};

/* Of the current task, at no channel yet. NULL when out of memory or at the bound: then the engine
 * has the sentence. */
struct listener *listener_new(struct ear *ear, int32_t most, int64_t bytes_most);
/* At one channel more. False when out of memory, or the ear has no room for it. */
bool listener_add(struct listener *l, const char *channel);
/* Those of its channels that are not in force are to be asked for. False when all are. */
bool listener_ask_missing(const struct listener *l);
/* Leaves the ear. Whoever waits for it to open or for something to hear is told *why; what is in the
 * queue may still be heard. */
void listener_end(struct listener *l, const struct error *why);
/* Ends it, and everything of it is gone but what tickets have already. */
void listener_free(struct listener *l);

/* NULL when it was closed. */
struct listener *listener_find(const struct engine *e, int64_t number);

void listener_tell(struct listener *l, const struct told *t);
/* Something was missed before whatever is told from now on. */
void listener_gap(struct listener *l, const struct gap *g);
/* Whether something waits to be heard. */
static inline bool listener_has_news(const struct listener *l)
{
    return l->front.why.code != ERROR_OK || !list_is_empty(&l->queue.list);
}
/* Gives h what is next. There is something. */
void listener_serve(struct listener *l, struct hear *h);
/* Takes back what h was given and nobody looked at. */
void listener_take_back(struct listener *l, struct hear *h);

#endif
