/* ring.h - a list in one pointer, of nodes that a list would have too: it does not count itself.
 *
 * For what many have and few fill.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include "base/list.h"

struct ring {
    struct list_node *first; /* NULL when empty */
};

static inline bool ring_is_empty(const struct ring *r)
{
    return r->first == NULL;
}

/* n, which is in no other: whether it is in this one. */
static inline bool ring_has(const struct ring *r, const struct list_node *n)
{
    return node_is_listed(n) || r->first == n;
}

static inline void ring_push_tail(struct ring *r, struct list_node *n)
{
    CHECK(!ring_has(r, n));
    if (r->first == NULL) {
        r->first = n;
        return;
    }
    n->next = r->first;
    n->prev = r->first->prev;
    n->prev->next = n->next->prev = n;
}

/* Idempotent, as with a list. */
static inline void ring_remove(struct ring *r, struct list_node *n)
{
    if (r->first == n)
        r->first = node_is_listed(n) ? n->next : NULL;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    node_init(n);
}

static inline struct list_node *ring_tail(const struct ring *r)
{
    return r->first == NULL ? NULL : r->first->prev;
}

static inline struct list_node *ring_next(const struct ring *r, const struct list_node *n)
{
    return n->next == r->first ? NULL : n->next;
}

#endif
