#include "core/nap.h"

static void nap_abandon(struct ticket *t)
{
    struct nap *n = (struct nap *)t;
    loop_disarm(t->engine->loop, &n->timer);
    loop_unsoon(t->engine->loop, &n->soon);
}

static void nap_free(struct ticket *t)
{
    free(t);
}

static const struct ticket_type nap_ticket = {.abandon = nap_abandon, .free = nap_free};

static void woke(struct timer *t)
{
    struct nap *n = container_of(t, struct nap, timer);
    bool is_deadline = n->is_bounded && engine_now(n->ticket.engine) >= n->deadline_us;
    ticket_end(&n->ticket, is_deadline ? ERROR_DEADLINE : ERROR_OK);
}

static void next_turn(struct soon *s)
{
    ticket_end(&container_of(s, struct nap, soon)->ticket, ERROR_OK);
}

static int32_t begin(struct engine *e, int64_t until_us, bool is_bounded)
{
    struct nap *n = malloc(sizeof *n);
    if (n == NULL)
        return engine_refuse(e, ERROR_MEMORY, "no memory to wait");
    int32_t number = ticket_begin(&n->ticket, e, &nap_ticket);
    if (number < 0) {
        free(n);
        return number;
    }
    n->is_bounded = is_bounded;
    n->deadline_us = e->task->deadline_us;
    timer_init(&n->timer, woke);
    soon_init(&n->soon, next_turn);
    if (until_us <= engine_now(e) && !is_bounded)
        loop_soon(e->loop, &n->soon);
    else if (until_us != INT64_MAX)
        loop_arm(e->loop, &n->timer, until_us);
    return number;
}

int32_t nap_sleep(struct engine *e, int64_t span_us)
{
    loop_refresh(e->loop); /* the caller may have computed for long since the turn began */
    int64_t until_us = engine_in(e, span_us);
    bool is_bounded = e->task->deadline_us < until_us;
    return begin(e, is_bounded ? e->task->deadline_us : until_us, is_bounded);
}

int32_t nap_wait(struct engine *e)
{
    return begin(e, e->task->deadline_us, true);
}

void nap_wake(struct ticket *t, enum error_code code)
{
    if (t->type != &nap_ticket || t->state != TICKET_PENDING)
        return;
    nap_abandon(t);
    ticket_end(t, code);
}
