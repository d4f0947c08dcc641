/* postgres_send.c - a request becomes bytes on their way.
 *
 * What is sent unprepared, prepared or both in one pipeline is decided here, see
 * postgres_statements.c. A pipeline of ours always ends with its own Sync and holds one request: it
 * is one round trip, not a batch.
 */
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

static void refuse(struct postgres *p, enum error_code code, const char *why)
{
    error_set(&p->problem, code, "%s: %s", pg_resource(p), why);
    pg_owe(p, PG_OWES_ANSWER);
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

static void sent(struct postgres *p, bool ok)
{
    if (ok)
        pg_flush(p);
    else
        not_taken(p);
}

/* --- one statement ---------------------------------------------------------------------------- */

/* named: NULL when it goes with its text and without a name. */
static bool send_statement(struct postgres *p, const struct pg_params *v,
                           const struct pg_statement *named)
{
    if (named == NULL)
        return PQsendQueryParams(p->pg, p->request->text, v->count, v->type, v->value, v->size,
                                 v->format, 0);
    return PQsendQueryPrepared(p->pg, named->name.text, v->count, v->value, v->size, v->format, 0);
}

/* Inside a transaction a DEALLOCATE that fails would take the transaction with it. A stream reads
 * one result only. */
static bool may_evict(struct postgres *p)
{
    return p->statements.gones > 0 && !p->is_stream &&
           (conn_of(p)->session & SESSION_IN_TRANSACTION) == 0;
}

/* A Sync of its own: whatever becomes of it does not touch the statement. */
static bool send_evictions(struct postgres *p)
{
    p->is_evicting = true;
    for (int i = 0; i < p->statements.gones; i++) {
        char text[32 + PG_NAME_SIZE];
        struct pg_name name = pg_statement_name(p->statements.gone[i]);
        snprintf(text, sizeof text, "DEALLOCATE %s", name.text);
        if (!PQsendQueryParams(p->pg, text, 0, NULL, NULL, NULL, NULL, 0))
            return false;
    }
    p->statements.gones = 0;
    return PQpipelineSync(p->pg) != 0;
}

static bool send_pipeline(struct postgres *p, const struct pg_params *v,
                          const struct pg_statement *named)
{
    p->is_pipelined = PQenterPipelineMode(p->pg) != 0;
    if (!p->is_pipelined)
        return false;
    if (may_evict(p) && !send_evictions(p))
        return false;
    p->is_preparing = named != NULL && !named->is_prepared;
    if (p->is_preparing &&
        !PQsendPrepare(p->pg, named->name.text, p->request->text, v->count, v->type))
        return false;
    return send_statement(p, v, named) && PQpipelineSync(p->pg);
}

static void run(struct postgres *p, bool may_prepare)
{
    struct request *r = p->request;
    struct pg_params v;
    if (!pg_params_init(&v, p)) {
        pg_owe(p, PG_OWES_ANSWER);
        return;
    }
    const struct pg_statement *named = p->statement;
    if (named != NULL && !named->is_prepared && !may_prepare)
        named = NULL;
    bool needs_pipeline = (named != NULL && !named->is_prepared) || may_evict(p);
    r->is_sent = true;
    bool ok = needs_pipeline ? send_pipeline(p, &v, named) : send_statement(p, &v, named);
    pg_params_fini(&v);
    if (ok && p->is_stream)
        ok = PQsetSingleRowMode(p->pg) != 0;
    sent(p, ok);
}

/* --- verbs ------------------------------------------------------------------------------------ */

/* Room for the reply is made before anything is sent: a reply that cannot be kept would be in
 * doubt. */
static bool make_room(struct postgres *p, int32_t most)
{
    p->rows = pg_rows_new(most);
    if (p->rows == NULL)
        refuse(p, ERROR_MEMORY, "no memory for a reply");
    return p->rows != NULL;
}

/* Looking through a text for traces takes longer than finding it among those that were looked
 * through. */
static bool find_statement(struct postgres *p)
{
    bool is_new;
    p->statement = pg_statements_use(&p->statements, p->request, &is_new);
    p->is_dirty |=
        p->statement != NULL ? p->statement->is_suspect : pg_text_is_suspect(p->request->text);
    return !is_new;
}

static void send_run(struct postgres *p)
{
    if (make_room(p, 1))
        run(p, find_statement(p));
}

/* A stream is long and its one round trip short: it is not worth a pipeline, and uses what is
 * there. */
static void send_stream(struct postgres *p)
{
    if (!make_room(p, p->request->window))
        return;
    p->is_stream = true;
    find_statement(p);
    run(p, false);
}

static void send_prepare(struct postgres *p)
{
    bool is_new;
    p->statement = pg_statements_use(&p->statements, p->request, &is_new);
    if (p->statement != NULL && p->statement->is_prepared) {
        pg_owe(p, PG_OWES_ANSWER);
        return;
    }
    struct pg_params v;
    if (!pg_params_init(&v, p)) {
        pg_owe(p, PG_OWES_ANSWER);
        return;
    }
    /* What cannot be kept is at least read by the server. */
    const char *name = p->statement != NULL ? p->statement->name.text : "";
    p->is_preparing = p->request->is_sent = true;
    bool ok = PQsendPrepare(p->pg, name, p->request->text, v.count, v.type) != 0;
    pg_params_fini(&v);
    sent(p, ok);
}

static void send_script(struct postgres *p)
{
    p->request->is_sent = true;
    p->is_dirty = pg_text_is_suspect(p->request->text);
    sent(p, PQsendQuery(p->pg, p->request->text) != 0);
}

/* The rows may be in libpq's hands already, so reading begins without the socket. */
static void pull(struct postgres *p)
{
    p->is_stream = true;
    if (p->request->verb == NEBULA_STOP || make_room(p, p->request->window))
        pg_owe(p, PG_OWES_READING);
}

static void send_to_stream(struct postgres *p, bool has_stream)
{
    if (has_stream)
        pull(p);
    else if (p->request->verb == NEBULA_STOP)
        pg_owe(p, PG_OWES_ANSWER);
    else
        refuse(p, ERROR_STALE, "the stream has ended");
}

static bool is_for_stream(const struct request *r)
{
    return r->verb == NEBULA_PULL || r->verb == NEBULA_STOP;
}

void pg_send(struct postgres *p)
{
    struct request *r = p->request;
    bool has_stream = p->phase == PG_HELD;
    p->before = p->phase;
    p->phase = PG_BUSY;
    if (is_for_stream(r)) {
        send_to_stream(p, has_stream);
        return;
    }
    if (has_stream) {
        refuse(p, ERROR_USAGE, "a stream is open: pull it to its end, or stop it, first");
        return;
    }
    if (memchr(r->text, 0, r->text_size) != NULL) {
        refuse(p, ERROR_QUERY, "the statement has a zero byte");
        return;
    }
    switch (r->verb) {
    case NEBULA_RUN:
        send_run(p);
        return;
    case NEBULA_SCRIPT:
        send_script(p);
        return;
    case NEBULA_PREPARE:
        send_prepare(p);
        return;
    case NEBULA_STREAM:
        send_stream(p);
        return;
    case NEBULA_PULL:
    case NEBULA_STOP:
        break;
    }
    UNREACHABLE();
}

void pg_run_again(struct postgres *p)
{
    p->is_again = true;
    p->statement = NULL;
    if (p->request->verb == NEBULA_STREAM)
        send_stream(p);
    else
        send_run(p);
}
