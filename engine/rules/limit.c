#include "rules/limit.h"

#include <math.h>

#include "base/check.h"

/* Of a trial. */
#define COUNT_LEAST 16
#define ROUNDS 4 /* so many times as many calls as may be under way */
#define SPAN_US 50000
#define NEAR 0.8 /* of the lower level */

/* Variances and differences of logarithms: 0.22 is a quarter more, 0.7 twice as much. */
#define DOUBT_MOST 0.25
#define DOUBT_SEARCH 0.03 /* more than that: the latency is another one because the limit is */
#define DOUBT_LEAST 0.004
#define APART_MOST 0.7
#define APART_LEAST 0.22
#define RISE 0.25

#define LEAN_MOST 0.67 /* two standard deviations of a moving mean with the gain of a fifth */
#define REST_US 3.6e9  /* in so long the latency at rest may be forgotten by a factor e */

static double between(double least, double x, double most)
{
    return x < least ? least : x > most ? most : x;
}

/* --- trials ------------------------------------------------------------------------------------ */

static void set_levels(struct limit *l, const struct limit_policy *p)
{
    l->limit = between(p->min, l->limit, p->max);
    l->lower = (int32_t)between(p->min, round(l->limit * exp(-l->apart / 2)), p->max);
    l->upper = (int32_t)between(p->min, round(l->limit * exp(l->apart / 2)), p->max);
    if (l->lower == l->upper && l->upper < p->max)
        l->upper++;
    else if (l->lower == l->upper && l->lower > p->min)
        l->lower--;
    l->near = (int32_t)ceil(NEAR * l->lower);
}

static void begin_trial(struct limit *l, const struct limit_policy *p, uint32_t trial,
                        int64_t now_us)
{
    set_levels(l, p);
    l->trial = trial == 0 ? 2 : trial;
    l->level = l->trial % 2 == 0 ? l->lower : l->upper;
    l->calls = (struct limit_calls){.trial = l->trial};
    l->since_us = now_us;
}

static void begin_pair(struct limit *l, const struct limit_policy *p, int64_t now_us)
{
    begin_trial(l, p, l->trial + 2 + l->trial % 2, now_us);
}

static void doubt_all(struct limit *l)
{
    l->doubt = DOUBT_MOST;
    l->apart = APART_MOST;
    l->lean = 0;
}

/* --- what a pair of trials says ------------------------------------------------------------------ */

/* Of a call, so much was work done. */
static double worth(const struct limit_calls *c)
{
    return (2 * c->well - c->count) / c->count;
}

static double mean_under(const struct limit_calls *c)
{
    return c->under / c->count;
}

static double mean_latency(const struct limit_calls *c)
{
    return c->latency_us / c->count;
}

static double throughput(const struct limit_calls *c)
{
    return mean_under(c) * worth(c) / mean_latency(c);
}

/* The square of its relative error, if calls take exponentially long. */
static double error(const struct limit_calls *c)
{
    double w = fmax(worth(c), 0.1);
    return 1 / (w * w * c->count);
}

/* Where it rises by more than four times what chance does, the server may have become a smaller one. */
static void note_latency(struct limit *l, double latency, double variance, int64_t now_us)
{
    double passed_us = between(0, (double)now_us - (double)l->judged_us, 1e7);
    l->judged_us = now_us;
    if (l->now == 0)
        l->now = l->lately = l->rest = latency;
    l->now += (latency - l->now) * 0.4;
    l->lately = l->doubt > DOUBT_SEARCH ? l->now : l->lately + (latency - l->lately) / 20;
    if (l->now - l->lately > fmax(RISE, sqrt(variance))) {
        doubt_all(l);
        l->lately = l->now;
    }
    l->rest = fmin(l->lately, l->rest + passed_us / REST_US);
}

/* How much a further call has to gain. */
static double wanted(const struct limit *l, const struct limit_policy *p)
{
    double over = exp(l->lately - l->rest) / p->tolerance;
    return over <= 1 ? LIMIT_GAIN : 1 - (1 - LIMIT_GAIN) / (over * over * over);
}

static void follow(struct limit *l, double news, double variance, double most)
{
    l->lean += (news / sqrt(variance) - l->lean) / 5;
    l->doubt = between(DOUBT_LEAST, l->doubt * (fabs(l->lean) > LEAN_MOST ? 2 : 0.8), DOUBT_MOST);
    double limit = l->limit * exp(news * l->doubt / (l->doubt + variance));
    l->limit = limit > l->limit ? fmax(l->limit, fmin(limit, most)) : limit;
    l->apart = between(APART_LEAST, sqrt(l->doubt) + sqrt(variance), APART_MOST);
}

static void judge(struct limit *l, const struct limit_policy *p, const struct limit_calls *below,
                  const struct limit_calls *above, int64_t now_us)
{
    double more = log(mean_under(above) / mean_under(below));
    double chance = error(below) + error(above), bound = more + 3 * sqrt(chance), gained = -bound;
    if (more < l->apart / 3)
        return; /* fewer came than might */
    if (worth(above) > 0)
        gained = between(-bound, log(throughput(above) / throughput(below)), more + bound);
    note_latency(l, log(mean_latency(below) * mean_latency(above)) / 2, fmax(chance, l->noise),
                 now_us);
    double news = gained - wanted(l, p) * more;
    l->noise += (news * news - l->noise) / 10;
    l->gain += (gained / more - l->gain) / 5;
    follow(l, news, fmax(chance, l->noise), above->most);
}

static void end_trial(struct limit *l, const struct limit_policy *p, int64_t now_us)
{
    bool is_above = l->trial % 2 == 1;
    if (!is_above && worth(&l->calls) <= 0) {
        l->limit /= 2;
        doubt_all(l);
        begin_pair(l, p, now_us);
        return;
    }
    if (is_above)
        judge(l, p, &l->below, &l->calls, now_us);
    else
        l->below = l->calls;
    begin_trial(l, p, l->trial + 1, now_us);
}

/* --- what workers saw ---------------------------------------------------------------------------- */

static void take(struct limit_calls *to, const struct limit_calls *from)
{
    if (from->trial != to->trial)
        return;
    to->count += from->count;
    to->well += from->well;
    to->latency_us += from->latency_us;
    to->under += from->under;
    to->most = to->most < from->most ? from->most : to->most;
}

static bool is_over(const struct limit *l, int64_t now_us)
{
    return l->calls.count >= COUNT_LEAST && l->calls.count >= (double)ROUNDS * l->level &&
           (uint64_t)now_us - (uint64_t)l->since_us >= SPAN_US;
}

bool limit_turn(struct limit *l, const struct limit_policy *p, struct limit_seen *s, int64_t now_us)
{
    int32_t level = l->level;
    CHECK(p->min >= 1 && p->min <= p->max && p->tolerance >= 1);
    take(&l->calls, &s->calls);
    if (l->trial == 0) {
        l->limit = p->initial;
        doubt_all(l);
        begin_pair(l, p, now_us);
    } else if (l->lower < p->min || l->upper > p->max) {
        begin_pair(l, p, now_us);
    } else if (is_over(l, now_us)) {
        end_trial(l, p, now_us);
    }
    *s = (struct limit_seen){.calls.trial = l->trial, .since_us = now_us};
    return l->level != level;
}

static int64_t in_us(double latency)
{
    return latency == 0 ? 0 : (int64_t)round(fmin(exp(latency), 9e18));
}

struct limit_view limit_view(const struct limit *l, const struct limit_policy *p)
{
    double limit = l->trial == 0 ? p->initial : l->limit;
    return (struct limit_view){
        .limit = (int32_t)round(between(p->min, limit, p->max)),
        .level = (int32_t)between(p->min, l->trial == 0 ? p->initial : l->level, p->max),
        .latency_us = in_us(l->now),
        .rest_us = in_us(l->rest),
        .gain = l->gain};
}
