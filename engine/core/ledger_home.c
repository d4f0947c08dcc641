/* Which worker keeps the minimum of a pool. */
#include "base/check.h"
#include "base/index.h"
#include "core/permits.h"

/* Of these the largest is home (rendezvous hashing; D. Thaler, C. Ravishankar: Using Name-Based Mappings
 * to Increase Hit Rates, 1998): so nothing moves but what was its own when one goes, or comes. */
static uint64_t weight(const struct permits *p, int32_t worker)
{
    uint64_t h = index_hash(p->common.identity) + (uint64_t)worker * 0x9e3779b97f4a7c15;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9; /* the mixer of splitmix64 (S. Vigna) */
    h = (h ^ h >> 27) * 0x94d049bb133111eb;
    return h ^ h >> 31;
}

static bool may_be_home(const struct share *share)
{
    return share->seat.taker != NULL && !share->is_leaving;
}

void home_choose(struct permits *p)
{
    struct share *was = p->home;
    uint64_t most = 0;
    p->home = NULL;
    for (int32_t i = 0; i < p->shares; i++)
        if (may_be_home(&p->share[i]) && (p->home == NULL || weight(p, i) > most)) {
            p->home = &p->share[i];
            most = weight(p, i);
        }
    if (p->home == was)
        return;
    if (was != NULL)
        seat_tell(&was->home);
    if (p->home != NULL)
        seat_tell(&p->home->home);
}

void home_tell(struct permits *p)
{
    if (p->home != NULL && p->out < p->min)
        seat_tell(&p->home->home);
}

/* --- for a stake ------------------------------------------------------------------------------ */

void permits_least(struct stake *s, int32_t min)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    p->min = min;
    home_tell(p);
    unlock(p);
}

void permits_opened(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    p->open++;
    if (p->home != NULL && p->home != share_of(s) && p->open <= p->min)
        seat_tell(&p->home->home);
    unlock(p);
}

void permits_closed(struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return;
    lock(p);
    CHECK(p->open > 0);
    p->open--;
    unlock(p);
}

int32_t permits_open(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return 0;
    lock(p);
    int32_t open = p->open;
    unlock(p);
    return open;
}

int32_t permits_elsewhere(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return 0;
    lock(p);
    int32_t elsewhere = p->out - share_of(s)->held;
    unlock(p);
    return elsewhere;
}

bool permits_is_full(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return false;
    lock(p);
    bool is_full = p->out >= p->max;
    unlock(p);
    return is_full;
}

bool permits_is_home(const struct stake *s)
{
    struct permits *p = s->permits;
    if (p == NULL)
        return true;
    lock(p);
    bool is_home = p->home == share_of(s);
    unlock(p);
    return is_home;
}
