#include "base/table.h"

#include <stdlib.h>

#define FIRST_SIZE 16

void table_init(struct table *t, int32_t most)
{
    CHECK(most > 0);
    *t = (struct table){.most = most};
}

void table_fini(struct table *t)
{
    CHECK(t->used == 0);
    free(t->row);
    t->row = NULL;
    t->size = t->free_head = 0;
}

/* Row 0 ends the list of free rows. */
int table_grow(struct table *t)
{
    int32_t size = t->size == 0 ? FIRST_SIZE : t->size > t->most / 2 ? t->most + 1 : t->size * 2;
    struct table_row *row = realloc(t->row, (size_t)size * sizeof *row);
    if (row == NULL)
        return -1;
    row[0] = (struct table_row){.thing = NULL};
    t->row = row;
    int32_t first = t->size == 0 ? 1 : t->size;
    for (int32_t i = size - 1; i >= first; i--) {
        row[i] = (struct table_row){.next_free = t->free_head};
        t->free_head = i;
    }
    t->size = size;
    return 0;
}
