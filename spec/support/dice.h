/* dice.h - the dice of a spec: 64 even bits with each throw, the same from the same state on.
 *
 * SplitMix64 (G. Steele, D. Lea, C. Flood: Fast Splittable Pseudorandom Number Generators, 2014), which finds
 * nothing odd in states that are next to each other.
 */
#ifndef SUPPORT_DICE_H
#define SUPPORT_DICE_H

#include <stdint.h>

static uint64_t dice_state; /* a case that is to be played again alone sets it first */

static uint64_t dice(void)
{
    uint64_t x = dice_state += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

#endif
