#include "core/task.h"

#include "core/context.h"
#include "core/listener.h"
#include "core/pool.h"
#include "core/ticket.h"

struct task *task_new(struct engine *e, const struct task *parent)
{
    struct task *t = malloc(sizeof *t);
    if (t == NULL)
        return NULL;
    *t = (struct task){.engine = e};
    t->context = parent == NULL ? NULL : context_ref(parent->context);
    task_deadline(t, parent == NULL ? INT64_MAX : parent->deadline_us);
    list_init(&t->tickets);
    list_init(&t->listeners);
    t->number = table_add(&e->tasks, t);
    if (t->number == 0) {
        context_unref(&t->context);
        free(t);
        return NULL;
    }
    return t;
}

void task_free(struct task **task)
{
    struct task *t = *task;
    *task = NULL;
    struct list_node *n;
    while ((n = list_head(&t->tickets)) != NULL)
        ticket_drop(container_of(n, struct ticket, in_task));
    while ((n = list_head(&t->listeners)) != NULL)
        listener_free(container_of(n, struct listener, in_task));
    if (t->may_hold)
        pool_give_all(t->engine, t);
    if (t->engine->task == t)
        t->engine->task = t->engine->nobody;
    table_drop(&t->engine->tasks, t->number);
    context_unref(&t->context);
    free(t);
}

int32_t task_may_begin(struct engine *e, const char *resource)
{
    loop_glance(e->loop);
    if (task_is_cancelled(e->task))
        return engine_refuse(e, ERROR_CANCELLED, "%s: the task was cancelled", resource);
    if (e->task->deadline_us <= engine_now(e))
        return engine_refuse(e, ERROR_DEADLINE, "%s: the deadline has passed already", resource);
    return 0;
}

void task_cancel(struct task *t)
{
    t->is_cancelled = true;
    t->begins_until_us = INT64_MIN;
    struct list_node *next;
    for (struct list_node *n = list_head(&t->tickets); n != NULL; n = next) {
        next = list_next(&t->tickets, n);
        ticket_cancel(container_of(n, struct ticket, in_task));
    }
}

void task_grace(struct task *t, int64_t at_us)
{
    t->is_cancelled = false;
    task_deadline(t, at_us);
}

void task_deadline(struct task *t, int64_t at_us)
{
    t->deadline_us = at_us;
    t->begins_until_us = t->is_cancelled ? INT64_MIN : at_us;
}

void task_context(struct task *t, struct context *context)
{
    context_unref(&t->context);
    t->context = context;
}
