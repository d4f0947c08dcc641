#include "rules/rate.h"

#include <string.h>

#include "base/check.h"

__extension__ typedef unsigned __int128 wide;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t later(int64_t at_us, wide span_us)
{
    return span_us > (uint64_t)(INT64_MAX - at_us) ? RATE_NEVER : at_us + (int64_t)span_us;
}

static struct rate_answer answer(enum rate_verdict verdict, int64_t at_us)
{
    return (struct rate_answer){.verdict = verdict, .at_us = at_us};
}

/* --- what is owed ------------------------------------------------------------------------------ */

static wide owed(const struct rate *r)
{
    return (wide)r->owed.high << 64 | r->owed.low;
}

static void owe(struct rate *r, wide units)
{
    r->owed.low = (uint64_t)units;
    r->owed.high = (uint64_t)(units >> 64);
}

/* What time has brought back since. */
static void drain(struct rate *r, const struct rate_policy *p, int64_t now_us)
{
    if (now_us <= r->since_us)
        return;
    wide brought = (wide)((uint64_t)now_us - (uint64_t)r->since_us) * (uint64_t)p->tokens;
    wide units = owed(r);
    owe(r, units > brought ? units - brought : 0);
    r->since_us = now_us;
}

/* Of those units so many are too many: it lasts so long until they were brought back. */
static wide lasts_us(const struct rate_policy *p, wide units)
{
    return p->tokens == 0 ? RATE_NEVER : (units - 1) / (uint64_t)p->tokens + 1;
}

static struct rate_answer must_wait(struct rate *r, const struct rate_limit *p, wide then,
                                    wide most, int64_t left_us, int64_t now_us)
{
    int64_t bound_us = larger(smaller(p->wait_us, left_us), 0);
    int64_t at_us = later(larger(now_us, r->since_us), lasts_us(&p->rate, then - most));
    if (at_us == RATE_NEVER)
        return answer(RATE_REFUSE, RATE_NEVER);
    if (at_us - bound_us > now_us)
        return answer(RATE_REFUSE, at_us - bound_us);
    owe(r, then);
    return answer(RATE_WAIT, at_us);
}

static struct rate_answer take_owed(struct rate *r, const struct rate_limit *p, int64_t cost,
                                    int64_t left_us, int64_t now_us)
{
    drain(r, &p->rate, now_us);
    int64_t burst = p->shape == RATE_LEAKY ? cost : p->rate.burst;
    wide then = owed(r) + (wide)cost * (uint64_t)r->span_us;
    wide most = (wide)burst * (uint64_t)r->span_us;
    if (cost > burst)
        return answer(RATE_REFUSE, RATE_NEVER);
    if (then > most)
        return must_wait(r, p, then, most, left_us, now_us);
    owe(r, then);
    return answer(RATE_GO, now_us);
}

/* --- a window ---------------------------------------------------------------------------------- */

static int64_t part_us(int64_t span_us)
{
    return span_us / RATE_PARTS + (span_us % RATE_PARTS > 0);
}

static uint64_t used(const struct rate *r)
{
    uint64_t sum = 0;
    for (int i = 0; i <= RATE_PARTS; i++)
        sum += r->used[i];
    return sum;
}

/* The parts that are over make room for later ones. */
static void turn(struct rate *r, int64_t now_us)
{
    uint64_t part = (uint64_t)part_us(r->span_us),
             passed = (uint64_t)now_us - (uint64_t)r->since_us;
    if (now_us <= r->since_us || passed < part)
        return;
    if (passed >= part * (RATE_PARTS + 1)) {
        memset(r->used, 0, sizeof r->used);
        return;
    }
    for (; passed >= part; passed -= part) {
        memmove(&r->used[1], &r->used[0], sizeof r->used - sizeof r->used[0]);
        r->used[0] = 0;
        r->since_us += (int64_t)part;
    }
}

/* When so many of those that were used are no longer counted. */
static int64_t gone_us(const struct rate *r, uint64_t tokens)
{
    int i = RATE_PARTS;
    for (uint64_t gone = r->used[i]; gone < tokens; gone += r->used[i])
        i--;
    return later(r->since_us, (wide)part_us(r->span_us) * (unsigned)(RATE_PARTS + 1 - i));
}

static struct rate_answer take_window(struct rate *r, const struct rate_limit *p, int64_t cost,
                                      int64_t now_us)
{
    turn(r, now_us);
    uint64_t most = (uint64_t)smaller(p->rate.tokens, UINT32_MAX), sum = used(r);
    if (sum == 0)
        r->since_us = now_us;
    if ((uint64_t)cost > most)
        return answer(RATE_REFUSE, RATE_NEVER);
    if (sum + (uint64_t)cost > most)
        return answer(RATE_REFUSE, gone_us(r, sum + (uint64_t)cost - most));
    r->used[0] += (uint32_t)cost;
    return answer(RATE_GO, now_us);
}

/* --- another policy ---------------------------------------------------------------------------- */

static wide smaller_wide(wide a, wide b)
{
    return a < b ? a : b;
}

/* As many tokens in units of another span. */
static wide worth(wide units, int64_t from_us, int64_t to_us)
{
    wide from = (uint64_t)from_us, to = (uint64_t)to_us;
    return smaller_wide(units / from, INT64_MAX) * to + units % from * to / from;
}

static void count_as_used_now(struct rate *r)
{
    wide span = (uint64_t)r->span_us, tokens = (owed(r) + span - 1) / span;
    memset(r->used, 0, sizeof r->used);
    r->used[0] = (uint32_t)smaller_wide(tokens, UINT32_MAX);
}

static void adopt(struct rate *r, const struct rate_limit *p, int64_t now_us)
{
    CHECK(p->rate.span_us > 0 && p->rate.tokens >= 0 && p->rate.burst >= 0);
    if (r->shape == RATE_WINDOW) {
        turn(r, now_us);
        owe(r, (wide)used(r) * (uint64_t)p->rate.span_us);
        r->since_us = larger(r->since_us, now_us);
    } else if (r->span_us > 0) {
        owe(r, worth(owed(r), r->span_us, p->rate.span_us));
    }
    r->shape = p->shape;
    r->span_us = p->rate.span_us;
    if (p->shape != RATE_WINDOW)
        return;
    drain(r, &p->rate, now_us);
    count_as_used_now(r);
}

struct rate_answer rate_take(struct rate *r, const struct rate_limit *p, int64_t cost,
                             int64_t left_us, int64_t now_us)
{
    CHECK(cost > 0);
    if (r->span_us != p->rate.span_us || r->shape != p->shape)
        adopt(r, p, now_us);
    if (p->shape == RATE_WINDOW)
        return take_window(r, p, cost, now_us);
    return take_owed(r, p, cost, left_us, now_us);
}
