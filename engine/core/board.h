/* board.h - how the endpoints of a resource are: which are down, how many connect to each, and what each is good
 * for.
 *
 * Plain data. Whose it is, and when it changes, is for core/outage.h to say.
 */
#ifndef CORE_BOARD_H
#define CORE_BOARD_H

#include "base/error.h"
#include "rules/fill.h"

struct endpoint {
    const char *name;   /* NULL when the resource names none */
    struct fill fill;   /* how many may connect at once */
    int32_t opening;    /* attempts under way, of all roles and workers */
    int64_t again_us;   /* none before, after one that failed */
    int64_t overdue_us; /* when the first of them counts no more; 0: none will */
    struct error *why;  /* the last attempt failed, NULL since one was answered */
};

/* An endpoint, as one role sees it. */
struct seen {
    int32_t misses;   /* found unfit so often in a row */
    uint32_t turns;   /* orders to the role's connections to it, to leave; ever */
    int64_t again_us; /* not before, since it was found unfit */
    bool is_fit;      /* the last attempt found what the role needs */
};

/* A role, at all its endpoints together. */
struct role {
    int32_t last;    /* where it is, if it stays with one endpoint */
    int32_t opening; /* attempts under way, of all workers */
};

/* All endpoints of a resource, which are one when it names none: then roles is 1. */
struct board {
    int32_t endpoints, roles, connecting;
    uint32_t failures; /* attempts that came to nothing, ever */
    uint32_t orders;   /* to connections, to leave; ever */
    struct seen *seen; /* of each endpoint one for each role */
    struct role *role;
    struct endpoint endpoint[];
};

/* NULL when out of memory. The endpoints have no names yet, which stay the caller's. */
struct board *board_new(int32_t endpoints, int32_t roles, int32_t connecting);
void board_free(struct board *b); /* which may be NULL */
/* All but the names; without memory for it nobody is told why an endpoint is down. */
void board_copy(struct board *to, const struct board *from);
int32_t board_place(const struct board *b, int32_t at, int32_t role); /* in rows like b->seen */
struct seen *board_seen(const struct board *b, int32_t at, int32_t role);
struct role *board_role(const struct board *b, int32_t role);
/* All connections of that role to that endpoint leave. */
void board_order(struct board *b, int32_t at, int32_t role);
/* One more may connect, as far as is known here: an attempt of others may be overdue by now. */
bool endpoint_has_room(const struct endpoint *e, int64_t now_us);
bool endpoint_is_down(const struct endpoint *e);
/* Why it is down, copied; NULL: it is not. */
void endpoint_note(struct endpoint *to, const struct error *why);

#endif
