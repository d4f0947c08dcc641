/* circuits_inner.h - one circuit, as a worker knows it: for circuits.c, which has one of all calls, and circuits_at.c,
 * which has one of each endpoint. */
#ifndef CORE_CIRCUITS_INNER_H
#define CORE_CIRCUITS_INNER_H

#include "core/circuits.h"

#define CIRCUITS_OF_ALL (-1)

struct circuits {
    struct guards *guards;
    struct circuits_shared *shared; /* what all workers have together */
    int32_t at;                     /* of this endpoint's calls alone; else CIRCUITS_OF_ALL */
    uint64_t word;                  /* as the pools know it */
    uint64_t dice;                  /* for when it opens next */
};

struct circuit_policy circuits_policy(const struct nebula_circuit *said);

/* Joins the one of these calls. False when out of memory. */
bool circuits_init(struct circuits *c, struct guards *g, int32_t at);
void circuits_fini(struct circuits *c);

/* A pass, or 0 and *why. */
uint64_t circuits_take(struct circuits *c, struct circuits_refusal *why);
/* What it would say now, but for what others do meanwhile: all may pass; a probe may; nobody, and *why. Changes
 * nothing. */
enum circuits_word { CIRCUITS_PASS = 0, CIRCUITS_PROBE, CIRCUITS_REFUSE };
enum circuits_word circuits_would_say(struct circuits *c, struct circuits_refusal *why);
/* When time alone lets one more pass; INT64_MAX: never. */
int64_t circuits_opens_us(struct circuits *c);
void circuits_hand_in(struct circuits *c, uint64_t pass, enum error_code code, bool was_sent,
                      int64_t took_us);
void circuits_change(struct circuits *c); /* goes by what its guards' rules say now */

void circuits_stand(struct circuits *c, struct circuit_standing *out);
void circuits_show(struct circuits *c, struct circuits_view *out);

#endif
