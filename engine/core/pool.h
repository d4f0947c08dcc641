/* pool.h - the connections of one resource in one role: lent in turn, never more than its cap.
 *
 * A waiter is served in the order of arrival, by direct hand-over: a connection that comes back
 * goes to the one who waited longest, and a newcomer never overtakes him. Whoever stops waiting
 * loses nothing for the pool: a connection that was being opened for him serves the next one or
 * goes idle.
 *
 *   pool.c   take, give, the queue
 *   care.c   check, reset, retire
 *   keep.c   keep warm, close, pause, stop
 *   open.c   open what is missing
 *   reach.c  where to
 *   load.c   which endpoint's turn it is
 *   admit.c  whom an endpoint's circuit lets in
 *   reconnect.c   another connection for each
 *   drain.c  run empty
 *   keepalive.c  ask those that nobody uses
 *   hold.c   note who holds one for too long
 *   handover.c   one max for all workers
 *   monitor.c    what the last minutes were like
 */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include "core/conn.h"
#include "core/counters.h"
#include "core/drain.h"
#include "core/driver.h"
#include "core/engine.h"
#include "core/idle.h"
#include "core/keepalive.h"
#include "core/lease.h"
#include "core/ledger.h"
#include "core/monitor.h"
#include "core/reach.h"
#include "core/reconnect.h"
#include "nebula.h"

struct ear;
struct guards;
struct loads;
struct resource;

/* The keeper wakes up as often as it has to look at what nobody tells it, so no oftener than this. */
#define POOL_LOOK_LEAST_US 100000

/* Why a newcomer may not have an idle connection just so. */
enum {
    GATE_PAUSED = 1,
    GATE_STOPPING = 2,
    GATE_QUEUE = 4,
    GATE_DRAINING = 8,  /* nobody new */
    GATE_EXCESS = 16,   /* there are more connections than may be: look at those that come home */
    GATE_ASKED = 32,    /* so does somebody in another worker */
    GATE_BALANCED = 64, /* whose turn it is, is for load.h to say */
    GATE_CIRCUIT = 128, /* circuits.h says whether he may */
};

struct pool_stats {
    uint64_t past_uses; /* leases of connections that are gone; see pool_leases() */
    uint64_t waited;    /* leases after waiting */
    uint64_t refused[REFUSALS];
    uint64_t opened, open_failed, closed, lost, retired;
    uint64_t checks, keepalives, resets, cancels, holds, reclaims;
    int64_t waited_us; /* by all who waited, together */
};

struct waiter {
    struct list_node node;
    int64_t arrived_us;
    int64_t deadline_us; /* never served from then on; the waiter has a timer of its own */
    bool is_last_chance; /* it is the deadline of all he wants, not of queueing alone */
    bool is_fail_fast;   /* does not wait for other leases, nor through an outage */
    bool may_share;      /* a connection that carries others will do */
    uint64_t key;        /* of what it is for, 0: none; see load.h */
    struct guards
        *guards;   /* by their circuits of endpoints he is served; NULL: by none; circuits_at.h */
    uint64_t pass; /* with c: that of its endpoint, his to hand in; 0: there is none */
    void (*served)(struct waiter *w, struct conn *c); /* c is LEASED and his */
    void (*refused)(struct waiter *w, const struct error *why);
};

struct pool {
    uint32_t gate; /* GATE_ bits; the short path is open when there are none */
    struct idle idle;
    int64_t check_us; /* idle for longer: asked first */
    int32_t role;
    struct list waiters;
    struct conns {
        struct conn *first, *last; /* last: while there is a first */
        uint32_t count;
    } conns;                     /* of whatever state, the oldest first */
    uint32_t count[CONN_STATES]; /* those LEASED count as IDLE, see pool_count() */
    int32_t share;               /* calls that a connection carries at once */
    struct ring sharing;     /* those that carry several and have room, the next in turn first */
    int32_t sharers, shared; /* calls that share, and the connections that they share */
    uint32_t leaving;        /* those retired that are not closing yet */
    struct pool_stats stats;
    struct monitor monitor;

    struct engine *engine;
    struct resource *resource;
    const struct driver *driver;
    struct fill_policy size;
    int64_t open_again_us; /* when one is wanted and no endpoint may be tried before */
    struct error *trouble; /* why no endpoint could be connected to, NULL since one was */
    struct ring starters;
    struct stake stake;    /* in the permits of all workers: see handover.h */
    bool is_asked;         /* by another worker, by the last look */
    bool is_home;          /* of them this one keeps the minimum */
    bool claims;           /* for one that it might open now it asked for a permit */
    int32_t permits;       /* granted, and not used yet */
    struct soon hand;      /* one on: never while a driver still speaks of it */
    int32_t rows;          /* in the table of leases, for connections that come */
    int64_t asks_since_us; /* another worker, INT64_MAX: it does not ask */
    struct reconnect reconnect;
    int64_t renewed_us; /* the last one began; one that comes and is older has to leave too */
    int64_t cut_us;     /* of a drain: when what is left is cut off */
    struct ear *ear;    /* listens by one of the connections; NULL until somebody wants it */
    struct timer keeper;
    struct soon look;
    struct outlook *outlook; /* the resource's, or its own when that names no endpoint */
    uint32_t heeded;         /* so many orders to leave */
    struct loads *loads;     /* of its endpoints, where they are balanced; else NULL */
    int32_t last;            /* where a role that stays is; or the last one chosen */
    int32_t reaches;         /* at least one */
    struct reach reach[];
};

/* NULL when out of memory. Opens nothing yet. */
struct pool *pool_new(struct resource *r, int32_t role);
/* No connection is left. */
void pool_free(struct pool **p);
uint64_t pool_leases(const struct pool *p); /* given out so far, to one-shot calls too */
bool pool_is_in_use(const struct pool *p);  /* there is a connection, or somebody who wants one */
int32_t pool_all(const struct pool *p);     /* connections of whatever state */
int32_t pool_staying(const struct pool *p); /* those that are neither closing nor retired */
int32_t pool_warm(const struct pool *p);    /* of these, those that are open */
uint32_t pool_count(const struct pool *p, enum conn_state state);

/* A connection, LEASED, at once; or NULL: then the waiter is queued if e->code is OK, else refused.
 */
struct conn *pool_take(struct pool *p, struct waiter *w, struct error *e);
/* The same for who never waits, and of whom nobody else hears: whoever waits comes first. */
struct conn *pool_take_idle(struct pool *p, struct waiter *w, struct error *e);
/* Behind all others. The waiter is loose. */
void pool_line_up(struct pool *p, struct waiter *w);
/* The waiter does not wait any more. Idempotent. */
void pool_leave(struct pool *p, struct waiter *w);
/* The waiter's time is over: he leaves, and *out says why he was not served. */
void pool_late(struct pool *p, struct waiter *w, struct error *out);
/* A leased connection comes home. */
void pool_give(struct pool *p, struct conn *c, enum nebula_verdict verdict);
/* The same where nothing is to be done with it but to hand it to whoever waits. False, and nothing was done:
 * pool_give(). */
bool pool_pass(struct conn *c);
/* So does one that a call had. */
void pool_give_back(struct conn *c);
/* So does everything that was lent to the task and still is. */
void pool_give_all(struct engine *e, const struct task *t);

/* --- between the pool's files and its connections -------------------------------------------- */

/* c has nothing under way: makes it clean, retires it, or lends it on. */
void care_settle(struct conn *c);
void care_check(struct conn *c);
/* Sends STOP on a cancelled connection. False when out of memory; it is closing then. */
bool care_stop_stream(struct conn *c);
/* c is clean: the next waiter's, or idle. */
void pool_settled(struct pool *p, struct conn *c);
/* More than may stay: above max since that became less, or one that a drain has no use for. */
bool pool_has_excess(const struct pool *p);
void pool_refuse(struct pool *p, struct waiter *w, const struct error *why);
void pool_refuse_all(struct pool *p, const struct error *why);
/* Being opened, checked, reset or cancelled, and so on their way to somebody; but those that are not
 * back after POOL_TURN_US are stuck, and so are those that will close: nobody counts on them any
 * more, and others are opened beside. */
#define POOL_TURN_US 50000
uint32_t pool_coming(const struct pool *p);
uint32_t pool_stuck(const struct pool *p);
/* Why somebody who arrived then, and whose chance it was, has no connection yet. */
void pool_explain_wait(const struct pool *p, int64_t arrived_us, bool is_last_chance,
                       struct error *out);
/* That connecting fails for so long, and why. */
void pool_explain_trouble(const struct pool *p, long long waited_ms, struct error *out);
/* Serves whom it can from idle connections; after a pause. */
void pool_serve(struct pool *p);

void keep_init(struct pool *p);
/* c, which was moved, is to be done with what it does by then. */
void keep_bound(struct conn *c, int64_t at_us);
/* The connections to an endpoint leave: what is idle now, what is in use as it comes home. */
void keep_retire(struct pool *p, int32_t at);
/* Looks soon: from the top of the loop, not inside whatever made it necessary. */
void keep_soon(struct pool *p);
/* Serves waiters from what is idle, opens what is missing, closes what is too old, and knows when
 * to look again. */
void keep_look(struct pool *p);
void keep_pause(struct pool *p);
void keep_resume(struct pool *p);
/* Its bounds are others from now on; that they were told to others, and others told us. */
void keep_resize(struct pool *p);
void keep_bounds(struct pool *p);
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
/* All of them; when it is warm; those who do not wait for a better time, and waiters of that kind. */
void keep_tell_starters(struct pool *p, const struct error *why);
void keep_tell_warm(struct pool *p);
void keep_tell_impatient(struct pool *p, const struct error *why);
bool keep_is_warm(const struct pool *p);

/* An attempt ended; the endpoint of c is not what the role needs any more. */
void open_succeeded(struct conn *c);
void open_failed(struct conn *c, const struct error *why);
void open_turned(struct conn *c);
/* Another worker found something out; so, that it failed. */
void open_heard(struct pool *p);
void open_heard_failure(struct pool *p);
/* It was opened before all connections to its endpoint were told to leave. */
bool open_is_outdated(const struct conn *c);
struct fill_counts open_count(const struct pool *p);
void open_missing(struct pool *p);

/* Paused or stopping: nobody is served from what is idle, and nothing is opened. */
static inline bool pool_is_closed(const struct pool *p)
{
    return (p->gate & (GATE_PAUSED | GATE_STOPPING)) != 0;
}

/* May be lent without a question. */
static inline bool pool_is_fresh(const struct pool *p, const struct conn *c, int64_t now_us)
{
    return now_us - c->since_us < p->check_us && now_us < c->life_end_us;
}

/* --- the short path: no clock, no allocation, no list; what it leaves out the long one does --- */

/* The connection to be lent now; NULL: take the long path. */
static inline struct conn *pool_ready(const struct pool *p, int64_t now_us)
{
    struct conn *c = p->idle.first;
    bool is_ready =
        p->gate == 0 && c != NULL && c->state == CONN_IDLE && pool_is_fresh(p, c, now_us);
    return is_ready ? c : NULL;
}

/* Lends c, which is ready. */
static inline void pool_hit(struct pool *p, struct conn *c, int64_t now_us)
{
    idle_shift(&p->idle);
    conn_shift(c, CONN_LEASED, now_us);
    lease_use(c);
}

/* Comes home in the turn in which it was lent. False when it has to be looked after first, or its hold
 * is to be noted (monitor_held(), after which this may be tried again): take the long path. */
static inline bool pool_return(struct pool *p, struct conn *c, int64_t now_us)
{
    if ((c->session | p->gate) != 0 || c->requests.first != NULL || now_us != c->since_us ||
        now_us >= c->life_end_us || c->state != CONN_LEASED)
        return false;
    conn_shift(c, CONN_IDLE, c->since_us);
    idle_push(&p->idle, c);
    return true;
}

/* All that there may be are lent, and the keeper, who knows of them, finds nothing to do. */
static inline bool pool_is_exhausted(const struct pool *p)
{
    return p->gate == GATE_QUEUE && p->idle.first == NULL && p->leaving == 0 && p->sharers == 0 &&
           p->count[CONN_IDLE] == p->conns.count && (int32_t)p->conns.count == p->size.max;
}

#endif
