/* slots.c - see slots.h. The generation is the upper half of a handle, the index the lower. */
#include "base/slots.h"

#include <stdlib.h>

#include "base/check.h"

#define SIZE_FIRST 16
#define GENERATION_LAST INT32_MAX /* so that a handle is positive */

static struct slot *slot_of(const struct slots *s, int64_t handle)
{
    int64_t index = handle & UINT32_MAX;
    if (handle <= 0 || index >= s->size)
        return NULL;
    struct slot *slot = &s->slot[index];
    return slot->thing != NULL && slot->generation == (uint64_t)handle >> 32 ? slot : NULL;
}

static bool grow(struct slots *s)
{
    int64_t size = s->size == 0 ? SIZE_FIRST : (int64_t)s->size * 2;
    if (size > s->most)
        size = s->most;
    if (size == s->size)
        return false;
    struct slot *slot = realloc(s->slot, (size_t)size * sizeof *slot);
    if (slot == NULL)
        return false;
    for (int32_t i = (int32_t)size - 1; i >= s->size; i--) { /* the lowest is used first */
        slot[i] = (struct slot){.generation = 1, .next_free = s->free_head};
        s->free_head = i;
    }
    s->slot = slot;
    s->size = (int32_t)size;
    return true;
}

void slots_init(struct slots *s, int32_t most)
{
    CHECK(most > 0);
    *s = (struct slots){.free_head = -1, .most = most};
}

void slots_fini(struct slots *s)
{
    free(s->slot);
    slots_init(s, s->most);
}

int64_t slots_add(struct slots *s, void *thing)
{
    CHECK(thing != NULL);
    if (s->free_head < 0 && !grow(s))
        return 0;
    int32_t index = s->free_head;
    struct slot *slot = &s->slot[index];
    s->free_head = slot->next_free;
    slot->thing = thing;
    s->used++;
    return (int64_t)slot->generation << 32 | index;
}

void *slots_get(const struct slots *s, int64_t handle)
{
    const struct slot *slot = slot_of(s, handle);
    return slot == NULL ? NULL : slot->thing;
}

void slots_drop(struct slots *s, int64_t handle)
{
    struct slot *slot = slot_of(s, handle);
    CHECK(slot != NULL);
    slot->thing = NULL;
    slot->generation = slot->generation % GENERATION_LAST + 1; /* never 0: a handle is never 0 */
    slot->next_free = s->free_head;
    s->free_head = (int32_t)(slot - s->slot);
    s->used--;
}
