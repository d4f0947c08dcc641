#include "core/permits.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* --- under the lock --------------------------------------------------------------------------- */

static int64_t asked_us(const struct share *share)
{
    return share->asks.count == 0 ? LEDGER_NOBODY : share->asks.arrived_us[0];
}

static bool take(struct permits *p, struct share *by)
{
    if (p->out >= p->max)
        return false;
    p->out++;
    by->held++;
    return true;
}

struct share *share_oldest(struct permits *p, const struct share *but, bool is_alone)
{
    struct share *found = NULL;
    for (int32_t i = 0; i < p->shares; i++) {
        struct share *share = &p->share[i];
        if (share != but && (!is_alone || share->alone > 0) &&
            asked_us(share) < (found == NULL ? LEDGER_NOBODY : asked_us(found)))
            found = share;
    }
    return found;
}

/* It has what its first waiters asked for. */
static void drop_asks(struct share *share, int32_t count)
{
    struct asks *a = &share->asks;
    a->count -= count < a->count ? count : a->count;
    memmove(a->arrived_us, a->arrived_us + count, (size_t)a->count * sizeof a->arrived_us[0]);
    if (share->alone > a->count)
        share->alone = a->count;
}

static void drop_all_asks(struct share *share)
{
    drop_asks(share, share->asks.count);
}

void share_move(struct share *from, struct share *to)
{
    from->held--;
    to->held++;
    drop_asks(to, 1);
    seat_tell(&to->seat);
}

/* There is a permit that nobody asks for. */
static void tell_short(struct permits *p)
{
    for (int32_t i = 0; i < p->shares; i++) {
        if (p->share[i].is_short)
            seat_tell(&p->share[i].seat);
        p->share[i].is_short = false;
    }
}

/* A permit that `from` has no use for: whoever asks gets it, as long as there may be so many. */
static void pass_on(struct permits *p, struct share *from)
{
    bool is_doomed = p->doomed > 0 || has_excess(p);
    struct share *to = is_doomed ? NULL : share_oldest(p, NULL, true);
    p->doomed -= p->doomed > 0;
    if (to == NULL) {
        from->held--;
        p->out--;
        tell_short(p);
        home_tell(p);
    } else {
        to->granted++;
        share_move(from, to);
    }
}

/* Those who could serve it hear that somebody asks. */
static void tell_holders(struct permits *p, const struct share *asking)
{
    for (int32_t i = 0; i < p->shares; i++)
        if (&p->share[i] != asking && p->share[i].held > 0)
            seat_tell(&p->share[i].seat);
}

/* --- joining and leaving ---------------------------------------------------------------------- */

static void permits_free(struct common *c)
{
    struct permits *p = container_of(c, struct permits, common);
    CHECK(p->out == 0 && p->open == 0);
    free(p);
}

static struct common *permits_make(const struct ledger *l, const void *how)
{
    size_t shares = (size_t)ledger_workers(l);
    struct permits *p = calloc(1, sizeof *p + shares * sizeof p->share[0]);
    if (p == NULL)
        return NULL;
    p->common.free = permits_free;
    p->max = *(const int32_t *)how;
    p->shares = (int32_t)shares;
    for (int32_t i = 0; i < p->shares; i++)
        p->share[i].last = &p->share[i].first;
    return &p->common;
}

static void look(void *taker)
{
    struct stake *s = taker;
    s->look(s);
}

static bool is_left_by_all(const struct permits *p)
{
    bool is_left = true;
    for (int32_t i = 0; i < p->shares; i++)
        is_left &= p->share[i].seat.taker == NULL || p->share[i].is_leaving;
    return is_left;
}

static void settle(void *taker)
{
    struct stake *s = taker;
    if (s->settle != NULL)
        s->settle(s);
}

bool permits_join(struct stake *s, struct ledger *l, struct loop *loop, const char *identity,
                  int32_t max)
{
    struct common *c = common_join(l, identity, permits_make, &max);
    s->permits = c == NULL ? NULL : container_of(c, struct permits, common);
    if (c == NULL)
        return false;
    lock(s->permits);
    CHECK(s->worker >= 0 && s->worker < s->permits->shares);
    if (is_left_by_all(s->permits))
        s->permits->max = max;
    seat_take(&share_of(s)->seat, c, loop, s, look);
    seat_take(&share_of(s)->home, c, loop, s, settle);
    home_choose(s->permits);
    unlock(s->permits);
    return true;
}

void permits_stop(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    share_of(s)->is_leaving = true;
    home_choose(p);
    unlock(p);
}

void permits_leave(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    struct share *share = share_of(s);
    CHECK(share->first == NULL && share->held == 0);
    drop_all_asks(share);
    share->is_short = share->is_leaving = false;
    seat_leave(&share->seat);
    seat_leave(&share->home);
    home_choose(p);
    unlock(p);
    s->permits = NULL;
    common_leave(&p->common);
}

/* --- permits ---------------------------------------------------------------------------------- */

bool permits_take(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return true;
    lock(p);
    bool is_taken = take(p, share_of(s));
    share_of(s)->is_short = !is_taken;
    unlock(p);
    return is_taken;
}

/* What is on its way to the worker is for its first waiters. */
static void ask(struct stake *s, const struct asks *a, bool is_alone)
{
    struct share *share = share_of(s);
    int32_t coming = share->parcels + share->granted, alone = share->alone;
    bool is_new = share->asks.count == 0;
    share->asks = *a;
    if (share->asks.count > a->room)
        share->asks.count = a->room;
    share->alone = is_alone ? share->asks.count : 0;
    drop_asks(share, coming);
    if ((is_new && share->asks.count > 0) || (s->only_permits && share->alone > alone))
        tell_holders(s->permits, share);
}

bool permits_ask(struct stake *s, const struct asks *a)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return true;
    lock(p);
    bool is_taken = take(p, share_of(s));
    if (!is_taken)
        ask(s, a, true);
    unlock(p);
    return is_taken;
}

void permits_wish(struct stake *s, const struct asks *a)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    ask(s, a, false);
    unlock(p);
}

void permits_forget(struct stake *s, int64_t arrived_us)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    struct share *share = share_of(s);
    struct asks *a = &share->asks;
    int32_t at = 0;
    while (at < a->count && a->arrived_us[at] != arrived_us)
        at++;
    if (at < a->count) {
        memmove(a->arrived_us + 1, a->arrived_us, (size_t)at * sizeof a->arrived_us[0]);
        drop_asks(share, 1);
    }
    unlock(p);
}

void permits_unask(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    drop_all_asks(share_of(s));
    unlock(p);
}

void permits_give(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    CHECK(share_of(s)->held > 0);
    pass_on(p, share_of(s));
    unlock(p);
}

/* --- from worker to worker -------------------------------------------------------------------- */

int64_t permits_asked_us(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return LEDGER_NOBODY;
    lock(p);
    const struct share *first = share_oldest(p, share_of(s), false);
    int64_t at_us = first == NULL ? LEDGER_NOBODY : asked_us(first);
    unlock(p);
    return at_us;
}

int32_t permits_claims(const struct stake *s)
{
    struct permits *p = s->permits;
    int32_t claims = 0;
    lock(p);
    for (int32_t i = 0; i < p->shares; i++)
        claims += &p->share[i] == share_of(s) ? 0 : p->share[i].alone;
    unlock(p);
    return claims;
}

void share_post(struct share *to, struct parcel *parcel)
{
    parcel->next = NULL;
    *to->last = parcel;
    to->last = &parcel->next;
    to->parcels++;
}

bool permits_hand(struct stake *s, struct parcel *parcel, int64_t before_us)
{
    struct permits *p = s->permits;
    lock(p);
    struct share *to = has_excess(p) ? NULL : share_oldest(p, share_of(s), false);
    if (to != NULL && asked_us(to) >= before_us)
        to = NULL;
    if (to != NULL) {
        share_post(to, parcel);
        share_move(share_of(s), to);
    }
    unlock(p);
    return to != NULL;
}

struct parcel *permits_receive(struct stake *s, int32_t *permits_out)
{
    struct permits *p = s->permits;
    lock(p);
    struct share *share = share_of(s);
    struct parcel *first = share->first;
    *permits_out = share->granted;
    share->taken_back -= share->granted + share->parcels > 0 && share->taken_back > 0;
    share->granted = share->parcels = 0;
    share->first = NULL;
    share->last = &share->first;
    unlock(p);
    return first;
}

bool permits_has_come(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    lock(p);
    bool has_come = share_of(s)->first != NULL || share_of(s)->granted > 0;
    unlock(p);
    return has_come;
}

/* --- bounds ----------------------------------------------------------------------------------- */

void permits_resize(struct stake *s, int32_t max)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    p->max = max;
    while (p->doomed > 0 &&
           p->out - p->doomed < max) /* they close all the same, and others may open */
        p->doomed--;
    struct share *to;
    while ((to = share_oldest(p, NULL, true)) != NULL && take(p, to)) {
        to->granted++;
        drop_asks(to, 1);
        seat_tell(&to->seat);
    }
    if (p->out < p->max)
        tell_short(p);
    unlock(p);
}

bool permits_has_excess(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    lock(p);
    bool is_too_much = has_excess(p);
    unlock(p);
    return is_too_much;
}

bool permits_is_over(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    lock(p);
    bool is_over = p->out > p->max;
    unlock(p);
    return is_over;
}

bool permits_doom(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    lock(p);
    bool is_doomed = has_excess(p);
    p->doomed += is_doomed;
    unlock(p);
    return is_doomed;
}

void permits_renew(struct stake *s, int64_t at_us)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    p->renewed_us = at_us;
    unlock(p);
}

int64_t permits_renewed_us(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return 0;
    lock(p);
    int64_t at_us = p->renewed_us;
    unlock(p);
    return at_us;
}

int32_t permits_out(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return 0;
    lock(p);
    int32_t out = p->out;
    unlock(p);
    return out;
}

/* All count by what the first one saw, because those before them change meanwhile. */
struct census permits_census(struct stake *s, int64_t number)
{
    struct census found = {.all = 0};
    struct permits *p = s->permits;
    if (p == NULL)
        return found;
    lock(p);
    for (int32_t i = 0; i < p->shares && p->census != number; i++)
        p->share[i].counted = p->share[i].held;
    p->census = number;
    for (int32_t i = 0; i < p->shares; i++) {
        found.all += p->share[i].counted;
        found.before += i < s->worker ? p->share[i].counted : 0;
    }
    unlock(p);
    return found;
}
