#include "drivers/sqlite_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BLOCK_SIZE 4096
#define BLOCK_MOST (1 << 20)

struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
};

struct rows {
    struct result result; /* first */
    struct nebula_column *column;
    struct nebula_value *cell;
    size_t cells, room;
    struct block *block; /* the one that is being filled first */
    size_t size;         /* of all blocks and cells */
};

/* --- memory --------------------------------------------------------------------------------- */

static bool add_block(struct rows *all, size_t least)
{
    size_t size = all->block == NULL ? BLOCK_SIZE : all->block->size * 2;
    if (size > BLOCK_MOST)
        size = BLOCK_MOST;
    if (size < least)
        size = least;
    struct block *b = malloc(sizeof *b + size);
    if (b == NULL)
        return false;
    b->next = all->block;
    b->used = 0;
    b->size = size;
    all->block = b;
    all->size += size;
    return true;
}

/* A copy that lives as long as the rows; NULL when out of memory. */
static const char *copy(struct rows *all, const void *bytes, size_t size)
{
    if (size == 0)
        return "";
    struct block *b = all->block;
    if ((b == NULL || b->size - b->used < size) && !add_block(all, size))
        return NULL;
    b = all->block;
    char *to = memcpy(b->bytes + b->used, bytes, size);
    b->used += size;
    return to;
}

static bool make_room(struct rows *all)
{
    size_t columns = (size_t)all->result.columns;
    if (all->room - all->cells >= columns)
        return true;
    size_t room = all->room < columns ? columns : all->room * 2;
    struct nebula_value *cell = realloc(all->cell, room * sizeof *cell);
    if (cell == NULL)
        return false;
    all->size += (room - all->room) * sizeof *cell;
    all->cell = cell;
    all->room = room;
    return true;
}

/* --- reading -------------------------------------------------------------------------------- */

static void read_cell(const struct result *r, int32_t row, int32_t column, struct nebula_value *out)
{
    const struct rows *all = (const struct rows *)r;
    CHECK(row >= 0 && row < r->rows && column >= 0 && column < r->columns);
    *out = all->cell[(size_t)row * (size_t)r->columns + (size_t)column];
}

static void read_column(const struct result *r, int32_t column, struct nebula_column *out)
{
    const struct rows *all = (const struct rows *)r;
    CHECK(column >= 0 && column < r->columns);
    *out = all->column[column];
}

static void free_result(struct result *r)
{
    struct rows *all = (struct rows *)r;
    rows_free(&all);
}

static const struct result_type type = {
    .cell = read_cell, .column = read_column, .free = free_result};

/* --- filling -------------------------------------------------------------------------------- */

static bool name_columns(struct rows *all, sqlite3_stmt *stmt)
{
    for (int32_t i = 0; i < all->result.columns; i++) {
        const char *name = sqlite3_column_name(stmt, i);
        size_t size = name == NULL ? 0 : strlen(name);
        const char *kept = name == NULL ? NULL : copy(all, name, size + 1);
        if (kept == NULL)
            return false;
        all->column[i] = (struct nebula_column){.name = kept, .size = (uint32_t)size};
    }
    return true;
}

struct rows *rows_new(sqlite3_stmt *stmt)
{
    struct rows *all = calloc(1, sizeof *all);
    if (all == NULL)
        return NULL;
    all->result.type = &type;
    all->result.columns = sqlite3_column_count(stmt);
    all->column = calloc((size_t)all->result.columns + 1, sizeof *all->column);
    if (all->column == NULL || !name_columns(all, stmt))
        rows_free(&all);
    return all;
}

/* Text and blob: the pointer is asked for first, because that converts, and the size then fits. */
static bool add_bytes(struct rows *all, sqlite3_stmt *stmt, int column, struct nebula_value *v)
{
    const void *bytes = v->type == NEBULA_TEXT ? (const void *)sqlite3_column_text(stmt, column)
                                               : sqlite3_column_blob(stmt, column);
    v->size = (uint32_t)sqlite3_column_bytes(stmt, column);
    if (bytes == NULL && (v->size > 0 || v->type == NEBULA_TEXT))
        return false;
    v->bytes = copy(all, bytes, v->size);
    return v->bytes != NULL;
}

static bool add_value(struct rows *all, sqlite3_stmt *stmt, int column, struct nebula_value *v)
{
    *v = (struct nebula_value){.type = NEBULA_NULL};
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        v->type = NEBULA_INT;
        v->integer = sqlite3_column_int64(stmt, column);
        return true;
    case SQLITE_FLOAT:
        v->type = NEBULA_FLOAT;
        v->number = sqlite3_column_double(stmt, column);
        return true;
    case SQLITE_TEXT:
        v->type = NEBULA_TEXT;
        return add_bytes(all, stmt, column, v);
    case SQLITE_BLOB:
        v->type = NEBULA_BYTES;
        return add_bytes(all, stmt, column, v);
    default:
        return true;
    }
}

int rows_add(struct rows *all, sqlite3_stmt *stmt)
{
    if (all->size > ROWS_MOST_BYTES || all->result.rows == INT32_MAX)
        return SQLITE_TOOBIG;
    if (!make_room(all))
        return SQLITE_NOMEM;
    for (int32_t i = 0; i < all->result.columns; i++)
        if (!add_value(all, stmt, i, &all->cell[all->cells + (size_t)i]))
            return SQLITE_NOMEM;
    all->cells += (size_t)all->result.columns;
    all->result.rows++;
    return SQLITE_OK;
}

struct result *rows_result(struct rows *all)
{
    return &all->result;
}

void rows_free(struct rows **all_in)
{
    struct rows *all = *all_in;
    *all_in = NULL;
    if (all == NULL)
        return;
    while (all->block != NULL) {
        struct block *next = all->block->next;
        free(all->block);
        all->block = next;
    }
    free(all->cell);
    free(all->column);
    free(all);
}
