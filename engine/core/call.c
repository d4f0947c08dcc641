#include "core/call.h"

#include <string.h>

#include "core/batch.h"
#include "core/circuits.h"
#include "core/context.h"
#include "core/resource.h"
#include "core/tenant.h"

/* --- the end --------------------------------------------------------------------------------- */

/* What one attempt left open, no later failure can prove. */
static void doubt(struct call *c)
{
    if (c->is_doubtful && c->outcome == OUTCOME_FAILED)
        c->outcome = OUTCOME_IN_DOUBT;
}

static void answer(struct call *c)
{
    struct resource *r = c->attempt.resource;
    c->state = CALL_OVER;
    doubt(c);
    r->failed += c->outcome == OUTCOME_FAILED;
    r->in_doubt += c->outcome == OUTCOME_IN_DOUBT;
    tale_end(r, &c->attempt.tale, c->error.code, c->outcome);
    ticket_end(&c->ticket, c->error.code);
}

/* --- attempts --------------------------------------------------------------------------------- */

static bool may_repeat(const struct call *c)
{
    enum error_action action = error_action_of(c->error.code);
    if (c->outcome == OUTCOME_IN_DOUBT)
        return c->attempt.request.is_idempotent;
    return action == ACTION_RETRY || action == ACTION_WAIT;
}

static bool pause_before_retry(struct call *c)
{
    struct engine *e = c->ticket.engine;
    struct attempt *a = &c->attempt;
    if (a->is_leased || !a->was_sent || engine_now(e) >= a->deadline_us)
        return false;
    if (!may_repeat(c)) {
        tale_not_again(a->resource, &a->tale, c->outcome);
        return false;
    }
    int64_t pause_us = resource_try_again(a->resource, c->attempts, a->deadline_us, NULL);
    tale_again(a->resource, &a->tale, c->outcome, pause_us);
    if (pause_us < 0)
        return false;
    c->state = CALL_PAUSING;
    reply_fini(&a->request.reply);
    batch_forget(&a->request);
    engine_trace(e, TRACE_RETRIES, a->resource->number, c->ticket.number, c->attempts + 1,
                 pause_us);
    loop_arm(e->loop, &c->timer, engine_now(e) + pause_us);
    return true;
}

/* What goes on with a stream is no call, as long as it goes on well. */
static void note(struct call *c, enum error_code code)
{
    const struct attempt *a = &c->attempt;
    if (code == ERROR_OK && request_goes_on(&a->request))
        code = ERROR_CANCELLED;
    circuits_end(a->resource, c->pass, code, a->was_sent, engine_now(a->engine) - a->sent_us);
    c->pass = 0;
}

static void attempt_ended(struct attempt *a, enum outcome outcome, const struct error *why)
{
    struct call *c = container_of(a, struct call, attempt);
    note(c, why->code);
    c->attempts += a->was_sent;
    c->outcome = outcome;
    c->is_doubtful = c->is_doubtful || outcome == OUTCOME_IN_DOUBT;
    error_clear(&c->error);
    if (why->code != ERROR_OK) {
        c->error = *why;
        tale_counted(a->resource, &a->tale, why->code, a->was_sent);
        if (pause_before_retry(c))
            return;
    }
    answer(c);
}

static void try(struct call *c)
{
    c->state = CALL_TRYING;
    if (circuits_pass(c->attempt.resource, &c->pass, &c->error)) {
        attempt_begin(&c->attempt);
        return;
    }
    tale_circuit(c->attempt.resource, &c->attempt.tale);
    c->outcome = OUTCOME_FAILED;
    answer(c);
}

static void pause_is_over(struct timer *t)
{
    struct call *c = container_of(t, struct call, timer);
    if (engine_now(c->ticket.engine) >= c->attempt.deadline_us) {
        answer(c); /* as the last attempt ended */
        return;
    }
    try(c);
}

static void let_go(struct attempt *a)
{
    struct call *c = container_of(a, struct call, attempt);
    if (c->is_dropped)
        call_ticket.free(&c->ticket);
}

/* --- the ticket ------------------------------------------------------------------------------- */

static void call_abandon(struct ticket *t)
{
    struct call *c = (struct call *)t;
    if (c->state == CALL_TRYING) {
        c->attempts += c->attempt.was_sent;
        c->outcome = attempt_give_up(&c->attempt);
        note(c, ERROR_CANCELLED);
    }
    loop_disarm(t->engine->loop, &c->timer);
    c->state = CALL_OVER;
    doubt(c);
    error_set(&c->error, ERROR_CANCELLED, "%s: the task was cancelled", c->attempt.resource->name);
    tale_end(c->attempt.resource, &c->attempt.tale, ERROR_CANCELLED, c->outcome);
}

static void call_free(struct ticket *t)
{
    struct call *c = (struct call *)t;
    struct request *r = &c->attempt.request;
    c->is_dropped = true;
    if (c->attempt.is_in_flight)
        return;
    c->attempt.resource->users--;
    reply_fini(&r->reply);
    context_unref(&r->context);
    batch_forget(r);
    free(c);
}

const struct ticket_type call_ticket = {.abandon = call_abandon, .free = call_free};

/* --- the begin ------------------------------------------------------------------------------- */

/* The call with copies of the texts and the values behind it. */
static struct call *copy_request(const struct nebula_request *r)
{
    struct call *c = malloc(sizeof *c + request_room(r));
    if (c == NULL)
        return NULL;
    memset(c, 0,
           offsetof(struct call, attempt.request.reply)); /* the rest is mostly room for texts */
    reply_init(&c->attempt.request.reply);
    error_clear(&c->error);
    request_copy(&c->attempt.request, r, c->bytes);
    return c;
}

static int64_t deadline_of(const struct engine *e, const struct resource *r, int64_t within_us)
{
    int64_t at_us = engine_in(e, within_us > 0 ? within_us : r->spec->policy.deadline_us);
    return at_us < e->task->deadline_us ? at_us : e->task->deadline_us;
}

static struct call *call_new(struct engine *e, struct resource *r,
                             const struct nebula_request *request)
{
    struct call *c = copy_request(request);
    if (c == NULL) {
        engine_refuse(e, ERROR_MEMORY, "%s: no memory for a call", r->name);
        return NULL;
    }
    struct attempt *a = &c->attempt;
    attempt_init(a, e, r);
    a->role = request->role;
    a->is_leased = request->lease != 0;
    a->is_dirtying = request->is_dirty;
    a->asked_us = engine_now(e);
    a->deadline_us = deadline_of(e, r, request->within_us);
    a->waiter.key = e->task->key;
    a->waiter.is_fail_fast = request->is_fail_fast || r->spec->pool.is_fail_fast;
    a->ended = attempt_ended;
    a->let_go = let_go;
    timer_init(&c->timer, pause_is_over);
    return c;
}

int32_t call_begin(struct engine *e, const struct nebula_request *request)
{
    struct conn *leased = request->lease == 0 ? NULL : lease_find(&e->leases, request->lease);
    if (request->lease != 0 && leased == NULL)
        return lease_refuse(e, request->lease);
    struct resource *r =
        leased != NULL ? leased->pool->resource : table_get(&e->resources, request->resource);
    if (r == NULL)
        return engine_refuse(e, ERROR_USAGE, "there is no resource number %d", request->resource);
    if (request->verb == NEBULA_BATCH && !r->driver->takes_batches)
        return engine_refuse(e, ERROR_USAGE, "%s: its kind has no batches", r->name);
    int32_t refusal = task_may_begin(e, r->name);
    if (refusal < 0)
        return refusal;
    if (leased == NULL && (r = tenant_resource(r)) == NULL)
        return -(int32_t)e->error.code;
    struct call *c = call_new(e, r, request);
    if (c == NULL)
        return -ERROR_MEMORY;
    int32_t number = ticket_begin(&c->ticket, e, &call_ticket);
    if (number < 0) {
        free(c);
        return number;
    }
    c->attempt.request.context = context_ref(e->task->context);
    c->attempt.tale = tale_begin(e, e->task->context);
    resource_called(r);
    r->users++;
    if (leased == NULL) {
        try(c);
    } else {
        c->pass = circuits_pass_leased(r);
        attempt_begin_on(&c->attempt, leased);
    }
    if (c->attempt.state == ATTEMPT_WAITING)
        e->queued = number;
    return number;
}
