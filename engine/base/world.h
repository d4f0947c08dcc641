/* world.h - where time and chance come from.
 *
 * Nothing else in the engine reads a clock or rolls a die. The real world is world_real(); the
 * simulation brings one whose time stands still until it is moved and whose dice have a seed.
 */
#ifndef BASE_WORLD_H
#define BASE_WORLD_H

#include <stdint.h>

struct world {
    int64_t (*now_us)(struct world *w);  /* monotonic, in us; a deadline is a point on it */
    int64_t (*wall_us)(struct world *w); /* since 1970, for people and logs only */
    uint64_t (*random)(struct world *w); /* 64 even bits */
};

/* The clocks of this machine and dice seeded by its kernel; one a thread, freed with free(). NULL
 * when out of memory. */
struct world *world_real(void);

/* An even number in 0 .. bound - 1. bound must be positive. */
uint64_t world_below(struct world *w, uint64_t bound);

/* The next 64 even bits of dice that fall the same for the same seed, with which *state begins: splitmix64
 * (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static inline uint64_t world_of_seed(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#endif
