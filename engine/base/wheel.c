/* wheel.c - see wheel.h.
 *
 * A timer hangs at the highest digit (base 64) in which its tick differs from the wheel's. So every
 * timer of a level is due before every timer of the level above, no slot ever holds two rounds, and
 * a slot is taken apart exactly when the wheel reaches its first tick. A timer comes down to the
 * lowest level before anybody can be armed there for the same tick: that keeps the order of arming.
 *
 * Most timers are bounds that are disarmed long before, many of them before the loop turns. So one that
 * was just armed is only noted, and hung where it belongs before anybody asks for the next one.
 */
#include "base/wheel.h"

#define DIGIT_BITS 6
#define TICK_NEVER (((int64_t)1 << (DIGIT_BITS * WHEEL_LEVELS)) - 1)

/* Rounded up: a timer is never early. */
static int64_t tick_of(int64_t at_us)
{
    int64_t tick = at_us / WHEEL_TICK_US + (at_us % WHEEL_TICK_US > 0);
    return tick < TICK_NEVER ? tick : TICK_NEVER;
}

static void hang(struct wheel *w, struct timer *t)
{
    int64_t tick = tick_of(t->at_us);
    if (tick < w->tick)
        tick = w->tick;
    uint64_t differs = (uint64_t)(tick ^ w->tick);
    int level = differs == 0 ? 0 : (63 - __builtin_clzll(differs)) / DIGIT_BITS;
    int digit = (int)(tick >> (DIGIT_BITS * level) & (WHEEL_SLOTS - 1));
    t->slot = &w->slot[level * WHEEL_SLOTS + digit];
    list_push_tail(t->slot, &t->node);
    w->busy[level] |= (uint64_t)1 << digit;
}

static void unhang(struct wheel *w, struct timer *t)
{
    struct list *slot = t->slot;
    list_remove(slot, &t->node);
    t->slot = NULL;
    if (slot == &w->due || slot == &w->fresh || !list_is_empty(slot))
        return;
    ptrdiff_t index = slot - w->slot;
    w->busy[index / WHEEL_SLOTS] &= ~((uint64_t)1 << index % WHEEL_SLOTS);
}

/* The lowest level that holds a timer, WHEEL_LEVELS when none does. */
static int busy_level(const struct wheel *w)
{
    int level = 0;
    while (level < WHEEL_LEVELS && w->busy[level] == 0)
        level++;
    return level;
}

static int first_digit(const struct wheel *w, int level)
{
    return __builtin_ctzll(w->busy[level]);
}

/* The first tick of the level's first busy slot. */
static int64_t first_tick(const struct wheel *w, int level)
{
    int above = DIGIT_BITS * (level + 1);
    return w->tick >> above << above | (int64_t)first_digit(w, level) << (DIGIT_BITS * level);
}

static struct timer *first_timer(const struct list *slot)
{
    struct list_node *n = list_head(slot);
    return n == NULL ? NULL : container_of(n, struct timer, node);
}

static void hang_fresh(struct wheel *w)
{
    struct timer *t;
    while ((t = first_timer(&w->fresh)) != NULL) {
        unhang(w, t);
        hang(w, t);
    }
}

/* The wheel has reached a slot: what was there is due, or hangs lower now. */
static void take_apart(struct wheel *w, int level, uint32_t most)
{
    struct list *slot = &w->slot[level * WHEEL_SLOTS + first_digit(w, level)];
    struct timer *t;
    while ((t = first_timer(slot)) != NULL && w->due.count < most) {
        unhang(w, t);
        if (level > 0) {
            hang(w, t);
        } else {
            t->slot = &w->due;
            list_push_tail(t->slot, &t->node);
        }
    }
}

/* Moves the wheel to tick `to`, or not so far when `most` timers are due before. */
static void advance(struct wheel *w, int64_t to, uint32_t most)
{
    while (w->due.count < most) {
        int level = busy_level(w);
        if (level == WHEEL_LEVELS || first_tick(w, level) > to) {
            w->tick = to > w->tick ? to : w->tick;
            return;
        }
        w->tick = first_tick(w, level);
        take_apart(w, level, most);
    }
}

void wheel_init(struct wheel *w, int64_t now_us)
{
    CHECK(now_us >= 0);
    *w = (struct wheel){.tick = now_us / WHEEL_TICK_US};
    list_init(&w->due);
    list_init(&w->fresh);
    for (size_t i = 0; i < COUNT(w->slot); i++)
        list_init(&w->slot[i]);
}

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    *t = (struct timer){.fire = fire};
    node_init(&t->node);
}

void wheel_arm(struct wheel *w, struct timer *t, int64_t at_us)
{
    wheel_disarm(w, t);
    t->at_us = at_us;
    t->slot = &w->fresh;
    list_push_tail(t->slot, &t->node);
    w->count++;
}

void wheel_disarm(struct wheel *w, struct timer *t)
{
    if (t->slot == NULL)
        return;
    unhang(w, t);
    w->count--;
}

int64_t wheel_next_us(struct wheel *w)
{
    hang_fresh(w);
    int level = busy_level(w);
    return level == WHEEL_LEVELS ? INT64_MAX : first_tick(w, level) * WHEEL_TICK_US;
}

int wheel_turn(struct wheel *w, int64_t now_us, int most)
{
    CHECK(most > 0 && list_is_empty(&w->due));
    hang_fresh(w);
    advance(w, now_us / WHEEL_TICK_US, (uint32_t)most);
    int fired = 0;
    struct timer *t;
    while ((t = first_timer(&w->due)) != NULL) {
        wheel_disarm(w, t);
        fired++;
        t->fire(t);
    }
    return fired;
}
