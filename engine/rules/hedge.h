/* hedge.h - when another copy of a call is sent, and which of their ends counts.
 *
 * Some calls are slow where the next would be fast. When one has taken longer than nearly all do, a
 * copy of it goes to another endpoint, if there is one, and the first good answer wins (Dean and
 * Barroso, "The Tail at Scale", CACM 2013, on hedged requests: from the 95th percentile on it costs 5 %
 * more requests). What a call does is what gRPC says (proposal A6, "Hedging Policy" and "Pushback"):
 *
 *   - the first copy goes at once, and one more after each delay, `most` in all
 *   - the first that ends well is the answer, and so is one that fails for good; the others are
 *     cancelled
 *   - when one fails in another way the next goes at once. When all that there will be have failed, the
 *     last failure is the answer
 *   - a server may push back: no more copies, or none for a while, whichever else fails meanwhile
 *
 * The delay is fixed, or a quantile of what such calls took lately, which the caller looks up; never
 * less than a floor. Copies do not move it: what took no longer than the delay had none. Only an
 * idempotent call has copies, for each of them may be done.
 *
 * Copies have a budget, for the process: what is slow for all has too much to do, and copies are more
 * of it. Each call brings a `share` of a copy, each copy after the first takes one, and `burst` are
 * saved up; so of any n calls in a row there are no more than burst + share * n. A call for which there
 * is none has no more copies. (gRPC counts failures against successes instead. What is only slow has
 * none.)
 *
 * What is to be done is a step: send a copy now, and say whether it went; come again at a time; or
 * answer, and cancel what is open. An answer is told once, and whatever ends later is nothing.
 *
 * Pure: the caller brings the time, sends, and keeps the last failure. The budget is one word, to be
 * changed by whatever exchange it likes.
 */
#ifndef RULES_HEDGE_H
#define RULES_HEDGE_H

#include <stdbool.h>
#include <stdint.h>

#define HEDGE_MOST 5 /* copies, whatever the policy says (A6, "Limits on Retries and Hedges") */
#define HEDGE_NEVER INT64_MAX

struct hedge_policy {
    int32_t most;     /* copies in all; less than 2: a call goes once */
    int32_t permille; /* of calls take no longer than the delay; 0: it is fixed */
    int64_t delay_us; /* as long as that is not known, too; 0: no copies as long */
    int64_t floor_us;
    double share; /* 0..1 */
    int32_t burst;
};

/* Of one call. */
struct hedge {
    int64_t delay_us; /* HEDGE_NEVER: no more copies */
    int64_t at_us;    /* the next one goes; HEDGE_NEVER: none does */
    int64_t until_us; /* the server wants none before */
    int32_t sent, open;
    bool is_over; /* it was answered */
};

enum hedge_next { HEDGE_WAIT = 0, HEDGE_SEND, HEDGE_ANSWER };

struct hedge_step {
    enum hedge_next next;
    int64_t at_us; /* WAIT: for an end, and for this time; HEDGE_NEVER: for an end alone */
};

enum hedge_end { HEDGE_WELL = 0, HEDGE_NON_FATAL, HEDGE_FATAL };

/* quantile_us: 0 when it is not known. */
int64_t hedge_delay_us(const struct hedge_policy *p, int64_t quantile_us);

/* The first copy goes now; the others as far from each other as this. */
struct hedge_step hedge_begin(struct hedge *h, const struct hedge_policy *p, bool is_idempotent,
                              int64_t delay_us, int64_t now_us);
struct hedge_step hedge_timer(struct hedge *h, const struct hedge_policy *p, int64_t now_us);
/* To be said after HEDGE_SEND, before all else: a copy goes; or nobody can take it, or there is no
 * budget. */
struct hedge_step hedge_sent(struct hedge *h, const struct hedge_policy *p, int64_t now_us);
struct hedge_step hedge_denied(struct hedge *h, int64_t now_us);
/* One of the copies ended so; or it failed, and the server wants no more for so long, or none at all
 * (< 0). */
struct hedge_step hedge_ended(struct hedge *h, const struct hedge_policy *p, enum hedge_end end,
                              int64_t now_us);
struct hedge_step hedge_pushed_back(struct hedge *h, const struct hedge_policy *p, int64_t pause_us,
                                    int64_t now_us);
/* It was answered without: its deadline, or nobody waits any more. */
void hedge_give_up(struct hedge *h);

/* The budget: what is spent of it, in millionths; 0 when it is whole. So many calls began. */
int64_t hedge_earn(const struct hedge_policy *p, int64_t spent, int64_t calls);
/* One copy more; the same as before when there is none. */
int64_t hedge_spend(const struct hedge_policy *p, int64_t spent);
/* It was paid for, and did not go. */
int64_t hedge_return(int64_t spent);

#endif
