/* limit.h - how many calls may be under way at once, found by what becomes of them.
 *
 * Up to some number of calls under way a server does more with each further one. From there on a further one
 * only waits in the server, and all take longer. The limit looks for that number by trials, one a little below
 * it and one a little above, in turn. The throughput of a trial is calls under way / latency (Little 1961), which
 * load that comes and goes does not change, and of a pair of trials
 *
 *   gain = ln(throughput above / below) / ln(calls under way above / below)
 *
 * is the part of a further call that is work done: 1 where the server has room, 0 where it has none, below 0
 * where calls hinder each other. The limit is where it is LIMIT_GAIN: there throughput ^ 2 / latency is highest,
 * Kleinrock's power for whom throughput counts twice (Power and deterministic rules of thumb for probabilistic
 * problems in computer communications, ICC 1979). To try both sides and follow the better one is what PCC
 * does (Dong et al., NSDI 2015, section 3). How far it follows is what a Kalman filter of one number says (1960):
 *
 *   ln limit += (gain - LIMIT_GAIN) * ln(under way above / below) * doubt / (doubt + noise)
 *
 * Noise is how far such news lie apart lately, no less than by chance when calls take exponentially long. Doubt
 * grows while news lean to one side, and shrinks while they do not; it is the greatest again when the latency has
 * risen by a third. The greater both are, the farther apart are the two trials of a pair: by a quarter, to by
 * twice. Those below cost some 5 % of the throughput.
 *
 * So it needs no latency at rest. Whoever goes by that (Vegas, Gradient2, the gradient of Envoy) has learned
 * the queue when there never was rest, and takes a server that got ten times slower for one that is ten times
 * too full. It is for one case only: of a server with many processes each one gains by more calls, for it takes
 * from the others. Beyond `tolerance` times the lowest latency, which is forgotten in an hour, a further call
 * has to gain the more the higher the latency is.
 *
 * What counts is a call that began when about as many were under way as below the limit, in the trial in which
 * it ended. So a limit that is not used does not change, and it never grows beyond what was under way. A
 * call that failed, or was not answered in time, took its time and takes back one that went well: where more
 * fail above there is less to gain, and where most fail below the limit is halved. A call that was not sent is not
 * noted. Where nobody may wait before the limit, it refuses some whom the server could have served: one in twenty
 * at two thirds of its capacity.
 *
 * What it makes of servers that are always in demand, in the second minute (mean of 20 runs, in percent of the best
 * limit, which is the least one with 95 % of the highest throughput; spec/rules/limit_knee_spec.c), beside the others
 * as they are described, and what TCP's BBR would do, highest throughput x lowest latency:
 *
 *                                            best  limit  Gradient2  Vegas  Envoy  BBR
 *   10 at once, 2 ms (exponential)             10     +4       +127    +39    +83   -6
 *   10 at once, 200 ms (exponential)           10     -1       +130     +2   +255  -73
 *   10 at once, 200 ms each                    10     +9       +127    +40    +94   -5
 *   10 at once, 20 ms (lognormal)              10     -1       +128    +17    +64  -87
 *   20 ms, and it halves                        5     +3       +226    +71    +85  -76
 *   20 ms, and it doubles                      20     -1       +123    -17   +246  -94
 *   10 processors that all share, 20 ms        10     +5       +129    +25   +171  -86
 *   calls hinder each other, 20 ms             31     -7        +13    -60    +21  -95
 *   room for 5 that wait, the others fail      10     -1       +643    +24  +6410  -86
 *
 * It takes calls, not time: some 1500 when it begins, or when the server becomes another one. Eight processes at one
 * server for 40 have four times as many under way, and some of them five times as many as others.
 *
 * Pure: what became of calls in, with time; a level out. One for the process, but for `limit_seen`, which each
 * worker has for itself.
 */
#ifndef RULES_LIMIT_H
#define RULES_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_GAIN (1.0 / 3)
#define LIMIT_TURN_US 20000 /* so often a worker hands over what it saw */

/* 1, 1000, 4 and 2 will do. What is never reached is never tried, so better begin with few. */
struct limit_policy {
    int32_t min, max; /* calls under way, 1 <= min <= max */
    int32_t initial;
    double tolerance; /* 1 or more */
};

/* What a call has from its begin to its end. */
struct limit_pass {
    uint32_t trial; /* 0: it counts for nothing */
    int32_t under;  /* calls under way, with it; 0: it may not begin */
};

/* What became of the calls of a trial. */
struct limit_calls {
    uint32_t trial;
    int32_t most; /* under way when one began */
    double count, well, latency_us, under;
};

struct limit_seen {
    struct limit_calls calls;
    int64_t since_us;
};

/* All zero is one of which nothing is known. */
struct limit {
    double limit;
    int32_t lower, upper;            /* levels of the trials below and above */
    int32_t level;                   /* of the trial under way */
    int32_t near;                    /* who begins with fewer does not count */
    uint32_t trial;                  /* its number, odd above; 0: there was none yet */
    int64_t since_us;                /* when it began */
    struct limit_calls calls, below; /* of it, and of the last one below */
    double doubt;                    /* variance of ln limit */
    double noise;                    /* variance of news */
    double lean;                     /* mean of the last news, each in its standard deviation */
    double apart;                    /* ln (upper / lower) */
    double now, lately, rest;        /* ln latency */
    int64_t judged_us;
    double gain; /* of the last pairs */
};

/* For people. */
struct limit_view {
    int32_t limit, level;
    int64_t latency_us, rest_us; /* 0: nobody knows */
    double gain;
};

/* May a call begin beside so many? */
static inline struct limit_pass limit_begin(const struct limit *l, const struct limit_policy *p,
                                            int32_t under)
{
    int32_t level = l->trial == 0 ? p->initial : l->level;
    level = level > p->max ? p->max : level;
    level = level < p->min ? p->min : level;
    if (under >= level)
        return (struct limit_pass){.under = 0};
    return (struct limit_pass){.trial = under + 1 < l->near ? 0 : l->trial, .under = under + 1};
}

static inline void limit_count(struct limit_calls *c, struct limit_pass pass, double latency_us,
                               bool is_well)
{
    if ((int32_t)(pass.trial - c->trial) < 0)
        return; /* that trial is over */
    if (pass.trial != c->trial)
        *c = (struct limit_calls){.trial = pass.trial};
    c->count++;
    c->well += is_well;
    c->latency_us += latency_us;
    c->under += pass.under;
    c->most = c->most < pass.under ? pass.under : c->most;
}

/* A call ended, so long after it was sent. True: it is time for limit_turn(). */
static inline bool limit_note(struct limit_seen *s, struct limit_pass pass, int64_t latency_us,
                              bool is_well, int64_t now_us)
{
    if (pass.trial != 0)
        limit_count(&s->calls, pass, latency_us > 0 ? (double)latency_us : 1, is_well);
    return (uint64_t)now_us - (uint64_t)s->since_us >= LIMIT_TURN_US;
}

/* Takes what a worker saw. True: the level is another one, so that who waits may begin. */
bool limit_turn(struct limit *l, const struct limit_policy *p, struct limit_seen *s,
                int64_t now_us);
struct limit_view limit_view(const struct limit *l, const struct limit_policy *p);

#endif
