/* slice.h - tokens of one bucket that many use, each of whom takes a slice of them ahead.
 *
 * A bucket fills at a rate, up to its burst. Who takes tokens ahead need not ask for each: at most what the
 * rate brings in 10 ms, and one at least. What lies in slices counts as if it were in the bucket still, which
 * time fills up to its burst less that. A slice is settled 10 ms after it was taken: what is left goes back.
 *
 * The bound: in any span of t, at most rate * t + burst tokens are used, in all slices together, and what was
 * earned besides. For let T be the tokens in the bucket and in all slices, and L those of one bucket that
 * nobody takes ahead from, used at the same times. Taking and giving back change neither, using one takes it
 * from both. Time brings both as much, but L stops at burst; and T, where k were used since the bucket was
 * touched last, at burst - k. L is no less than that then. So T <= L always, and L >= 0 is the bound.
 *
 * The price: T may stop sooner, by what the rate brings between two touches, which is a slice. Who is refused
 * has no slice, and the bucket not one token; the others have a slice each at most. So he is refused wrongly
 * only while L is below workers * slice + 1. Somebody who is late to settle keeps his slice for so long, and
 * makes T smaller, never larger: then it is below twice that. A clock that goes back brings nothing until it
 * is where it was.
 *
 * Pure: the caller brings the time, and keeps the slices.
 */
#ifndef RULES_SLICE_H
#define RULES_SLICE_H

#include "rules/policy.h"

#define SLICE_SPAN_US 10000 /* so much time's worth, and so long before it is settled */

struct bucket {
    int64_t micros;   /* millionths of a token */
    int64_t rest;     /* what time has brought, and is no millionth yet */
    int64_t since_us; /* when time brought something last */
    int64_t
        ahead; /* micros that time brought, and nobody has earned since: a span's worth at most */
    int64_t held; /* tokens in slices, after it was touched last */
};

int64_t slice_size(const struct rate_policy *p);

void bucket_init(struct bucket *b, int64_t micros, int64_t now_us);
/* The first thing of each touch: what time has brought. */
void bucket_fill(struct bucket *b, const struct rate_policy *p, int64_t now_us);
/* What is earned: so many millionths. What time brought in the last span was brought instead of that, so a bucket gets
 * what time brings or what is earned, whichever is more. */
void bucket_earn(struct bucket *b, const struct rate_policy *p, int64_t micros);
/* Whole tokens, `most` at most: they are in a slice from here on. */
int64_t bucket_take(struct bucket *b, int64_t most);
/* From a slice, unused. */
void bucket_give(struct bucket *b, const struct rate_policy *p, int64_t tokens);
/* The last thing of each touch: so many are in slices now. */
void bucket_settle(struct bucket *b, int64_t held);

#endif
