/* line.h - a line of JSON that is written a piece at a time. */
#ifndef CORE_LINE_H
#define CORE_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Begins as zeros. */
struct line {
    char *text;
    size_t size, room;
    bool has_failed; /* no memory */
};

void line_text(struct line *l, const char *text);
void line_value(struct line *l, const json_t *value); /* NULL: it could not be made */
/* Of an object with members, all but its end: there are more to come. */
void line_members(struct line *l, const json_t *object);

/* The line with its newline, to be freed; NULL when out of memory. */
char *line_end(struct line *l);
void line_fini(struct line *l);

#endif
