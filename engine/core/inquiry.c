#include "core/inquiry.h"

#include <stdlib.h>
#include <string.h>

#include "core/answer.h"
#include "core/task.h"

struct inquiry {
    struct ticket ticket;
    struct timer timer; /* the task's deadline */
    struct answer *answer;
    char *line;
    struct error error;
};

static void stop_waiting(struct inquiry *i)
{
    loop_disarm(i->ticket.engine->loop, &i->timer);
    answer_forget(&i->answer);
}

static void inquiry_abandon(struct ticket *t)
{
    struct inquiry *i = (struct inquiry *)t;
    stop_waiting(i);
    error_set(&i->error, ERROR_CANCELLED, "the task was cancelled");
}

static void inquiry_free(struct ticket *t)
{
    free(((struct inquiry *)t)->line);
    free(t);
}

static const struct ticket_type inquiry_ticket = {.abandon = inquiry_abandon, .free = inquiry_free};

static void ready(void *data, char *line)
{
    struct inquiry *i = data;
    i->answer = NULL;
    i->line = line;
    i->error.code = ERROR_OK;
    if (line == NULL)
        error_set(&i->error, ERROR_MEMORY, "no memory for an answer");
    stop_waiting(i);
    ticket_end(&i->ticket, i->error.code);
}

static void too_late(struct timer *t)
{
    struct inquiry *i = container_of(t, struct inquiry, timer);
    stop_waiting(i);
    error_set(&i->error, ERROR_DEADLINE, "the deadline passed before the other workers answered");
    ticket_end(&i->ticket, ERROR_DEADLINE);
}

int32_t inquiry_begin(struct engine *e, const char *request)
{
    struct inquiry *i = calloc(1, sizeof *i);
    if (i == NULL)
        return engine_refuse(e, ERROR_MEMORY, "no memory to ask");
    int32_t number = ticket_begin(&i->ticket, e, &inquiry_ticket);
    if (number < 0) {
        free(i);
        return number;
    }
    char *line;
    timer_init(&i->timer, too_late);
    i->answer = answer_begin(e, request, strlen(request), ready, i, &line);
    if (i->answer == NULL)
        ready(i, line);
    else if (e->task->deadline_us != INT64_MAX)
        loop_arm(e->loop, &i->timer, e->task->deadline_us);
    return number;
}

const char *inquiry_line(struct ticket *t)
{
    return t->type == &inquiry_ticket ? ((struct inquiry *)t)->line : NULL;
}

struct error *inquiry_error(struct ticket *t)
{
    return t->type == &inquiry_ticket ? &((struct inquiry *)t)->error : NULL;
}
