/* conn.h - one connection: from open to closed, always in exactly one state.
 *
 * conn_move() alone moves it, along a table of legal moves; only the short path of pool.h, between
 * idle and leased, does the same in fewer steps. The driver speaks to the connection in sentences;
 * the connection tells its pool that it opened, that nothing is under way on it any more, or that
 * it is gone.
 */
#ifndef CORE_CONN_H
#define CORE_CONN_H

#include "base/error.h"
#include "base/ring.h"
#include "core/ledger.h"
#include "core/loop.h"

struct conn;
struct driver;
struct engine;
struct pool;
struct request;
struct target;
struct task;
struct told;

enum conn_state {
    CONN_OPENING = 0,
    CONN_IDLE,       /* clean and nobody's */
    CONN_LEASED,     /* somebody's */
    CONN_CHECKING,   /* asked whether it still lives, before it is lent again */
    CONN_RESETTING,  /* being made clean by the kind's words */
    CONN_CANCELLING, /* its caller was answered; not usable before all has ended */
    CONN_LISTENING,  /* the ear's, for as long as somebody listens; see ear.h */
    CONN_CLOSING,    /* of no more use, until the driver is done with it */
    CONN_STATES
};

/* What the driver knows of the session, kept true by it after each reply. */
enum {
    SESSION_IN_TRANSACTION = 1, /* a transaction is open, failed ones included */
    SESSION_DIRTY =
        2, /* something may have changed the session: settings, locks, temporary tables */
    SESSION_STREAMING = 4, /* a stream is open: rows are waiting to be pulled */
    SESSION_SPOILED = 8,   /* nobody else may have it: it ended, or no words make it clean */
};

#define LEASE_ROW_BITS 24 /* of a lease's number; above them it counts the uses: see lease.h */

/* What was noted of a connection's newest use. */
enum conn_note {
    NOTE_NOTHING = 0,
    NOTE_HOLD, /* it was held for so long, see hold.h */
    NOTE_REST, /* it is over, and the connection rests since then, but for checks */
};

/* As small as it can be: a pool has many that are idle. */
struct conn {
    /* By its state; the hit path lives in these first lines. */
    union {
        struct conn *after;  /* IDLE: in the chain of these */
        struct task *holder; /* LEASED: of the lease, NULL with a one-shot call; see lease.h */
        int64_t bound_us;    /* OPENING, CHECKING, RESETTING, CANCELLING: see keep_bound() */
    };
    struct pool *pool;
    int64_t lease;    /* its newest number, good while it has a holder; see lease.h */
    int64_t since_us; /* in this state */
    int64_t life_end_us;
    struct ring requests; /* in flight or queued, head first */
    enum conn_state state : 8;
    uint8_t session;         /* SESSION_ bits, the driver's word */
    uint8_t reach;           /* the place of its endpoint in the pool */
    enum conn_note note : 2; /* of the use noted_use */
    bool is_retired : 1;     /* its life was ended before its time */
    bool is_cancel_sent : 1; /* the driver was asked to cancel and has not said cancelled */
    bool is_said_dirty : 1;  /* somebody who knows said so, whatever the driver knows */
    bool is_easy : 1;        /* its endpoint is not what the role needs */
    bool was_opened : 1;     /* and so is counted when it is closed */
    bool has_turn : 1;       /* see conn_turn() */
    uint16_t lent;           /* of the requests, the first so many were given to the driver */
    uint16_t sharers;        /* calls that share it, in flight; see share.h */

    union {
        struct conn *next;    /* that came to its pool after it */
        struct parcel parcel; /* of no pool: on its way to another worker */
    };
    int64_t created_us, used_us;
    int64_t noted_us;
    uint32_t noted_use;    /* by its number */
    uint32_t keepalive_ms; /* asked when unused for longer */
    uint32_t id;           /* counts up in a resource; what people see */
    uint32_t turns;        /* orders to leave its endpoint that are older than it: see outage.h */
    char driver_bytes[];   /* and the turn, where it has one */
};

/* --- for drivers ------------------------------------------------------------------------------ */

static inline void *conn_driver(struct conn *c)
{
    return c->driver_bytes;
}
/* From the driver's bytes back to the connection. */
static inline struct conn *conn_of(void *driver_bytes)
{
    return container_of(driver_bytes, struct conn, driver_bytes);
}
struct loop *conn_loop(const struct conn *c);
int64_t conn_open_until_us(const struct conn *c); /* when the core gives up an open */
const char *conn_resource(const struct conn *c);  /* its resource's name */
const struct driver *conn_driven_by(const struct conn *c);
struct request *conn_head(const struct conn *c); /* the request in flight, NULL if none */

void conn_opened(struct conn *c);
void conn_replied(struct conn *c, struct request *r); /* r->reply is filled, c->session is true */
void conn_failed(struct conn *c, const struct error *why);
void conn_cancelled(struct conn *c);
/* The server is not what the role needs any more: all connections to it leave. Before the reply, or
 * the failure, that shows it; may be said in any state. */
void conn_turned(struct conn *c);
void conn_closed(struct conn *c);                        /* c is gone when this returns */
void conn_told(struct conn *c, const struct told *told); /* nobody asked; to those who listen */
void conn_notice(struct conn *c, const char *text); /* what the server said besides; to the log */

/* --- for the pool and for call.c ------------------------------------------------------------- */

/* A connection of pool in OPENING, to its endpoint number `at`; NULL when out of memory. */
struct conn *conn_open(struct pool *pool, int32_t at, bool is_easy);
/* c is not of this pool any more. */
void conn_part(struct pool *p, const struct conn *c);
/* Its node among those that carry several calls and have room (share.h); or, of those that are idle, among
 * those of its endpoint (load.h). Only one that was opened for a pool that shares, or has several
 * endpoints, has it. */
struct list_node *conn_turn(struct conn *c);
struct conn *conn_of_turn(const struct pool *pool, struct list_node *turn);
/* When what it does for nobody, or for nobody any more, has to be over: else conn_late() closes it.
 * INT64_MAX: it does nothing of the kind. */
int64_t conn_bound(const struct conn *c);
void conn_late(struct conn *c);
/* It is lost, and what is in flight with it; not by the driver's word. Idempotent. */
void conn_break(struct conn *c, const struct error *why);
void conn_move(struct conn *c, enum conn_state to);
void conn_tell(struct conn *c, enum conn_state from); /* tells the tracer that it moved */
/* Queues r; one that is shared is sent at once. The connection must be LEASED, LISTENING, CHECKING or
 * RESETTING. */
void conn_send(struct conn *c, struct request *r);
/* Gives the driver what it may have now of what is queued. */
void conn_go_on(struct conn *c);
/* Takes r back if the driver was not given it yet. */
bool conn_unsend(struct conn *c, struct request *r);
/* Nobody waits for what is in flight any more: brings it to an end, then the connection settles or
 * closes. The lease on it, if any, is lost. */
void conn_cancel(struct conn *c);
/* Its life ends now, whatever was drawn for it: nobody gets it any more. Who has it keeps it until he
 * gives it back; the keeper closes it when it is idle. Closes nothing inside the call. Idempotent. */
void conn_retire(struct conn *c);
/* Something changed the session, or will, that its words do not tell: it is made clean before anybody
 * else gets it. Not where the session is the data. */
void conn_dirty(struct conn *c);
/* An idle one leaves its pool and this worker; false when the driver cannot let go of it. */
bool conn_detach(struct conn *c);
/* It is this pool's from here on, LEASED to nobody and clean. */
void conn_attach(struct conn *c, struct pool *pool);
/* Idempotent. What is queued ends with *why, what is in flight as lost once the driver has let go of
 * it. */
void conn_close(struct conn *c, const struct error *why);
/* Of its newest use. That of 4,294,967,296 uses before would be taken for it. */
static inline bool conn_is_noted(const struct conn *c, enum conn_note note)
{
    return c->note == note && c->noted_use == (uint32_t)(c->lease >> LEASE_ROW_BITS);
}
static inline void conn_note(struct conn *c, enum conn_note note, int64_t noted_us)
{
    c->note = note;
    c->noted_use = (uint32_t)(c->lease >> LEASE_ROW_BITS);
    c->noted_us = noted_us;
}
/* It was asked whether it lives, and nobody has used it since. */
static inline bool conn_was_resting(const struct conn *c)
{
    return conn_is_noted(c, NOTE_REST);
}
/* Since when an idle one was of no use to anybody: to be asked is no use. */
static inline int64_t conn_idle_since(const struct conn *c)
{
    return conn_was_resting(c) ? c->noted_us : c->since_us;
}
/* Not anybody's for a while, and coming back. */
static inline bool conn_is_turning(const struct conn *c)
{
    return c->state == CONN_CHECKING || c->state == CONN_RESETTING || c->state == CONN_CANCELLING;
}
const char *conn_state_name(enum conn_state state);

/* Moves it along the table of legal moves and tells nobody: a part of moving. */
static inline void conn_shift(struct conn *c, enum conn_state to, int64_t now_us)
{
    static const uint8_t legal[CONN_STATES] = {
        [CONN_OPENING] =
            1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_RESETTING | 1 << CONN_CLOSING,
        [CONN_IDLE] = 1 << CONN_LEASED | 1 << CONN_CHECKING | 1 << CONN_CLOSING,
        [CONN_LEASED] = 1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_RESETTING |
                        1 << CONN_CANCELLING | 1 << CONN_LISTENING | 1 << CONN_CLOSING,
        [CONN_CHECKING] =
            1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_RESETTING | 1 << CONN_CLOSING,
        [CONN_RESETTING] = 1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_CLOSING,
        [CONN_CANCELLING] =
            1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_RESETTING | 1 << CONN_CLOSING,
        [CONN_LISTENING] =
            1 << CONN_IDLE | 1 << CONN_LEASED | 1 << CONN_RESETTING | 1 << CONN_CLOSING,
    };
    CHECK(legal[c->state] >> to & 1);
    c->state = to;
    c->since_us = now_us;
}

#endif
