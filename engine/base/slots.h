/* slots.h - handles for things that outsiders name: an index with a generation.
 *
 * A handle is a positive integer. It is worth nothing once its thing has left: the slot's
 * generation has moved on, and slots_get() answers NULL. Slots are reused last in first out, so a
 * busy engine touches few of them. Not for the lease path, which has a table of its own.
 */
#ifndef BASE_SLOTS_H
#define BASE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

struct slot {
    void *thing;         /* NULL when free */
    uint32_t generation; /* moves when the thing leaves */
    int32_t next_free;   /* index, -1 at the end */
};

struct slots {
    struct slot *slot;
    int32_t size, free_head, used, most;
};

/* Holds at most `most` things; allocates nothing before the first. */
void slots_init(struct slots *s, int32_t most);
void slots_fini(struct slots *s); /* the things in it are their owners' business */

/* The handle of a new slot for thing (not NULL), or 0 when out of memory or at the bound. */
int64_t slots_add(struct slots *s, void *thing);
void *slots_get(const struct slots *s, int64_t handle); /* NULL when stale or never given */
void slots_drop(struct slots *s, int64_t handle);       /* the handle is good */

#endif
