/* common.h - what the workers of a process have together: things that are found by what they are, and at
 * each of them a seat for each worker, by which it hears that there is something to look at.
 *
 * A thing is made by the first who asks for it and is gone with the last. What is in it is its lock's,
 * which is held for some instructions; each sort of thing (permits, outages, budgets) begins with this
 * struct. News reach a worker's loop as a note that says "look", once, however often there was a reason.
 */
#ifndef CORE_COMMON_H
#define CORE_COMMON_H

#include <pthread.h>

#include "core/loop.h"

#define LEDGER_WORKERS_MOST 64

struct ledger;

/* For so many workers; 1 to LEDGER_WORKERS_MOST. NULL when out of memory. */
struct ledger *ledger_new(int32_t workers);
void ledger_free(struct ledger **l); /* nobody has a part in anything any more */
int32_t ledger_workers(const struct ledger *l);
/* Larger than each one before, in all workers: what is said later has a larger one. 0 without a ledger. */
uint64_t ledger_stamp(struct ledger *l);

struct common {
    pthread_mutex_t lock; /* of all that is behind this, and of the seats */
    struct ledger *ledger;
    int32_t users; /* whoever joined, and notes on their way; the ledger's lock is theirs */
    const char *identity;
    void (*free)(struct common *c); /* NULL: it is one block */
    struct seat *roused;            /* those whose loops are to be roused when the lock is open */
    bool is_shared;                 /* else there is one worker, who locks nobody out */
};

/* Makes one, all of it but its common part; zeroed, that is. NULL when out of memory. */
typedef struct common *common_make(const struct ledger *l, const void *how);

/* The thing of this identity, which is copied; made when there is none yet. Without a ledger it is one's own, and
 * nobody has a seat at it. NULL when out of memory. */
struct common *common_join(struct ledger *l, const char *identity, common_make *make,
                           const void *how);
void common_leave(struct common *c);

/* Opens the lock, and rouses those who were told something under it. */
void common_rouse(struct common *c);

static inline void common_lock(struct common *c)
{
    if (c->is_shared)
        pthread_mutex_lock(&c->lock);
}

static inline void common_unlock(struct common *c)
{
    if (c->roused != NULL)
        common_rouse(c);
    else if (c->is_shared)
        pthread_mutex_unlock(&c->lock);
}

/* A worker's place at a thing, and a part of it; nobody's when it is all zeros. */
struct seat {
    struct note note; /* to its loop */
    struct common *common;
    struct loop *loop;
    void *taker; /* NULL: nobody sits there, and hears nothing */
    void (*look)(void *taker);
    bool is_told;   /* the note is on its way */
    uint32_t times; /* so often it was */
    struct seat *next_roused;
};

/* All three under the lock. Whoever sits there has joined, and leaves after he got up. */
void seat_take(struct seat *s, struct common *c, struct loop *loop, void *taker,
               void (*look)(void *taker));
void seat_leave(struct seat *s);
/* look() runs soon on the taker's loop, and not under the lock. */
void seat_tell(struct seat *s);

#endif
