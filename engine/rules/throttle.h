/* throttle.h - no more retries while too much fails.
 *
 * Two budgets for retries that go by what came of the attempts, where that of core/budget goes by
 * how many calls there are:
 *
 *   quota   A retry costs 5 of 500 tokens, 10 where a timeout or a lost connection came before. One
 *           that goes well gives back what it has cost, a call that goes well at once gives 1. What
 *           a retry costs that fails is gone. (AWS SDKs and Tools Reference Guide, "Retry
 *           behavior", standard mode, its retry quota. So until 2026; since then it is 14, and 5
 *           where the server said that it has too much to do.)
 *   ratio   Each attempt that fails takes 1 of 10 tokens, each that goes well gives 0.1; retries
 *           only while there are more than half. So they end where more than 0.1 fail for each that
 *           goes well. (gRPC proposal A6, "Throttling Retry Attempts and Hedged RPCs".)
 *
 * Only attempts that may be tried again are failures here, and those after which the server asked
 * not to be tried again. What is the caller's mistake says nothing about the server. Each failure
 * is told, with THROTTLE_END where attempts or time are over, so that no retry is paid for that is
 * not begun.
 *
 * All of it is one word, so that a process has one for all of its workers: load it, ask, and
 * compare and swap; when it is another by now, ask again. A success that finds all tokens there
 * leaves the word as it is, but for the first one, and there is nothing to write: as long as all
 * goes well the workers only read it. A word of zero is one of which nothing is known, and full.
 *
 * When the policy is another the tokens are as large a part of the new capacity as they were of the
 * old one, because tokens of two policies are worth different things. What was full is full, what
 * was empty is empty. A part of a thousandth counts as one, so where retries went on by ratio they
 * do, and of whole tokens, where they were over they are.
 *
 * Tokens are counted in thousandths, in the policy too. A negative number in it is 0.
 *
 * Pure: a word in, a word out.
 */
#ifndef RULES_THROTTLE_H
#define RULES_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_TOKEN 1000 /* thousandths */

enum throttle_mode { THROTTLE_SHARE = 0, THROTTLE_QUOTA, THROTTLE_RATIO }; /* share: core/budget */

struct throttle_policy {
    enum throttle_mode mode;
    int32_t capacity;       /* what there is in the beginning, and at most */
    int32_t success;        /* what comes with an attempt that went well */
    int32_t cost;           /* quota: of a retry */
    int32_t cost_transient; /* quota: of one after a timeout or a lost connection */
};

/* What an attempt that failed asks for: nothing, a retry, one that costs cost_transient. */
enum throttle_wish { THROTTLE_END = 0, THROTTLE_RETRY, THROTTLE_RETRY_TRANSIENT };

struct throttle_verdict {
    uint64_t word;
    int32_t paid;   /* by this retry; for throttle_reward() if it goes well */
    bool may_retry; /* as it wished */
};

/* An attempt failed. */
struct throttle_verdict throttle_charge(uint64_t word, const struct throttle_policy *p,
                                        enum throttle_wish wish);
/* An attempt went well. paid: by the retry that it was; 0: it was none. The word after it. */
uint64_t throttle_reward(uint64_t word, const struct throttle_policy *p, int32_t paid);
int32_t throttle_tokens(uint64_t word, const struct throttle_policy *p);

#endif
