#include "core/rooms.h"

#include <stdlib.h>
#include <string.h>

struct room {
    struct room *next;
};

static void *take(struct rooms *r, size_t size)
{
    struct room *room = r->first;
    if (size > ROOM_SIZE || room == NULL)
        return malloc(size > ROOM_SIZE ? size : ROOM_SIZE);
    r->first = room->next;
    r->count--;
    return room;
}

/* Whoever knows how many has them cleared one by one, which takes twice as long. */
void *rooms_take(struct rooms *r, size_t size, size_t zeros)
{
    void *room = take(r, size);
    return room == NULL ? NULL : memset(room, 0, zeros);
}

void rooms_give(struct rooms *r, void *memory, size_t size)
{
    struct room *room = memory;
    if (size > ROOM_SIZE || r->count >= ROOMS_MOST) {
        free(memory);
        return;
    }
    room->next = r->first;
    r->first = room;
    r->count++;
}

void rooms_fini(struct rooms *r)
{
    for (struct room *room = r->first, *next; room != NULL; room = next) {
        next = room->next;
        free(room);
    }
    *r = (struct rooms){.first = NULL};
}
