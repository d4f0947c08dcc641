#include "core/call.h"

#include <string.h>

#include "core/batch.h"
#include "core/context.h"
#include "core/load.h"
#include "core/resource.h"
#include "core/share.h"
#include "core/tenant.h"

static void answer(struct call *c);
static void take(struct call *c);

static void arm(struct call *c, int64_t at_us)
{
    loop_arm(c->ticket.engine->loop, &c->timer, at_us < c->deadline_us ? at_us : c->deadline_us);
}

/* --- an attempt ended ------------------------------------------------------------------------ */

/* How the attempt went that ended; of a batch, how each part did. */
static enum outcome outcome_of(struct call *c)
{
    enum outcome parts = batch_end(&c->request);
    if (c->request.parts == 0 || c->request.reply.error.code == ERROR_OK)
        return request_outcome(&c->request);
    return parts;
}

/* The same of one that nobody waits for any more. */
static enum outcome outcome_unanswered(struct call *c)
{
    enum outcome parts = batch_end(&c->request);
    return c->request.parts == 0 ? request_outcome_unanswered(&c->request) : parts;
}

static bool may_repeat(const struct call *c)
{
    enum error_action action = error_action_of(c->error.code);
    if (c->outcome == OUTCOME_IN_DOUBT)
        return c->request.is_idempotent;
    return action == ACTION_RETRY || action == ACTION_WAIT;
}

static bool pause_before_retry(struct call *c)
{
    struct engine *e = c->ticket.engine;
    if (c->is_leased || !may_repeat(c))
        return false;
    int64_t pause_us = resource_try_again(c->resource, c->attempts, c->deadline_us, NULL);
    if (pause_us < 0)
        return false;
    c->state = CALL_PAUSING;
    reply_fini(&c->request.reply);
    batch_forget(&c->request);
    engine_trace(e, TRACE_RETRIES, c->resource->number, c->ticket.number, c->attempts + 1,
                 pause_us);
    arm(c, engine_now(e) + pause_us);
    return true;
}

/* The statement needs the writer: go there, which is no new attempt, for nothing was done. */
static bool go_to_writer(struct call *c)
{
    int32_t writer = c->resource->spec->writer;
    if (!c->request.reply.wants_writer || c->is_leased || c->role == writer)
        return false;
    c->role = writer;
    c->attempts--;
    reply_fini(&c->request.reply);
    take(c);
    return true;
}

/* The server did not do it, and it is not to blame: no new attempt. */
static bool go_again(struct call *c)
{
    if (!c->request.reply.wants_again)
        return false;
    c->attempts--;
    reply_fini(&c->request.reply);
    take(c);
    return true;
}

static void give_back(struct call *c, struct conn *conn)
{
    if (c->is_leased || conn == NULL)
        return;
    if (c->request.is_shared)
        share_end(conn);
    else
        pool_give_back(conn);
}

/* What was sent by the attempt under way ended so, where somebody wants to know. Of a stream its beginning
 * tells how long a call takes, and what goes on with it nothing, as long as it goes on well. */
static void note(const struct call *c, const struct conn *conn, enum error_code code)
{
    bool is_told = conn != NULL && conn->pool->loads != NULL && c->request.is_lent;
    if (is_told && (code != ERROR_OK || !request_goes_on(&c->request)))
        load_note(conn, code, engine_now(c->ticket.engine) - c->attempt_us);
}

static void attempt_ended(struct call *c)
{
    c->outcome = outcome_of(c);
    c->is_doubtful = c->is_doubtful || c->outcome == OUTCOME_IN_DOUBT;
    error_clear(&c->error);
    if (c->request.reply.error.code != ERROR_OK) {
        c->error = c->request.reply.error;
        if (go_to_writer(c) || go_again(c) || pause_before_retry(c))
            return;
    }
    answer(c);
}

static void request_ended(struct request *r)
{
    struct call *c = container_of(r, struct call, request);
    struct conn *conn = c->conn;
    c->is_in_flight = false;
    c->conn = NULL;
    if (c->request.is_unwanted)
        give_back(c, conn);
    if (c->is_dropped) {
        call_ticket.free(&c->ticket);
        return;
    }
    if (c->ticket.state != TICKET_PENDING)
        return; /* answered long ago; the connection is on its own way */
    loop_disarm(c->ticket.engine->loop, &c->timer);
    note(c, conn, r->reply.error.code);
    if (c->is_leased && conn != NULL)
        lease_explain(&c->ticket.engine->leases, conn, &r->reply.error);
    give_back(c, conn);
    attempt_ended(c);
}

/* --- an attempt begins ----------------------------------------------------------------------- */

static void attempt(struct call *c, struct conn *conn)
{
    c->state = CALL_SENT;
    c->conn = conn;
    c->attempts++;
    c->attempt_us = engine_now(c->ticket.engine);
    c->is_in_flight = true;
    c->request.is_sent = false;
    reply_init(&c->request.reply);
    batch_begin(&c->request);
    c->request.deadline_us = c->deadline_us;
    arm(c, INT64_MAX);
    if (c->is_dirtying)
        conn_dirty(conn);
    conn_send(conn, &c->request);
    if (c->request.is_shared)
        share_begin(conn);
}

static void served(struct waiter *w, struct conn *conn)
{
    attempt(container_of(w, struct call, waiter), conn);
}

static void refused(struct waiter *w, const struct error *why)
{
    struct call *c = container_of(w, struct call, waiter);
    c->error = *why;
    c->outcome = OUTCOME_FAILED;
    answer(c);
}

static int64_t sum_us(int64_t at_us, int64_t span_us)
{
    return at_us > INT64_MAX - span_us ? INT64_MAX : at_us + span_us;
}

/* There is no short path to a connection: checks, the queue, or a refusal. */
static void wait_for_turn(struct call *c)
{
    int64_t now_us = engine_now(c->ticket.engine);
    int64_t until_us = sum_us(now_us, c->resource->spec->policy.wait_us);
    c->waiter.arrived_us = now_us;
    c->waiter.is_last_chance = c->deadline_us <= until_us;
    c->waiter.deadline_us = c->waiter.is_last_chance ? c->deadline_us : until_us;
    struct error why;
    struct conn *conn = pool_take(c->pool, &c->waiter, &why);
    if (conn != NULL)
        attempt(c, conn);
    else if (why.code != ERROR_OK)
        refused(&c->waiter, &why);
    else if (c->state == CALL_WAITING) /* the queue may have served or refused it already */
        arm(c, c->waiter.deadline_us);
}

static void take(struct call *c)
{
    c->state = CALL_WAITING;
    c->pool = resource_pool(c->resource, c->role);
    if (c->pool == NULL) {
        error_set(&c->error, ERROR_MEMORY, "%s: no memory for a pool", c->resource->name);
        c->outcome = OUTCOME_FAILED;
        answer(c);
        return;
    }
    c->request.is_shared = !c->is_dirtying && share_may(c->pool, &c->request);
    c->waiter.may_share = c->request.is_shared;
    int64_t now_us = engine_now(c->ticket.engine);
    struct conn *conn = pool_ready(c->pool, now_us);
    if (conn == NULL) {
        wait_for_turn(c);
        return;
    }
    pool_hit(c->pool, conn, now_us);
    conn_tell(conn, CONN_IDLE);
    attempt(c, conn);
}

/* --- the end --------------------------------------------------------------------------------- */

/* What one attempt left open, no later failure can prove. */
static void doubt(struct call *c)
{
    if (c->is_doubtful && c->outcome == OUTCOME_FAILED)
        c->outcome = OUTCOME_IN_DOUBT;
}

static void answer(struct call *c)
{
    c->state = CALL_OVER;
    loop_disarm(c->ticket.engine->loop, &c->timer);
    doubt(c);
    c->resource->failed += c->outcome == OUTCOME_FAILED;
    c->resource->in_doubt += c->outcome == OUTCOME_IN_DOUBT;
    ticket_end(&c->ticket, c->error.code);
}

/* Stops waiting for whatever the call waits for. Says how far it has come. */
static enum outcome withdraw(struct call *c)
{
    loop_disarm(c->ticket.engine->loop, &c->timer);
    switch (c->state) {
    case CALL_WAITING:
        pool_leave(c->pool, &c->waiter);
        return OUTCOME_FAILED;
    case CALL_PAUSING:
        return c->outcome;
    case CALL_SENT:
        if (conn_unsend(c->conn, &c->request)) {
            c->is_in_flight = false;
            c->conn = NULL;
            return OUTCOME_FAILED;
        }
        if (c->request.is_shared)
            share_give_up(c->conn, &c->request);
        else if (c->conn->state == CONN_LEASED)
            conn_cancel(c->conn);
        return outcome_unanswered(c);
    case CALL_OVER:
        break;
    }
    UNREACHABLE();
}

static void explain_deadline(struct call *c)
{
    const char *name = c->resource->name;
    long long ms = (engine_now(c->ticket.engine) - c->begun_us) / 1000;
    if (c->state == CALL_WAITING)
        pool_late(c->pool, &c->waiter, &c->error);
    else if (c->state == CALL_SENT)
        error_set(&c->error, ERROR_DEADLINE, "%s: no answer by the deadline, after %lld ms", name,
                  ms);
}

static void timer_fired(struct timer *t)
{
    struct call *c = container_of(t, struct call, timer);
    if (c->state == CALL_PAUSING && engine_now(c->ticket.engine) < c->deadline_us) {
        take(c);
        return;
    }
    explain_deadline(c);
    if (c->state == CALL_SENT)
        note(c, c->conn, c->error.code);
    c->outcome = withdraw(c);
    answer(c);
}

static void call_abandon(struct ticket *t)
{
    struct call *c = (struct call *)t;
    c->outcome = withdraw(c);
    c->state = CALL_OVER;
    doubt(c);
    error_set(&c->error, ERROR_CANCELLED, "%s: the task was cancelled", c->resource->name);
}

static void call_free(struct ticket *t)
{
    struct call *c = (struct call *)t;
    c->is_dropped = true;
    if (c->is_in_flight)
        return;
    c->resource->users--;
    reply_fini(&c->request.reply);
    context_unref(&c->request.context);
    batch_forget(&c->request);
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
    memset(c, 0, offsetof(struct call, request.reply)); /* the rest is mostly room for texts */
    reply_init(&c->request.reply);
    error_clear(&c->error);
    request_copy(&c->request, r, c->bytes);
    c->request.ended = request_ended;
    return c;
}

static int64_t deadline_of(const struct engine *e, const struct resource *r, int64_t within_us)
{
    int64_t at_us = sum_us(engine_now(e), within_us > 0 ? within_us : r->spec->policy.deadline_us);
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
    c->resource = r;
    c->role = request->role;
    c->is_leased = request->lease != 0;
    c->is_dirtying = request->is_dirty;
    c->begun_us = engine_now(e);
    c->deadline_us = deadline_of(e, r, request->within_us);
    c->waiter =
        (struct waiter){.served = served,
                        .refused = refused,
                        .key = e->task->key,
                        .is_fail_fast = request->is_fail_fast || r->spec->pool.is_fail_fast};
    node_init(&c->waiter.node);
    timer_init(&c->timer, timer_fired);
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
    c->request.context = context_ref(e->task->context);
    resource_called(r);
    r->users++;
    if (leased != NULL)
        attempt(c, leased);
    else
        take(c);
    if (c->state == CALL_WAITING)
        e->queued = number;
    return number;
}
