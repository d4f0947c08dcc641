#include "core/ledger.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/index.h"

/* What one worker has of the permits, and asks for. */
struct share {
    struct note note;        /* to its loop */
    struct permits *permits; /* the way back from the note */
    struct stake *stake;     /* NULL: it has none */
    struct loop *loop;       /* while it has one */
    bool is_told;            /* the note is on its way */
    struct asks asks;        /* none: it does not ask */
    int32_t held;            /* of its connections, and of what waits for it here: */
    int32_t granted;         /* permits alone */
    int32_t parcels;
    struct parcel *first, **last;
};

struct permits {
    pthread_mutex_t lock; /* of all that follows but users */
    struct ledger *ledger;
    int32_t users; /* stakes, and notes on their way; the ledger's lock is theirs */
    int32_t out, max, shares;
    int32_t doomed; /* of those that are out: they will be closed, and nobody gets their permits */
    struct share *share; /* by worker */
    char identity[];
};

struct ledger {
    pthread_mutex_t lock;
    int32_t workers;
    struct index permits;
};

struct ledger *ledger_new(int32_t workers)
{
    CHECK(workers >= 1 && workers <= LEDGER_WORKERS_MOST);
    struct ledger *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->workers = workers;
    pthread_mutex_init(&l->lock, NULL);
    index_init(&l->permits);
    return l;
}

void ledger_free(struct ledger **ledger)
{
    struct ledger *l = *ledger;
    *ledger = NULL;
    CHECK(l->permits.used == 0);
    index_fini(&l->permits);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* --- news ------------------------------------------------------------------------------------- */

static void permits_free(struct permits *p)
{
    CHECK(p->out == 0);
    pthread_mutex_destroy(&p->lock);
    free(p->share);
    free(p);
}

static void use(struct permits *p, int32_t by)
{
    struct ledger *l = p->ledger;
    pthread_mutex_lock(&l->lock);
    p->users += by;
    bool is_last = p->users == 0;
    if (is_last)
        index_drop(&l->permits, p->identity);
    pthread_mutex_unlock(&l->lock);
    if (is_last)
        permits_free(p);
}

/* On the worker's loop. It looks after the lock is open again: it will ask for more than this. */
static void arrived(struct note *n)
{
    struct share *share = container_of(n, struct share, note);
    struct permits *p = share->permits;
    pthread_mutex_lock(&p->lock);
    share->is_told = false;
    struct stake *s = share->stake;
    pthread_mutex_unlock(&p->lock);
    if (s != NULL)
        s->look(s);
    use(p, -1);
}

static void tell(struct share *share)
{
    if (share->is_told || share->stake == NULL)
        return;
    share->is_told = true;
    use(share->permits, 1);
    loop_post(share->loop, &share->note);
}

/* --- under the lock --------------------------------------------------------------------------- */

static int64_t asked_us(const struct share *share)
{
    return share->asks.count == 0 ? LEDGER_NOBODY : share->asks.arrived_us[0];
}

static struct share *share_of(const struct stake *s)
{
    return &s->permits->share[s->worker];
}

static bool take(struct permits *p, struct share *by)
{
    if (p->out >= p->max)
        return false;
    p->out++;
    by->held++;
    return true;
}

/* The one that waits for longest, of those that ask; never `but`. */
static struct share *oldest(struct permits *p, const struct share *but)
{
    struct share *found = NULL;
    for (int32_t i = 0; i < p->shares; i++) {
        struct share *share = &p->share[i];
        if (share != but && asked_us(share) < (found == NULL ? LEDGER_NOBODY : asked_us(found)))
            found = share;
    }
    return found;
}

/* It has what its first waiters asked for. */
static void drop_asks(struct asks *a, int32_t count)
{
    a->count -= count < a->count ? count : a->count;
    memmove(a->arrived_us, a->arrived_us + count, (size_t)a->count * sizeof a->arrived_us[0]);
}

/* The permit is `to`'s from here on. */
static void move(struct share *from, struct share *to)
{
    from->held--;
    to->held++;
    drop_asks(&to->asks, 1);
    tell(to);
}

static bool has_excess(const struct permits *p)
{
    return p->out - p->doomed > p->max;
}

/* A permit that `from` has no use for: whoever asks gets it, as long as there may be so many. */
static void pass_on(struct permits *p, struct share *from)
{
    bool is_doomed = p->doomed > 0 || has_excess(p);
    struct share *to = is_doomed ? NULL : oldest(p, NULL);
    p->doomed -= p->doomed > 0;
    if (to == NULL) {
        from->held--;
        p->out--;
    } else {
        to->granted++;
        move(from, to);
    }
}

/* Those who could serve it hear that somebody asks. */
static void tell_holders(struct permits *p, const struct share *asking)
{
    for (int32_t i = 0; i < p->shares; i++)
        if (&p->share[i] != asking && p->share[i].held > 0)
            tell(&p->share[i]);
}

/* --- joining and leaving ---------------------------------------------------------------------- */

static struct permits *permits_new(struct ledger *l, const char *identity, int32_t max)
{
    struct permits *p = calloc(1, sizeof *p + strlen(identity) + 1);
    if (p == NULL || (p->share = calloc((size_t)l->workers, sizeof *p->share)) == NULL) {
        free(p);
        return NULL;
    }
    memcpy(p->identity, identity, strlen(identity) + 1);
    p->ledger = l;
    p->max = max;
    p->shares = l->workers;
    pthread_mutex_init(&p->lock, NULL);
    for (int32_t i = 0; i < p->shares; i++) {
        struct share *share = &p->share[i];
        *share = (struct share){.note.arrived = arrived, .permits = p, .last = &share->first};
    }
    return p;
}

/* Found or made, and used once more; the ledger's lock is held. NULL when out of memory. */
static struct permits *find(struct ledger *l, const char *identity, int32_t max)
{
    struct permits *p = index_get(&l->permits, identity);
    if (p == NULL && (p = permits_new(l, identity, max)) != NULL &&
        !index_add(&l->permits, p->identity, p)) {
        permits_free(p);
        p = NULL;
    }
    if (p != NULL)
        p->users++;
    return p;
}

bool permits_join(struct stake *s, struct ledger *l, struct loop *loop, const char *identity,
                  int32_t max)
{
    pthread_mutex_lock(&l->lock);
    s->permits = find(l, identity, max);
    pthread_mutex_unlock(&l->lock);
    if (s->permits == NULL)
        return false;
    pthread_mutex_lock(&s->permits->lock);
    CHECK(s->worker >= 0 && s->worker < s->permits->shares && share_of(s)->stake == NULL);
    share_of(s)->stake = s;
    share_of(s)->loop = loop;
    pthread_mutex_unlock(&s->permits->lock);
    return true;
}

void permits_leave(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    struct share *share = share_of(s);
    CHECK(share->first == NULL && share->held == 0);
    share->asks.count = 0;
    share->stake = NULL;
    pthread_mutex_unlock(&p->lock);
    s->permits = NULL;
    use(p, -1);
}

/* --- permits ---------------------------------------------------------------------------------- */

bool permits_take(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return true;
    pthread_mutex_lock(&p->lock);
    bool is_taken = take(p, share_of(s));
    pthread_mutex_unlock(&p->lock);
    return is_taken;
}

/* What is on its way to the worker is for its first waiters. */
static void ask(struct permits *p, struct share *share, const struct asks *a)
{
    int32_t coming = share->parcels + share->granted;
    bool is_new = share->asks.count == 0;
    share->asks = *a;
    if (share->asks.count > a->room)
        share->asks.count = a->room;
    drop_asks(&share->asks, coming);
    if (is_new && share->asks.count > 0)
        tell_holders(p, share);
}

bool permits_ask(struct stake *s, const struct asks *a)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return true;
    pthread_mutex_lock(&p->lock);
    struct share *share = share_of(s);
    bool is_taken = take(p, share);
    if (!is_taken)
        ask(p, share, a);
    pthread_mutex_unlock(&p->lock);
    return is_taken;
}

void permits_wish(struct stake *s, const struct asks *a)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    ask(p, share_of(s), a);
    pthread_mutex_unlock(&p->lock);
}

void permits_unask(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    share_of(s)->asks.count = 0;
    pthread_mutex_unlock(&p->lock);
}

void permits_give(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    CHECK(share_of(s)->held > 0);
    pass_on(p, share_of(s));
    pthread_mutex_unlock(&p->lock);
}

/* --- from worker to worker -------------------------------------------------------------------- */

int64_t permits_asked_us(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return LEDGER_NOBODY;
    pthread_mutex_lock(&p->lock);
    const struct share *first = oldest(p, share_of(s));
    int64_t at_us = first == NULL ? LEDGER_NOBODY : asked_us(first);
    pthread_mutex_unlock(&p->lock);
    return at_us;
}

bool permits_hand(struct stake *s, struct parcel *parcel)
{
    struct permits *p = s->permits;
    pthread_mutex_lock(&p->lock);
    struct share *to = has_excess(p) ? NULL : oldest(p, share_of(s));
    if (to != NULL) {
        parcel->next = NULL;
        *to->last = parcel;
        to->last = &parcel->next;
        to->parcels++;
        move(share_of(s), to);
    }
    pthread_mutex_unlock(&p->lock);
    return to != NULL;
}

struct parcel *permits_receive(struct stake *s, int32_t *permits_out)
{
    struct permits *p = s->permits;
    pthread_mutex_lock(&p->lock);
    struct share *share = share_of(s);
    struct parcel *first = share->first;
    *permits_out = share->granted;
    share->granted = share->parcels = 0;
    share->first = NULL;
    share->last = &share->first;
    pthread_mutex_unlock(&p->lock);
    return first;
}

bool permits_has_come(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    pthread_mutex_lock(&p->lock);
    bool has_come = share_of(s)->first != NULL || share_of(s)->granted > 0;
    pthread_mutex_unlock(&p->lock);
    return has_come;
}

/* --- bounds ----------------------------------------------------------------------------------- */

void permits_resize(struct stake *s, int32_t max)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->max = max;
    while (p->doomed > 0 &&
           p->out - p->doomed < max) /* they close all the same, and others may open */
        p->doomed--;
    struct share *to;
    while ((to = oldest(p, NULL)) != NULL && take(p, to)) {
        to->granted++;
        drop_asks(&to->asks, 1);
        tell(to);
    }
    pthread_mutex_unlock(&p->lock);
}

bool permits_has_excess(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    pthread_mutex_lock(&p->lock);
    bool is_too_much = has_excess(p);
    pthread_mutex_unlock(&p->lock);
    return is_too_much;
}

bool permits_doom(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    pthread_mutex_lock(&p->lock);
    bool is_doomed = has_excess(p);
    p->doomed += is_doomed;
    pthread_mutex_unlock(&p->lock);
    return is_doomed;
}

int32_t permits_out(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return 0;
    pthread_mutex_lock(&p->lock);
    int32_t out = p->out;
    pthread_mutex_unlock(&p->lock);
    return out;
}
