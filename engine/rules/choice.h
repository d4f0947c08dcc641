/* choice.h - which of several endpoints the next connection goes to.
 *
 * A role stays with one endpoint as long as that is of use, and goes on to the next in order when it
 * is not; or it spreads over all that are. Of no use for now is one that pauses after a failure, or
 * that was not what the role needs. One that is of use but has no room for one more attempt is
 * waited for by a role that stays, and passed over by one that spreads.
 *
 * Pure: what is known of each in, the place of one out.
 */
#ifndef RULES_CHOICE_H
#define RULES_CHOICE_H

#include <stdint.h>

enum choice_state { CHOICE_USELESS = 0, CHOICE_FULL, CHOICE_READY };

struct choice_of {
    enum choice_state state;
    int32_t conns; /* that the role has there, those on their way included */
};

/* Both look from `last` on, round to before it. -1: none for now. */
int32_t choice_stay(const struct choice_of *of, int32_t count, int32_t last);
/* The one with the fewest connections; `last` comes last among equals. */
int32_t choice_spread(const struct choice_of *of, int32_t count, int32_t last);

#endif
