/* permits.h - what is in permits, for the files of the ledger. */
#ifndef CORE_PERMITS_H
#define CORE_PERMITS_H

#include "core/ledger.h"

/* What one worker has of the permits, and asks for. */
struct share {
    struct seat seat, home; /* whether it is home, it hears apart */
    struct asks asks;       /* none: it does not ask */
    int32_t alone;          /* of these, so many are served by a permit alone too */
    int32_t counted;        /* by the last census */
    int32_t held;           /* of its connections, and of what waits for it here: */
    int32_t granted;        /* permits alone */
    bool is_leaving;        /* it does not hear what is ordered any more, and is no home */
    bool is_short;          /* it wanted one for nobody in particular, and there was none */
    int32_t parcels;
    struct parcel *first, **last;
    uint32_t noted;     /* of its seat's times: the news that somebody saw it had not heard */
    int64_t noted_us;   /* when */
    int32_t taken_back; /* from it, so often of late; each time it has twice as long */
};

struct permits {
    struct common common; /* its lock is that of all that follows */
    int32_t out, min, max, shares;
    int32_t open;       /* of those that are out: their connections are open, or were */
    struct share *home; /* NULL: nobody has a stake */
    int64_t census;     /* its number */
    int32_t doomed; /* of those that are out: they will be closed, and nobody gets their permits */
    int64_t renewed_us;
    struct share share[]; /* by worker */
};

static inline void lock(struct permits *p)
{
    common_lock(&p->common);
}

static inline void unlock(struct permits *p)
{
    common_unlock(&p->common);
}

static inline struct share *share_of(const struct stake *s)
{
    return &s->permits->share[s->worker];
}

static inline bool has_excess(const struct permits *p)
{
    return p->out - p->doomed > p->max;
}

/* --- under the lock --------------------------------------------------------------------------- */

/* The one that waits for longest, of those that ask; never `but`. is_alone: for a permit. */
struct share *share_oldest(struct permits *p, const struct share *but, bool is_alone);
/* The permit is `to`'s from here on. */
void share_move(struct share *from, struct share *to);
/* So is the parcel, which has one. */
void share_post(struct share *to, struct parcel *parcel);

/* --- home, under the lock --------------------------------------------------------------------- */

void home_choose(struct permits *p); /* somebody came or leaves */
void home_tell(struct permits *p);   /* there are fewer now */

#endif
