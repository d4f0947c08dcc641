/* circuit_story.h - what happens to a circuit, as a sentence, and what it is like then, as another.
 *
 * A sentence has a letter for each thing, and a number before a letter says how often:
 *
 *   . x s z    a call passes, and goes well, fails, is slow, or both
 *   r          a call passes, and comes to nothing
 *   -          a call is refused
 *   ~          a call passes that would be refused, and fails
 *   A..H       that call passes
 *   a..h       and ends as the next letter says; - is that it never does
 *   > <        a tenth of a second passes, or the clock goes back so far
 *   @          the next letter is its mode: automatic, open, closed, metrics
 *   ?          it is looked at
 *
 * A sentence that is not true fails the test. Whether all may pass is asked of the word each time, too.
 */
#ifndef SPEC_CIRCUIT_STORY_H
#define SPEC_CIRCUIT_STORY_H

#include <stddef.h>

#include "rules/circuit.h"

#define TICK_US 100000
#define SECOND_US (10 * (int64_t)TICK_US)

/* Half of ten, once there are four; two probes of half a second; pauses of 1 to 8 s. */
extern const struct circuit_policy circuit_usual;

struct circuit_story {
    struct circuit circuit;
    struct circuit_policy policy;
    int64_t now_us;
    uint64_t dice; /* 0: a pause is as long as it can be */
    uint64_t pass['H' + 1];
    const char *whole, *at; /* the sentence */
    char now[80];
};

void circuit_story_begin(struct circuit_story *s, const struct circuit_policy *p);
void circuit_story_tell(struct circuit_story *s, const char *sentence);
/* "closed FAILED+SLOW/ALL", "open WHY BAD/OF MS", "open by order", "half GOOD+OUT". */
const char *circuit_story_says(struct circuit_story *s);

/* What is told from the beginning, and what it is like then. */
struct circuit_story_row {
    const char *sentence, *says;
};
void circuit_story_ends(const struct circuit_policy *p, const char *sentence, const char *says);
void circuit_story_all_end(const struct circuit_policy *p, const struct circuit_story_row *row,
                           size_t count);

#endif
