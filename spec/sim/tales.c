#include "tales.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <inttypes.h>

#define EXPLAIN "{\"verb\":\"explain\",\"name\":\"shop\"}"

static void put(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* What it is, its numbers in order, and where its setting stands. Of times the last digit of the ms is what the
 * dice of the server say. */
static void put_record(char *text, size_t size, json_t *one)
{
    const char *key;
    json_t *value;
    put(text, size, "%s%s", *text == '\0' ? "" : ", ", told_text(one, "what"));
    json_object_foreach(one, key, value)
    {
        size_t end = strlen(key);
        bool is_span = end > 3 && strcmp(key + end - 3, "_us") == 0;
        if (strcmp(key, "what") == 0 || strcmp(key, "file") == 0)
            continue;
        if (json_is_string(value))
            put(text, size, " %s", json_string_value(value));
        else if (is_span)
            put(text, size, " %" PRId64 "ms", (int64_t)json_integer_value(value) / TENTH * 10);
        else if (strcmp(key, "attempt") == 0)
            put(text, size, " %" PRId64 ".", (int64_t)json_integer_value(value));
        else if (json_is_integer(value) && strcmp(key, "line") != 0 &&
                 strcmp(key, "generation") != 0)
            put(text, size, " %" PRId64, (int64_t)json_integer_value(value));
    }
    if (json_object_get(one, "file") != NULL)
        put(text, size, " (%s:%" PRId64 ")", told_text(one, "file"), told_number(one, "line"));
}

const char *tales_text(json_t *list)
{
    static char text[2000];
    size_t i;
    json_t *one;
    text[0] = '\0';
    json_array_foreach(list, i, one)
    {
        put_record(text, sizeof text, one);
    }
    return text;
}

json_t *tales_ask(struct rig *r)
{
    json_t *answer = json_loads(nebula_ask(r->nebula, EXPLAIN), 0, NULL);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    return answer;
}

void tales_assert(struct rig *r, size_t calls, const char *tale)
{
    json_t *answer = tales_ask(r), *list = told_at(answer, "calls");
    assert_int_equal(json_array_size(list), calls);
    if (calls > 0)
        assert_string_equal(tales_text(told_at(json_array_get(list, calls - 1), "records")), tale);
    json_decref(answer);
}

int64_t tales_number(struct rig *r, const char *what, const char *key)
{
    json_t *answer = tales_ask(r), *calls = told_at(answer, "calls"), *one;
    size_t count = json_array_size(calls);
    json_t *records = json_object_get(json_array_get(calls, count - 1), "records");
    int64_t number = -1;
    size_t i;
    json_array_foreach(records, i, one)
    {
        if (strcmp(told_text(one, "what"), what) == 0)
            number = told_number(one, key);
    }
    json_decref(answer);
    return number;
}

struct records *tales_records(const struct rig *r)
{
    return ((struct resource *)table_get(&r->engine->resources, r->shop))->records;
}

void tales_forget(const struct rig *r)
{
    tales_records(r)->of_calls = tales_records(r)->of_front = 0;
}
