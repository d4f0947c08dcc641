#include "core/telling.h"

#include <string.h>

#include "base/utf8.h"
#include "core/engine.h"
#include "core/line.h"

void telling_put(struct telling *t, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        t->has_failed = true;
}

void telling_append(struct telling *t, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0)
        t->has_failed = true;
}

void telling_number(struct telling *t, json_t *object, const char *key, int64_t number)
{
    telling_put(t, object, key, json_integer(number));
}

/* A text whose bytes may be any: those that are no character are shown as U+FFFD. */
static json_t *text_json(const char *text)
{
    size_t size = strlen(text), to = 0;
    char *clean = malloc(size * (sizeof UTF8_BAD - 1) + 1);
    if (clean == NULL)
        return NULL;
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t count = utf8_read(text + at, size - at, &rune);
        const char *from = count == 0 ? UTF8_BAD : text + at;
        size_t taken = count == 0 ? sizeof UTF8_BAD - 1 : count;
        memcpy(clean + to, from, taken);
        to += taken;
        at += count == 0 ? 1 : count;
    }
    json_t *value = json_stringn(clean, to);
    free(clean);
    return value;
}

void telling_text(struct telling *t, json_t *object, const char *key, const char *text)
{
    telling_put(t, object, key, text_json(text));
}

/* A text of others: a secret may be in it. */
json_t *telling_masked_value(struct telling *t, const char *text)
{
    char *masked = strdup(text);
    if (masked == NULL)
        return NULL;
    secret_mask(&t->engine->secrets, masked, strlen(masked));
    json_t *value = text_json(masked);
    free(masked);
    return value;
}

void telling_masked(struct telling *t, json_t *object, const char *key, const char *text)
{
    telling_put(t, object, key, telling_masked_value(t, text));
}

json_t *telling_failure(const char *text)
{
    return json_pack("{s:b, s:o}", "ok", 0, "error", text_json(text));
}

json_t *telling_success(struct telling *t)
{
    json_t *o = json_object();
    telling_put(t, o, "ok", json_true());
    return o;
}

char *telling_line(const json_t *told)
{
    struct line l = {.text = NULL};
    line_value(&l, told);
    return line_end(&l);
}
