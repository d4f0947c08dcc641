/* balance.h - which of several endpoints serves the next call.
 *
 * A rule names the best of those that may be used. When no connection to the best is idle, the same
 * rule is asked once more, among those that have one: nobody waits beside an idle connection.
 *
 *   round robin          smooth: each turn gives every endpoint its weight as credit, and the one with the
 *                        most pays what all got together (NGINX, ngx_http_upstream_round_robin). Over so
 *                        many turns as all weights are together, each has exactly its own
 *   least outstanding    whoever carries least (Envoy's least request)
 *   two choices          of two drawn ones that with the smaller latency x (what it carries + 1)
 *                        (Mitzenmacher 2001; the cost is that of Finagle's Peak EWMA)
 *   least recently used  the one whose last use is longest ago
 *   sticky               the largest -weight / ln(h), h in 0..1 a hash of the key and the endpoint's name
 *                        (rendezvous hashing, Thaler and Ravishankar 1998, with weights as Schindelhauer
 *                        and Schomaker 2005). A call without a key is balanced by least outstanding
 *
 * What one carries is what is outstanding there, and as much more of it as its weight is less than the largest;
 * of a part of a call the dice make none or a whole one, in proportion. And so much seldomer as its weight is less
 * is it the turn of the least recently used. So of few calls, too, each has about its part.
 *
 * A weight is 1 to 100, a product of what is known: see balance_weight(). The latency is a moving mean
 * with the gain of TCP's round trips, an eighth (RFC 6298). Of an endpoint that is not used it decays with
 * BALANCE_DECAY_US, as Finagle's does: what was slow is tried again some time.
 *
 * Pure: what is known of each in, with dice; the place of one out.
 */
#ifndef RULES_BALANCE_H
#define RULES_BALANCE_H

#include <stdint.h>

#define BALANCE_DECAY_US 10000000
#define BALANCE_WEIGHT_MOST 100
#define BALANCE_LEAST                                                                              \
    0.1 /* of full weight: for the slowest, and for the first moment of a slow start */

enum balance_rule {
    BALANCE_CONNECTIONS = 0, /* none: whichever idle connection is next in its turn */
    BALANCE_ROUND_ROBIN,
    BALANCE_LEAST_OUTSTANDING,
    BALANCE_TWO_CHOICES,
    BALANCE_LEAST_RECENTLY_USED,
    BALANCE_STICKY,
    BALANCE_RULES
};

enum balance_state {
    BALANCE_OUT = 0, /* not to be used */
    BALANCE_BUSY,    /* none of its connections is idle */
    BALANCE_READY,
};

struct balance_of {
    enum balance_state state;
    int32_t weight;      /* 1..BALANCE_WEIGHT_MOST */
    int32_t outstanding; /* calls and leases that are there now */
    double latency_us;   /* 0: nobody knows */
    uint64_t used;       /* when it was used last: a number that counts up with each use */
    int64_t credit;      /* of the round robin, by balance_use() */
    uint64_t name;       /* its hash, by balance_hash() */
};

/* What the weight of one comes from, each 0..1. */
struct balance_weight {
    double health, success, latency, slow_start;
};

struct balance_latency {
    double mean_us; /* 0: nothing was seen */
    int64_t at_us;  /* of the last one that was seen */
};

struct balance_choice {
    int32_t best;  /* of all that are not OUT; -1: all are */
    int32_t ready; /* of those that are READY; -1: none is */
};

/* key: 0 for none; by balance_hash(). */
struct balance_choice balance_choose(enum balance_rule rule, const struct balance_of *of,
                                     int32_t count, uint64_t key, uint64_t dice);
/* The one at this place is used, chosen or not: it pays for it. number: of this use. */
void balance_use(struct balance_of *of, int32_t count, int32_t at, uint64_t number);
uint64_t balance_hash(const char *bytes, uint32_t size); /* never 0 */

/* 1, and half of that for each failure in a row; a sixteenth at least. */
double balance_health(int64_t failures);
/* The share of calls that went well, as if two more had. */
double balance_success(int64_t well, int64_t failed);
/* The fastest one's latency by its own; 1 when it is not known. */
double balance_speed(double latency_us, double fastest_us);
/* It grows with the time since it came, from BALANCE_LEAST to 1 at the end of the window (Envoy's slow
 * start with aggression 1). */
double balance_slow_start(int64_t since_us, int64_t window_us);
/* The product of what counts under the rule, in percent: all of it for round robin, which knows of no
 * load; slow start alone for sticky, whose keys are to stay; else all but the latency, which the load
 * tells of. */
int32_t balance_weight(enum balance_rule rule, const struct balance_weight *w);

void balance_latency_note(struct balance_latency *l, int64_t span_us, int64_t now_us);
double balance_latency_at(const struct balance_latency *l, int64_t now_us);

#endif
