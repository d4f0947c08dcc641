/* attempt.h - one attempt at a call: a connection is waited for, the request is sent, and it ends.
 *
 * It ends once, by ended(), with an outcome and a reason; or it is given up before, and then nothing more is
 * said of it. A request that was sent may be the driver's still when the attempt is over, at its deadline for
 * example: it lives on with the connection that is CANCELLING, and let_go() says when the driver has no part
 * in it any more. Until then the attempt and what its request names stay where they are.
 *
 * Where it goes by circuits of endpoints (waiter.guards) it comes by a pass with its connection. That is its own to
 * return when it is given up or goes on elsewhere, and the owner's to hand in when he has heard how it ended.
 */
#ifndef CORE_ATTEMPT_H
#define CORE_ATTEMPT_H

#include "core/lease.h"
#include "core/pool.h"
#include "core/tale.h"

enum attempt_state { ATTEMPT_OVER = 0, ATTEMPT_WAITING, ATTEMPT_SENT };

struct attempt {
    struct waiter waiter;
    struct timer timer;
    struct engine *engine;
    struct resource *resource;
    struct pool *pool;
    struct conn *conn; /* while SENT; not owned */
    enum attempt_state state;
    bool is_dirtying;  /* it changes the session in a way that its words do not tell */
    bool is_hasty;     /* it has a connection of its own at once, or none */
    bool is_leased;    /* runs on the caller's lease: it is not given back */
    bool is_in_flight; /* the connection has the request */
    bool was_sent;
    uint8_t reach; /* by the connection on which it was sent: whose its pass is */
    int32_t role;
    struct tale tale; /* of the call, the caller's to begin; it counts the attempts */
    int64_t asked_us; /* when the caller asked, which may be attempts ago */
    int64_t sent_us;
    int64_t wait_us; /* it waits in the queue for no longer */
    int64_t deadline_us;
    int64_t alert_us; /* alerted() then, where it is not over; INT64_MAX: never */
    void (*alerted)(struct attempt *a);
    void (*ended)(struct attempt *a, enum outcome outcome, const struct error *why);
    void (*let_go)(struct attempt *a);
    struct request request; /* the caller's to fill, and to forget */
};

/* Prepares what is not the request's. The caller sets the rest and begins. */
void attempt_init(struct attempt *a, struct engine *e, struct resource *r);
/* On a connection of the pool of its role, as soon as there is one; or on one that was leased. ended() may be
 * called inside. */
void attempt_begin(struct attempt *a);
void attempt_begin_on(struct attempt *a, struct conn *leased);
/* Stops it, wherever it is. How far it has come. Not when it is over. */
enum outcome attempt_give_up(struct attempt *a);
/* Its pass, if it has one: it ended, and counts as this. */
void attempt_hand_in(struct attempt *a, enum error_code code);

#endif
