/* idle.h - the idle connections of a pool, chained in the order in which they are lent.
 *
 * The next one to be lent is always the first. One that comes home goes before it or, in a pool
 * that lends in turn, behind the last. So lending takes one store, and coming home two; whoever
 * takes one out of the middle has to look for it.
 */
#ifndef CORE_IDLE_H
#define CORE_IDLE_H

#include "core/conn.h"

struct idle {
    struct conn *first;
    struct conn *last; /* only kept for FIFO, and while there is a first */
    bool is_fifo;
};

static inline void idle_push(struct idle *i, struct conn *c)
{
    struct conn **at = &i->first;
    if (__builtin_expect(i->is_fifo, 0)) {
        at = i->first == NULL ? at : &i->last->after;
        i->last = c;
    }
    c->after = *at;
    *at = c;
}

/* Takes the first out; there is one. */
static inline void idle_shift(struct idle *i)
{
    i->first = i->first->after;
}

/* One that was taken out to be asked, and not used, has the turn again that it had. */
void idle_put_back(struct idle *i, struct conn *c);
/* Takes out c, wherever it is. */
void idle_remove(struct idle *i, const struct conn *c);
struct conn *idle_oldest(const struct idle *i); /* came home before all others; NULL: none */
uint32_t idle_count(const struct idle *i);

#endif
