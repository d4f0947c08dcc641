/* early.h - a call that will hardly make its deadline is refused before it begins.
 *
 * It has some time left, and half of the calls like it took longer than that lately. So it would more
 * likely be a burden for the server than of use, and whoever waits for it hears of it while there is
 * time for something else.
 *
 * Of few calls it knows too little, and refuses nobody. If it refused all, no call would show that bad
 * times are over, until they are forgotten. So a share of those that would be refused goes, by the
 * dice: then the median has come back when it knows more new calls than old ones, which of a histogram
 * that turns is one turn and not two.
 *
 * A call that was cut off at its deadline would have taken longer. It is to be counted as longer than
 * it was, say twice: else the median never is above the time that calls are given, and none of those is
 * refused.
 *
 * Pure: what is known of such calls in, with dice.
 */
#ifndef RULES_EARLY_H
#define RULES_EARLY_H

#include <stdbool.h>
#include <stdint.h>

struct early_policy {
    int64_t least; /* calls of which the median must be; 0: nobody is refused */
    double share;  /* of those that would be refused, 0..1: they go */
};

/* A call with so much time left. Half of `calls` like it took longer than the median. */
bool early_refuses(const struct early_policy *p, int64_t left_us, int64_t median_us, uint64_t calls,
                   uint64_t dice);

#endif
