/* share.h - connections that carry several calls at once, one behind the other.
 *
 * Where the declaration says `pipeline`, one-shot calls that may be repeated and leave nothing in the
 * session share connections, so that each costs no round trip of its own. Such a connection is LEASED
 * to nobody and never to a lease: it comes home when its last call has ended. A call joins one when
 * nothing is idle, and never while somebody waits: whoever has to wait, for a lease or behind full
 * connections, gets the first one that becomes free.
 *
 * What a call shares is only the way: each has its own Sync, outcome, deadline and retries. One that
 * is late is answered, and its reply is thrown away when it comes. Only the one at the head is
 * cancelled, and then the connection takes no more.
 */
#ifndef CORE_SHARE_H
#define CORE_SHARE_H

#include "core/pool.h"

/* A call may share with others what it runs on. */
bool share_may(const struct pool *p, const struct request *r);
/* A connection that has room for one more, for him; NULL when there is none. */
struct conn *share_find(struct pool *p, struct waiter *w);
/* c, whatever it was, has no room for others any more. Idempotent. */
void share_withdraw(struct conn *c);
bool share_is_offered(const struct conn *c); /* it has room, and is in the turn for that */
/* A call that shares was sent on c. */
void share_begin(struct conn *c);
/* One has ended: c, still LEASED, comes home with the last, or has room for another one. Serves those
 * that waited for it. */
void share_end(struct conn *c);
/* Nobody waits for r any more, which is in flight on c. */
void share_give_up(struct conn *c, struct request *r);
/* The head of c may be one that nobody waits for any more: when it is to be cancelled, and those whose
 * time has come are. */
int64_t share_next(const struct conn *c);
void share_look(struct pool *p);
/* Calls in flight beyond the first of each connection: as many could use another one. */
int32_t share_crowd(const struct pool *p);

#endif
