/* ledger.h - what holds for all workers of a process together: how many connections there may be.
 *
 * Workers share nothing but this. The permits of a resource in one role are as many as its max, and
 * each connection, live or connecting, has one of them; whoever opens one takes a permit first. With
 * none left a worker asks, and says since when the first of its waiters waits. Who holds connections
 * is told, and serves whoever waited longest, of his own or of another worker's, by the connection
 * itself (a parcel) where the driver can let go of it, else by its permit.
 *
 * Nothing of this is on the way to an idle connection. All of it is one lock for each resource and
 * role, held for some instructions: it is touched when a connection is opened, closed or handed over,
 * each of which costs a thousand times as much.
 *
 *   a worker, of one pool:  permits_join ... permits_leave
 *     to open               permits_take, or permits_ask and wait for look()
 *     somebody waits long   permits_wish
 *     nobody waits any more permits_unask
 *     closed                permits_give
 *     one came home         permits_asked_us, permits_hand
 *     look()                permits_receive, permits_is_home
 *     asks in vain          permits_take_back
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include "core/common.h"

#define LEDGER_NOBODY INT64_MAX /* asks */

struct permits;

/* A connection on its way from worker to worker. */
struct parcel {
    struct parcel *next;
};

/* One worker's part in the permits of one pool: the pool's own, and of one thread but for what the
 * lock of the permits protects. */
struct stake {
    struct permits *permits; /* NULL: there is no ledger, and whoever asks gets one */
    int32_t worker;
    void (*look)(struct stake *s); /* on the worker's loop: something has come, or somebody asks */
    void (*settle)(
        struct stake *s); /* so: it is home, or no more, or there is less than the minimum; NULL */
    /* No connection comes to it from others, only permits: holders hear of each that it asks for. */
    bool only_permits;
};

/* A stake in the permits for connections of this identity, which is copied; they are made when nobody
 * has one yet, as many as max says to the first, and to who comes after all others. False when out of
 * memory. */
bool permits_join(struct stake *s, struct ledger *l, struct loop *loop, const char *identity,
                  int32_t max);
/* It leaves soon, is home no more, and hears of no other max: whoever comes when all do so begins with his own. */
void permits_stop(struct stake *s);
/* Stops asking. Nothing is held and nothing is to be received, and look() runs no more. */
void permits_leave(struct stake *s);

/* One permit, if there is one; else look() says when there is one that nobody asks for. */
bool permits_take(struct stake *s);
/* When the first waiters arrived, on the clock of all, the first one first: of several, so that between
 * two looks none of them is passed over. At most `room` connections can be taken in. */
#define ASKS_MOST 8
struct asks {
    int64_t arrived_us[ASKS_MOST];
    int32_t count, room;
};
/* One permit, or false: then it is asked for, and look() says when there is something. What is on its
 * way is for the first of them. Asking again replaces what was asked before. */
bool permits_ask(struct stake *s, const struct asks *a);
/* Only asks, and for no permit: whoever opens one for his first waiter, or may not open one now, may have one
 * that lives from others sooner. */
void permits_wish(struct stake *s, const struct asks *a);
/* One who came then does not wait any more, if he is among those asked for. */
void permits_forget(struct stake *s, int64_t arrived_us);
void permits_unask(struct stake *s); /* idempotent */
/* The permit of a connection that is gone, or was never opened. */
void permits_give(struct stake *s);

/* Whether there are more than may be, since max became less, not counting those that were doomed; and
 * dooms one, which its holder closes. */
bool permits_has_excess(const struct stake *s);
/* Whether there are more than may be, those that were doomed and are not gone yet among them. */
bool permits_is_over(const struct stake *s);
bool permits_doom(struct stake *s);

/* Since when the first waiter of any other worker waits; LEDGER_NOBODY when none asks. */
int64_t permits_asked_us(const struct stake *s);
/* How many permits alone others ask for. */
int32_t permits_claims(const struct stake *s);
/* Gives the parcel, with its permit, to the worker that asks for longest. False when none asks any
 * more since before_us, when one of the caller's own came: it stays the caller's. LEDGER_NOBODY: he has
 * none. */
bool permits_hand(struct stake *s, struct parcel *p, int64_t before_us);
/* What has come since: parcels, NULL when none, and *permits_out of permits alone. What nobody needs
 * any more is the caller's to give or to hand on. */
struct parcel *permits_receive(struct stake *s, int32_t *permits_out);
bool permits_has_come(const struct stake *s); /* there is something to receive */
/* Who waited in vain for that long looks whether another worker does not turn: one that was told of something
 * LEDGER_LATE_US ago or more, and has not heard it. What is on its way to that one goes to who asks, and it asks for
 * nothing until it turns. Which one it was; -1: none, or no more. */
#define LEDGER_LATE_US 50000
int32_t permits_take_back(struct stake *s, int64_t now_us);

void permits_resize(struct stake *s, int32_t max);
/* All connections are to be renewed: those of before then are not to be lent again, by whichever worker
 * gets one, or comes later. 0: never. */
void permits_renew(struct stake *s, int64_t at_us);
int64_t permits_renewed_us(const struct stake *s);
int32_t permits_out(const struct stake *s);       /* in all workers together */
int32_t permits_elsewhere(const struct stake *s); /* in those that are not this one */
bool permits_is_full(const struct stake *s);      /* there is none left */
/* Of those with a stake one is home, where the minimum is kept; which is a matter of the identity, so only
 * what it had moves when it stops. It is told to settle when it becomes home, and when there are fewer
 * than the minimum. */
bool permits_is_home(const struct stake *s);
void permits_least(struct stake *s, int32_t min);
/* One was opened: home hears of each until there are as many as the minimum. And one that was is gone. */
void permits_opened(struct stake *s);
void permits_closed(struct stake *s);
int32_t permits_open(const struct stake *s); /* in all workers together, and on their way */

/* How many there are in all workers, and in those before this one, as it was when the order of this
 * number was first asked for: whoever asks for a later one begins anew. All zero without permits. */
struct census {
    int32_t all, before;
};
struct census permits_census(struct stake *s, int64_t number);

#endif
