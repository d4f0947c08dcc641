#include "rules/hedge.h"

#include "base/check.h"

#define COPY 1000000 /* millionths */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t later(int64_t at_us, int64_t span_us)
{
    return span_us > INT64_MAX - at_us ? HEDGE_NEVER : at_us + span_us;
}

int64_t hedge_delay_us(const struct hedge_policy *p, int64_t quantile_us)
{
    bool is_live = p->permille > 0;
    if (is_live && quantile_us > 0)
        return larger(quantile_us, p->floor_us);
    return is_live && p->delay_us == 0 ? HEDGE_NEVER : larger(p->delay_us, p->floor_us);
}

/* --- steps ------------------------------------------------------------------------------------ */

static struct hedge_step step(enum hedge_next next, int64_t at_us)
{
    return (struct hedge_step){.next = next, .at_us = at_us};
}

static struct hedge_step next(struct hedge *h, int64_t now_us)
{
    if (h->is_over)
        return step(HEDGE_WAIT, HEDGE_NEVER);
    if (h->at_us != HEDGE_NEVER)
        return step(now_us >= h->at_us ? HEDGE_SEND : HEDGE_WAIT, h->at_us);
    if (h->open > 0)
        return step(HEDGE_WAIT, HEDGE_NEVER);
    h->is_over = true;
    return step(HEDGE_ANSWER, HEDGE_NEVER);
}

static bool has_more(const struct hedge *h, const struct hedge_policy *p)
{
    return h->sent < p->most && h->sent < HEDGE_MOST && h->delay_us != HEDGE_NEVER;
}

static struct hedge_step sent(struct hedge *h, const struct hedge_policy *p, int64_t now_us)
{
    h->sent++;
    h->open++;
    h->at_us = has_more(h, p) ? later(now_us, h->delay_us) : HEDGE_NEVER;
    return step(HEDGE_WAIT, h->at_us);
}

/* One failed: the next goes at once, or when the server lets it. */
static struct hedge_step failed(struct hedge *h, const struct hedge_policy *p, int64_t now_us)
{
    h->at_us = has_more(h, p) ? larger(h->until_us, now_us) : HEDGE_NEVER;
    return next(h, now_us);
}

/* --- what happens to a call ------------------------------------------------------------------- */

struct hedge_step hedge_begin(struct hedge *h, const struct hedge_policy *p, bool is_idempotent,
                              int64_t delay_us, int64_t now_us)
{
    *h = (struct hedge){.delay_us = is_idempotent ? delay_us : HEDGE_NEVER};
    return sent(h, p, now_us);
}

struct hedge_step hedge_timer(struct hedge *h, const struct hedge_policy *p, int64_t now_us)
{
    if (!has_more(h, p)) /* any more */
        h->at_us = HEDGE_NEVER;
    return next(h, now_us);
}

struct hedge_step hedge_sent(struct hedge *h, const struct hedge_policy *p, int64_t now_us)
{
    CHECK(!h->is_over);
    return sent(h, p, now_us);
}

struct hedge_step hedge_denied(struct hedge *h, int64_t now_us)
{
    h->delay_us = h->at_us = HEDGE_NEVER;
    return next(h, now_us);
}

struct hedge_step hedge_ended(struct hedge *h, const struct hedge_policy *p, enum hedge_end end,
                              int64_t now_us)
{
    CHECK(h->open > 0);
    h->open--;
    if (h->is_over)
        return next(h, now_us);
    if (end == HEDGE_NON_FATAL)
        return failed(h, p, now_us);
    hedge_give_up(h);
    return step(HEDGE_ANSWER, HEDGE_NEVER);
}

struct hedge_step hedge_pushed_back(struct hedge *h, const struct hedge_policy *p, int64_t pause_us,
                                    int64_t now_us)
{
    if (pause_us < 0)
        h->delay_us = HEDGE_NEVER;
    else
        h->until_us = larger(h->until_us, later(now_us, pause_us));
    return hedge_ended(h, p, HEDGE_NON_FATAL, now_us);
}

void hedge_give_up(struct hedge *h)
{
    h->is_over = true;
}

/* --- the budget ------------------------------------------------------------------------------- */

int64_t hedge_earn(const struct hedge_policy *p, int64_t spent, int64_t calls)
{
    int64_t share = (int64_t)(p->share * COPY + 0.5), earned;
    if (__builtin_mul_overflow(share, calls, &earned))
        return 0;
    return larger(spent - earned, 0);
}

int64_t hedge_spend(const struct hedge_policy *p, int64_t spent)
{
    return spent + COPY <= (int64_t)p->burst * COPY ? spent + COPY : spent;
}

int64_t hedge_return(int64_t spent)
{
    return larger(spent - COPY, 0);
}
