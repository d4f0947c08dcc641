#include "base/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define FIRST_SIZE 16

/* The entry of this name, or the free one where it would stand. There is always a free one. */
static struct index_entry *place(const struct index *x, const char *name)
{
    uint32_t at = (uint32_t)index_hash(name) & (x->size - 1);
    while (x->entry[at].name != NULL && strcmp(x->entry[at].name, name) != 0)
        at = (at + 1) & (x->size - 1);
    return &x->entry[at];
}

void index_init(struct index *x)
{
    *x = (struct index){.entry = NULL};
}

void index_fini(struct index *x)
{
    free(x->entry);
    index_init(x);
}

static bool grow(struct index *x)
{
    struct index larger = {
        .size = x->size == 0 ? FIRST_SIZE : x->size * 2, .used = x->used, .sum = x->sum};
    larger.entry = calloc(larger.size, sizeof *larger.entry);
    if (larger.entry == NULL)
        return false;
    for (uint32_t i = 0; i < x->size; i++)
        if (x->entry[i].name != NULL)
            *place(&larger, x->entry[i].name) = x->entry[i];
    free(x->entry);
    *x = larger;
    return true;
}

bool index_add(struct index *x, const char *name, void *thing)
{
    if (x->used >= x->size / 4 * 3 && !grow(x))
        return false;
    struct index_entry *e = place(x, name);
    CHECK(e->name == NULL);
    *e = (struct index_entry){.name = name, .thing = thing};
    x->used++;
    x->sum += index_hash(name);
    return true;
}

/* What stands behind it moves up, unless it would stand before its own place then. */
void index_drop(struct index *x, const char *name)
{
    uint32_t mask = x->size - 1, hole = (uint32_t)(place(x, name) - x->entry);
    CHECK(x->entry[hole].name != NULL);
    x->sum -= index_hash(name);
    for (uint32_t at = (hole + 1) & mask; x->entry[at].name != NULL; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)index_hash(x->entry[at].name) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        x->entry[hole] = x->entry[at];
        hole = at;
    }
    x->entry[hole] = (struct index_entry){.name = NULL};
    x->used--;
}

void *index_get(const struct index *x, const char *name)
{
    return x->size == 0 ? NULL : place(x, name)->thing;
}
