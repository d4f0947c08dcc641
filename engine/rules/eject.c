#include "rules/eject.h"

#include <math.h>

#include "base/check.h"

static int32_t out(const struct eject_fleet *f, int64_t now_us)
{
    int32_t count = 0;
    for (int32_t i = 0; i < f->count; i++)
        count += eject_is_out(&f->of[i], now_us);
    return count;
}

static bool has_room(const struct eject_fleet *f, const struct eject_policy *p, int64_t now_us)
{
    return out(f, now_us) + 1 <= (int32_t)floor(p->most * f->count + 1e-9);
}

static int64_t span_us(const struct eject_policy *p, int32_t times, uint64_t dice)
{
    bool is_long = times > p->time_most_us / p->time_us;
    int64_t span = is_long ? p->time_most_us : p->time_us * times;
    return span - (int64_t)(dice % (uint64_t)(span / 10 + 1));
}

static void eject(struct eject_fleet *f, const struct eject_policy *p, struct eject *e,
                  enum eject_why why, int64_t now_us, uint64_t dice)
{
    if (!has_room(f, p, now_us))
        return;
    e->times += e->times < INT32_MAX;
    e->ejections += e->ejections < INT32_MAX;
    e->why = why;
    e->until_us = now_us + span_us(p, e->times, dice);
    e->streak = 0;
    e->well[0] = e->failed[0] = 0;
}

/* --- the share of successes -------------------------------------------------------------------- */

static double share(const struct eject *e)
{
    return (double)e->well[1] / (double)(e->well[1] + e->failed[1]);
}

static bool counts(const struct eject *e, const struct eject_policy *p, int64_t now_us)
{
    int64_t calls = e->well[1] + e->failed[1];
    return !eject_is_out(e, now_us) && calls > 0 && calls >= p->least_calls;
}

/* Below which share one is an outlier; negative when there are too few to tell. */
static double bound(const struct eject_fleet *f, const struct eject_policy *p, int64_t now_us)
{
    double sum = 0, squares = 0;
    int32_t count = 0;
    for (int32_t i = 0; i < f->count; i++) {
        if (!counts(&f->of[i], p, now_us))
            continue;
        sum += share(&f->of[i]);
        count++;
    }
    if (count == 0 || count < p->least_endpoints)
        return -1;
    for (int32_t i = 0; i < f->count; i++)
        if (counts(&f->of[i], p, now_us))
            squares += pow(share(&f->of[i]) - sum / count, 2);
    return sum / count - p->factor * sqrt(squares / count);
}

/* The worst first: there may be no room for all. */
static struct eject *worst(const struct eject_fleet *f, const struct eject_policy *p, double below,
                           int64_t now_us)
{
    struct eject *worst = NULL;
    for (int32_t i = 0; i < f->count; i++) {
        struct eject *e = &f->of[i];
        if (counts(e, p, now_us) && share(e) < below && (worst == NULL || share(e) < share(worst)))
            worst = e;
    }
    return worst;
}

static void judge(struct eject_fleet *f, const struct eject_policy *p, int64_t now_us,
                  uint64_t dice)
{
    double below = p->factor > 0 ? bound(f, p, now_us) : -1;
    struct eject *e;
    while (below > 0 && has_room(f, p, now_us) && (e = worst(f, p, below, now_us)) != NULL) {
        eject(f, p, e, EJECT_SUCCESS, now_us, dice);
        dice = (dice ^ dice >> 31) * 0x9e3779b97f4a7c15U; /* thrown anew for the next one */
    }
}

/* --- time passes ------------------------------------------------------------------------------ */

/* So many of the windows until since_us were over. A window counts as one in which it was in when it was
 * so from its beginning. */
static void end_windows(struct eject *e, int64_t windows, int64_t window_us, int64_t since_us)
{
    int64_t begin_us = since_us - windows * window_us;
    int64_t in_us = since_us - (e->until_us > begin_us ? e->until_us : begin_us);
    int64_t in = in_us > 0 ? in_us / window_us : 0;
    e->well[1] = windows == 1 ? e->well[0] : 0;
    e->failed[1] = windows == 1 ? e->failed[0] : 0;
    e->well[0] = e->failed[0] = 0;
    e->times = e->times > in ? e->times - (int32_t)in : 0;
}

void eject_look(struct eject_fleet *f, const struct eject_policy *p, int64_t now_us, uint64_t dice)
{
    CHECK(p->window_us > 0 && p->time_us > 0);
    int64_t windows = (now_us - f->since_us) / p->window_us;
    if (windows < 1)
        return;
    f->since_us += windows * p->window_us;
    for (int32_t i = 0; i < f->count; i++)
        end_windows(&f->of[i], windows, p->window_us, f->since_us);
    judge(f, p, now_us, dice);
}

void eject_note(struct eject_fleet *f, const struct eject_policy *p, int32_t at, bool is_well,
                int64_t now_us, uint64_t dice)
{
    struct eject *e = &f->of[at];
    eject_look(f, p, now_us, dice);
    e->well[0] += is_well;
    e->failed[0] += !is_well;
    if (eject_is_out(e, now_us))
        return; /* it was under way, or all are used */
    e->streak = is_well ? 0 : e->streak + (e->streak < INT32_MAX);
    if (p->consecutive > 0 && e->streak >= p->consecutive)
        eject(f, p, e, EJECT_CONSECUTIVE, now_us, dice);
}

bool eject_is_panic(const struct eject_policy *p, int32_t usable, int32_t all)
{
    return usable < p->panic * all - 1e-9;
}

const char *eject_reason(enum eject_why why)
{
    switch (why) {
    case EJECT_NOT:
        return "none";
    case EJECT_CONSECUTIVE:
        return "consecutive";
    case EJECT_SUCCESS:
        return "success";
    }
    UNREACHABLE();
}
