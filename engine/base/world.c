#include "base/world.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/check.h"

struct real {
    struct world world;
    uint64_t state;
};

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    CHECK(clock_gettime(id, &t) == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t real_now(struct world *w)
{
    (void)w;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t real_wall(struct world *w)
{
    (void)w;
    return read_clock(CLOCK_REALTIME);
}

static uint64_t real_random(struct world *w)
{
    return world_of_seed(&((struct real *)w)->state);
}

struct world *world_real(void)
{
    struct real *r = malloc(sizeof *r);
    if (r == NULL)
        return NULL;
    r->world = (struct world){.now_us = real_now, .wall_us = real_wall, .random = real_random};
    if (getrandom(&r->state, sizeof r->state, GRND_NONBLOCK) != (ssize_t)sizeof r->state)
        r->state = (uint64_t)real_now(NULL); /* jitter needs spread, not secrecy */
    return &r->world;
}

uint64_t world_below(struct world *w, uint64_t bound)
{
    CHECK(bound > 0);
    /* The bias of a 64 bit product is below 2^-32 for every bound that a policy can hold. */
    return (uint64_t)((__uint128_t)w->random(w) * bound >> 64);
}
