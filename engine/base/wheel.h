/* wheel.h - many timers, each armed, moved and cancelled in constant time.
 *
 * A hierarchical timing wheel (Varghese and Lauck, 1987): eight levels of 64 slots, the lowest slot
 * one tick of 1 ms. A timer never fires early and at most one tick late by the wheel's own account.
 * Timers of one tick fire in the order in which they were armed, so a run can be repeated.
 *
 * The wheel has no clock: the loop tells it the time. It reaches 8,900 years; a timer armed for
 * later (INT64_MAX, say) never fires.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdint.h>

#include "base/list.h"

#define WHEEL_LEVELS 8
#define WHEEL_SLOTS 64
#define WHEEL_TICK_US 1000

struct timer {
    struct list_node node;
    struct list *slot; /* the slot it hangs in, NULL when idle */
    int64_t at_us;
    void (*fire)(struct timer *t); /* the timer is idle again when this is called */
};

struct wheel {
    int64_t tick; /* all ticks before this one have fired */
    uint32_t count;
    uint64_t busy[WHEEL_LEVELS]; /* a bit for each slot that holds a timer */
    struct list fresh;           /* armed since it was last asked or turned */
    struct list due;             /* about to fire in this turn; empty between turns */
    struct list slot[WHEEL_LEVELS * WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t now_us);

void timer_init(struct timer *t, void (*fire)(struct timer *t));
static inline bool timer_is_armed(const struct timer *t)
{
    return t->slot != NULL;
}

/* Arms or moves it. A time in the past fires at the next wheel_turn(), not in the one under way. */
void wheel_arm(struct wheel *w, struct timer *t, int64_t at_us);
void wheel_disarm(struct wheel *w, struct timer *t); /* idempotent */

/* When wheel_turn() is next worth calling, in us; INT64_MAX without timers. Never later than the
 * first timer's tick; sooner when timers have to come down a level first. */
int64_t wheel_next_us(struct wheel *w);

/* Fires what is due, at most `most` timers; returns how many. What is left is due at once. A timer
 * may arm and disarm any other, and itself, while it fires. */
int wheel_turn(struct wheel *w, int64_t now_us, int most);

#endif
