/* nebula_call.c - tickets: what is asked, and what it ended with. */
#include "nebula_border.h"

#include <string.h>

#include "core/batch.h"
#include "core/call.h"
#include "core/errand.h"
#include "core/inquiry.h"
#include "core/hear.h"
#include "core/lend.h"
#include "core/listen.h"
#include "core/nap.h"
#include "core/refused.h"
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

static int32_t check_statement(struct engine *e, const struct nebula_part *s)
{
    if (s->count < 0 || (s->count > 0 && s->value == NULL) || (s->text_size > 0 && s->text == NULL))
        return engine_refuse(e, ERROR_USAGE, "a request with %d values or a text that is not there",
                             s->count);
    for (int32_t i = 0; i < s->count; i++)
        if (!is_value(&s->value[i]))
            return engine_refuse(e, ERROR_USAGE,
                                 "value %d is of no type, or its bytes are not there", i + 1);
    return 0;
}

static int32_t check_batch(struct engine *e, const struct nebula_request *r)
{
    if (r->parts < 1 || r->part == NULL)
        return engine_refuse(e, ERROR_USAGE, "a batch without parts");
    if (r->parts > BATCH_PARTS_MOST)
        return engine_refuse(e, ERROR_LIMIT, "a batch of %d statements; at most %d", r->parts,
                             BATCH_PARTS_MOST);
    for (int32_t i = 0; i < r->parts; i++) {
        int32_t refusal = check_statement(e, &r->part[i]);
        if (refusal < 0)
            return refusal;
    }
    if (request_room(r) > BATCH_BYTES_MOST)
        return engine_refuse(e, ERROR_LIMIT, "a batch of more than %d MiB",
                             BATCH_BYTES_MOST / 1024 / 1024);
    return 0;
}

static int32_t check_content(struct engine *e, const struct nebula_request *r)
{
    if (r->verb == NEBULA_BATCH)
        return check_batch(e, r);
    const struct nebula_part all = {
        .text = r->text, .text_size = r->text_size, .count = r->count, .value = r->value};
    return check_statement(e, &all);
}

static int32_t check_request(struct engine *e, const struct nebula_request *r)
{
    if (r->verb < NEBULA_RUN || r->verb > NEBULA_FINISH)
        return engine_refuse(e, ERROR_USAGE, "there is no verb number %d", r->verb);
    int32_t refusal = check_content(e, r);
    if (refusal < 0)
        return refusal;
    if (r->lease == 0 && r->verb >= NEBULA_STREAM)
        return engine_refuse(e, ERROR_USAGE, "a stream needs a lease");
    if ((r->verb == NEBULA_STREAM || r->verb == NEBULA_PULL) && r->window < 1)
        return engine_refuse(e, ERROR_USAGE, "a window of %d rows; at least 1", r->window);
    if (r->lease != 0)
        return 0;
    const struct resource *to = table_get(&e->resources, r->resource);
    if (to == NULL)
        return border_no_resource(e, r->resource);
    if (r->role < 0 || r->role >= to->spec->roles)
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", to->name, r->role);
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

static void describe_reply(struct nebula_reply *out, const struct reply *r)
{
    bool is_ok = out->code == 0;
    out->rows = is_ok && r->result != NULL ? r->result->rows : 0;
    out->columns = is_ok && r->result != NULL ? r->result->columns : 0;
    out->changed = r->changed;
    out->last_id = r->last_id;
    out->more = is_ok && r->more;
    out->wants_input = is_ok && r->wants_input;
    out->line = r->line;
    out->column = r->column_at == 0 ? "" : r->error.text + r->column_at;
}

/* What was not answered went the way of the whole. */
static void describe_part(struct nebula_reply *out, const struct engine *e, struct call *c)
{
    struct part *p = c->shown;
    describe(out, e, p->is_answered ? &p->request.reply.error : &c->error);
    out->outcome = p->outcome;
    if (p->is_answered)
        describe_reply(out, &p->request.reply);
}

/* Of a call that was answered while its request is still the driver's, and its thread's, there is no
 * reply. */
static void describe_call(struct nebula_reply *out, const struct engine *e, struct call *c)
{
    call_explain(c);
    if (c->shown != NULL) {
        describe_part(out, e, c);
    } else {
        describe(out, e, &c->error);
        out->outcome = c->outcome;
        if (!c->answer->is_in_flight)
            describe_reply(out, &c->answer->request.reply);
    }
    out->attempts = c->again.attempts;
    out->role = c->answer->role;
    out->deadline_us = c->attempt.deadline_us;
    out->parts = c->attempt.request.parts;
    out->part =
        c->error.code == ERROR_OK || c->answer->is_in_flight ? 0 : c->answer->request.reply.part;
}

/* As of a call that was never sent. */
static void describe_refused(struct nebula_reply *out, const struct engine *e, struct refused *f)
{
    describe(out, e, refused_error(f));
    out->role = f->role;
    out->deadline_us = f->deadline_us;
}

int32_t nebula_reply(struct nebula *n, int32_t ticket, struct nebula_reply *out)
{
    struct engine *e = border_enter(n);
    struct ticket *t = ticket_find(e, ticket);
    if (t == NULL || t->state == TICKET_PENDING)
        return engine_refuse(e, ERROR_STALE, "there is no reply at ticket %d", ticket);
    struct call *call = call_of(t);
    struct refused *refused = refused_of(t);
    struct lend *lend = lend_of(t);
    struct listen *listen = listen_of(t);
    struct hear *hear = hear_of(t);
    *out = (struct nebula_reply){.changed = -1, .column = ""};
    if (call != NULL) {
        describe_call(out, e, call);
    } else if (refused != NULL) {
        describe_refused(out, e, refused);
    } else if (lend != NULL) {
        describe(out, e, lend_error(lend));
        out->lease = lend_lease(lend);
    } else if (listen != NULL) {
        describe(out, e, listen_error(listen));
        out->listener = listen_listener(listen);
    } else if (hear != NULL) {
        describe(out, e, &hear->error);
    } else if (start_error(t) != NULL) {
        describe(out, e, start_error(t));
    } else if (errand_error(t) != NULL) {
        describe(out, e, errand_error(t));
    } else if (inquiry_error(t) != NULL) {
        describe(out, e, inquiry_error(t));
    } else {
        out->code = (int32_t)t->code;
        out->outcome = t->code == ERROR_OK ? OUTCOME_OK : OUTCOME_FAILED;
        out->text = t->code == ERROR_OK ? "" : error_manual(t->code);
        out->state = "";
    }
    return 0;
}

static const struct result *result_shown(const struct call *c)
{
    if (c->shown == NULL)
        return c->answer->is_in_flight ? NULL : c->answer->request.reply.result;
    return c->shown->is_answered ? c->shown->request.reply.result : NULL;
}

/* NULL when there is none, or it has no such column. */
static const struct result *result_of(struct nebula *n, int32_t ticket, int32_t column)
{
    struct ticket *t = ticket_find(border_enter(n), ticket);
    struct call *c = t == NULL || t->state != TICKET_TAKEN ? NULL : call_of(t);
    const struct result *r = c == NULL ? NULL : result_shown(c);
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

int32_t nebula_part(struct nebula *n, int32_t ticket, int32_t part)
{
    struct engine *e = border_enter(n);
    struct ticket *t = ticket_find(e, ticket);
    struct call *c = t == NULL || t->state == TICKET_PENDING ? NULL : call_of(t);
    if (c == NULL || part < 0 || part > c->attempt.request.parts)
        return engine_refuse(e, ERROR_STALE, "there is no part %d at ticket %d", part, ticket);
    c->shown = part == 0 ? NULL : &c->attempt.request.part[part - 1];
    return 0;
}

void nebula_done(struct nebula *n, int32_t ticket)
{
    struct ticket *t = ticket_find(border_enter(n), ticket);
    if (t != NULL)
        ticket_drop(t);
}
