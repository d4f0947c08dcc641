/* What is on its way to a worker that does not turn. */
#include "core/permits.h"

#define TAKEN_BACK_MOST 5

/* It was told, and what it was told then it has not heard for too long. */
static bool is_late(struct share *share, int64_t now_us)
{
    if (!share->seat.is_told)
        return false;
    if (share->noted != share->seat.times) {
        share->noted = share->seat.times;
        share->noted_us = now_us;
    }
    return now_us - share->noted_us >= (int64_t)LEDGER_LATE_US << share->taken_back;
}

/* Who gets what is on its way to one that is late; NULL: it stays. */
static struct share *next_for(struct permits *p, const struct share *late, bool is_alone)
{
    bool is_there = is_alone ? late->granted > 0 : late->first != NULL;
    return !is_there || p->doomed > 0 || has_excess(p) ? NULL : share_oldest(p, late, is_alone);
}

static struct parcel *take_first(struct share *from)
{
    struct parcel *parcel = from->first;
    from->first = parcel->next;
    if (from->first == NULL)
        from->last = &from->first;
    from->parcels--;
    return parcel;
}

static void redirect(struct permits *p, struct share *late)
{
    struct share *to;
    late->asks.count = late->alone = 0;
    late->taken_back += late->parcels + late->granted > 0 && late->taken_back < TAKEN_BACK_MOST;
    while ((to = next_for(p, late, false)) != NULL) {
        share_post(to, take_first(late));
        share_move(late, to);
    }
    while ((to = next_for(p, late, true)) != NULL) {
        late->granted--;
        to->granted++;
        share_move(late, to);
    }
}

int32_t permits_take_back(struct stake *s, int64_t now_us)
{
    struct permits *p = s->permits;
    int32_t found = -1;
    if (p == NULL)
        return found;
    lock(p);
    for (int32_t i = 0; i < p->shares && found < 0; i++) {
        struct share *share = &p->share[i];
        bool has_use = share->asks.count > 0 || next_for(p, share, false) != NULL ||
                       next_for(p, share, true) != NULL;
        if (i != s->worker && is_late(share, now_us) && has_use)
            found = i;
    }
    if (found >= 0)
        redirect(p, &p->share[found]);
    unlock(p);
    return found;
}
