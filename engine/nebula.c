/* The border: checks the thread and the arguments, then goes one call down. */
#include "nebula.h"

#include <stdatomic.h>
#include <string.h>

#include "core/admin.h"
#include "core/call.h"
#include "core/inspect.h"
#include "core/lend.h"
#include "core/nap.h"
#include "core/resource.h"
#include "core/start.h"

struct nebula {
    struct engine engine; /* first: who simulates the world looks behind the border */
    struct world *world;
    struct loop *loop;
    struct admin *admin; /* NULL without a control socket */
    char *answer;        /* of the last nebula_ask() */
    struct note interruption;
    atomic_flag is_interrupted;
};

/* An address that differs from thread to thread names the thread without a call. */
static inline bool is_here(const struct nebula *n)
{
    return n->engine.thread == __builtin_thread_pointer();
}

/* The same, and nobody watches. Else the long path tries the short one, and tells the tracer. */
static inline bool is_short(const struct nebula *n)
{
    return n->engine.unwatched == __builtin_thread_pointer();
}

static inline struct engine *enter(struct nebula *n)
{
    CHECK(is_here(n));
    return &n->engine;
}

/* --- the engine ------------------------------------------------------------------------------- */

static void interrupted(struct note *note)
{
    atomic_flag_clear(&container_of(note, struct nebula, interruption)->is_interrupted);
}

static void explain(char *text, uint32_t size, const char *why)
{
    if (text != NULL && size > 0)
        snprintf(text, size, "%s", why);
}

static void let_go(struct nebula **nebula)
{
    struct nebula *n = *nebula;
    *nebula = NULL;
    if (n->admin != NULL)
        admin_close(&n->admin);
    if (n->engine.nobody != NULL)
        engine_fini(&n->engine);
    if (n->loop != NULL)
        loop_free(&n->loop);
    free(n->world);
    free(n->answer);
    free(n);
}

struct nebula *nebula_open(const struct nebula_options *o, char *text, uint32_t size)
{
    struct nebula *n = calloc(1, sizeof *n);
    if (n == NULL) {
        explain(text, size, "no memory for an engine");
        return NULL;
    }
    n->interruption.arrived = interrupted;
    atomic_flag_clear(&n->is_interrupted);
    n->world = world_real();
    n->loop = n->world == NULL ? NULL : loop_new(n->world);
    if (n->loop == NULL || !engine_init(&n->engine, n->loop)) {
        explain(text, size, "no memory or no descriptors for an engine");
        let_go(&n);
        return NULL;
    }
    log_init(&n->engine.log, o->log_fd, (enum log_format)o->log_format,
             (enum log_level)o->log_level, &n->engine.secrets);
    struct error why;
    if (o->control != NULL &&
        (n->admin = admin_open(&n->engine, o->control, o->name, &why)) == NULL) {
        explain(text, size, why.text);
        let_go(&n);
    }
    return n;
}

void nebula_stop(struct nebula *n, int64_t at_us)
{
    engine_stop(enter(n), at_us);
}

bool nebula_is_stopped(const struct nebula *n)
{
    CHECK(is_here(n));
    return engine_is_stopped(&n->engine);
}

void nebula_close(struct nebula **nebula)
{
    struct nebula *n = *nebula;
    struct engine *e = enter(n);
    engine_stop(e, engine_now(e));
    while (!engine_is_stopped(e))
        loop_turn(e->loop, INT64_MAX); /* whoever was answered does not ask any more */
    let_go(nebula);
}

void nebula_turn(struct nebula *n, int64_t until_us)
{
    struct engine *e = enter(n);
    loop_turn(e->loop, list_is_empty(&e->ready) ? until_us : 0);
}

void nebula_interrupt(struct nebula *n)
{
    if (!atomic_flag_test_and_set(&n->is_interrupted))
        loop_post(n->loop, &n->interruption);
}

bool nebula_next(struct nebula *n, struct nebula_event *out)
{
    struct ticket *t = ticket_next(enter(n));
    if (t == NULL)
        return false;
    *out = (struct nebula_event){.ticket = t->number, .code = (int32_t)t->code};
    return true;
}

int64_t nebula_now_us(struct nebula *n)
{
    return loop_refresh(enter(n)->loop);
}

const char *nebula_error(const struct nebula *n)
{
    CHECK(is_here(n));
    return n->engine.error.text;
}

const char *nebula_error_name(int32_t code)
{
    return code >= 0 && code < ERROR_COUNT ? error_name((enum error_code)code) : "unknown";
}

const char *nebula_error_action(int32_t code)
{
    return code >= 0 && code < ERROR_COUNT
               ? error_action_name(error_action_of((enum error_code)code))
               : "ask";
}

void nebula_log(struct nebula *n, int32_t level, const char *text)
{
    struct engine *e = enter(n);
    if (level >= LOG_DEBUG && level <= LOG_ERROR)
        engine_log(e, (enum log_level)level, text, NULL, 0);
}

/* --- resources -------------------------------------------------------------------------------- */

int32_t nebula_declare(struct nebula *n, const struct nebula_spec *spec)
{
    struct engine *e = enter(n);
    struct error why;
    struct resource *r = resource_new(e, spec, &why);
    return r == NULL ? engine_refuse(e, why.code, "%s", why.text) : r->number;
}

int32_t nebula_find(struct nebula *n, const char *name)
{
    struct resource *r = resource_find(enter(n), name);
    return r == NULL ? 0 : r->number;
}

static int32_t no_such_resource(struct engine *e, int32_t number)
{
    return engine_refuse(e, ERROR_USAGE, "there is no resource number %d", number);
}

int32_t nebula_start(struct nebula *n, int32_t resource)
{
    struct engine *e = enter(n);
    struct resource *r = table_get(&e->resources, resource);
    return r == NULL ? no_such_resource(e, resource) : start_begin(r);
}

static int32_t tell(struct nebula *n, int32_t resource, void (*what)(struct resource *r))
{
    struct engine *e = enter(n);
    struct resource *r = table_get(&e->resources, resource);
    if (r == NULL)
        return no_such_resource(e, resource);
    what(r);
    return 0;
}

int32_t nebula_pause(struct nebula *n, int32_t resource)
{
    return tell(n, resource, resource_pause);
}

int32_t nebula_resume(struct nebula *n, int32_t resource)
{
    return tell(n, resource, resource_resume);
}

/* --- tasks ------------------------------------------------------------------------------------ */

int32_t nebula_task_open(struct nebula *n, int32_t parent)
{
    struct engine *e = enter(n);
    struct task *t = task_new(e, table_get(&e->tasks, parent));
    if (t == NULL)
        return engine_refuse(e, e->tasks.used == e->tasks.most ? ERROR_LIMIT : ERROR_MEMORY,
                             "no room for one more task beside %d", e->tasks.used);
    return t->number;
}

void nebula_task_enter(struct nebula *n, int32_t task)
{
    struct engine *e = enter(n);
    struct task *t = table_get(&e->tasks, task);
    e->task = t == NULL ? e->nobody : t;
}

int64_t nebula_task_deadline(struct nebula *n, int64_t at_us)
{
    struct task *t = enter(n)->task;
    int64_t before_us = t->deadline_us == INT64_MAX ? 0 : t->deadline_us;
    task_deadline(t, at_us == 0 ? INT64_MAX : at_us);
    return before_us;
}

/* None but those that were opened: nobody has no number. */
static struct task *opened_task(struct nebula *n, int32_t number)
{
    struct engine *e = enter(n);
    struct task *t = table_get(&e->tasks, number);
    return t == e->nobody ? NULL : t;
}

void nebula_task_cancel(struct nebula *n, int32_t task)
{
    struct task *t = opened_task(n, task);
    if (t != NULL)
        task_cancel(t);
}

void nebula_task_grace(struct nebula *n, int32_t task, int64_t at_us)
{
    struct task *t = opened_task(n, task);
    if (t != NULL)
        task_grace(t, at_us);
}

void nebula_task_close(struct nebula *n, int32_t task)
{
    struct task *t = opened_task(n, task);
    if (t != NULL)
        task_free(&t);
}

/* --- tickets ---------------------------------------------------------------------------------- */

int32_t nebula_sleep(struct nebula *n, int64_t span_us)
{
    return nap_sleep(enter(n), span_us);
}

int32_t nebula_wait(struct nebula *n)
{
    return nap_wait(enter(n));
}

void nebula_wake(struct nebula *n, int32_t ticket, int32_t code)
{
    struct ticket *t = ticket_find(enter(n), ticket);
    CHECK(code >= 0 && code < ERROR_COUNT);
    if (t != NULL)
        nap_wake(t, (enum error_code)code);
}

void nebula_cancel(struct nebula *n, int32_t ticket)
{
    struct ticket *t = ticket_find(enter(n), ticket);
    if (t != NULL)
        ticket_cancel(t);
}

static bool is_value(const struct nebula_value *v)
{
    bool has_bytes = v->type >= NEBULA_TEXT && v->size > 0;
    return v->type >= NEBULA_NULL && v->type <= NEBULA_BYTES && (!has_bytes || v->bytes != NULL);
}

static int32_t check_request(struct engine *e, const struct nebula_request *r)
{
    if (r->verb < NEBULA_RUN || r->verb > NEBULA_STOP)
        return engine_refuse(e, ERROR_USAGE, "there is no verb number %d", r->verb);
    if (r->count < 0 || (r->count > 0 && r->value == NULL) || (r->text_size > 0 && r->text == NULL))
        return engine_refuse(e, ERROR_USAGE, "a request with %d values or a text that is not there",
                             r->count);
    for (int32_t i = 0; i < r->count; i++)
        if (!is_value(&r->value[i]))
            return engine_refuse(e, ERROR_USAGE,
                                 "value %d is of no type, or its bytes are not there", i + 1);
    if (r->lease == 0 && r->verb >= NEBULA_STREAM)
        return engine_refuse(e, ERROR_USAGE, "a stream needs a lease");
    if ((r->verb == NEBULA_STREAM || r->verb == NEBULA_PULL) && r->window < 1)
        return engine_refuse(e, ERROR_USAGE, "a window of %d rows; at least 1", r->window);
    if (r->lease != 0)
        return 0;
    const struct resource *to = table_get(&e->resources, r->resource);
    if (to == NULL)
        return no_such_resource(e, r->resource);
    if (r->role < 0 || r->role >= to->spec.roles)
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", to->spec.name, r->role);
    return 0;
}

int32_t nebula_call(struct nebula *n, const struct nebula_request *request)
{
    struct engine *e = enter(n);
    int32_t refusal = check_request(e, request);
    return refusal < 0 ? refusal : call_begin(e, request);
}

/* The sentence is masked where it lies, and lies there until nebula_done(). */
static void describe(struct nebula_reply *out, const struct engine *e, struct error *why)
{
    if (why->code != ERROR_OK)
        secret_mask(&e->secrets, why->text, strlen(why->text));
    out->code = (int32_t)why->code;
    out->outcome = why->code == ERROR_OK ? OUTCOME_OK : OUTCOME_FAILED;
    out->retry_after_us = why->retry_after_us;
    out->text = why->text;
    out->state = why->state;
}

static void describe_call(struct nebula_reply *out, const struct engine *e, struct call *c)
{
    const struct reply *r = &c->request.reply;
    bool is_ok = c->error.code == ERROR_OK;
    describe(out, e, &c->error);
    out->outcome = c->outcome;
    out->rows = is_ok && r->result != NULL ? r->result->rows : 0;
    out->columns = is_ok && r->result != NULL ? r->result->columns : 0;
    out->attempts = c->attempts;
    out->role = c->role;
    out->changed = r->changed;
    out->last_id = r->last_id;
    out->more = is_ok && r->more;
}

int32_t nebula_reply(struct nebula *n, int32_t ticket, struct nebula_reply *out)
{
    struct engine *e = enter(n);
    struct ticket *t = ticket_find(e, ticket);
    if (t == NULL || t->state == TICKET_PENDING)
        return engine_refuse(e, ERROR_STALE, "there is no reply at ticket %d", ticket);
    struct call *call = call_of(t);
    struct lend *lend = lend_of(t);
    *out = (struct nebula_reply){.changed = -1};
    if (call != NULL) {
        describe_call(out, e, call);
    } else if (lend != NULL) {
        describe(out, e, lend_error(lend));
        out->lease = lend_lease(lend);
    } else if (start_error(t) != NULL) {
        describe(out, e, start_error(t));
    } else {
        out->code = (int32_t)t->code;
        out->outcome = t->code == ERROR_OK ? OUTCOME_OK : OUTCOME_FAILED;
        out->text = t->code == ERROR_OK ? "" : error_manual(t->code);
        out->state = "";
    }
    return 0;
}

/* NULL when there is none, or it has no such column. */
static const struct result *result_of(struct nebula *n, int32_t ticket, int32_t column)
{
    struct ticket *t = ticket_find(enter(n), ticket);
    struct call *c = t == NULL || t->state != TICKET_TAKEN ? NULL : call_of(t);
    const struct result *r = c == NULL ? NULL : c->request.reply.result;
    return r == NULL || column < 0 || column >= r->columns ? NULL : r;
}

int32_t nebula_cell(struct nebula *n, int32_t ticket, int32_t row, int32_t column,
                    struct nebula_value *out)
{
    const struct result *r = result_of(n, ticket, column);
    if (r == NULL || row < 0 || row >= r->rows)
        return engine_refuse(&n->engine, ERROR_STALE, "there is no cell %d, %d at ticket %d", row,
                             column, ticket);
    r->type->cell(r, row, column, out);
    return 0;
}

int32_t nebula_column(struct nebula *n, int32_t ticket, int32_t column, struct nebula_column *out)
{
    const struct result *r = result_of(n, ticket, column);
    if (r == NULL)
        return engine_refuse(&n->engine, ERROR_STALE, "there is no column %d at ticket %d", column,
                             ticket);
    r->type->column(r, column, out);
    return 0;
}

void nebula_done(struct nebula *n, int32_t ticket)
{
    struct ticket *t = ticket_find(enter(n), ticket);
    if (t != NULL)
        ticket_drop(t);
}

/* --- leases ----------------------------------------------------------------------------------- */

__attribute__((cold, noinline)) static int64_t
lease_slowly(struct nebula *n, int32_t resource, int32_t role, int64_t within_us, bool is_fail_fast)
{
    struct engine *e = enter(n);
    struct conn *c = lend_at_once(e, resource, role);
    if (c != NULL) {
        conn_tell(c, CONN_IDLE);
        return c->lease;
    }
    struct resource *r = table_get(&e->resources, resource);
    if (r == NULL)
        return no_such_resource(e, resource);
    if (role < 0 || role >= r->spec.roles)
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", r->spec.name, role);
    return lend_begin(r, role, within_us, is_fail_fast);
}

int64_t nebula_lease(struct nebula *n, int32_t resource, int32_t role, int64_t within_us,
                     bool is_fail_fast)
{
    struct conn *c = is_short(n) ? lend_at_once(&n->engine, resource, role) : NULL;
    return c != NULL ? c->lease : lease_slowly(n, resource, role, within_us, is_fail_fast);
}

int32_t nebula_ticket(const struct nebula *n)
{
    return n->engine.queued;
}

__attribute__((cold, noinline)) static int32_t release_slowly(struct nebula *n, int64_t lease,
                                                              int32_t verdict)
{
    struct engine *e = enter(n);
    struct conn *c = verdict == NEBULA_GOOD ? lend_return(e, lease) : NULL;
    if (c != NULL) {
        conn_tell(c, CONN_LEASED);
        return 0;
    }
    c = lease_find(&e->leases, lease);
    if (c == NULL)
        return engine_refuse(e, ERROR_STALE, "the lease has ended already");
    lease_end(c);
    pool_give(c->pool, c, (enum nebula_verdict)verdict);
    return 0;
}

int32_t nebula_release(struct nebula *n, int64_t lease, int32_t verdict)
{
    bool is_home = is_short(n) && verdict == NEBULA_GOOD && lend_return(&n->engine, lease) != NULL;
    return is_home ? 0 : release_slowly(n, lease, verdict);
}

int32_t nebula_in_transaction(struct nebula *n, int64_t lease)
{
    const struct conn *c = lease_find(&enter(n)->leases, lease);
    return c == NULL ? -ERROR_STALE : (c->session & SESSION_IN_TRANSACTION) != 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

const char *nebula_ask(struct nebula *n, const char *request)
{
    struct engine *e = enter(n);
    free(n->answer);
    n->answer = inspect_answer(e, request, strlen(request));
    return n->answer != NULL ? n->answer : "{\"ok\":false,\"error\":\"memory\"}";
}
