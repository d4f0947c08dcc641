#include "drivers/foreign_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct foreign_result {
    struct result ours;
    const struct nebula_result_type *type;
    void *theirs;
};

static void result_cell(const struct result *r, int32_t row, int32_t column,
                        struct nebula_value *out)
{
    const struct foreign_result *f = container_of(r, struct foreign_result, ours);
    f->type->cell(f->theirs, row, column, out);
}

static void result_column(const struct result *r, int32_t column, struct nebula_column *out)
{
    const struct foreign_result *f = container_of(r, struct foreign_result, ours);
    f->type->column(f->theirs, column, out);
}

static void result_free(struct result *r)
{
    struct foreign_result *f = container_of(r, struct foreign_result, ours);
    f->type->free(f->theirs);
    free(f);
}

static const struct result_type result_type = {
    .cell = result_cell, .column = result_column, .free = result_free};

static struct result *result_new(const struct nebula_driver_reply *said)
{
    struct foreign_result *f = malloc(sizeof *f);
    if (f == NULL)
        return NULL;
    *f = (struct foreign_result){
        .ours = {.type = &result_type, .rows = said->rows, .columns = said->columns},
        .type = said->result_type,
        .theirs = said->result};
    return &f->ours;
}

enum error_code foreign_code(int32_t code)
{
    return code > ERROR_OK && code < ERROR_COUNT ? (enum error_code)code : ERROR_SERVER;
}

static void fill_error(struct reply *r, const struct nebula_driver_reply *said)
{
    error_set(&r->error, foreign_code(said->code), "%s", said->text != NULL ? said->text : "");
    snprintf(r->error.state, sizeof r->error.state, "%s", said->state != NULL ? said->state : "");
    r->is_partial = said->is_partial;
    r->part = said->part;
    r->wants_writer = said->wants_writer;
    r->wants_again = said->wants_again;
    if (said->line > 0)
        reply_place(r, said->line, said->column != NULL ? said->column : "");
}

static void fill_result(struct reply *r, const struct nebula_driver_reply *said)
{
    r->result = result_new(said);
    if (r->result != NULL)
        return;
    said->result_type->free(said->result);
    r->is_partial = true; /* the server did it, and nobody knows what */
    error_set(&r->error, ERROR_MEMORY, "no memory for the rows of a reply");
}

void foreign_fill(struct reply *r, const struct nebula_driver_reply *said, size_t size)
{
    struct nebula_driver_reply all = {0};
    memcpy(&all, said, size);
    r->changed = all.changed;
    r->last_id = all.last_id;
    r->more = all.more;
    r->wants_input = all.wants_input;
    if (all.code != 0)
        fill_error(r, &all);
    if (all.result != NULL)
        fill_result(r, &all);
}

void foreign_forget(const struct nebula_driver_reply *said)
{
    if (said->result != NULL)
        said->result_type->free(said->result);
}
