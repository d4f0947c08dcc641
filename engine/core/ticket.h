/* ticket.h - what the caller holds while he waits: it ends exactly once, as one event.
 *
 * A ticket is PENDING, then ENDED (its event waits to be taken), then TAKEN (its reply may be
 * read), then given back. Each kind of ticket embeds this struct first and says how its work is
 * stopped and how it is freed. A ticket belongs to the task that asked; when the task ends, so do
 * its tickets, without an event.
 */
#ifndef CORE_TICKET_H
#define CORE_TICKET_H

#include "core/engine.h"
#include "core/task.h"

enum ticket_state { TICKET_PENDING = 0, TICKET_ENDED, TICKET_TAKEN };

struct ticket;

struct ticket_type {
    /* Stops the work of a pending ticket; it will not call ticket_end() any more. */
    void (*abandon)(struct ticket *t);
    /* The caller is done with it. What is still under way elsewhere may outlive it. */
    void (*free)(struct ticket *t);
};

struct ticket {
    struct list_node in_task;
    struct list_node in_ready;
    const struct ticket_type *type;
    struct engine *engine;
    struct task *task;
    int32_t number;
    enum ticket_state state;
    enum error_code code;
};

/* Why the current task gets no ticket: the negative code. */
int32_t ticket_refuse(struct engine *e);
/* For the current task. The ticket's number, or a negative code (then t is as loose as before): the
 * task is cancelled, past its deadline's grace, or there are too many tickets. */
static inline int32_t ticket_begin(struct ticket *t, struct engine *e,
                                   const struct ticket_type *type)
{
    struct task *task = e->task;
    int32_t number = task_is_cancelled(task) ? 0 : table_add(&e->tickets, t);
    if (number == 0)
        return ticket_refuse(e);
    t->type = type;
    t->engine = e;
    t->task = task;
    t->number = number;
    t->state = TICKET_PENDING;
    t->code = ERROR_OK;
    node_init(&t->in_task);
    node_init(&t->in_ready);
    list_push_tail(&task->tickets, &t->in_task);
    return number;
}
void ticket_end(struct ticket *t, enum error_code code);
/* Ends a pending ticket with `cancelled`; leaves others alone. */
void ticket_cancel(struct ticket *t);
/* Gives it back in whatever state, without an event. */
void ticket_drop(struct ticket *t);
/* The ticket of this number, of whatever kind; NULL if there is none. */
static inline struct ticket *ticket_find(const struct engine *e, int32_t number)
{
    return table_get(&e->tickets, number);
}
/* The next ended ticket, now TAKEN; NULL when there is none. */
static inline struct ticket *ticket_next(struct engine *e)
{
    struct list_node *n = list_pop_head(&e->ready);
    if (n == NULL)
        return NULL;
    struct ticket *t = container_of(n, struct ticket, in_ready);
    t->state = TICKET_TAKEN;
    return t;
}

#endif
