/* relay.h - how the ears of a resource in all workers hear by one connection.
 *
 * One of them is home: it has the connection, and asks the server for what any worker wants to hear
 * (far.h). The others send it letters, one at a time, which it answers, and it sends them what is told.
 * Nothing of this waits for anybody: a letter lies there until it is taken or taken back, and what is told
 * lies in a backlog with a bound, beyond which it is a gap.
 *
 * Whoever comes while nobody is home is it, and stays so as long as anybody listens by it: another one
 * would be a gap for all. When it goes, the next one by the resource's name is home, of those that listen.
 * What was told by one home is read before the next is asked, so nothing is told twice or in another order.
 *
 *   an ear that is not home:  relay_come, relay_write ... look() ... relay_read ... relay_go
 *   the one that is:          relay_come, look(), relay_next ... relay_answer, relay_tell, relay_gap ... relay_go
 */
#ifndef CORE_RELAY_H
#define CORE_RELAY_H

#include "core/backlog.h"
#include "core/value.h"

#define RELAY_MOST 4096 /* messages on their way to one worker */
#define RELAY_BYTES_MOST (4 << 20)

struct channels;
struct pool;
struct relay;

/* What a worker wants of the home: to hear these channels, or not to hear them any more. */
struct letter {
    bool is_leaving;
    int32_t count;
    size_t size;
    char names[]; /* one after the other, each with a NUL behind it */
};
/* For all channels that are to be asked for. Freed with free(); NULL when out of memory. */
struct letter *letter_of(const struct channels *s, bool is_leaving);

/* An ear's part in it; one thread's. */
struct line {
    struct relay *relay; /* NULL: the engine is alone */
    struct pool *pool;
    int32_t home; /* which worker was it when this one came; -1: this one listens to nothing */
    int64_t term; /* of that home */
};

/* look() runs on this worker's loop when there is something to read, or to look at for the home. False
 * when out of memory. Without a ledger there is nothing to join. */
bool relay_join(struct line *l, struct pool *p, void *ear, void (*look)(void *ear));
void relay_leave(struct line *l); /* which listens to nothing */

/* This one wants to hear. True: it is home. */
bool relay_come(struct line *l);
/* It does not any more, or begins anew with whoever is home then. */
void relay_go(struct line *l);

/* --- not at home ------------------------------------------------------------------------------- */

/* The letter is the home's from now on; there is none on its way. */
void relay_write(struct line *l, struct letter *letter);
/* Takes it back. False when the home has taken it. */
bool relay_unwrite(struct line *l);
/* For how long the home has not turned. */
int64_t relay_silent_us(const struct line *l);

/* All that has come. */
struct delivery {
    struct backlog backlog; /* the reader's, to be finished */
    bool has_answer;
    uint32_t before; /* so many messages are older than the answer */
    struct error answer;
    bool has_moved; /* whoever was home is it no more; all it said is here */
};
void relay_read(struct line *l, struct delivery *out);

/* --- at home ----------------------------------------------------------------------------------- */

/* What another worker is to it. */
struct post {
    int32_t worker;
    bool is_here;
    int64_t session;       /* a larger one: what was before is over */
    struct letter *letter; /* the caller's; NULL: none */
};
/* Of the worker of this number. False when there is none. */
bool relay_next(struct line *l, int32_t worker, struct post *out);
void relay_answer(struct line *l, int32_t worker, int64_t session, const struct error *why);
void relay_tell(struct line *l, int32_t worker, int64_t session, const struct told *t);
void relay_gap(struct line *l, int32_t worker, int64_t session, const struct gap *g);

#endif
