/* rate.h - how often calls may go.
 *
 * So many tokens in a span of time, of which a call costs one or more. It goes now; or at a time that
 * is kept for it; or it is refused, and told from when on asking again is worth it. There are three
 * shapes:
 *
 *   bucket   a burst at once, and then as fast as tokens come: in any span of t no more go than
 *            rate * t + burst. It is GCRA (ITU-T I.371, annex A) in its form as a leaky bucket of
 *            continuous state: what was used and time has not brought back yet is owed, and no more
 *            than the burst may be
 *   leaky    one behind the other, each as far away as the one before it costs, and no burst. What is
 *            owed is the queue, so it says when a call goes
 *   window   never more than the tokens in any span, wherever it begins. A span is cut into RATE_PARTS,
 *            and what was used is counted by part: the one under way, and as many whole ones before it
 *
 * Who has to wait has a time kept for it when that is within `wait_us`, and within what is left to the
 * call. It is used up, whatever becomes of the call. A window keeps none: it would have to count in one
 * that has not begun.
 *
 * What is owed is exact. A token is span_us units, and each us brings as many units as a span has
 * tokens; so nothing is ever rounded, and nothing divided but for who must wait. A time that is told is
 * the first whole us that will do, so between two that are kept a part of a us may be missing.
 *
 * The bound of a window: who goes does so in the part under way, and the parts that are counted reach
 * back for a span at least; so no span has more than the tokens. The price: who is refused finds no
 * room in the last span and one part. (Two windows, of which the older one counts by how much of it the
 * span still has, do not have that bound: if all of the older one went at its end, nearly as many again
 * go before the span is over. A bucket has no more than that. A ring of times is exact, and 8 bytes for
 * each token.)
 *
 * For all workers together, by slices (rules/slice):
 *
 *   bucket   core/budget as it is, with the same numbers: never more, and refused wrongly only while
 *            one bucket would have no more than a slice for each worker and one
 *   leaky    a slice is times. Who asks once for the tokens of a slice has as many times, one behind
 *            the other, from the one on that he was told. So calls are as far apart as in one queue.
 *            What is not used is lost: a call goes no more than 10 ms for each worker later than in one
 *            queue
 *   window   a token is used up to 10 ms after it was taken. Of a window that is 10 ms longer no span
 *            has more than the tokens in what is used. What is not used is lost: refused wrongly are a
 *            slice for each worker, and what goes in 10 ms
 *
 * Another policy is no matter: what is owed stays so many tokens, and is brought back as the new one
 * says. To or from a window, or to one of another span, all that is known counts as if it were used
 * now. A clock that goes back brings nothing until it is where it was.
 *
 * Pure: the caller brings the time, and keeps one of these for each resource, key or tenant.
 */
#ifndef RULES_RATE_H
#define RULES_RATE_H

#include "rules/policy.h"

#define RATE_PARTS 5
#define RATE_NEVER INT64_MAX

enum rate_shape { RATE_BUCKET = 0, RATE_LEAKY, RATE_WINDOW };

/* A span is positive. Of a window no more than 2^32 - 1 tokens count. */
struct rate_limit {
    enum rate_shape shape;
    struct rate_policy rate; /* its burst is the bucket's alone */
    int64_t wait_us;         /* a time is kept for who need not wait longer; 0: for nobody */
};

/* All zero is one of which nothing was used. */
struct rate {
    int64_t since_us; /* until when time has brought back; of a window: the part under way began */
    int64_t span_us;  /* of the policy that it was counted by; 0: of none yet */
    union {
        struct {
            uint64_t low, high;
        } owed;                        /* 128 bits of units */
        uint32_t used[RATE_PARTS + 1]; /* tokens by part, the one under way first */
    };
    enum rate_shape shape; /* which of them it is */
};

enum rate_verdict { RATE_GO = 0, RATE_WAIT, RATE_REFUSE };

struct rate_answer {
    enum rate_verdict verdict;
    int64_t at_us; /* GO: now; WAIT: it goes then; REFUSE: not worth asking before. RATE_NEVER */
};

/* A call that costs so many tokens, 1 or more, and has so much time left to wait. */
struct rate_answer rate_take(struct rate *r, const struct rate_limit *p, int64_t cost,
                             int64_t left_us, int64_t now_us);

#endif
