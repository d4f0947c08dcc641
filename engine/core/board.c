#include "core/board.h"

#include <stdlib.h>
#include <string.h>

struct board *board_new(int32_t endpoints, int32_t roles, int32_t connecting)
{
    size_t at_seen = sizeof(struct board) + (size_t)endpoints * sizeof(struct endpoint);
    size_t at_role = at_seen + (size_t)(endpoints * roles) * sizeof(struct seen);
    char *bytes = calloc(1, at_role + (size_t)roles * sizeof(struct role));
    if (bytes == NULL)
        return NULL;
    struct board *b = (struct board *)(void *)bytes;
    b->endpoints = endpoints;
    b->roles = roles;
    b->connecting = connecting;
    b->seen = (struct seen *)(void *)(bytes + at_seen);
    b->role = (struct role *)(void *)(bytes + at_role);
    for (int32_t i = 0; i < endpoints; i++)
        fill_init(&b->endpoint[i].fill, &(struct fill_policy){.connecting = connecting});
    return b;
}

void board_free(struct board *b)
{
    for (int32_t i = 0; b != NULL && i < b->endpoints; i++)
        free(b->endpoint[i].why);
    free(b);
}

/* The only pool of a board is of its only role, whatever that is in the resource. */
int32_t board_place(const struct board *b, int32_t at, int32_t role)
{
    return at * b->roles + (b->roles == 1 ? 0 : role);
}

struct seen *board_seen(const struct board *b, int32_t at, int32_t role)
{
    return &b->seen[board_place(b, at, role)];
}

struct role *board_role(const struct board *b, int32_t role)
{
    return &b->role[b->roles == 1 ? 0 : role];
}

void board_order(struct board *b, int32_t at, int32_t role)
{
    board_seen(b, at, role)->turns++;
    b->orders++;
}

bool endpoint_has_room(const struct endpoint *e, int64_t now_us)
{
    bool is_overdue = e->overdue_us > 0 && now_us >= e->overdue_us;
    return is_overdue || fill_has_room(&e->fill, e->opening);
}

bool endpoint_is_down(const struct endpoint *e)
{
    return e->fill.failures > 0;
}

void endpoint_note(struct endpoint *to, const struct error *why)
{
    if (why == NULL) {
        free(to->why);
        to->why = NULL;
        return;
    }
    if (to->why == NULL)
        to->why = malloc(sizeof *to->why);
    if (to->why != NULL)
        *to->why = *why;
}

void board_copy(struct board *to, const struct board *from)
{
    to->failures = from->failures;
    to->orders = from->orders;
    memcpy(to->seen, from->seen, (size_t)(to->endpoints * to->roles) * sizeof to->seen[0]);
    memcpy(to->role, from->role, (size_t)to->roles * sizeof to->role[0]);
    for (int32_t i = 0; i < to->endpoints; i++) {
        struct endpoint *e = &to->endpoint[i], kept = *e;
        *e = from->endpoint[i];
        e->name = kept.name;
        e->why = kept.why;
        endpoint_note(e, from->endpoint[i].why);
    }
}
