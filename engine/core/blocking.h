/* blocking.h - a thread for what blocks.
 *
 * A client library that waits inside its calls (SQLite; libpq's cancel) gets a thread of its own,
 * so that nobody else waits with it. Jobs of one thread run one after the other in the order given.
 * All signals are blocked in it.
 */
#ifndef CORE_BLOCKING_H
#define CORE_BLOCKING_H

#include "core/loop.h"

struct blocking;

struct job {
    void (*run)(struct job *j);  /* on the thread */
    void (*done)(struct job *j); /* on the loop, afterwards, exactly once */
    struct note note;            /* ours */
    struct job *next;            /* ours */
    struct blocking *blocking;   /* ours */
};

/* NULL when out of memory or threads. name shows in ps, at most 15 bytes of it; it must last. */
struct blocking *blocking_new(struct loop *loop, const char *name);
/* Never fails; the job is the thread's until done(). */
void blocking_run(struct blocking *b, struct job *j);
/* No job is under way. Joins the thread: it is idle, so this is short. */
void blocking_free(struct blocking **b);

#endif
