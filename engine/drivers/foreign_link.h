/* foreign_link.h - what stands behind each connection of a driver from outside: between the core and
 * its author's struct. For foreign.c, which turns the core's verbs into theirs, and foreign_calls.c,
 * which turns what they say into the core's sentences. */
#ifndef DRIVERS_FOREIGN_LINK_H
#define DRIVERS_FOREIGN_LINK_H

#include "core/blocking.h"
#include "core/driver.h"
#include "nebula_driver.h"

struct foreign {
    struct driver ours;
    struct nebula_driver theirs;
    size_t reply_size; /* of its header's struct nebula_driver_reply */
    size_t asked_at;   /* bytes from the link to the room for requests */
};

/* Those under way, in a ring behind their struct with room for as many as there may be. */
struct asked {
    uint32_t first, count;
    struct nebula_driver_request *room;
};

/* Behind each struct conn. */
struct link {
    struct target target;
    struct nebula_target to;
    struct asked asked;
    struct watch watch;
    struct soon soon;
    struct resolve *resolve;
    struct blocking *thread; /* NULL before the first work() */
    struct job job;
    void (*work)(struct nebula_conn *c);
    bool is_working, is_closing;
    bool is_inside;            /* a verb has not returned: nothing may be said */
    struct nebula_conn theirs; /* and the rest of their struct */
};

/* What malloc() gives is good for anything, so theirs is too. */
_Static_assert((offsetof(struct conn, driver_bytes) + offsetof(struct link, theirs)) % 16 == 0,
               "the struct of a driver from outside is aligned for all that may be in it");

static inline struct link *link_of(const struct nebula_conn *c)
{
    return container_of((struct nebula_conn *)c, struct link, theirs);
}

static inline struct conn *ours(const struct nebula_conn *c)
{
    return conn_of(link_of(c));
}

static inline const struct foreign *foreign_of(const struct driver *d)
{
    return container_of((struct driver *)d, struct foreign, ours);
}

static inline const struct nebula_driver *driver_of(const struct nebula_conn *c)
{
    return &foreign_of(conn_driven_by(ours(c)))->theirs;
}

static inline size_t reply_size(const struct nebula_conn *c)
{
    return foreign_of(conn_driven_by(ours(c)))->reply_size;
}

/* Before open(): what they may say and ask for. */
void foreign_give_calls(struct link *l);

/* Their close(), with no job of theirs under way. */
void foreign_close(struct link *l);

#endif
