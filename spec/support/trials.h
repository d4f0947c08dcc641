/* trials.h - a limit that is told what became of its trials. */
#ifndef SPEC_TRIALS_H
#define SPEC_TRIALS_H

#include "rules/limit.h"

#define TRIALS_TWENTY "tttttttttttttttttttt" /* then it knows where it is */

struct trials {
    struct limit limit;
    struct limit_policy policy;
    struct limit_seen seen;
    int64_t now_us;
};

/* With 1, 1000, this and 2 as its policy. */
void trials_begin(struct trials *t, int32_t initial);
bool trials_turn(struct trials *t, int64_t after_us);
/* So many calls beside as many as may be under way, of which the first ones went well. */
void trials_note(struct trials *t, int32_t count, int64_t latency_us, int32_t well);
/* A letter is a pair of trials in which a call takes, with 100 under way, 10 s:
 *
 *   r  always: there is room             f  the longer the more are under way: it is full
 *   t  so that a third is gained         h  by their square: they hinder each other
 *   T  as t, and a fifth longer          U  half as long again       S  twice as long
 *   Q  as t, and half as long
 *   d  as r, and one in ten fails        e  as d, and one in four above
 *   a  as r, and all above fail          x  and all fail: there is none above */
void trials_tell(struct trials *t, const char *pairs);
bool trials_is_about(double value, double expected); /* but for a ten-thousandth */

#endif
