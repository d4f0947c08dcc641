#include "core/call.h"

#include <string.h>

#include "core/asked.h"
#include "core/batch.h"
#include "core/context.h"
#include "core/refused.h"
#include "core/resource.h"
#include "core/stages.h"
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

/* --- out of its stages ------------------------------------------------------------------------ */

/* As far as this many of them. */
static void come_out(struct call *c, uint8_t to, const struct stage_end *end)
{
    for (uint8_t i = c->inside; i > to; i--)
        stage_leave(c, c->stages.at[i - 1], end);
    if (c->inside > to)
        c->inside = to;
}

/* To where it pauses before another attempt, if it is that far in. */
static void come_out_to_retry(struct call *c, const struct stage_end *end)
{
    uint8_t i = 0;
    while (i < c->inside && c->stages.at[i] != NEBULA_STAGE_RETRY)
        i++;
    if (i < c->inside)
        come_out(c, i + 1, end);
}

static void come_out_whole(struct call *c, enum error_code code)
{
    const struct attempt *a = c->answer;
    come_out(c, 0,
             &(struct stage_end){.code = code,
                                 .was_sent = a->was_sent,
                                 .took_us = engine_now(a->engine) - a->asked_us});
}

/* By a stage, at whose door it stands. Nothing was sent by this attempt. */
static void refuse(struct call *c)
{
    const struct stage_end end = {.code = ERROR_CANCELLED};
    c->outcome = OUTCOME_FAILED;
    come_out(c, 0, &end);
    if (asked_hears(c->operation, NEBULA_TELL_REFUSED)) {
        call_explain(c);
        asked_refused(c->operation, &c->error, c->again.attempts);
    }
    answer(c);
}

/* What goes on with a stream is no call, as long as it goes on well. */
static enum error_code noted(const struct attempt *a, enum error_code code)
{
    return code == ERROR_OK && request_goes_on(&a->request) ? ERROR_CANCELLED : code;
}

/* How the attempt ended counts, for its endpoint, for those behind the retry and for what was let by on a lease. */
static void note(struct call *c, struct attempt *a, enum error_code code)
{
    const struct stage_end end = {.code = noted(a, code),
                                  .was_sent = a->was_sent,
                                  .took_us = engine_now(a->engine) - a->sent_us};
    attempt_hand_in(a, end.code);
    if (a->is_leased && c->operation != NULL)
        stage_leave(c, NEBULA_STAGE_CIRCUIT, &end);
    else
        come_out_to_retry(c, &end);
}

/* --- attempts --------------------------------------------------------------------------------- */

bool call_may_repeat(const struct call *c)
{
    enum error_action action = error_action_of(c->error.code);
    if (c->outcome == OUTCOME_IN_DOUBT)
        return c->attempt.request.is_idempotent;
    return action == ACTION_RETRY || action == ACTION_WAIT;
}

/* Negative: there is no other attempt. */
static int64_t pause_of(struct call *c, bool may_repeat)
{
    const struct attempt *a = c->answer;
    if (a->is_leased || !a->was_sent)
        return -1;
    bool is_late = engine_now(a->engine) >= a->deadline_us;
    if (!is_late && may_repeat) {
        int64_t pause_us =
            again_pause(a->resource, c->operation, &c->again, &c->error, a->deadline_us, NULL);
        tale_again(a->resource, &c->attempt.tale, c->outcome, pause_us);
        return pause_us;
    }
    if (!is_late)
        tale_not_again(a->resource, &c->attempt.tale, c->outcome);
    again_over(c->operation, &c->again, c->error.code);
    return -1;
}

static bool pause_before_retry(struct call *c, bool may_repeat)
{
    struct engine *e = c->ticket.engine;
    struct attempt *a = &c->attempt;
    int64_t pause_us = pause_of(c, may_repeat);
    if (pause_us < 0)
        return false;
    c->state = CALL_PAUSING;
    reply_fini(&a->request.reply);
    batch_forget(&a->request);
    copies_free(c);
    c->answer = a; /* which may have been that of a copy */
    asked_retries(c, pause_us);
    engine_trace(e, TRACE_RETRIES, a->resource->number, c->ticket.number, c->again.attempts + 1,
                 pause_us);
    loop_arm(e->loop, &c->timer, engine_now(e) + pause_us);
    return true;
}

static void set_end(struct call *c, const struct attempt *a, enum outcome outcome,
                    const struct error *why)
{
    c->again.attempts += a->was_sent;
    c->outcome = outcome;
    c->is_doubtful = c->is_doubtful || outcome == OUTCOME_IN_DOUBT;
    error_clear(&c->error);
    if (why->code != ERROR_OK)
        c->error = *why;
}

/* The attempt that is its answer ended, and counts as this. */
static void conclude(struct call *c, enum error_code counted, bool may_repeat)
{
    note(c, c->answer, counted);
    tale_counted(c->answer, &c->attempt.tale, c->operation, counted);
    if (c->error.code == ERROR_OK)
        again_over(c->operation, &c->again, ERROR_OK);
    else if (pause_before_retry(c, may_repeat))
        return;
    come_out_whole(c, noted(c->answer, counted));
    answer(c);
}

static void answered_as_usual(struct call *c)
{
    list_remove(&c->ticket.engine->asked, &c->in_asked);
    conclude(c, c->error.code, call_may_repeat(c));
}

static bool is_in_flight(const struct call *c)
{
    return c->attempt.is_in_flight || copies_are_in_flight(c);
}

/* What is in doubt is never repeated unless that does no harm, whoever says so; nor is what drivers have still, as
 * copies that lost to a failure. */
void call_answered(struct call *c, int32_t again, enum nebula_class is)
{
    static const enum error_code counted[] = {[NEBULA_CLASS_FAILED] = ERROR_SERVER,
                                              [NEBULA_CLASS_WELL] = ERROR_OK,
                                              [NEBULA_CLASS_NOTHING] = ERROR_CANCELLED};
    struct engine *e = c->ticket.engine;
    bool is_harmless =
        !is_in_flight(c) && (c->outcome != OUTCOME_IN_DOUBT || c->attempt.request.is_idempotent);
    bool may_repeat = again < 0 ? call_may_repeat(c) : again > 0 && is_harmless;
    loop_disarm(e->loop, &c->timer);
    list_remove(&e->asked, &c->in_asked);
    conclude(c, is == NEBULA_CLASS_USUAL ? c->error.code : counted[is], may_repeat);
}

/* Of an attempt with copies the last word is not said yet when one of them failed. */
static void ended(struct call *c, struct attempt *a, enum outcome outcome, const struct error *why)
{
    set_end(c, a, outcome, why);
    if (!copies_ended(c, a, outcome))
        return;
    c->answer = a;
    if (!asked_ask(c))
        conclude(c, why->code, call_may_repeat(c));
}

static void attempt_ended(struct attempt *a, enum outcome outcome, const struct error *why)
{
    ended(container_of(a, struct call, attempt), a, outcome, why);
}

static void go_out(struct call *c)
{
    c->state = CALL_TRYING;
    c->answer = &c->attempt;
    copies_begin(c);
    attempt_begin(&c->attempt);
    copies_begun(c);
}

/* --- into its stages -------------------------------------------------------------------------- */

static void hold(struct call *c)
{
    int64_t until_us = c->held_until_us;
    c->state = CALL_HELD;
    loop_arm(c->ticket.engine->loop, &c->timer,
             until_us < c->attempt.deadline_us ? until_us : c->attempt.deadline_us);
}

static void go_in(struct call *c)
{
    enum stage_verdict verdict = STAGE_GO;
    uint8_t i = c->inside;
    while (i < c->stages.count && (verdict = stage_enter(c, c->stages.at[i])) == STAGE_GO)
        i++;
    c->inside = i;
    if (verdict == STAGE_GO)
        go_out(c);
    else if (verdict == STAGE_HOLD)
        hold(c);
    else
        refuse(c);
}

static bool is_late(const struct call *c)
{
    return engine_now(c->ticket.engine) >= c->attempt.deadline_us;
}

/* It was held by this stage, and is in now. Whoever hears that when its time is over is not begun. */
static void go_on(struct call *c)
{
    loop_disarm(c->ticket.engine->loop, &c->timer);
    c->inside++;
    if (!is_late(c)) {
        go_in(c);
        return;
    }
    error_set(&c->error, ERROR_DEADLINE, "%s: its turn came after its deadline",
              c->attempt.resource->name);
    refuse(c);
}

static void limit_served(struct limited *l, const struct error *why)
{
    struct call *c = container_of(l, struct call, limited);
    int64_t waited_us = engine_now(c->ticket.engine) - l->waiter.arrived_us;
    stage_limited(c, waited_us, why == NULL ? ERROR_OK : why->code);
    if (why != NULL) {
        loop_disarm(c->ticket.engine->loop, &c->timer);
        c->error = *why;
        refuse(c);
        return;
    }
    c->attempt.wait_us -= waited_us;
    go_on(c);
}

static void time_is_over(struct timer *t)
{
    struct call *c = container_of(t, struct call, timer);
    if (c->state == CALL_ASKING)
        answered_as_usual(c);
    else if (c->state == CALL_HELD && stage_time(c, c->stages.at[c->inside]))
        go_on(c);
    else if (c->state == CALL_HELD)
        refuse(c);
    else if (!is_late(c))
        go_in(c);
    else { /* as the last attempt ended */
        come_out_whole(c, c->error.code);
        answer(c);
    }
}

void call_explain(struct call *c)
{
    if (c->error.code == ERROR_OPEN && c->error.text[0] == '\0')
        circuits_explain(c->operation->guards, &c->refused, &c->error);
}

/* --- the ticket ------------------------------------------------------------------------------- */

static void free_call(struct call *c)
{
    struct request *r = &c->attempt.request;
    c->attempt.resource->users--;
    copies_free(c);
    reply_fini(&r->reply);
    context_unref(&r->context);
    batch_forget(r);
    rooms_give(&c->ticket.engine->rooms, c, c->size);
}

static void let_go(struct attempt *a)
{
    struct call *c = container_of(a, struct call, attempt);
    if (c->is_dropped && !is_in_flight(c))
        free_call(c);
}

void call_copy_ended(struct attempt *a, enum outcome outcome, const struct error *why)
{
    struct call *c = container_of(a, struct copy, attempt)->call;
    if (c->copies.is_beginning)
        attempt_hand_in(a, why->code);
    else
        ended(c, a, outcome, why);
}

void call_copy_let_go(struct attempt *a)
{
    struct call *c = container_of(a, struct copy, attempt)->call;
    let_go(&c->attempt);
}

static void give_up_attempts(struct call *c)
{
    struct attempt *a = &c->attempt;
    c->again.attempts += a->state != ATTEMPT_OVER && a->was_sent;
    if (a->state != ATTEMPT_OVER)
        c->outcome = attempt_give_up(a);
    copies_give_up(c, a);
    note(c, a, ERROR_CANCELLED);
}

static void call_abandon(struct ticket *t)
{
    struct call *c = (struct call *)t;
    if (c->state == CALL_TRYING)
        give_up_attempts(c);
    else if (c->state == CALL_HELD)
        stage_abandon(c, c->stages.at[c->inside]);
    else if (c->state == CALL_ASKING)
        note(c, c->answer, c->error.code);
    list_remove(&t->engine->asked, &c->in_asked);
    loop_disarm(t->engine->loop, &c->timer);
    come_out_whole(c, ERROR_CANCELLED);
    c->state = CALL_OVER;
    doubt(c);
    error_set(&c->error, ERROR_CANCELLED, "%s: the task was cancelled", c->attempt.resource->name);
    tale_end(c->attempt.resource, &c->attempt.tale, ERROR_CANCELLED, c->outcome);
}

static void call_free(struct ticket *t)
{
    struct call *c = (struct call *)t;
    c->is_dropped = true;
    if (!is_in_flight(c))
        free_call(c);
}

const struct ticket_type call_ticket = {.abandon = call_abandon, .free = call_free};

/* --- the begin ------------------------------------------------------------------------------- */

/* The call with copies of the texts and the values behind it. */
static struct call *copy_request(struct engine *e, const struct nebula_request *r)
{
    size_t size = sizeof(struct call) + request_room(r);
    struct call *c = rooms_take(&e->rooms, size, offsetof(struct call, attempt.request.reply));
    if (c == NULL)
        return NULL;
    c->size = size; /* what is not cleared is mostly room for texts */
    reply_init(&c->attempt.request.reply);
    error_clear(&c->error);
    request_copy(&c->attempt.request, r, c->bytes);
    return c;
}

int64_t call_deadline_us(const struct engine *e, int64_t within_us,
                         const struct nebula_policy *policy)
{
    int64_t at_us = engine_in(e, within_us > 0 ? within_us : policy->deadline_us);
    return at_us < e->task->deadline_us ? at_us : e->task->deadline_us;
}

static void begin_attempt(struct call *c, struct engine *e, struct resource *r,
                          const struct nebula_request *request)
{
    const struct nebula_policy *policy =
        c->operation == NULL ? &r->spec->policy : &c->operation->policy;
    struct attempt *a = &c->attempt;
    attempt_init(a, e, r);
    a->role = request->role;
    a->is_leased = request->lease != 0;
    a->is_dirtying = request->is_dirty;
    a->asked_us = engine_now(e);
    a->wait_us = policy->wait_us;
    a->deadline_us = call_deadline_us(e, request->within_us, policy);
    a->waiter.key = e->task->key;
    a->waiter.is_fail_fast = request->is_fail_fast || r->spec->pool.is_fail_fast;
    a->ended = attempt_ended;
    a->let_go = let_go;
}

static struct call *call_new(struct engine *e, struct resource *r,
                             const struct nebula_request *request)
{
    static const struct stages retry_alone = {.count = 1, .at = {NEBULA_STAGE_RETRY}};
    struct call *c = copy_request(e, request);
    if (c == NULL) {
        engine_refuse(e, ERROR_MEMORY, "%s: no memory for a call", r->name);
        return NULL;
    }
    c->operation = operation_find(r, request->operation);
    c->stages = c->operation == NULL ? retry_alone : c->operation->stages;
    begin_attempt(c, e, r, request);
    c->answer = &c->attempt;
    c->outcome = OUTCOME_FAILED; /* as long as nothing was sent */
    timer_init(&c->timer, time_is_over);
    copies_init(&c->copies);
    node_init(&c->limited.node);
    node_init(&c->in_asked);
    c->limited.waiter.class = (enum shed_class)request->priority;
    c->limited.served = limit_served;
    return c;
}

/* 0, or the negative code: it can be asked for of r, but for what the acting task may. */
static int32_t check(struct engine *e, const struct resource *r,
                     const struct nebula_request *request)
{
    if (request->verb == NEBULA_BATCH && !r->driver->takes_batches)
        return engine_refuse(e, ERROR_USAGE, "%s: its kind has no batches", r->name);
    if (!operation_exists(r, request->operation))
        return engine_refuse(e, ERROR_USAGE, "%s has no operation number %d", r->name,
                             request->operation);
    if (request->priority < NEBULA_PRIORITY_NORMAL || request->priority >= NEBULA_PRIORITIES)
        return engine_refuse(e, ERROR_USAGE, "%s: there is no priority number %d", r->name,
                             request->priority);
    return task_may_begin(e, r->name);
}

static void go(struct call *c, struct conn *leased)
{
    if (leased == NULL) {
        go_in(c);
        return;
    }
    if (c->operation != NULL)
        stage_let_by(c, leased);
    c->stages.count = 0;
    attempt_begin_on(&c->attempt, leased);
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
    int32_t refusal = check(e, r, request);
    if (refusal < 0)
        return refusal;
    if (leased == NULL && (r = tenant_resource(r)) == NULL)
        return -(int32_t)e->error.code;
    int32_t number = leased != NULL ? 0 : refused_begin(r, request);
    if (number != 0)
        return number;
    struct call *c = call_new(e, r, request);
    if (c == NULL)
        return -ERROR_MEMORY;
    if ((number = ticket_begin(&c->ticket, e, &call_ticket)) < 0) {
        rooms_give(&e->rooms, c, c->size);
        return number;
    }
    c->attempt.request.context = context_ref(e->task->context);
    c->attempt.tale = tale_begin(e, e->task->context);
    c->attempt.tale.by = c->operation;
    again_called(r);
    r->users++;
    go(c, leased);
    if (c->attempt.state == ATTEMPT_WAITING || c->state == CALL_HELD)
        e->queued = number;
    return number;
}
