/* nebula_border.h - what the files of the border share: who they speak for, and how they enter.
 *
 *   nebula.c           open, turn, next, stop; tasks; looking
 *   nebula_resource.c  declarations and what is told to a resource
 *   nebula_call.c      tickets, requests and their replies
 *   nebula_front.c     what was decided in front of calls
 *   nebula_lease.c     leases
 *   nebula_listen.c    listeners, and what they are told
 *   nebula_ledger.c    what several engines count together
 *   nebula_host.c      what the program alone asks for
 *
 * Each function checks the thread and its arguments, then goes one call down.
 */
#ifndef NEBULA_BORDER_H
#define NEBULA_BORDER_H

#include <stdatomic.h>

#include "core/engine.h"
#include "nebula.h"

struct admin;

struct nebula_ledger {
    struct ledger *ledger;
    int32_t workers;
};

struct nebula {
    struct engine engine; /* first: who simulates the world looks behind the border */
    struct world *world;
    struct loop *loop;
    struct admin *admin; /* NULL without a control socket */
    char *answer;        /* of the last nebula_ask() */
    struct note interruption;
    atomic_flag is_interrupted;
};

/* An address that differs from thread to thread names the thread without a call. */
static inline bool border_is_here(const struct nebula *n)
{
    return n->engine.thread == __builtin_thread_pointer();
}

/* The same, and nobody watches. Else the long path tries the short one, and tells the tracer. */
static inline bool border_is_short(const struct nebula *n)
{
    return n->engine.unwatched == __builtin_thread_pointer();
}

static inline struct engine *border_enter(struct nebula *n)
{
    CHECK(border_is_here(n));
    return &n->engine;
}

static inline int32_t border_no_resource(struct engine *e, int32_t number)
{
    return engine_refuse(e, ERROR_USAGE, "there is no resource number %d", number);
}

#endif
