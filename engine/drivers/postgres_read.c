/* postgres_read.c - bytes become a reply.
 *
 * A request has ended when ReadyForQuery was read, never before: the server acknowledges a
 * statement (CommandComplete) and commits it afterwards, and that may still fail. Of several errors
 * the first one is told.
 *
 * When the session ends while a statement runs, the server's FATAL answer proves that the statement
 * was rolled back, if the statement cannot commit by itself and was not acknowledged yet.
 * Everything else that ends in the middle is left in doubt: the connection fails without a reply.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

/* --- how it ended ----------------------------------------------------------------------------- */

static uint32_t session_of(struct postgres *p, uint32_t before)
{
    uint32_t session = before & (SESSION_DIRTY | SESSION_SPOILED);
    session |= p->is_dirty ? SESSION_DIRTY : 0;
    session |= p->is_spoiled || PQstatus(p->pg) == CONNECTION_BAD ? SESSION_SPOILED : 0;
    PGTransactionStatusType status = PQtransactionStatus(p->pg);
    if (p->phase == PG_HELD) /* libpq does not know before the end */
        session |= SESSION_STREAMING | (before & SESSION_IN_TRANSACTION);
    else if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)
        session |= SESSION_IN_TRANSACTION;
    return session;
}

void pg_reply(struct postgres *p)
{
    struct request *r = p->request;
    struct conn *c = conn_of(p);
    p->request = NULL;
    reply_init(&r->reply);
    r->reply.changed = p->changed;
    if (p->problem.code != ERROR_OK) {
        r->reply.error = p->problem;
        r->reply.is_partial = p->is_kept;
    } else {
        r->reply.more = p->phase == PG_HELD;
        if (p->rows != NULL && pg_rows_has_columns(p->rows)) {
            r->reply.result = pg_rows_result(p->rows);
            p->rows = NULL;
        }
    }
    pg_rows_free(&p->rows);
    c->session = session_of(p, c->session);
    if (p->is_cancelling)
        pg_owe(p, 0);
    if (p->is_spoiled || PQstatus(p->pg) == CONNECTION_BAD)
        pg_lose(p, p->problem.code != ERROR_OK ? &p->problem : NULL); /* before the next is sent */
    conn_replied(c, r);
}

static void hold(struct postgres *p)
{
    p->phase = PG_HELD;
    pg_watch(p, 0);
    pg_reply(p);
}

/* The server does not take the prepared statement as it is. */
static bool may_run_again(struct postgres *p)
{
    return p->is_stale && !p->is_again && !p->is_cancelling &&
           (conn_of(p)->session & SESSION_IN_TRANSACTION) == 0;
}

static void finish(struct postgres *p)
{
    if (p->is_pipelined && !PQexitPipelineMode(p->pg))
        p->is_spoiled = true;
    p->is_pipelined = false;
    if (may_run_again(p)) {
        error_clear(&p->problem);
        p->is_stale = p->is_preparing = false;
        pg_rows_free(&p->rows);
        pg_run_again(p);
        return;
    }
    p->phase = PG_IDLE;
    pg_watch(p, WATCH_READ);
    pg_reply(p);
}

/* --- what came -------------------------------------------------------------------------------- */

/* A plan whose columns have changed is found by the function that says so: the message may be in
 * any language. */
static void check_statement(struct postgres *p, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
    if (p->statement == NULL || !p->statement->is_prepared)
        return;
    bool is_missing = strcmp(state, "26000") == 0;
    bool is_changed = strcmp(state, "0A000") == 0 && function != NULL &&
                      strcmp(function, "RevalidateCachedQuery") == 0;
    if (is_changed) /* the program is right, and its transaction works when it is done again */
        p->problem.code = ERROR_CONFLICT;
    if (is_missing)
        pg_statements_drop(&p->statements, p->statement);
    else if (is_changed)
        pg_statements_retire(&p->statements, p->statement);
    else
        return;
    p->statement = NULL;
    p->is_stale = true;
}

static bool is_proven_undone(const struct postgres *p)
{
    switch (p->request->verb) {
    case NEBULA_RUN:
    case NEBULA_STREAM:
        return !p->is_complete && pg_is_all_or_nothing(p->request->text);
    case NEBULA_PREPARE:
    case NEBULA_PULL:
        return !p->is_complete;
    case NEBULA_SCRIPT:
    case NEBULA_STOP:
        return false;
    }
    UNREACHABLE();
}

/* The server is about to hang up. */
static void end_session(struct postgres *p)
{
    if (is_proven_undone(p)) {
        p->is_spoiled = true;
        pg_reply(p);
    } else {
        pg_lose(p, &p->problem);
    }
}

static bool may_have_committed(struct postgres *p, const PGresult *res)
{
    const struct request *r = p->request;
    bool has_text = r->verb == NEBULA_RUN || r->verb == NEBULA_SCRIPT || r->verb == NEBULA_STREAM;
    return has_text && (conn_of(p)->session & SESSION_IN_TRANSACTION) == 0 && !p->is_stale &&
           pg_commits_parts(r->text) && !pg_is_about_words(res);
}

static void complain(struct postgres *p, const PGresult *res)
{
    if (PQresultErrorField(res, PG_DIAG_SQLSTATE) == NULL) { /* libpq's words, not the server's */
        pg_lose(p, NULL);
        return;
    }
    if (p->is_evicting && !pg_is_fatal(res))
        return;
    if (p->problem.code == ERROR_OK)
        pg_error_of_result(&p->problem, pg_resource(p), res);
    if (p->problem.code == ERROR_DEADLINE && p->is_cancelling) /* it was us */
        p->problem.code = ERROR_CANCELLED;
    p->is_preparing = false;
    if (p->problem.code == ERROR_READ_ONLY) /* a server that has become a standby */
        p->is_spoiled = true;
    if (pg_is_fatal(res)) {
        end_session(p);
        return;
    }
    check_statement(p, res);
    p->is_kept |= may_have_committed(p, res);
}

static int64_t rows_touched(PGresult *res, const char *tag, bool has_rows)
{
    if (has_rows && (strncmp(tag, "SELECT", 6) == 0 || strncmp(tag, "FETCH", 5) == 0))
        return -1;
    const char *count = PQcmdTuples(res);
    return *count == '\0' ? -1 : strtoll(count, NULL, 10);
}

static void note_traces(struct postgres *p, const char *tag, bool has_rows)
{
    if (has_rows && strncmp(tag, "SELECT", 6) == 0) /* most of all, and nothing of what follows */
        return;
    const char *text = p->request->text != NULL ? p->request->text : "";
    if (pg_leaves_traces(tag, text, has_rows))
        p->is_dirty = true;
    if (strcmp(tag, "PREPARE") == 0) /* the reset keeps statements, which are ours as a rule */
        conn_of(p)->session |= SESSION_SPOILED;
    if (pg_forgets_statements(tag)) {
        pg_statements_forget(&p->statements);
        p->statement = NULL;
    }
    if (strcmp(tag, "COMMIT") == 0 || strcmp(tag, "PREPARE TRANSACTION") == 0)
        p->is_kept = true;
    if (strcmp(tag, "ROLLBACK") == 0 && pg_is_commit(text)) {
        error_set(
            &p->problem, ERROR_QUERY,
            "%s: the transaction was rolled back at its commit, because a statement in it had "
            "failed; nothing of it was done",
            pg_resource(p));
        strcpy(p->problem.state, "25P02");
    }
}

static void keep(struct postgres *p, PGresult *res)
{
    if (p->rows == NULL || (p->is_stream && p->is_cancelling)) {
        PQclear(res);
        return;
    }
    if (pg_rows_add(p->rows, res))
        return;
    struct error e;
    error_set(&e, ERROR_MEMORY, "%s: no memory for a row", pg_resource(p));
    pg_lose(p, &e);
}

static void complete(struct postgres *p, PGresult *res)
{
    bool has_rows = PQresultStatus(res) == PGRES_TUPLES_OK;
    if (p->is_evicting) {
        PQclear(res);
        return;
    }
    if (p->is_preparing) {
        p->is_preparing = false;
        if (p->statement != NULL)
            p->statement->is_prepared = true;
        PQclear(res);
        return;
    }
    const char *tag = PQcmdStatus(res);
    p->is_complete = true;
    p->changed = rows_touched(res, tag, has_rows);
    note_traces(p, tag, has_rows);
    bool is_wanted = has_rows && p->rows != NULL && !pg_rows_has_columns(p->rows);
    if (is_wanted)
        keep(p, res);
    else
        PQclear(res);
}

/* COPY comes with a later version: its rows would need verbs of their own. A server that waits for
 * rows is told that none come: it undoes the statement. */
static void refuse_copy_in(struct postgres *p)
{
    if (p->problem.code == ERROR_OK)
        error_set(&p->problem, ERROR_NOT_YET,
                  "%s: COPY FROM STDIN is not supported yet; insert the rows in a transaction",
                  pg_resource(p));
    if (PQputCopyEnd(p->pg, "not supported by the client") > 0)
        pg_flush(p);
    else
        pg_lose(p, NULL);
}

/* A server that sends rows does the statement, and learns too late that nobody reads. There may be
 * any number of them, so they are not read to their end. */
static void refuse_copy_out(struct postgres *p)
{
    if ((conn_of(p)->session & SESSION_IN_TRANSACTION) == 0)
        p->is_kept = true;
    error_set(&p->problem, ERROR_NOT_YET,
              "%s: COPY TO STDOUT is not supported yet; read the rows with stream", pg_resource(p));
    p->is_spoiled = true;
    pg_reply(p);
}

static void take(struct postgres *p, PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        complete(p, res);
        return;
    case PGRES_SINGLE_TUPLE:
        keep(p, res);
        return;
    case PGRES_PIPELINE_SYNC:
        if (p->is_evicting)
            p->is_evicting = false;
        else
            finish(p);
        break;
    case PGRES_PIPELINE_ABORTED:
    case PGRES_NONFATAL_ERROR:
        break;
    case PGRES_FATAL_ERROR:
    case PGRES_BAD_RESPONSE:
        complain(p, res);
        break;
    case PGRES_COPY_IN:
        refuse_copy_in(p);
        break;
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        refuse_copy_out(p);
        break;
    }
    PQclear(res);
}

static bool is_window_full(const struct postgres *p)
{
    return p->is_stream && !p->is_cancelling && p->rows != NULL && pg_rows_is_full(p->rows);
}

void pg_read(struct postgres *p)
{
    const struct request *r = p->request;
    while (p->request == r && p->phase == PG_BUSY && !PQisBusy(p->pg)) {
        if (is_window_full(p)) {
            hold(p);
            return;
        }
        PGresult *res = PQgetResult(p->pg);
        if (res != NULL)
            take(p, res);
        else if (PQstatus(p->pg) == CONNECTION_BAD)
            pg_lose(p, NULL);
        else if (!p->is_pipelined)
            finish(p);
    }
}
