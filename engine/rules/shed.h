/* shed.h - which waiters are refused while a queue is too slow, and which of two goes first.
 *
 * A queue is for bursts. When for an interval nobody came out of it who had waited for less than the
 * target, it will not go away by itself: some who wait are refused, so that the others are served in
 * time. This is CoDel (Nichols and Jacobson 2012; RFC 8289, sections 5.5 and 5.6), asked for each
 * waiter as it comes out of the queue:
 *
 *   - it is above when it waited for the target or longer, and others wait behind it. When all have
 *     been above for an interval its class begins to shed, and sheds until one is not
 *   - while it sheds the law refuses one again and again, each interval / sqrt(count) after the one
 *     before, of which count is how many it refused. If it has to begin again within 16 intervals, it
 *     does so with the count by which it grew the last time
 *   - while it sheds whoever waited longer than `most` is refused, too
 *
 * Why `most`: the law is for senders who send half as much when they lose something. Calls come as they
 * come. When n of them are too many each second it takes 2 * n * interval^2 seconds to refuse as many:
 * 20 s for 1,000 and 100 ms, and meanwhile the others wait for seconds. So servers refuse all who
 * waited too long while a queue stands ("Fail at Scale", B. Maurer, ACM Queue 2015, on controlled
 * delay). By itself that takes most of a burst that would soon have been over. So the law is for a
 * little too much, and `most` for far too much: at twice the target it keeps the median there whatever
 * comes, and where it is long bursts get through. To serve the newest first (adaptive LIFO, ibid.) is
 * left out: all who are served are new enough, and nobody need be overtaken.
 *
 * A priority is a class with bounds of its own. Where classes share a queue, the one with the lowest
 * target is shed first. When that is enough the delay seldom comes to the target of another: only in
 * the interval before it sheds again, in which the delay grows by as much as comes too much.
 *
 * The order of waiters: who is due first, and of those who came first. One is due at its deadline, or
 * when it has waited for the `patience` of its class, if that is sooner. So among those who are patient
 * it is the earliest deadline first, and with a patience of 0 it is first come, first served. By class
 * or deadline alone one could be overtaken for ever. Here nobody starves: who comes after one was due
 * is due later, and goes behind it.
 *
 * A clock that goes back, or a queue that stood still for 16 intervals, lets the law begin anew.
 *
 * Pure: the caller brings the time, and has the queue.
 */
#ifndef RULES_SHED_H
#define RULES_SHED_H

#include <stdbool.h>
#include <stdint.h>

/* The lowest is BATCH. Who says nothing is NORMAL. */
enum shed_class { SHED_NORMAL = 0, SHED_CRITICAL, SHED_BATCH, SHED_CLASSES };

struct shed_bounds {
    int64_t target_us;   /* 0: it is never shed */
    int64_t most_us;     /* 0: by the law alone */
    int64_t patience_us; /* 0: nobody who comes later overtakes it */
};

/* All zero sheds nobody, and is first come, first served. RFC 8289 has 100 ms, and a target of 5 ms. */
struct shed_policy {
    int64_t interval_us;
    struct shed_bounds of[SHED_CLASSES];
};

/* One class. All zero is one of which nobody waited yet. */
struct shed_queue {
    int64_t seen_us;  /* one came out last */
    int64_t above_us; /* when all will have been above for an interval; 0: the last one was not */
    int64_t next_us;  /* when the law refuses one */
    uint32_t count;   /* so many, with those it began with */
    uint32_t began;
    bool is_shedding;
};

struct shed {
    struct shed_queue of[SHED_CLASSES];
};

struct shed_waiter {
    enum shed_class class;
    int64_t arrived_us, deadline_us;
};

/* It waited for so long, and comes out of the queue; so many of all classes wait behind it. Is it
 * refused? */
bool shed_refuses(struct shed *s, const struct shed_policy *p, enum shed_class class,
                  int64_t waited_us, int32_t behind, int64_t now_us);

/* Whoever keeps a queue in order keeps this, too: another policy would change it. */
int64_t shed_due_us(const struct shed_policy *p, const struct shed_waiter *w);
bool shed_goes_first(const struct shed_policy *p, const struct shed_waiter *a,
                     const struct shed_waiter *b);
const char *shed_class_name(enum shed_class class); /* "normal" "critical" "batch" */

#endif
