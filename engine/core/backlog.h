/* backlog.h - what was told and is still to be heard: a queue with a bound in messages and in bytes.
 *
 * Beyond it the oldest ones are dropped, and become a gap before the rest: whoever hears too slowly is told
 * so first, and what is left for him is the newest. So that a gap needs no memory, the one before the
 * queue lies in the backlog.
 */
#ifndef CORE_BACKLOG_H
#define CORE_BACKLOG_H

#include "core/message.h"

struct backlog {
    struct gap front; /* before the queue */
    struct messages queue;
    int64_t bytes_most;
    uint32_t most;
    uint64_t missed, gaps; /* messages that were dropped, and gaps that came into being */
};

void backlog_init(struct backlog *b, uint32_t most, int64_t bytes_most);
void backlog_fini(struct backlog *b); /* which is empty then */
static inline bool backlog_has_news(const struct backlog *b)
{
    return b->front.why.code != ERROR_OK || !list_is_empty(&b->queue.list);
}
bool backlog_is_over_full(const struct backlog *b);
/* Until it is not; how many messages were dropped, of which *why says that they were too many. */
int64_t backlog_trim(struct backlog *b, const struct error *why);
/* The oldest one becomes a part of the gap before the queue. False when there is none. */
bool backlog_drop_oldest(struct backlog *b, const struct error *why);
/* There is no memory for what comes next: it is missed, and all before it, since the gap that needs
 * none is before what is left. */
void backlog_miss(struct backlog *b, const struct gap *g);
/* One gap for what were several; that nothing could be told says more than that it was too much. */
void gap_widen(struct gap *g, const struct gap *by);

#endif
