/* driver.h - what a client library must be able to do, and what it may say.
 *
 * Four verbs. Each begins something and returns at once; its end is one of the sentences below,
 * said later from the loop and never inside the verb (use loop_soon() when the answer is there at
 * once). Every begin has exactly one end:
 *
 *   open    conn_opened | conn_failed
 *   send    conn_replied | conn_failed     one at a time: the next when the last has ended; those
 *                                          that are shared up to target->depth, ended in order
 *   cancel  conn_cancelled | conn_failed   of the first; the send it hurries still ends by itself
 *   close   conn_closed
 *
 * conn_failed() means that the connection is of no more use. It ends everything under way at once;
 * the core then calls close(), after which the driver says conn_closed() when nothing of it is
 * left, threads included. close() may be called in any state, also while open, send or cancel are
 * under way: those then have no end of their own, and the request stays lent until conn_closed().
 *
 * What the server says without being asked are sentences without a begin: conn_notice() for people,
 * conn_told() for listeners. They may be said between any two others once the connection is open,
 * also while a send is under way; never inside a verb.
 *
 * The core keeps the deadlines: a driver bounds neither open nor send nor cancel by itself. What it
 * tries one after the other within an open may share that time: conn_open_until_us().
 */
#ifndef CORE_DRIVER_H
#define CORE_DRIVER_H

#include "core/conn.h"
#include "core/loop.h"
#include "core/value.h"

/* What to connect to. Borrowed; it outlives every connection made with it. */
struct target {
    const char *resource;               /* name, for messages */
    const struct nebula_option *option; /* the declaration's options that the driver understands */
    int32_t options;
    int32_t role; /* index into the kind's roles */
    int32_t endpoint;
    bool is_easy;  /* whatever the endpoint is will do: none is what the role needs */
    int32_t depth; /* most requests at once on one connection */
};

/* Whether the option is for this role and this endpoint. */
bool target_has(const struct target *t, const struct nebula_option *option);
/* The option's value, or fallback when it is not there. Of several that are, the last. */
const char *target_get(const struct target *t, const char *name, const char *fallback);

struct driver {
    const char *name;
    size_t size; /* bytes of its own behind each struct conn, zeroed; see conn_driver() */
    bool takes_batches;
    int32_t depth; /* most requests at once that it can do on one connection; 0 is 1 */
    /* With depth: r, which does no harm when it is done twice, leaves nothing in the session, and may
     * be sent before others of its like have ended. */
    bool (*may_share)(const struct driver *d, const struct request *r);
    void (*open)(struct conn *c, const struct target *t);
    void (*send)(struct conn *c, struct request *r);
    void (*cancel)(struct conn *c, struct request *r); /* NULL: closing is the only way */
    void (*close)(struct conn *c);
    /* Both or none. Lets go of the loop, with nothing under way, so that another worker's takes it; false when it cannot
     * now. And takes up that loop: t is for the same endpoint, as that worker knows it. */
    bool (*detach)(struct conn *c);
    void (*attach)(struct conn *c, const struct target *t);
    /* Whether the options of a declaration can be meant; *e says why not. NULL: all can. */
    bool (*check)(const struct driver *d, const struct target *t, struct error *e);
};

/* A driver by its name, or by the path of its object when there is a slash in it; NULL with the
 * reason in *e if there is none. Each one found is given back once, when no connection of it is left.
 * drivers/loaded.c, drivers/linked.c, or the simulation's. */
const struct driver *driver_find(const char *name, struct error *e);
void driver_return(const struct driver *d);

#endif
