/* postgres_read.c - bytes become a reply.
 *
 * A request has ended when ReadyForQuery was read, never before: the server acknowledges a
 * statement (CommandComplete) and commits it afterwards, and that may still fail. Of several errors
 * the first one is told.
 *
 * When the session ends while a statement runs, the server's FATAL answer proves that the statement
 * was rolled back, if the statement cannot commit by itself and was not acknowledged yet.
 * So does an error that was read before, if what it is about does not commit by itself. Everything
 * else that ends in the middle is left in doubt: the connection fails without a reply.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

/* --- how it ended ----------------------------------------------------------------------------- */

static uint32_t session_of(struct postgres *p, const struct pg_flight *f, uint32_t before)
{
    uint32_t session = before & (SESSION_DIRTY | SESSION_SPOILED);
    session |= f->is_dirty ? SESSION_DIRTY : 0;
    PGTransactionStatusType status = PQtransactionStatus(p->pg);
    p->is_spoiled |= status == PQTRANS_UNKNOWN; /* also of a connection that broke */
    session |= p->is_spoiled ? SESSION_SPOILED : 0;
    if (p->phase == PG_HELD) /* libpq does not know before the end */
        session |= SESSION_STREAMING | (before & SESSION_IN_TRANSACTION);
    else if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)
        session |= SESSION_IN_TRANSACTION;
    return session;
}

void pg_reply(struct postgres *p)
{
    struct pg_flight *f = p->head;
    struct request *r = f->request;
    struct conn *c = conn_of(p);
    pg_fill_reply(f);
    bool is_ok = r->reply.error.code == ERROR_OK;
    r->reply.more = is_ok && p->phase == PG_HELD;
    r->reply.wants_input = r->reply.more && p->copy.direction == PG_COPY_IN;
    c->session = session_of(p, f, c->session);
    pg_flight_fini(f);
    pg_flight_pop(p);
    p->owes &= ~PG_OWES_READING; /* it was owed to this one */
    if (p->is_cancelling)
        pg_owe(p, 0);
    if (p->is_spoiled)
        pg_lose(p, is_ok ? NULL : &r->reply.error); /* before the next is sent */
    if (p->is_turned)
        conn_turned(c);
    p->is_turned = false;
    conn_replied(c, r);
}

/* Who waits for input says nothing but notices and farewells, which are heard at once. */
void pg_hold(struct postgres *p)
{
    p->phase = PG_HELD;
    pg_watch(p, p->copy.direction == PG_COPY_IN ? WATCH_READ : 0);
    if (p->phase == PG_HELD)
        pg_reply(p);
}

/* The server does not take the prepared statement as it is. */
static bool may_run_again(struct postgres *p, const struct pg_flight *f)
{
    return f->is_stale && !f->is_again && !p->is_cancelling && !p->is_spoiled &&
           (conn_of(p)->session & SESSION_IN_TRANSACTION) == 0;
}

bool pg_leave_pipeline(struct postgres *p)
{
    if (p->is_pipelined && !PQexitPipelineMode(p->pg))
        p->is_spoiled = true;
    p->is_pipelined = false;
    return !p->is_spoiled;
}

static bool is_last(const struct postgres *p)
{
    return p->flights.count == 1;
}

static void rest(struct postgres *p)
{
    if (is_last(p)) {
        p->phase = PG_IDLE;
        pg_watch(p, WATCH_READ);
    }
    pg_reply(p);
}

void pg_reply_answered(struct postgres *p)
{
    if (is_last(p)) {
        pg_leave_pipeline(p);
        p->phase = p->before;
    }
    pg_reply(p);
}

/* The server was told to stop another one, and stopped this. */
static bool is_stray(const struct pg_flight *f)
{
    return f->is_exposed && strcmp(f->request->reply.error.state, "57014") == 0;
}

static void finish(struct postgres *p, struct pg_flight *f)
{
    if (p->is_contradicted || !pg_is_answered(f)) {
        pg_disbelieve(p, "did not say what became of the statement");
        return;
    }
    if (is_last(p))
        pg_leave_pipeline(p);
    if (f->request->is_shared) {
        f->request->reply.wants_again = f->is_stale || is_stray(f);
    } else if (may_run_again(p, f)) {
        error_clear(pg_problem(f));
        f->is_stale = f->is_preparing = f->is_refused = false;
        f->ahead = 0;
        pg_rows_free(&f->rows);
        pg_run_again(p, f);
        return;
    }
    rest(p);
}

/* From here on the results are the statement's own. */
static void end_prelude(struct postgres *p, struct pg_flight *f)
{
    f->is_prelude = false;
    if (f->part == NULL && pg_is_copy(f->request->text))
        pg_copy_go_on(p, f);
    else if (f->is_stream && !pg_go_row_by_row(p))
        pg_lose(p, NULL);
}

static void synced(struct postgres *p)
{
    struct pg_flight *f = p->head;
    if (f->is_prelude)
        end_prelude(p, f);
    else if (f->part == NULL)
        finish(p, f);
    else if (pg_batch_synced(p, f))
        rest(p);
}

/* --- what came -------------------------------------------------------------------------------- */

/* A plan whose columns have changed is found by the function that says so: the message may be in
 * any language. */
static void check_statement(struct postgres *p, struct pg_flight *f, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
    if (f->statement == NULL || !f->statement->is_prepared)
        return;
    bool is_missing = strcmp(state, "26000") == 0;
    bool is_changed = strcmp(state, "0A000") == 0 && function != NULL &&
                      strcmp(function, "RevalidateCachedQuery") == 0;
    if (is_changed) /* the program is right, and its transaction works when it is done again */
        pg_problem(f)->code = ERROR_CONFLICT;
    if (is_missing)
        pg_statements_drop(&p->statements, f->statement);
    else if (is_changed)
        pg_statements_retire(&p->statements, f->statement);
    else
        return;
    pg_statement_leave(&f->statement);
    f->is_stale = true;
}

static bool is_proven_undone(const struct postgres *p, const struct pg_flight *f)
{
    switch (f->request->verb) {
    case NEBULA_RUN:
    case NEBULA_STREAM:
        return !f->is_complete && pg_is_undone_as_a_whole(f->request->text);
    case NEBULA_PREPARE:
        return !f->is_complete;
    case NEBULA_PULL:
    case NEBULA_PUSH:
    case NEBULA_FINISH:
        return !f->is_complete && p->is_stream_whole;
    case NEBULA_SCRIPT:
    case NEBULA_BATCH:
    case NEBULA_STOP:
        return false;
    }
    UNREACHABLE();
}

/* The server has refused it already, and only the end of its answer is missing. What is to be done
 * again, or somewhere else, is not told so. */
static bool is_refused(const struct pg_flight *f)
{
    if (f == NULL || f->is_prelude)
        return false;
    return f->part != NULL ? pg_batch_is_refused(f) : f->is_refused && !f->is_stale && !is_stray(f);
}

bool pg_reply_refused(struct postgres *p)
{
    struct pg_flight *f = p->head;
    if (!is_refused(f) || p->is_contradicted)
        return false;
    if (f->part != NULL)
        pg_batch_ends_session(p, f, true);
    p->is_spoiled = true;
    pg_owe(p, PG_OWES_LOSS); /* again, if nobody closes it now */
    pg_reply(p);
    return true;
}

/* The server is about to hang up. */
static void end_session(struct postgres *p, struct pg_flight *f)
{
    bool is_proven = is_proven_undone(p, f);
    struct error why = *pg_problem(f);
    if (p->head->part != NULL)
        is_proven = pg_batch_ends_session(p, p->head, is_proven);
    if (is_proven) {
        p->is_spoiled = true;
        pg_reply(p);
    } else {
        pg_lose(p, &why);
    }
}

static bool may_have_committed(struct postgres *p, const struct pg_flight *f, const PGresult *res)
{
    const struct request *r = f->request;
    bool has_text = r->verb == NEBULA_RUN || r->verb == NEBULA_SCRIPT || r->verb == NEBULA_STREAM;
    return has_text && (conn_of(p)->session & SESSION_IN_TRANSACTION) == 0 && !f->is_stale &&
           pg_commits_parts(r->text) && !pg_is_about_words(res);
}

/* Its Parse failed, or was not read at all. */
static void forget_parse(struct pg_flight *f)
{
    if (f->is_preparing && f->statement != NULL)
        f->statement->is_on_its_way = false;
    f->is_preparing = false;
}

static bool reports(const struct postgres *p, const char *name)
{
    const char *value = PQparameterStatus(p->pg, name);
    return value != NULL && strcmp(value, "on") == 0;
}

/* Whether the server as a whole does not write any more, not this transaction or session alone, by
 * the measure of what the role needs. Before version 14 it does not say so. */
static bool has_turned(const struct postgres *p, const char *wants, uint32_t session)
{
    bool is_own = (session & SESSION_DIRTY) != 0;
    if (PQparameterStatus(p->pg, "in_hot_standby") == NULL)
        return !is_own && (session & SESSION_IN_TRANSACTION) == 0;
    return reports(p, "in_hot_standby") || (strcmp(wants, "read-write") == 0 && !is_own &&
                                            reports(p, "default_transaction_read_only"));
}

/* A server that is to write and has become a standby; one that is there to be read from, which some
 * statement is not content with; or one of which nobody said what it is. */
static void refused_to_write(struct postgres *p, struct pg_flight *f)
{
    const char *wants = target_get(p->target, PG_WANTS, "any");
    uint32_t session = conn_of(p)->session;
    if (strcmp(wants, "any") == 0)
        p->is_spoiled = true;
    else if (strcmp(wants, "primary") != 0 && strcmp(wants, "read-write") != 0)
        f->request->reply.wants_writer = (session & SESSION_IN_TRANSACTION) == 0;
    else
        p->is_turned = has_turned(p, wants, session);
}

/* The server heard what we did not say, or said something else than it heard: who knows what it
 * takes the next words for. */
static void misunderstood(struct postgres *p, struct pg_flight *f)
{
    pg_problem(f)->code = ERROR_PROTOCOL;
    p->is_spoiled = true;
}

static void complain(struct postgres *p, struct pg_flight *f, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (state == NULL) { /* libpq's words, not the server's */
        pg_lose(p, NULL);
        return;
    }
    if (pg_is_notice(res)) {
        pg_disbelieve(p, "called an error what is none");
        return;
    }
    if (p->trace != NULL) /* a statement that fails takes back what was told ahead of it */
        pg_trace_forget(p->trace, p->head->is_prelude || f->ahead > 0);
    if ((p->head->is_prelude || f->is_giving_up) && !pg_is_fatal(res))
        return;
    f->is_stale |= f->ahead > 0; /* not a word of the statement was looked at */
    if (pg_problem(f)->code == ERROR_OK) {
        pg_error_of_result(pg_problem(f), pg_resource(p), res);
        pg_copy_find_line(&f->request->reply, res);
    }
    if (pg_problem(f)->code == ERROR_DEADLINE && pg_is_being_cancelled(p)) /* it was us */
        pg_problem(f)->code = ERROR_CANCELLED;
    forget_parse(f);
    if (pg_problem(f)->code == ERROR_READ_ONLY)
        refused_to_write(p, f);
    if (pg_is_fatal(res)) {
        end_session(p, f);
        return;
    }
    f->is_refused = true;
    if (pg_is_misunderstood(res))
        misunderstood(p, f);
    check_statement(p, f, res);
    f->is_kept |= may_have_committed(p, f, res);
}

static int64_t rows_touched(PGresult *res, const char *tag, bool has_rows)
{
    if (has_rows && (strncmp(tag, "SELECT", 6) == 0 || strncmp(tag, "FETCH", 5) == 0))
        return -1;
    const char *count = PQcmdTuples(res);
    return *count == '\0' ? -1 : strtoll(count, NULL, 10);
}

static void note_traces(struct postgres *p, struct pg_flight *f, const char *tag, bool has_rows)
{
    if (has_rows && strncmp(tag, "SELECT", 6) == 0) /* most of all, and nothing of what follows */
        return;
    const char *text = f->request->text != NULL ? f->request->text : "";
    if (pg_leaves_traces(tag, text, has_rows))
        f->is_dirty = true;
    if (strcmp(tag, "PREPARE") == 0) /* the reset keeps statements, which are ours as a rule */
        conn_of(p)->session |= SESSION_SPOILED;
    if (pg_forgets_statements(tag)) {
        pg_statements_forget(&p->statements);
        pg_trace_forget(p->trace, true);
        pg_statement_leave(&f->statement);
    }
    if (strcmp(tag, "ROLLBACK") == 0 || strcmp(tag, "RESET") == 0) /* settings are as they were */
        pg_trace_forget(p->trace, false);
    bool is_commit =
        !f->is_complete && pg_is_commit(text); /* the first of a script, if it is one */
    p->is_contradicted |= is_commit && !pg_is_tag_of_commit(tag);
    if (strcmp(tag, "COMMIT") == 0 || strcmp(tag, "PREPARE TRANSACTION") == 0)
        f->is_kept = true;
    if (strcmp(tag, "ROLLBACK") == 0 && is_commit) {
        error_set(
            pg_problem(f), ERROR_QUERY,
            "%s: the transaction was rolled back at its commit, because a statement in it had "
            "failed; nothing of it was done",
            pg_resource(p));
        strcpy(pg_problem(f)->state, "25P02");
    }
}

static void keep(struct postgres *p, struct pg_flight *f, PGresult *res)
{
    bool is_wanted = f->rows != NULL && !p->head->is_prelude && f->ahead == 0;
    if (!is_wanted || (f->is_stream && p->is_cancelling)) {
        PQclear(res);
        return;
    }
    struct error e;
    if (!pg_rows_may_add(f->rows, res)) {
        PQclear(res);
        pg_disbelieve(p, "sent rows that nobody had asked for");
    } else if (!pg_rows_add(f->rows, res)) {
        error_set(&e, ERROR_MEMORY, "%s: no memory for a row", pg_resource(p));
        pg_lose(p, &e);
    }
}

static void complete(struct postgres *p, struct pg_flight *f, PGresult *res)
{
    bool has_rows = PQresultStatus(res) == PGRES_TUPLES_OK;
    if (p->head->is_prelude || f->ahead > 0) {
        f->ahead -= !p->head->is_prelude;
        PQclear(res);
        return;
    }
    if (f->is_preparing) {
        if (f->statement != NULL)
            f->statement->is_prepared = true;
        forget_parse(f);
        PQclear(res);
        return;
    }
    const char *tag = PQcmdStatus(res);
    p->is_contradicted |= f->is_refused; /* whatever it refuses, a server passes over the rest */
    f->changed = rows_touched(res, tag, has_rows);
    note_traces(p, f, tag, has_rows);
    f->is_complete = true;
    bool is_wanted = has_rows && f->rows != NULL && !pg_rows_has_columns(f->rows);
    if (is_wanted)
        keep(p, f, res);
    else
        PQclear(res);
}

static void take(struct postgres *p, struct pg_flight *f, PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        complete(p, f, res);
        return;
    case PGRES_SINGLE_TUPLE:
        keep(p, f, res);
        return;
    case PGRES_PIPELINE_SYNC:
        synced(p);
        break;
    case PGRES_PIPELINE_ABORTED:
        forget_parse(f);
        break;
    case PGRES_NONFATAL_ERROR:
        break;
    case PGRES_FATAL_ERROR:
    case PGRES_BAD_RESPONSE:
        complain(p, f, res);
        break;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        pg_copy_begin(p, f, res);
        break;
    }
    PQclear(res);
}

static void take_of_batch(struct postgres *p, struct pg_flight *batch, PGresult *res)
{
    struct pg_flight *f = pg_batch_current(batch);
    bool is_its = PQresultStatus(res) != PGRES_PIPELINE_SYNC && !batch->is_prelude;
    take(p, f, res);
    if (is_its && p->phase == PG_BUSY)
        pg_batch_took(batch, f);
}

static bool is_window_full(const struct postgres *p, const struct pg_flight *f)
{
    return f->is_stream && !p->is_cancelling && f->rows != NULL && pg_rows_is_full(f->rows);
}

static void read_head(struct postgres *p)
{
    struct pg_flight *f = p->head;
    const struct request *r = f->request;
    p->owes &= ~PG_OWES_READING; /* the socket may tell first */
    if (r->verb == NEBULA_PUSH && p->copy.direction == PG_COPY_IN) {
        pg_copy_pushed(p, f);
        return;
    }
    while (p->head == f && f->request == r && p->phase == PG_BUSY && !PQisBusy(p->pg)) {
        if (is_window_full(p, f)) {
            pg_hold(p);
            return;
        }
        if (p->copy.direction == PG_COPY_OUT) {
            if (!pg_copy_read(p, f))
                return;
            continue;
        }
        PGresult *res = PQgetResult(p->pg);
        if (res != NULL && f->part != NULL)
            take_of_batch(p, f, res);
        else if (res != NULL)
            take(p, f, res);
        else if (PQstatus(p->pg) == CONNECTION_BAD)
            pg_lose(p, NULL);
        else if (!p->is_pipelined)
            finish(p, f);
    }
}

/* Those that are shared have come behind one another; what was sent meanwhile has not come yet. */
static bool has_more(const struct postgres *p, const struct request *before)
{
    const struct pg_flight *f = p->head;
    return f != NULL && f->request != before && f->request->is_shared && !f->is_answered &&
           p->phase == PG_BUSY;
}

void pg_read(struct postgres *p)
{
    const struct request *r = NULL;
    while (p->head != NULL && (r == NULL || has_more(p, r))) { /* what is owed may have come */
        r = p->head->request;
        read_head(p);
    }
}
