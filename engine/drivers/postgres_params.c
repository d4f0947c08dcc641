/* postgres_params.c - values to the server.
 *
 * All but BYTES go as text without a type, so that the server reads them as what the statement
 * needs: an integer fits a bigint, a numeric and a json column. BYTES go as they are, and say that
 * they are bytea.
 */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/postgres.h"

#define BYTEA 17
#define MOST 65535                         /* the protocol counts them in 16 bits */
#define SIZE_MOST (1024 * 1024 * 1024 - 1) /* of one value: the server's own bound */
#define NUMBER_SIZE 32

static size_t room_for(const struct nebula_value *v)
{
    if (v->type == NEBULA_INT || v->type == NEBULA_FLOAT)
        return NUMBER_SIZE;
    return v->type == NEBULA_TEXT ? (size_t)v->size + 1 : 0;
}

static bool is_possible(struct postgres *p, struct request *r, int32_t i)
{
    const struct nebula_value *v = &r->value[i];
    if (v->type != NEBULA_TEXT && v->type != NEBULA_BYTES)
        return true;
    if (v->size > SIZE_MOST) {
        error_set(&r->reply.error, ERROR_LIMIT,
                  "%s: parameter %d has %u bytes; PostgreSQL takes at most %d", pg_resource(p),
                  (int)i + 1, (unsigned)v->size, SIZE_MOST);
        return false;
    }
    if (v->type == NEBULA_TEXT && v->size > 0 && memchr(v->bytes, 0, v->size) != NULL) {
        error_set(&r->reply.error, ERROR_QUERY,
                  "%s: parameter %d is a text with a zero byte, which PostgreSQL cannot hold; "
                  "send it as bytes",
                  pg_resource(p), (int)i + 1);
        return false;
    }
    return true;
}

/* The shortest that reads back as the same number: 0.1 stays 0.1 in a numeric column. The program's
 * own locale must not turn its point into a comma. */
static void write_float(char *out, double number)
{
    if (isnan(number)) {
        strcpy(out, "NaN");
        return;
    }
    if (isinf(number)) {
        strcpy(out, number > 0 ? "Infinity" : "-Infinity");
        return;
    }
    locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, NUMBER_SIZE, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            break;
    }
    uselocale(before);
}

/* As snprintf() would, with no format to read. */
static void write_int(char *out, int64_t number)
{
    char digit[NUMBER_SIZE];
    int digits = 0;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        digit[digits++] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (number < 0)
        *out++ = '-';
    while (digits > 0)
        *out++ = digit[--digits];
    *out = '\0';
}

/* Where the value's text begins; *room moves behind what was written there. */
static const char *write_value(const struct nebula_value *v, char **room)
{
    char *out = *room;
    *room += room_for(v);
    switch ((enum nebula_type)v->type) {
    case NEBULA_NULL:
        return NULL;
    case NEBULA_BOOL:
        return v->integer != 0 ? "true" : "false";
    case NEBULA_INT:
        write_int(out, v->integer);
        return out;
    case NEBULA_FLOAT:
        write_float(out, v->number);
        return out;
    case NEBULA_TEXT:
        if (v->size > 0)
            memcpy(out, v->bytes, v->size);
        out[v->size] = '\0';
        return out;
    case NEBULA_BYTES:
        return v->size == 0 ? "" : v->bytes;
    }
    UNREACHABLE();
}

bool pg_params_check(struct postgres *p, struct request *r)
{
    if (r->count > MOST) {
        error_set(&r->reply.error, ERROR_LIMIT, "%s: %d parameters; PostgreSQL takes at most %d",
                  pg_resource(p), (int)r->count, MOST);
        return false;
    }
    for (int32_t i = 0; i < r->count; i++)
        if (!is_possible(p, r, i))
            return false;
    return true;
}

/* For the arrays and then the texts; NULL: r->reply.error tells why. */
static char *make_room(struct pg_params *v, struct postgres *p, struct request *r)
{
    size_t size =
        (size_t)r->count * (sizeof *v->value + sizeof *v->size + sizeof *v->format + sizeof(Oid));
    if (!pg_params_check(p, r))
        return NULL;
    for (int32_t i = 0; i < r->count; i++)
        size += room_for(&r->value[i]);
    if (size <= sizeof v->room)
        return v->room;
    v->block = malloc(size);
    if (v->block == NULL)
        error_set(&r->reply.error, ERROR_MEMORY, "%s: no memory for %d parameters", pg_resource(p),
                  (int)r->count);
    return v->block;
}

bool pg_params_init(struct pg_params *v, struct postgres *p, struct request *r)
{
    const struct nebula_value *in = r->value;
    v->count = r->count;
    v->block = NULL;
    char *room = make_room(v, p, r);
    if (room == NULL)
        return false;
    size_t count = (size_t)v->count;
    v->value = (const char **)(void *)room;
    v->size = (int *)(void *)(v->value + count);
    v->format = v->size + count;
    Oid *type = (Oid *)(void *)(v->format + count);
    room = (char *)(type + count);
    for (size_t i = 0; i < count; i++) {
        bool is_bytes = in[i].type == NEBULA_BYTES;
        v->value[i] = write_value(&in[i], &room);
        v->size[i] = is_bytes ? (int)in[i].size : 0;
        v->format[i] = is_bytes;
        type[i] = is_bytes ? BYTEA : 0;
    }
    v->type = type;
    return true;
}

void pg_params_fini(struct pg_params *v)
{
    free(v->block);
    v->block = NULL;
}
