/* world_sim.h - the world of the simulation: its time stands still until it is moved, its dice have
 * a seed, and things happen in it whether an engine looks or not.
 *
 * It is linked in place of base/world.c, so world_real() gives this world. There is one of it,
 * because world_real() has no argument; world_begin() makes it new.
 */
#ifndef SIM_WORLD_SIM_H
#define SIM_WORLD_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/world.h"

#define MS 1000
#define SECOND 1000000

/* Dice of one's own, so that one more roll in one place moves nothing in another. */
struct dice {
    uint64_t state;
};
uint64_t dice_roll(struct dice *d);
int64_t dice_below(struct dice *d, int64_t bound);               /* 0 .. bound - 1 */
int64_t dice_between(struct dice *d, int64_t low, int64_t high); /* both included */
bool dice_hits(struct dice *d, int permille);

/* Everything anew: the time is one second, nothing will happen, the dice begin at seed. */
void world_begin(uint64_t seed);
int64_t world_time_us(void);
void world_set_wall(int64_t off_us); /* the clock on the wall is wrong by so much from now on */

/* What happens at a point in time, outside of any engine. Two of one time happen in the order in
 * which they were arranged. */
struct happening {
    struct list_node node;
    int64_t at_us;
    void (*happen)(struct happening *h);
};
void happening_init(struct happening *h, void (*happen)(struct happening *h));
bool happening_is_due(const struct happening *h);           /* arranged and not yet happened */
void happening_arrange(struct happening *h, int64_t at_us); /* or moves it */
void happening_forget(struct happening *h);                 /* idempotent */

int64_t world_next_us(void); /* when the next one happens, INT64_MAX if nothing does */
void world_move(int64_t to_us);
bool world_step(void); /* lets the first that is due happen; false when none is */

/* --- laws ------------------------------------------------------------------------------------- */

/* Somebody saw a law broken. The first one is kept. */
__attribute__((format(printf, 1, 2))) void law_broken(const char *format, ...);
const char *law_verdict(void); /* NULL while all laws hold */

#endif
