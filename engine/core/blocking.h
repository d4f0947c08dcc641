/* blocking.h - a thread for what blocks.
 *
 * A client library that waits inside its calls (SQLite) gets a thread of its own, so that nobody
 * else waits with it. Jobs of one thread run one after the other in the order given. All signals
 * are blocked in it.
 *
 * A thread that was given back stays with the loop as a spare for a while, because to start one
 * takes longer than to wake one: it has its stack and its memory, and they are warm.
 */
#ifndef CORE_BLOCKING_H
#define CORE_BLOCKING_H

#include "core/loop.h"

#define SPARES_MOST 4
#define SPARE_US INT64_C(10000000)

struct blocking;

struct job {
    void (*run)(struct job *j);  /* on the thread */
    void (*done)(struct job *j); /* on the loop, afterwards, exactly once */
    struct note note;            /* ours; there, and on the way back */
    struct blocking *blocking;   /* ours */
};

/* NULL when out of memory or threads. name shows in ps, at most 15 bytes of it; it must last. */
struct blocking *blocking_new(struct loop *loop, const char *name);
/* Never fails; the job is the thread's until done(). */
void blocking_run(struct blocking *b, struct job *j);
/* What it has done is told on that loop from here on. No job is under way. */
void blocking_move(struct blocking *b, struct loop *loop);
/* No job is under way. The thread becomes a spare, or is joined: it is idle, so this is short. */
void blocking_free(struct blocking **b);

/* The spares of a loop, which has them: the one that is idle for longest first. */
struct spares {
    struct blocking *idle[SPARES_MOST];
    int64_t leaves_us[SPARES_MOST];
    int count;
    struct timer leaving; /* of the first */
};
void spares_init(struct spares *s);
void spares_fini(struct spares *s, struct loop *loop); /* joins them */

#endif
