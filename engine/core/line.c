#include "core/line.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024

/* For so many bytes more. */
static bool make_room(struct line *l, size_t more)
{
    size_t room = l->room == 0 ? FIRST_ROOM : l->room;
    while (room - l->size < more)
        room *= 2;
    char *text = room == l->room ? l->text : realloc(l->text, room);
    if (text == NULL) {
        l->has_failed = true;
        return false;
    }
    l->text = text;
    l->room = room;
    return true;
}

void line_text(struct line *l, const char *text)
{
    size_t size = strlen(text);
    if (!make_room(l, size))
        return;
    memcpy(l->text + l->size, text, size);
    l->size += size;
}

/* json_dumps() goes on where its memory ended, and leaves gaps; into memory that is there it does
 * not. What has no room is not written, and says how much it wants. */
void line_value(struct line *l, const json_t *value)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(15);
    size_t size = 1, room = 0;
    while (size > room && make_room(l, size)) {
        room = l->room - l->size;
        size = json_dumpb(value, l->text + l->size, room, flags);
    }
    if (size == 0)
        l->has_failed = true;
    if (!l->has_failed)
        l->size += size;
}

void line_members(struct line *l, const json_t *object)
{
    line_value(l, object);
    if (!l->has_failed)
        l->size--;
}

char *line_end(struct line *l)
{
    line_text(l, "\n");
    if (!make_room(l, 1) || l->has_failed) {
        line_fini(l);
        return NULL;
    }
    char *text = l->text;
    text[l->size] = '\0';
    *l = (struct line){.text = NULL};
    return text;
}

void line_fini(struct line *l)
{
    free(l->text);
    *l = (struct line){.text = NULL};
}
