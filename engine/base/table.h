/* table.h - small recycled numbers for things: 1, 2, 3, and again 2 once 2 has left.
 *
 * The last number given back is the next one given out, so the numbers stay small and their memory
 * warm. A number says nothing about generations: who keeps one longer than its thing has himself to
 * blame, and table_get() may answer with another thing. A lease's handle has one: core/lease.h.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct table_row {
    void *thing; /* NULL when free */
    int32_t next_free;
};

struct table {
    struct table_row *row; /* row[0] is never used */
    int32_t size, free_head, used, most;
};

/* Holds at most `most` things; allocates nothing before the first. */
void table_init(struct table *t, int32_t most);
void table_fini(struct table *t);

/* More rows: a part of adding. 0; -1 when out of memory. */
int table_grow(struct table *t);

/* A number (> 0) for thing; 0 when out of memory or at the bound. */
static inline int32_t table_add(struct table *t, void *thing)
{
    CHECK(thing != NULL);
    if (t->used == t->most || (t->free_head == 0 && table_grow(t) != 0))
        return 0;
    int32_t number = t->free_head;
    t->free_head = t->row[number].next_free;
    t->row[number].thing = thing;
    t->used++;
    return number;
}

/* NULL when there is no such thing now. */
static inline void *table_get(const struct table *t, int32_t number)
{
    /* A negative number is a large one without its sign; row 0 holds nothing. */
    return (uint32_t)number < (uint32_t)t->size ? t->row[number].thing : NULL;
}

static inline void table_drop(struct table *t, int32_t number)
{
    CHECK(table_get(t, number) != NULL);
    t->row[number] = (struct table_row){.next_free = t->free_head};
    t->free_head = number;
    t->used--;
}

#endif
