#include "core/ticket.h"

#include "core/task.h"

int32_t ticket_refuse(struct engine *e)
{
    if (task_is_cancelled(e->task))
        return engine_refuse(e, ERROR_CANCELLED, "the task was cancelled");
    if (e->tickets.used == e->tickets.most)
        return engine_refuse(e, ERROR_LIMIT, "%d tickets are under way, which is the most",
                             e->tickets.most);
    return engine_refuse(e, ERROR_MEMORY, "no memory for one more ticket");
}

void ticket_end(struct ticket *t, enum error_code code)
{
    CHECK(t->state == TICKET_PENDING);
    t->state = TICKET_ENDED;
    t->code = code;
    list_push_tail(&t->engine->ready, &t->in_ready);
    loop_stir(t->engine->loop);
    engine_trace(t->engine, TRACE_TICKET_ENDED, 0, t->number, code, 0);
}

void ticket_cancel(struct ticket *t)
{
    if (t->state != TICKET_PENDING)
        return;
    t->type->abandon(t);
    ticket_end(t, ERROR_CANCELLED);
}

void ticket_drop(struct ticket *t)
{
    struct engine *e = t->engine;
    if (t->state == TICKET_PENDING)
        t->type->abandon(t);
    list_remove(&e->ready, &t->in_ready);
    list_remove(&t->task->tickets, &t->in_task);
    table_drop(&e->tickets, t->number);
    t->number = 0;
    t->type->free(t);
}
