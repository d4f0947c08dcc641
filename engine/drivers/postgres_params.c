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
    switch ((enum nebula_type)v->type) {
    case NEBULA_NULL:
    case NEBULA_BYTES:
    case NEBULA_BOOL:
        return 0;
    case NEBULA_INT:
    case NEBULA_FLOAT:
        return NUMBER_SIZE;
    case NEBULA_TEXT:
        return (size_t)v->size + 1;
    }
    UNREACHABLE();
}

static bool is_possible(const struct request *r, const char *resource, struct error *e)
{
    if (r->count > MOST) {
        error_set(e, ERROR_LIMIT, "%s: %d parameters; PostgreSQL takes at most %d", resource,
                  (int)r->count, MOST);
        return false;
    }
    for (int32_t i = 0; i < r->count; i++) {
        const struct nebula_value *v = &r->value[i];
        bool has_bytes = v->type == NEBULA_TEXT || v->type == NEBULA_BYTES;
        if (has_bytes && v->size > SIZE_MOST) {
            error_set(e, ERROR_LIMIT, "%s: parameter %d has %u bytes; PostgreSQL takes at most %d",
                      resource, (int)i + 1, (unsigned)v->size, SIZE_MOST);
            return false;
        }
        if (v->type == NEBULA_TEXT && v->size > 0 && memchr(v->bytes, 0, v->size) != NULL) {
            error_set(e, ERROR_QUERY,
                      "%s: parameter %d is a text with a zero byte, which PostgreSQL cannot hold; "
                      "send it as bytes",
                      resource, (int)i + 1);
            return false;
        }
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
        snprintf(out, NUMBER_SIZE, "%lld", (long long)v->integer);
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

bool pg_params_init(struct pg_params *p, const struct request *r, const char *resource,
                    struct error *e)
{
    *p = (struct pg_params){.count = r->count};
    if (r->count == 0)
        return true;
    if (!is_possible(r, resource, e))
        return false;
    size_t count = (size_t)r->count;
    size_t size = count * (sizeof *p->value + sizeof *p->size + sizeof *p->format + sizeof(Oid));
    for (size_t i = 0; i < count; i++)
        size += room_for(&r->value[i]);
    p->block = malloc(size);
    if (p->block == NULL) {
        error_set(e, ERROR_MEMORY, "%s: no memory for %d parameters", resource, p->count);
        return false;
    }
    p->value = p->block;
    p->size = (int *)(void *)(p->value + count);
    p->format = p->size + count;
    Oid *type = (Oid *)(void *)(p->format + count);
    char *room = (char *)(type + count);
    for (size_t i = 0; i < count; i++) {
        const struct nebula_value *v = &r->value[i];
        bool is_bytes = v->type == NEBULA_BYTES;
        p->value[i] = write_value(v, &room);
        p->size[i] = is_bytes ? (int)v->size : 0;
        p->format[i] = is_bytes;
        type[i] = is_bytes ? BYTEA : 0;
    }
    p->type = type;
    return true;
}

void pg_params_fini(struct pg_params *p)
{
    free(p->block);
    *p = (struct pg_params){0};
}
