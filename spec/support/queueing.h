/* queueing.h - a server and those who call it under a limit, in virtual time.
 *
 * What a server does with several calls at once is its kind:
 *
 *   line        so many are served at once, the others wait in line, or are refused when it has no room
 *   shared      all are served at once, by so many processors
 *   contended   all are served at once, and hinder each other: each takes 1 + contention * (n - 1) +
 *               coherence * n * (n - 1) times as long (Gunther's universal scalability law, 1993)
 *
 * A client has tasks that call in a loop, or arrivals by chance, so many a second; who may not begin waits
 * in its queue. Its limit is that of rules/limit, or a fixed one. All that chance decides comes from the seed.
 */
#ifndef SPEC_QUEUEING_H
#define SPEC_QUEUEING_H

#include "rules/limit.h"

#define QUEUEING_CALLS 4096
#define QUEUEING_CLIENTS 8
#define QUEUEING_WORKERS 4

enum queueing_kind { QUEUEING_LINE = 0, QUEUEING_SHARED, QUEUEING_CONTENDED };
enum queueing_spread { QUEUEING_STEADY = 0, QUEUEING_EXPONENTIAL, QUEUEING_LOGNORMAL };

struct queueing_server {
    enum queueing_kind kind;
    enum queueing_spread spread; /* of what a call takes */
    double sigma;                /* of the lognormal one */
    double mean_us;
    int32_t at_once;
    int32_t room; /* so many may wait, the others fail after 1 ms; 0: any */
    double contention, coherence;
    double slow; /* so many times it takes now; 0 is 1 */
};

struct queueing_client {
    struct limit_policy policy;
    int32_t fixed; /* instead of the rule; 0: the rule */
    int32_t tasks; /* that call in a loop; 0: arrivals */
    double per_s;
    int32_t queue;       /* so many arrivals may wait */
    bool is_away;        /* nobody arrives now */
    int64_t deadline_us; /* of a call; 0: none */
    int32_t workers;     /* 0 is 1 */

    struct limit limit;
    struct limit_seen seen[QUEUEING_WORKERS];
    int32_t under, waiting;
    int64_t well, failed, refused;
};

struct queueing_call {
    struct queueing_client *by;
    struct limit_pass pass;
    int64_t begun_us;
    uint32_t use;  /* of this place */
    bool is_ended; /* for its client */
    double done;   /* shared: when so much work is done */
};

struct queueing_event {
    int64_t at_us;
    int32_t what, of;
    uint32_t use;
};

struct queueing {
    struct queueing_server server;
    struct queueing_client client[QUEUEING_CLIENTS];
    int32_t clients;
    int64_t now_us;
    uint64_t dice;

    struct queueing_call call[QUEUEING_CALLS];
    int32_t unused[QUEUEING_CALLS], unused_count;
    int32_t line[QUEUEING_CALLS]; /* who waits; shared: who is served */
    uint32_t first, last;         /* of those who wait */
    int32_t served;
    double work; /* shared: that each one had so far who was always there */
    int64_t worked_us;
    uint32_t change;
    struct queueing_event event[4 * QUEUEING_CALLS]; /* a heap, the next one first */
    int32_t events;
};

/* With its server and its clients as they are set. */
void queueing_begin(struct queueing *q, uint64_t seed);
void queueing_run(struct queueing *q, int64_t until_us);
double queueing_even(struct queueing *q); /* 0 < x < 1 */
double queueing_normal(struct queueing *q);

#endif
