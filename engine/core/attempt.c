#include "core/attempt.h"

#include "core/batch.h"
#include "core/circuits_at.h"
#include "core/load.h"
#include "core/resource.h"
#include "core/share.h"

static void take(struct attempt *a);

/* As it is now. */
static int64_t ends_us(const struct attempt *a)
{
    return a->state == ATTEMPT_WAITING ? a->waiter.deadline_us : a->deadline_us;
}

static void arm(struct attempt *a)
{
    int64_t at_us = ends_us(a);
    loop_arm(a->engine->loop, &a->timer, at_us < a->alert_us ? at_us : a->alert_us);
}

/* --- its end --------------------------------------------------------------------------------- */

void attempt_hand_in(struct attempt *a, enum error_code code)
{
    uint64_t pass = a->waiter.pass;
    if (pass == 0)
        return;
    a->waiter.pass = 0;
    circuits_at_end(a->waiter.guards, a->reach, pass, code, a->was_sent,
                    engine_now(a->engine) - a->sent_us);
}

static void end(struct attempt *a, enum outcome outcome, const struct error *why)
{
    a->state = ATTEMPT_OVER;
    loop_disarm(a->engine->loop, &a->timer);
    a->ended(a, outcome, why);
}

/* How it went; of a batch, how each part did. */
static enum outcome outcome_of(struct attempt *a)
{
    enum outcome parts = batch_end(&a->request);
    if (a->request.parts == 0 || a->request.reply.error.code == ERROR_OK)
        return request_outcome(&a->request);
    return parts;
}

/* The same of one that nobody waits for any more. */
static enum outcome outcome_unanswered(struct attempt *a)
{
    enum outcome parts = batch_end(&a->request);
    return a->request.parts == 0 ? request_outcome_unanswered(&a->request) : parts;
}

/* The statement needs the writer: nothing was done, so it goes there. */
static bool go_to_writer(struct attempt *a)
{
    int32_t writer = a->resource->spec->writer;
    if (!a->request.reply.wants_writer || a->is_leased || a->role == writer)
        return false;
    a->role = writer;
    return true;
}

/* The server did not do it, and it is not to blame; or it is to be done elsewhere. */
static bool go_again(struct attempt *a)
{
    if (a->request.reply.error.code == ERROR_OK ||
        !(go_to_writer(a) || a->request.reply.wants_again))
        return false;
    attempt_hand_in(a, ERROR_CANCELLED);
    a->was_sent = false;
    reply_fini(&a->request.reply);
    take(a);
    return true;
}

static void give_back(struct attempt *a, struct conn *conn)
{
    if (a->is_leased || conn == NULL)
        return;
    if (a->request.is_shared)
        share_end(conn);
    else
        pool_give_back(conn);
}

/* What was sent ended so, where somebody wants to know. Of a stream its beginning tells how long a call
 * takes, and what goes on with it nothing, as long as it goes on well. */
static void note(const struct attempt *a, const struct conn *conn, enum error_code code)
{
    bool is_told = conn != NULL && conn->pool->loads != NULL && a->request.is_lent;
    if (is_told && (code != ERROR_OK || !request_goes_on(&a->request)))
        load_note(conn, code, engine_now(a->engine) - a->sent_us);
}

static void tell_failure(struct attempt *a, enum outcome outcome, const struct error *why)
{
    if (why->code != ERROR_OK)
        tale_failed(a->resource, &a->tale, why, outcome, engine_now(a->engine) - a->sent_us,
                    a->deadline_us);
}

static void request_ended(struct request *r)
{
    struct attempt *a = container_of(r, struct attempt, request);
    struct conn *conn = a->conn;
    a->is_in_flight = false;
    a->conn = NULL;
    if (a->state == ATTEMPT_OVER) { /* it was given up; the connection is on its own way */
        if (r->is_unwanted)
            give_back(a, conn);
        a->let_go(a);
        return;
    }
    loop_disarm(a->engine->loop, &a->timer);
    note(a, conn, r->reply.error.code);
    if (a->is_leased && conn != NULL)
        lease_explain(&a->engine->leases, conn, &r->reply.error);
    give_back(a, conn);
    enum outcome outcome = outcome_of(a);
    if (go_again(a))
        return;
    tell_failure(a, outcome, &r->reply.error);
    end(a, outcome, &r->reply.error);
}

/* --- its beginning ---------------------------------------------------------------------------- */

static void send_on(struct attempt *a, struct conn *conn)
{
    a->state = ATTEMPT_SENT;
    a->conn = conn;
    a->reach = conn->reach;
    a->was_sent = true;
    a->sent_us = engine_now(a->engine);
    a->is_in_flight = true;
    a->request.is_sent = false;
    reply_init(&a->request.reply);
    batch_begin(&a->request);
    a->request.deadline_us = a->deadline_us;
    arm(a);
    if (a->is_dirtying)
        conn_dirty(conn);
    conn_send(conn, &a->request);
    if (a->request.is_shared)
        share_begin(conn);
}

static void served(struct waiter *w, struct conn *conn)
{
    struct attempt *a = container_of(w, struct attempt, waiter);
    tale_served(a->resource, &a->tale, w, a->role);
    send_on(a, conn);
}

static void refused(struct waiter *w, const struct error *why)
{
    struct attempt *a = container_of(w, struct attempt, waiter);
    tale_refused(a->resource, &a->tale, w, a->role, why);
    end(a, OUTCOME_FAILED, why);
}

/* There is no short path to a connection: checks, the queue, or a refusal. */
static void wait_for_turn(struct attempt *a)
{
    int64_t now_us = engine_now(a->engine);
    int64_t until_us = engine_in(a->engine, a->wait_us);
    a->waiter.arrived_us = now_us;
    a->waiter.is_last_chance = a->deadline_us <= until_us;
    a->waiter.deadline_us = a->waiter.is_last_chance ? a->deadline_us : until_us;
    struct error why;
    struct conn *conn = a->is_hasty ? pool_take_idle(a->pool, &a->waiter, &why)
                                    : pool_take(a->pool, &a->waiter, &why);
    if (conn != NULL)
        send_on(a, conn);
    else if (why.code != ERROR_OK)
        refused(&a->waiter, &why);
    else if (a->state == ATTEMPT_WAITING) /* the queue may have served or refused it already */
        arm(a);
}

static void take(struct attempt *a)
{
    a->state = ATTEMPT_WAITING;
    a->pool = resource_pool(a->resource, a->role);
    if (a->pool == NULL) {
        struct error why;
        error_set(&why, ERROR_MEMORY, "%s: no memory for a pool", a->resource->name);
        end(a, OUTCOME_FAILED, &why);
        return;
    }
    a->request.is_shared = !a->is_dirtying && !a->is_hasty && share_may(a->pool, &a->request);
    a->waiter.may_share = a->request.is_shared;
    int64_t now_us = engine_now(a->engine);
    struct conn *conn = pool_ready(a->pool, now_us);
    if (conn == NULL) {
        wait_for_turn(a);
        return;
    }
    pool_hit(a->pool, conn, now_us);
    conn_tell(conn, CONN_IDLE);
    send_on(a, conn);
}

void attempt_begin(struct attempt *a)
{
    a->was_sent = false;
    a->tale.attempt++;
    take(a);
}

void attempt_begin_on(struct attempt *a, struct conn *leased)
{
    a->tale.attempt++;
    send_on(a, leased);
}

/* --- stopping it ------------------------------------------------------------------------------ */

static enum outcome stop(struct attempt *a)
{
    bool was_waiting = a->state == ATTEMPT_WAITING;
    CHECK(a->state != ATTEMPT_OVER);
    a->state = ATTEMPT_OVER;
    loop_disarm(a->engine->loop, &a->timer);
    if (was_waiting) {
        pool_leave(a->pool, &a->waiter);
        return OUTCOME_FAILED;
    }
    struct conn *conn = a->conn;
    if (conn_unsend(conn, &a->request)) {
        a->is_in_flight = false;
        a->conn = NULL;
        give_back(a, conn);
    } else if (a->request.is_shared) {
        share_give_up(conn, &a->request);
    } else if (conn->state == CONN_LEASED) {
        conn_cancel(conn);
    }
    return outcome_unanswered(a);
}

enum outcome attempt_give_up(struct attempt *a)
{
    enum outcome outcome = stop(a);
    attempt_hand_in(a, ERROR_CANCELLED);
    return outcome;
}

static void explain_deadline(struct attempt *a, struct error *out)
{
    long long ms = (engine_now(a->engine) - a->asked_us) / 1000;
    if (a->state == ATTEMPT_WAITING)
        pool_late(a->pool, &a->waiter, out);
    else
        error_set(out, ERROR_DEADLINE, "%s: no answer by the deadline, after %lld ms",
                  a->resource->name, ms);
    if (a->state == ATTEMPT_SENT)
        out->is_planted = a->request.is_held && !a->request.is_lent;
}

static void time_is_over(struct attempt *a)
{
    struct error why;
    explain_deadline(a, &why);
    bool was_waiting = a->state == ATTEMPT_WAITING;
    if (!was_waiting)
        note(a, a->conn, why.code);
    enum outcome outcome = stop(a);
    if (was_waiting)
        tale_refused(a->resource, &a->tale, &a->waiter, a->role, &why);
    else
        tell_failure(a, outcome, &why);
    a->ended(a, outcome, &why);
}

static void timer_fired(struct timer *t)
{
    struct attempt *a = container_of(t, struct attempt, timer);
    if (engine_now(a->engine) >= ends_us(a)) {
        time_is_over(a);
        return;
    }
    a->alert_us = INT64_MAX;
    a->alerted(a);
    if (a->state != ATTEMPT_OVER)
        arm(a);
}

void attempt_init(struct attempt *a, struct engine *e, struct resource *r)
{
    a->engine = e;
    a->resource = r;
    a->state = ATTEMPT_OVER;
    a->alert_us = INT64_MAX;
    a->waiter.served = served;
    a->waiter.refused = refused;
    a->request.ended = request_ended;
    a->request.tale = &a->tale;
    node_init(&a->waiter.node);
    timer_init(&a->timer, timer_fired);
}
