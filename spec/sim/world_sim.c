#include "world_sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* The one mutable global of the simulation: the world that world_real() gives, as a platform is
 * one. */
static struct {
    int64_t now_us, wall_off_us;
    struct dice engine_dice;
    struct list happenings; /* sorted by time */
    bool is_broken;
    char verdict[400];
} the;

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
uint64_t dice_roll(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

int64_t dice_below(struct dice *d, int64_t bound)
{
    CHECK(bound > 0);
    return (int64_t)(dice_roll(d) % (uint64_t)bound);
}

int64_t dice_between(struct dice *d, int64_t low, int64_t high)
{
    return low + dice_below(d, high - low + 1);
}

bool dice_hits(struct dice *d, int permille)
{
    return permille > 0 && dice_below(d, 1000) < permille;
}

static int64_t now(struct world *w)
{
    (void)w;
    return the.now_us;
}

static int64_t wall(struct world *w)
{
    (void)w;
    return INT64_C(1700000000) * SECOND + the.now_us + the.wall_off_us;
}

static uint64_t roll(struct world *w)
{
    (void)w;
    return dice_roll(&the.engine_dice);
}

struct world *world_real(void)
{
    struct world *w = malloc(sizeof *w);
    if (w != NULL)
        *w = (struct world){.now_us = now, .wall_us = wall, .random = roll};
    return w;
}

uint64_t world_below(struct world *w, uint64_t bound)
{
    CHECK(bound > 0);
    return w->random(w) % bound;
}

void world_begin(uint64_t seed)
{
    the.now_us = SECOND;
    the.wall_off_us = 0;
    the.engine_dice.state = seed;
    list_init(&the.happenings);
    the.is_broken = false;
}

int64_t world_time_us(void)
{
    return the.now_us;
}

void world_set_wall(int64_t off_us)
{
    the.wall_off_us = off_us;
}

void happening_init(struct happening *h, void (*happen)(struct happening *h))
{
    *h = (struct happening){.happen = happen};
    node_init(&h->node);
}

bool happening_is_due(const struct happening *h)
{
    return node_is_listed(&h->node);
}

void happening_arrange(struct happening *h, int64_t at_us)
{
    happening_forget(h);
    h->at_us = at_us > the.now_us ? at_us : the.now_us;
    struct list_node *at = the.happenings.ring.prev;
    while (at != &the.happenings.ring && container_of(at, struct happening, node)->at_us > h->at_us)
        at = at->prev;
    list_insert_after(&the.happenings, at, &h->node);
}

void happening_forget(struct happening *h)
{
    list_remove(&the.happenings, &h->node);
}

static struct happening *first(void)
{
    struct list_node *n = list_head(&the.happenings);
    return n == NULL ? NULL : container_of(n, struct happening, node);
}

int64_t world_next_us(void)
{
    struct happening *h = first();
    return h == NULL ? INT64_MAX : h->at_us;
}

void world_move(int64_t to_us)
{
    CHECK(to_us >= the.now_us);
    the.now_us = to_us;
}

bool world_step(void)
{
    struct happening *h = first();
    if (h == NULL || h->at_us > the.now_us)
        return false;
    happening_forget(h);
    h->happen(h);
    return true;
}

void law_broken(const char *format, ...)
{
    if (the.is_broken)
        return;
    the.is_broken = true;
    va_list args;
    va_start(args, format);
    vsnprintf(the.verdict, sizeof the.verdict, format, args);
    va_end(args);
}

const char *law_verdict(void)
{
    return the.is_broken ? the.verdict : NULL;
}
