/* task.h - for whom the engine acts: a deadline, and everything that must end with it.
 *
 * The tree of tasks is the host's (lua/nebula/task.lua). The engine knows of each task only what it
 * owes it.
 */
#ifndef CORE_TASK_H
#define CORE_TASK_H

#include "core/engine.h"

struct context;

struct task {
    struct engine *engine;
    struct context *context; /* NULL: the empty one */
    struct list tickets, listeners;
    bool may_hold;           /* was lent something since it began, so its end has to look */
    int64_t deadline_us;     /* INT64_MAX: none */
    int64_t begins_until_us; /* begins nothing new from then on: the deadline, or never once
                                cancelled */
    uint64_t key;            /* of what it asks for, 0: none; see load.h */
    uint64_t tale;           /* in which the next call is told, 0: in its own; see tale.h */
    int32_t number;
    bool is_cancelled;
};

/* NULL when out of memory or at the bound. */
struct task *task_new(struct engine *e, const struct task *parent);
/* Its tickets vanish, its listeners are closed, its leases are given back. */
void task_free(struct task **t);

void task_cancel(struct task *t);
void task_deadline(struct task *t, int64_t at_us); /* INT64_MAX: none */
/* A cancelled task may act again until at_us, to clean up. */
void task_grace(struct task *t, int64_t at_us);

/* What it and the tasks below it that are made from now on hand down. Takes the context. */
void task_context(struct task *t, struct context *context);

/* Cancelled, or past its deadline: it begins nothing new. */
static inline bool task_is_done(const struct task *t, int64_t now_us)
{
    return now_us >= t->begins_until_us;
}

/* 0; or the negative code with which the engine refuses whatever the acting task asks for now: it was
 * cancelled, or is past its deadline. Reads the clock, for the task may have computed for long. */
int32_t task_may_begin(struct engine *e, const char *resource);

static inline bool task_is_cancelled(const struct task *t)
{
    return t->is_cancelled;
}

#endif
