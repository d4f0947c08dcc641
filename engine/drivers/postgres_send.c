/* postgres_send.c - a request becomes bytes on their way.
 *
 * What is sent unprepared, prepared or both in one pipeline is decided here, see
 * postgres_statements.c. Each request has a Sync of its own, also where several are in one pipeline.
 */
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

void pg_refuse(struct postgres *p, struct pg_flight *f, enum error_code code, const char *why)
{
    error_set(pg_problem(f), code, "%s: %s", pg_resource(p), why);
    pg_answer(p, f);
}

/* libpq did not take it: half of it may be on its way. */
static void not_taken(struct postgres *p)
{
    pg_lose(p, NULL);
}

void pg_flush(struct postgres *p)
{
    int left = PQflush(p->pg);
    if (left < 0)
        not_taken(p);
    else
        pg_watch(p, left > 0 ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

void pg_sent(struct postgres *p, bool ok)
{
    if (ok)
        pg_flush(p);
    else
        not_taken(p);
}

/* --- one statement ---------------------------------------------------------------------------- */

bool pg_go_row_by_row(struct postgres *p)
{
    p->is_row_by_row = PQsetSingleRowMode(p->pg) != 0;
    return p->is_row_by_row;
}

/* named: NULL when it goes with its text and without a name. */
static bool send_statement(struct postgres *p, struct pg_flight *f, const struct pg_params *v,
                           const struct pg_statement *named)
{
    if (named == NULL)
        return PQsendQueryParams(p->pg, f->request->text, v->count, v->type, v->value, v->size,
                                 v->format, 0);
    return PQsendQueryPrepared(p->pg, named->name.text, v->count, v->value, v->size, v->format, 0);
}

/* Inside a transaction a DEALLOCATE that fails would take the transaction with it. A stream reads
 * one result only. */
static bool may_evict(struct postgres *p, const struct pg_flight *f)
{
    return p->statements.gones > 0 && !f->is_stream &&
           (conn_of(p)->session & SESSION_IN_TRANSACTION) == 0;
}

static bool send_evictions(struct postgres *p)
{
    for (int i = 0; i < p->statements.gones; i++) {
        char text[32 + PG_NAME_SIZE];
        struct pg_name name = pg_statement_name(p->statements.table->gone[i]);
        snprintf(text, sizeof text, "DEALLOCATE %s", name.text);
        if (!PQsendQueryParams(p->pg, text, 0, NULL, NULL, NULL, NULL, 0))
            return false;
    }
    p->statements.gones = 0;
    return true;
}

bool pg_has_prelude(struct postgres *p, const struct pg_flight *f)
{
    return may_evict(p, f) || pg_trace_is_due(p, f->request);
}

/* A Sync of its own: whatever becomes of it does not touch the statement. A trace goes without one,
 * which would double the transactions and the packets of the server, when all of it can be done
 * again. After a stream libpq would go on row by row with whatever comes first in a pipeline: then
 * that is a Sync. */
static bool send_prelude(struct postgres *p, struct pg_flight *f)
{
    f->is_prelude = may_evict(p, f) || f->is_stream || p->is_row_by_row ||
                    !pg_is_all_or_nothing(f->request->text);
    p->is_row_by_row = false;
    bool is_told = !pg_trace_is_due(p, f->request) || pg_trace_send(p, f);
    if (!is_told || (may_evict(p, f) && !send_evictions(p)))
        return false;
    if (!f->is_prelude)
        return true;
    f->ahead = 0;
    return PQpipelineSync(p->pg) != 0;
}

bool pg_enter_pipeline(struct postgres *p, struct pg_flight *f)
{
    p->is_pipelined = PQenterPipelineMode(p->pg) != 0;
    bool needs_prelude = p->is_row_by_row || pg_has_prelude(p, f);
    return p->is_pipelined && (!needs_prelude || send_prelude(p, f));
}

/* Into a pipeline. A statement is prepared on the way. */
static bool send_commands(struct postgres *p, struct pg_flight *f, const struct pg_params *v,
                          struct pg_statement *named)
{
    f->due = 1;
    f->is_preparing = named != NULL && !named->is_prepared && !named->is_on_its_way;
    if (f->is_preparing) {
        f->due = 2;
        named->is_on_its_way = true;
        if (!PQsendPrepare(p->pg, named->name.text, f->request->text, v->count, v->type))
            return false;
    }
    return send_statement(p, f, v, named);
}

static bool send_pipeline(struct postgres *p, struct pg_flight *f, const struct pg_params *v,
                          struct pg_statement *named)
{
    return pg_enter_pipeline(p, f) && send_commands(p, f, v, named) && PQpipelineSync(p->pg);
}

static void run(struct postgres *p, struct pg_flight *f, bool may_prepare)
{
    struct request *r = f->request;
    struct pg_params v;
    if (!pg_params_init(&v, p, r)) {
        pg_answer(p, f);
        return;
    }
    struct pg_statement *named = f->statement;
    if (named != NULL && !named->is_prepared && (!may_prepare || named->is_on_its_way))
        named = NULL;
    bool needs_pipeline =
        r->is_shared || (named != NULL && !named->is_prepared) || pg_has_prelude(p, f);
    r->is_sent = true;
    bool ok = needs_pipeline ? send_pipeline(p, f, &v, named) : send_statement(p, f, &v, named);
    pg_params_fini(&v);
    if (ok && f->is_stream && !f->is_prelude)
        ok = pg_go_row_by_row(p);
    pg_sent(p, ok);
}

/* --- verbs ------------------------------------------------------------------------------------ */

/* Room for the reply is made before anything is sent: a reply that cannot be kept would be in
 * doubt. */
static bool make_room(struct postgres *p, struct pg_flight *f, int32_t most)
{
    f->rows = pg_rows_new(most);
    if (f->rows == NULL)
        pg_refuse(p, f, ERROR_MEMORY, "no memory for a reply");
    return f->rows != NULL;
}

/* Looking through a text for traces takes longer than finding it among those that were looked
 * through. */
static bool find_statement(struct postgres *p, struct pg_flight *f)
{
    bool is_new;
    f->statement = pg_statements_use(&p->statements, f->request, &is_new);
    f->is_dirty |=
        f->statement != NULL ? f->statement->is_suspect : pg_text_is_suspect(f->request->text);
    return !is_new;
}

/* What another one prepares just now is there only if that one does not fail. */
bool pg_send_part(struct postgres *p, struct pg_flight *f, bool is_together)
{
    struct pg_params v;
    if (!pg_params_init(&v, p, f->request)) {
        pg_lose(p, pg_problem(f));
        return false;
    }
    bool may_prepare = find_statement(p, f);
    struct pg_statement *named = f->is_again ? NULL : f->statement;
    bool is_there = named != NULL && (named->is_prepared || (named->is_on_its_way && is_together));
    if (!is_there && named != NULL && (named->is_on_its_way || !may_prepare))
        named = NULL;
    f->request->is_sent = true;
    bool ok = send_commands(p, f, &v, named);
    pg_params_fini(&v);
    return ok;
}

static void send_run(struct postgres *p, struct pg_flight *f)
{
    if (!make_room(p, f, 1))
        return;
    if (pg_is_copy(f->request->text))
        pg_copy_start(p, f);
    else
        run(p, f, find_statement(p, f));
}

/* A stream is long and its one round trip short: it is not worth a pipeline, and uses what is
 * there. */
static void send_stream(struct postgres *p, struct pg_flight *f)
{
    if (!make_room(p, f, f->request->window))
        return;
    f->is_stream = true;
    p->is_stream_whole = pg_is_undone_as_a_whole(f->request->text);
    if (pg_is_copy(f->request->text)) {
        pg_copy_start(p, f);
        return;
    }
    find_statement(p, f);
    run(p, f, false);
}

static void send_prepare(struct postgres *p, struct pg_flight *f)
{
    bool is_new;
    f->statement = pg_statements_use(&p->statements, f->request, &is_new);
    if (f->statement != NULL && f->statement->is_prepared) {
        pg_answer(p, f);
        return;
    }
    struct pg_params v;
    if (!pg_params_init(&v, p, f->request)) {
        pg_answer(p, f);
        return;
    }
    /* What cannot be kept is at least read by the server. */
    const char *name = f->statement != NULL ? f->statement->name.text : "";
    f->is_preparing = f->request->is_sent = true;
    bool ok = PQsendPrepare(p->pg, name, f->request->text, v.count, v.type) != 0;
    pg_params_fini(&v);
    pg_sent(p, ok);
}

static void send_script(struct postgres *p, struct pg_flight *f)
{
    f->request->is_sent = true;
    f->is_dirty = pg_text_is_suspect(f->request->text);
    pg_sent(p, PQsendQuery(p->pg, f->request->text) != 0);
}

/* The rows may be in libpq's hands already, so reading begins without the socket. The statement was
 * sent long ago, and nothing but its end proves that it was done. */
static void pull(struct postgres *p, struct pg_flight *f)
{
    f->is_stream = f->request->is_sent = true;
    if (f->request->verb == NEBULA_STOP || make_room(p, f, f->request->window))
        pg_owe(p, PG_OWES_READING);
}

static bool is_input(const struct request *r)
{
    return r->verb == NEBULA_PUSH || r->verb == NEBULA_FINISH;
}

static void send_to_stream(struct postgres *p, struct pg_flight *f, bool has_stream)
{
    if (has_stream && p->copy.direction != PG_NOT_COPYING)
        pg_copy_send(p, f);
    else if (has_stream && is_input(f->request))
        pg_refuse(p, f, ERROR_USAGE, "this stream takes no input: pull it");
    else if (has_stream)
        pull(p, f);
    else if (f->request->verb == NEBULA_STOP)
        pg_answer(p, f);
    else
        pg_refuse(p, f, ERROR_STALE, "the stream has ended");
}

static bool is_for_stream(const struct request *r)
{
    return r->verb == NEBULA_PULL || r->verb == NEBULA_STOP || is_input(r);
}

void pg_send(struct postgres *p, struct pg_flight *f)
{
    struct request *r = f->request;
    bool has_stream = p->phase == PG_HELD;
    if (f == p->head)
        p->before = p->phase;
    p->phase = PG_BUSY;
    if (is_for_stream(r)) {
        send_to_stream(p, f, has_stream);
        return;
    }
    if (has_stream) {
        pg_refuse(p, f, ERROR_USAGE, "a stream is open: pull it to its end, or stop it, first");
        return;
    }
    if (r->verb == NEBULA_BATCH) {
        pg_send_batch(p, f);
        return;
    }
    if (memchr(r->text, 0, r->text_size) != NULL) {
        pg_refuse(p, f, ERROR_QUERY, "the statement has a zero byte");
        return;
    }
    switch (r->verb) {
    case NEBULA_RUN:
        send_run(p, f);
        return;
    case NEBULA_SCRIPT:
        send_script(p, f);
        return;
    case NEBULA_PREPARE:
        send_prepare(p, f);
        return;
    case NEBULA_STREAM:
        send_stream(p, f);
        return;
    case NEBULA_BATCH:
    case NEBULA_PULL:
    case NEBULA_STOP:
    case NEBULA_PUSH:
    case NEBULA_FINISH:
        break;
    }
    UNREACHABLE();
}

void pg_run_again(struct postgres *p, struct pg_flight *f)
{
    f->is_again = true;
    pg_statement_leave(&f->statement);
    if (f->request->verb == NEBULA_STREAM)
        send_stream(p, f);
    else
        send_run(p, f);
}
