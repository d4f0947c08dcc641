/* list.h - an intrusive list that counts itself.
 *
 * What is in a list carries a node; being in no list is a state of the node and can be asked. A
 * node is always initialised, so taking it out twice is harmless: list_remove() on a loose node
 * does nothing. The whole engine relies on one fact: a thing is in at most one list by one node.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct list_node {
    struct list_node *prev, *next; /* itself when loose */
};

struct list {
    struct list_node ring;
    uint32_t count;
};

static inline void node_init(struct list_node *n)
{
    n->prev = n->next = n;
}

static inline void list_init(struct list *l)
{
    node_init(&l->ring);
    l->count = 0;
}

static inline bool node_is_listed(const struct list_node *n)
{
    return n->next != n;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->count == 0;
}

static inline void list_insert_after(struct list *l, struct list_node *at, struct list_node *n)
{
    CHECK(!node_is_listed(n));
    n->prev = at;
    n->next = at->next;
    at->next->prev = n;
    at->next = n;
    l->count++;
}

static inline void list_push_head(struct list *l, struct list_node *n)
{
    list_insert_after(l, &l->ring, n);
}

static inline void list_push_tail(struct list *l, struct list_node *n)
{
    list_insert_after(l, l->ring.prev, n);
}

/* Idempotent: a loose node is left as it is. */
static inline void list_remove(struct list *l, struct list_node *n)
{
    if (!node_is_listed(n))
        return;
    CHECK(l->count > 0);
    n->prev->next = n->next;
    n->next->prev = n->prev;
    node_init(n);
    l->count--;
}

/* The first or last node, NULL when the list is empty. */
static inline struct list_node *list_head(const struct list *l)
{
    return l->count == 0 ? NULL : l->ring.next;
}

static inline struct list_node *list_tail(const struct list *l)
{
    return l->count == 0 ? NULL : l->ring.prev;
}

static inline struct list_node *list_next(const struct list *l, const struct list_node *n)
{
    return n->next == &l->ring ? NULL : n->next;
}

static inline struct list_node *list_prev(const struct list *l, const struct list_node *n)
{
    return n->prev == &l->ring ? NULL : n->prev;
}

static inline struct list_node *list_pop_head(struct list *l)
{
    struct list_node *n = list_head(l);
    if (n != NULL)
        list_remove(l, n);
    return n;
}

#endif
