/* nebula_call.c - tickets: what is asked, and what it ended with. */
#include "nebula_border.h"

#include <string.h>

#include "core/call.h"
#include "core/errand.h"
#include "core/lend.h"
#include "core/nap.h"
#include "core/resource.h"
#include "core/start.h"

int32_t nebula_sleep(struct nebula *n, int64_t span_us)
{
    return nap_sleep(border_enter(n), span_us);
}

int32_t nebula_wait(struct nebula *n)
{
    return nap_wait(border_enter(n));
}

void nebula_wake(struct nebula *n, int32_t ticket, int32_t code)
{
    struct ticket *t = ticket_find(border_enter(n), ticket);
    CHECK(code >= 0 && code < ERROR_COUNT);
    if (t != NULL)
        nap_wake(t, (enum error_code)code);
}

void nebula_cancel(struct nebula *n, int32_t ticket)
{
    struct ticket *t = ticket_find(border_enter(n), ticket);
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
    if (r->verb < NEBULA_RUN || r->verb > NEBULA_FINISH)
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
        return border_no_resource(e, r->resource);
    if (r->role < 0 || r->role >= to->spec.roles)
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", to->spec.name, r->role);
    return 0;
}

int32_t nebula_call(struct nebula *n, const struct nebula_request *request)
{
    struct engine *e = border_enter(n);
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
    out->wants_input = is_ok && r->wants_input;
    out->line = r->line;
    out->column = r->column;
}

int32_t nebula_reply(struct nebula *n, int32_t ticket, struct nebula_reply *out)
{
    struct engine *e = border_enter(n);
    struct ticket *t = ticket_find(e, ticket);
    if (t == NULL || t->state == TICKET_PENDING)
        return engine_refuse(e, ERROR_STALE, "there is no reply at ticket %d", ticket);
    struct call *call = call_of(t);
    struct lend *lend = lend_of(t);
    *out = (struct nebula_reply){.changed = -1, .column = ""};
    if (call != NULL) {
        describe_call(out, e, call);
    } else if (lend != NULL) {
        describe(out, e, lend_error(lend));
        out->lease = lend_lease(lend);
    } else if (start_error(t) != NULL) {
        describe(out, e, start_error(t));
    } else if (errand_error(t) != NULL) {
        describe(out, e, errand_error(t));
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
    struct ticket *t = ticket_find(border_enter(n), ticket);
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
    struct ticket *t = ticket_find(border_enter(n), ticket);
    if (t != NULL)
        ticket_drop(t);
}
