/* postgres_rows.c - values from the server, read where libpq keeps them.
 *
 * A statement's reply is one PGresult with all rows; a stream's is one PGresult a row. The server
 * sends text; integers, floats, booleans and bytea are read from it when somebody looks, all else
 * is the database's own words. bytea is decoded once, when it arrives, over its own hex digits and
 * behind the \x that stays.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

enum {
    BOOL = 16,
    BYTEA = 17,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    OID = 26,
    FLOAT4 = 700,
    FLOAT8 = 701
};

struct pg_rows {
    struct result result;
    int32_t most, parts;
    PGresult *part[];
};

static const struct pg_rows *rows_of(const struct result *r)
{
    return container_of(r, const struct pg_rows, result);
}

static void read_text(struct nebula_value *out, const char *text, int size)
{
    out->type = NEBULA_TEXT;
    out->bytes = text;
    out->size = (uint32_t)size;
}

/* Of a column whose text is digits: strtoll() looks for more. */
static int64_t read_int(const char *text)
{
    bool is_negative = *text == '-';
    uint64_t number = 0;
    for (text += is_negative; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (uint64_t)(*text - '0');
    return (int64_t)(is_negative ? 0 - number : number);
}

static void read_float(struct nebula_value *out, const char *text)
{
    out->type = NEBULA_FLOAT;
    out->number = strtod_l(text, NULL, newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static void cell(const struct result *r, int32_t row, int32_t column, struct nebula_value *out)
{
    const struct pg_rows *rows = rows_of(r);
    CHECK(row >= 0 && row < r->rows && column >= 0 && column < r->columns);
    const PGresult *res = rows->parts > 1 ? rows->part[row] : rows->part[0];
    int at = rows->parts > 1 ? 0 : row;
    *out = (struct nebula_value){.type = NEBULA_NULL};
    if (PQgetisnull(res, at, column))
        return;
    const char *text = PQgetvalue(res, at, column);
    switch (PQftype(res, column)) {
    case INT8:
    case INT4:
    case INT2:
    case OID:
        out->type = NEBULA_INT;
        out->integer = read_int(text);
        return;
    case FLOAT4:
    case FLOAT8:
        read_float(out, text);
        return;
    case BOOL:
        out->type = NEBULA_BOOL;
        out->integer = text[0] == 't';
        return;
    case BYTEA:
        read_text(out, text + 2, (PQgetlength(res, at, column) - 2) / 2);
        out->type = NEBULA_BYTES;
        return;
    }
    read_text(out, text, PQgetlength(res, at, column));
}

static void column(const struct result *r, int32_t i, struct nebula_column *out)
{
    const PGresult *res = rows_of(r)->part[0];
    CHECK(i >= 0 && i < r->columns);
    out->name = PQfname(res, i);
    out->size = (uint32_t)strlen(out->name);
    out->type = PQftype(res, i);
}

static void clear(struct pg_rows *rows)
{
    for (int32_t i = 0; i < rows->parts; i++)
        PQclear(rows->part[i]);
    free(rows);
}

static void free_result(struct result *r)
{
    clear(container_of(r, struct pg_rows, result));
}

static const struct result_type type = {.cell = cell, .column = column, .free = free_result};

/* --- filling ---------------------------------------------------------------------------------- */

struct pg_rows *pg_rows_new(int32_t most)
{
    CHECK(most >= 1);
    struct pg_rows *rows = malloc(sizeof *rows + (size_t)most * sizeof *rows->part);
    if (rows != NULL)
        *rows = (struct pg_rows){.result = {.type = &type}, .most = most};
    return rows;
}

void pg_rows_free(struct pg_rows **rows)
{
    if (*rows != NULL)
        clear(*rows);
    *rows = NULL;
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10) & 0xF;
}

static void decode_hex(char *text, int size)
{
    char *out = text;
    for (int i = 0; i + 1 < size; i += 2)
        *out++ = (char)(digit(text[i]) << 4 | digit(text[i + 1]));
}

/* Somebody set bytea_output to escape: brought to the form that cell() reads. */
static bool decode_escaped(PGresult *res, int row, int at)
{
    size_t size = 0;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(res, row, at), &size);
    char *text = bytes == NULL ? NULL : calloc(1, 2 + 2 * size);
    if (text != NULL)
        memcpy(text + 2, bytes, size);
    bool ok = text != NULL && PQsetvalue(res, row, at, text, (int)(2 + 2 * size));
    free(text);
    PQfreemem(bytes);
    return ok;
}

static bool decode_column(PGresult *res, int at)
{
    for (int row = 0; row < PQntuples(res); row++) {
        if (PQgetisnull(res, row, at))
            continue;
        char *text = PQgetvalue(res, row, at);
        if (text[0] == '\\' && text[1] == 'x')
            decode_hex(text + 2, PQgetlength(res, row, at) - 2);
        else if (!decode_escaped(res, row, at))
            return false;
    }
    return true;
}

bool pg_rows_may_add(const struct pg_rows *rows, const PGresult *res)
{
    return rows->parts < rows->most && (rows->parts == 0 || rows->result.columns == PQnfields(res));
}

bool pg_rows_add(struct pg_rows *rows, PGresult *res)
{
    CHECK(pg_rows_may_add(rows, res));
    rows->part[rows->parts++] = res;
    rows->result.rows += PQntuples(res);
    rows->result.columns = PQnfields(res);
    for (int i = 0; i < rows->result.columns; i++)
        if (PQftype(res, i) == BYTEA && !decode_column(res, i))
            return false;
    return true;
}

bool pg_rows_is_full(const struct pg_rows *rows)
{
    return rows->result.rows >= rows->most;
}

bool pg_rows_has_columns(const struct pg_rows *rows)
{
    return rows->parts > 0;
}

struct result *pg_rows_result(struct pg_rows *rows)
{
    return &rows->result;
}
