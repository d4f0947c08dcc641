/* pool.h - the connections of one resource in one role: lent in turn, never more than its cap.
 *
 * A waiter is served in the order of arrival, by direct hand-over: a connection that comes back
 * goes to the one who waited longest, and a newcomer never overtakes him. Whoever stops waiting
 * loses nothing for the pool: a connection that was being opened for him serves the next one or
 * goes idle.
 *
 *   pool.c   take, give, the queue
 *   care.c   check, reset, retire
 *   keep.c   open, keep warm, pause, stop
 */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include "core/conn.h"
#include "core/driver.h"
#include "core/engine.h"
#include "nebula.h"
#include "rules/fill.h"

struct resource;

/* Why a newcomer may not have an idle connection just so. */
enum { GATE_PAUSED = 1, GATE_STOPPING = 2, GATE_QUEUE = 4 };

struct pool_stats {
    uint64_t past_uses; /* leases of connections that are gone; see pool_leases() */
    uint64_t waited;    /* leases after waiting */
    uint64_t refused;   /* full, late, paused */
    uint64_t opened, open_failed, closed, lost;
    uint64_t checks, resets, cancels;
    int64_t waited_us; /* by all who waited, together */
};

struct waiter {
    struct list_node node;
    int64_t arrived_us;
    int64_t deadline_us; /* never served from then on; the waiter has a timer of its own */
    bool is_last_chance; /* it is the deadline of all he wants, not of queueing alone */
    bool is_fail_fast;   /* does not wait for other leases, nor through an outage */
    void (*served)(struct waiter *w, struct conn *c); /* c is LEASED and his */
    void (*refused)(struct waiter *w, const struct error *why);
};

struct pool {
    uint32_t gate; /* GATE_ bits; the short path is open when there are none */
    bool is_fifo;
    int32_t role;
    int32_t number; /* its resource's */
    struct list waiters;
    struct list conn[CONN_STATES]; /* newest head */
    struct pool_stats stats;

    struct engine *engine;
    struct resource *resource;
    const struct driver *driver;
    struct target target;
    struct fill_policy size;
    int64_t check_us; /* idle for longer: asked first; the sum with any time is no overflow */
    struct fill fill;
    int64_t open_again_us; /* not before, after a failure */
    struct error *trouble; /* why the last attempt to connect failed, NULL since it succeeded */
    struct list starters;
    struct timer keeper;
    struct soon look;
};

/* NULL when out of memory. Opens nothing yet. */
struct pool *pool_new(struct resource *r, int32_t role);
/* No connection is left. */
void pool_free(struct pool **p);
uint64_t pool_leases(const struct pool *p); /* given out so far, to one-shot calls too */
int32_t pool_all(const struct pool *p);     /* connections of whatever state */

/* A connection, LEASED, at once; or NULL: then the waiter is queued if e->code is OK, else refused.
 */
struct conn *pool_take(struct pool *p, struct waiter *w, struct error *e);
/* The waiter does not wait any more. Idempotent. */
void pool_leave(struct pool *p, struct waiter *w);
/* A leased connection comes home. */
void pool_give(struct pool *p, struct conn *c, enum nebula_verdict verdict);

/* --- between the pool's files and its connections -------------------------------------------- */

/* c has nothing under way: makes it clean, retires it, or lends it on. */
void care_settle(struct conn *c);
void care_check(struct conn *c);
/* Sends STOP on a cancelled connection. False when out of memory; it is closing then. */
bool care_stop_stream(struct conn *c);
/* c is clean: the next waiter's, or idle. */
void pool_settled(struct pool *p, struct conn *c);
void pool_refuse_all(struct pool *p, const struct error *why);
/* Why w is not served yet, in a sentence. */
void pool_explain_wait(const struct pool *p, const struct waiter *w, struct error *out);
/* That connecting fails for so long, and why. */
void pool_explain_trouble(const struct pool *p, long long waited_ms, struct error *out);
/* Serves whom it can from idle connections; after a pause. */
void pool_serve(struct pool *p);

void keep_init(struct pool *p);
void keep_opened(struct pool *p, struct conn *c);
void keep_open_failed(struct pool *p, const struct error *why);
/* Looks soon: from the top of the loop, not inside whatever made it necessary. */
void keep_soon(struct pool *p);
/* Serves waiters from what is idle, opens what is missing, closes what is too old, and knows when
 * to look again. */
void keep_look(struct pool *p);
void keep_pause(struct pool *p);
void keep_resume(struct pool *p);
/* Refuses waiters, closes what is idle; the rest closes as it comes home. */
void keep_stop(struct pool *p);
/* Closes everything. */
void keep_cut(struct pool *p);

/* Somebody waits for the pool to be warm: `min` connections, at least one. */
struct starter {
    struct list_node node;
    bool is_patient; /* goes on after a failed attempt */
    void (*started)(struct starter *s, const struct error *why); /* why->code OK: warm */
};
void keep_start(struct pool *p, struct starter *s);
void keep_unstart(struct pool *p, struct starter *s); /* idempotent */

/* Paused or stopping: nobody is served from what is idle, and nothing is opened. */
static inline bool pool_is_closed(const struct pool *p)
{
    return (p->gate & (GATE_PAUSED | GATE_STOPPING)) != 0;
}

/* Moves a connection along this table of legal moves, and tells nobody. Whoever is not on the short
 * path calls conn_move(). */
static inline void conn_shift(struct pool *p, struct conn *c, enum conn_state to, int64_t now_us)
{
    static const uint8_t legal[CONN_STATES] = {
        [CONN_OPENING] = 1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_CLOSING,
        [CONN_IDLE] = 1 << CONN_LEASED | 1 << CONN_CHECKING | 1 << CONN_CLOSING,
        [CONN_LEASED] = 1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_RESETTING |
                        1 << CONN_CANCELLING | 1 << CONN_CLOSING,
        [CONN_CHECKING] = 1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_CLOSING,
        [CONN_RESETTING] = 1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_CLOSING,
        [CONN_CANCELLING] =
            1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_RESETTING | 1 << CONN_CLOSING,
    };
    enum conn_state from = c->state;
    CHECK(legal[from] >> to & 1);
    list_move(&p->conn[from], &p->conn[to], &c->node);
    c->state = to;
    c->since_us = now_us;
}

/* The one function that moves a connection. */
static inline void conn_move(struct pool *p, struct conn *c, enum conn_state to, int64_t now_us)
{
    enum conn_state from = c->state;
    conn_shift(p, c, to, now_us);
    engine_trace(p->engine, TRACE_CONN_MOVED, p->number, c->id, from, to);
}

/* The short path to an idle connection: no clock, no allocation. NULL: take the long one. */
static inline struct conn *pool_hit(struct pool *p, int64_t now_us)
{
    struct list_node *ring = &p->conn[CONN_IDLE].ring;
    struct list_node *n = p->is_fifo ? ring->prev : ring->next;
    if (p->gate != 0 || n == ring)
        return NULL;
    struct conn *c = container_of(n, struct conn, node);
    if (now_us >= c->fresh_until_us)
        return NULL;
    CHECK(c->state == CONN_IDLE);
    conn_shift(p, c, CONN_LEASED, now_us);
    c->uses++;
    return c;
}

/* Until when it may be lent without a question, if it is idle from now on. */
static inline int64_t pool_fresh_until_us(const struct pool *p, const struct conn *c,
                                          int64_t now_us)
{
    int64_t check_at_us = now_us + p->check_us;
    return check_at_us < c->life_end_us ? check_at_us : c->life_end_us;
}

/* And the short path back: false when it has to be looked after first. */
static inline bool pool_return(struct pool *p, struct conn *c, int64_t now_us)
{
    if ((c->session | p->gate | c->requests.count) != 0 || now_us >= c->life_end_us)
        return false;
    CHECK(c->state == CONN_LEASED);
    c->fresh_until_us = pool_fresh_until_us(p, c, now_us);
    conn_shift(p, c, CONN_IDLE, now_us);
    return true;
}

#endif
