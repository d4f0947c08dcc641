/* advice.h - how large a pool should be, by what it saw in the last minutes.
 *
 * Little's law: as many connections are in use on average as leases arrive a second, times how long one is held (J. D. C.
 * Little: A Proof for the Queuing Formula L = lambda W, Operations Research 9(3), 1961). Three things
 * are added to it on the safe side: the hold is the 95th percentile, because who plans for the mean has
 * too few for half of the time, but the mean where few very long ones make that the larger of the two; a
 * quarter more, because arrivals do not come evenly; and the connections by which listeners hear, which
 * are nobody's lease. Holds are known when they end: where those that go on make it more, it is what was
 * in use that counts, which is the same product. And where one lease in twenty had to wait it is no less
 * than max is now: they came in bursts, of which averages know nothing. Nor is it less than what is needed
 * for each endpoint to have a connection, where calls are balanced over several.
 *
 * It is computed with what its words show, rounded as they are.
 *
 * Of fewer than 100 leases nothing is concluded, nor where max is not the user's to say.
 *
 * Pure: figures in, a number and a sentence out.
 */
#ifndef RULES_ADVICE_H
#define RULES_ADVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADVICE_LEASES_LEAST 100
#define ADVICE_MAX_MOST 10000

/* Of the window. */
struct advice_on {
    int64_t window_us;
    uint64_t leases;
    double arrivals_per_s; /* who asked, those included who were refused because it was full */
    int64_t hold_p95_us, hold_mean_us; /* of those that ended */
    double in_use;                     /* on average, by those that go on, too */
    int64_t wait_p95_us;               /* of all leases; who did not wait, waited 0 */
    int32_t max;                       /* as it is */
    int32_t listening;                 /* connections */
    int32_t least; /* a connection for each endpoint that is to have one, in each worker */
    bool is_fixed; /* the kind says max */
};

/* What max should be, 1..ADVICE_MAX_MOST; 0: there is none. */
int32_t advice_max(const struct advice_on *on);
/* The same with its arithmetic in words, cut off at size:
 * "12 would do: 340 arrivals/s x 28 ms p95 hold x 1.25". */
void advice_words(const struct advice_on *on, char *out, size_t size);

#endif
