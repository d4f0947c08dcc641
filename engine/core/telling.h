/* telling.h - an answer in the making, as JSON. What could not be made leaves no gap in it: there is no
 * answer then. */
#ifndef CORE_TELLING_H
#define CORE_TELLING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;

struct telling {
    const struct engine *engine; /* whose secrets are masked */
    bool has_failed;             /* no memory */
};

/* All take over the value, which may be NULL: no memory. */
void telling_put(struct telling *t, json_t *object, const char *key, json_t *value);
void telling_append(struct telling *t, json_t *list, json_t *value);
void telling_number(struct telling *t, json_t *object, const char *key, int64_t number);
/* Bytes that are no characters are shown as U+FFFD. */
void telling_text(struct telling *t, json_t *object, const char *key, const char *text);
/* A text of others: a secret may be in it. */
void telling_masked(struct telling *t, json_t *object, const char *key, const char *text);
json_t *telling_masked_value(struct telling *t, const char *text);

json_t *telling_success(struct telling *t);
json_t *telling_failure(const char *text);
/* One line with its newline, to be freed; NULL when out of memory. See line.h. */
char *telling_line(const json_t *told);

#endif
