/* sqlite_serve.c - one request on an open session. */
#include "drivers/sqlite_session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "drivers/sqlite_rows.h"

/* --- refusing ------------------------------------------------------------------------------- */

static void fail(struct sqlite_session *s, struct reply *out, int rc)
{
    sqlite_session_explain(s, rc, &out->error);
    /* A reader may also meet work that only a writer can do: rolling back after a crash. */
    out->wants_writer = (rc & 0xff) == SQLITE_READONLY && !s->is_writer;
}

static bool is_one_text(const struct request *r, struct reply *out)
{
    if (memchr(r->text, '\0', r->text_size) == NULL)
        return true;
    error_set(&out->error, ERROR_QUERY,
              "there is a NUL byte in the statement: pass it as a parameter");
    return false;
}

/* Readers do not run what is not certainly a read; SQLite knows that once it has prepared. */
static bool may_run(const struct sqlite_session *s, sqlite3_stmt *stmt, struct reply *out)
{
    if (s->is_writer || sqlite3_stmt_readonly(stmt) != 0)
        return true;
    error_set(&out->error, ERROR_READ_ONLY,
              "the statement writes and this connection only reads: lease the role writer");
    out->wants_writer = true;
    return false;
}

/* --- parameters ----------------------------------------------------------------------------- */

static int bind_one(sqlite3_stmt *stmt, int at, const struct nebula_value *v,
                    sqlite3_destructor_type lifetime)
{
    switch ((enum nebula_type)v->type) {
    case NEBULA_NULL:
        return sqlite3_bind_null(stmt, at);
    case NEBULA_BOOL:
    case NEBULA_INT:
        return sqlite3_bind_int64(stmt, at, v->integer);
    case NEBULA_FLOAT:
        return sqlite3_bind_double(stmt, at, v->number);
    case NEBULA_TEXT:
        return sqlite3_bind_text64(stmt, at, v->size == 0 ? "" : v->bytes, v->size, lifetime,
                                   SQLITE_UTF8);
    case NEBULA_BYTES: /* a NULL pointer would be a NULL */
        return sqlite3_bind_blob64(stmt, at, v->size == 0 ? "" : v->bytes, v->size, lifetime);
    }
    UNREACHABLE();
}

static bool bind_all(struct sqlite_session *s, sqlite3_stmt *stmt, const struct request *r,
                     struct reply *out)
{
    /* A stream outlives its first request, and with it the bytes of the parameters. */
    sqlite3_destructor_type lifetime = r->verb == NEBULA_STREAM ? SQLITE_TRANSIENT : SQLITE_STATIC;
    int wanted = sqlite3_bind_parameter_count(stmt);
    if (wanted != r->count) {
        error_set(&out->error, ERROR_QUERY, "the statement has %d parameter%s and was given %d",
                  wanted, wanted == 1 ? "" : "s", r->count);
        return false;
    }
    for (int32_t i = 0; i < r->count; i++) {
        if (r->value[i].type == NEBULA_FLOAT && isnan(r->value[i].number)) {
            error_set(&out->error, ERROR_QUERY,
                      "parameter %d is not a number (NaN), which SQLite would make NULL: pass null",
                      i + 1);
            return false;
        }
        int rc = bind_one(stmt, i + 1, &r->value[i], lifetime);
        if (rc != SQLITE_OK) {
            fail(s, out, rc);
            return false;
        }
    }
    return true;
}

/* --- one statement -------------------------------------------------------------------------- */

/* A statement for r that may run here; NULL when out->error says why not. */
static struct statement *take(struct sqlite_session *s, const struct request *r, struct reply *out)
{
    struct statement *taken = NULL;
    if (!is_one_text(r, out))
        return NULL;
    int rc = statement_take(&s->statements, s->db, r->text, r->text_size, &taken);
    if (rc == SQLITE_MISUSE)
        error_set(&out->error, ERROR_QUERY,
                  "there is more than one statement in the text: run a script, or one at a time");
    else if (rc == SQLITE_EMPTY)
        error_set(&out->error, ERROR_QUERY, "there is no statement in the text");
    else if (rc != SQLITE_OK)
        fail(s, out, rc);
    else if (!may_run(s, taken->stmt, out))
        statement_give(&taken);
    return taken;
}

static struct statement *take_bound(struct sqlite_session *s, const struct request *r,
                                    struct reply *out)
{
    struct statement *taken = take(s, r, out);
    if (taken != NULL && !bind_all(s, taken->stmt, r, out))
        statement_give(&taken);
    return taken;
}

/* Copies the row the statement stands on; the names of the columns also when there is none. */
static int copy_row(struct rows **rows, sqlite3_stmt *stmt, bool is_row)
{
    if (*rows == NULL && sqlite3_column_count(stmt) > 0 && (*rows = rows_new(stmt)) == NULL)
        return SQLITE_NOMEM;
    return is_row ? rows_add(*rows, stmt) : SQLITE_OK;
}

/* At most `window` rows. SQLITE_DONE, SQLITE_ROW when there may be more, or what went wrong: then
 * all that the statement did is undone, as far as it is not part of a longer transaction. */
static int fetch(struct sqlite_session *s, struct statement **taken, int32_t window,
                 struct reply *out)
{
    sqlite3_stmt *stmt = (*taken)->stmt;
    struct rows *rows = NULL;
    int rc = SQLITE_ROW;
    for (int32_t n = 0; n < window && rc == SQLITE_ROW; n++) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            break;
        int copied = copy_row(&rows, stmt, rc == SQLITE_ROW);
        if (copied != SQLITE_OK)
            rc = copied;
    }
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        out->result = rows == NULL ? NULL : rows_result(rows);
        return rc;
    }
    fail(s, out, rc);
    rows_free(&rows);
    s->must_undo = true;
    statement_give(taken);
    s->must_undo = false;
    return rc;
}

/* What a statement changed, which SQLite itself only knows of the last one that did change
 * something. */
static void count_changes(struct sqlite_session *s, sqlite3_stmt *stmt, int64_t total_before,
                          struct reply *out)
{
    if (sqlite3_stmt_readonly(stmt) != 0)
        return;
    bool has_changed = sqlite3_total_changes64(s->db) != total_before;
    out->changed = has_changed ? sqlite3_changes64(s->db) : 0;
    out->last_id = sqlite3_last_insert_rowid(s->db);
}

static void run(struct sqlite_session *s, struct request *r)
{
    struct statement *taken = take_bound(s, r, &r->reply);
    if (taken == NULL)
        return;
    int64_t total_before = sqlite3_total_changes64(s->db);
    if (fetch(s, &taken, INT32_MAX, &r->reply) != SQLITE_DONE)
        return;
    count_changes(s, taken->stmt, total_before, &r->reply);
    statement_give(&taken);
}

static void prepare(struct sqlite_session *s, struct request *r)
{
    struct statement *taken = take(s, r, &r->reply);
    if (taken != NULL)
        statement_give(&taken);
}

/* --- streams -------------------------------------------------------------------------------- */

static void pull(struct sqlite_session *s, struct request *r)
{
    if (s->stream == NULL) {
        error_set(&r->reply.error, ERROR_STALE, "there is no stream to pull from: it has ended");
        return;
    }
    CHECK(r->window > 0);
    int rc = fetch(s, &s->stream, r->window, &r->reply);
    r->reply.more = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE)
        statement_give(&s->stream);
}

static void stream(struct sqlite_session *s, struct request *r)
{
    if (s->stream != NULL) {
        error_set(&r->reply.error, ERROR_USAGE,
                  "a stream is open on this lease: read it to its end, or close it first");
        return;
    }
    s->stream = take_bound(s, r, &r->reply);
    if (s->stream != NULL)
        pull(s, r);
}

static void stop(struct sqlite_session *s, struct request *r)
{
    if (s->stream == NULL)
        return;
    int rc = statement_give(&s->stream);
    if (rc != SQLITE_OK)
        fail(s, &r->reply, rc);
}

void sqlite_session_stop_stream(struct sqlite_session *s)
{
    if (s->stream != NULL)
        statement_give(&s->stream);
}

/* --- scripts -------------------------------------------------------------------------------- */

/* Runs the statement to its end and throws it away. The last one's changes are the script's. */
static int finish(struct sqlite_session *s, sqlite3_stmt *stmt, struct reply *out)
{
    int64_t total_before = sqlite3_total_changes64(s->db);
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    out->changed = 0;
    if (rc == SQLITE_DONE)
        count_changes(s, stmt, total_before, out);
    else
        fail(s, out, rc);
    sqlite3_finalize(stmt);
    return rc;
}

/* Runs the first statement of *text and moves past it. False when the script ends here. */
static bool run_next(struct sqlite_session *s, const char **text, struct reply *out)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(s->db, *text, -1, &stmt, text);
    if (rc == SQLITE_OK && atomic_load(&s->is_stopping)) {
        sqlite3_finalize(stmt);
        rc = SQLITE_INTERRUPT;
    }
    if (rc != SQLITE_OK) {
        fail(s, out, rc);
        return false;
    }
    if (stmt == NULL) /* a comment, or nothing */
        return **text != '\0';
    if (may_run(s, stmt, out))
        return finish(s, stmt, out) == SQLITE_DONE && **text != '\0';
    sqlite3_finalize(stmt);
    return false;
}

/* What a reader had done of a script before it met the write was reading, or the begin of a
 * transaction. */
static void undo_begin(struct sqlite_session *s, bool was_outside)
{
    if (was_outside && sqlite3_get_autocommit(s->db) == 0)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static void number(struct error *e, int n, bool is_kept)
{
    char text[sizeof e->text];
    snprintf(text, sizeof text, "%s", e->text);
    snprintf(e->text, sizeof e->text, "statement %d of the script%s: %.150s", n,
             is_kept ? ", those before it are done" : "", text);
}

static void script(struct sqlite_session *s, struct request *r)
{
    struct reply *out = &r->reply;
    if (!is_one_text(r, out))
        return;
    bool was_outside = sqlite3_get_autocommit(s->db) != 0;
    const char *text = r->text;
    int n = 1;
    bool is_kept = false; /* was anything outside of a transaction, or committed */
    while (run_next(s, &text, out)) {
        n++;
        is_kept = is_kept || sqlite3_get_autocommit(s->db) != 0;
    }
    if (out->wants_writer)
        undo_begin(s, was_outside);
    else if (out->error.code != ERROR_OK && n > 1) {
        number(&out->error, n, is_kept);
        out->is_partial = is_kept;
    }
}

/* --- serving -------------------------------------------------------------------------------- */

/* Whoever writes to a file without a name acknowledges what nobody will read. */
static bool has_moved(struct sqlite_session *s, struct request *r)
{
    int moved = 0;
    if (s->is_memory ||
        sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK ||
        moved == 0)
        return false;
    s->is_lost = true;
    error_set(&r->reply.error, ERROR_LOST, "%s was deleted or replaced since it was opened",
              s->file);
    return true;
}

void sqlite_session_serve(struct sqlite_session *s)
{
    struct request *r = s->request;
    if (has_moved(s, r))
        return;
    r->reply.changed = -1;
    switch (r->verb) {
    case NEBULA_RUN:
        run(s, r);
        return;
    case NEBULA_SCRIPT:
        script(s, r);
        return;
    case NEBULA_PREPARE:
        prepare(s, r);
        return;
    case NEBULA_STREAM:
        stream(s, r);
        return;
    case NEBULA_PULL:
        pull(s, r);
        return;
    case NEBULA_STOP:
        stop(s, r);
        return;
    case NEBULA_PUSH:
    case NEBULA_FINISH:
        error_set(&r->reply.error, ERROR_USAGE, "SQLite has no stream that takes input");
        return;
    case NEBULA_BATCH: /* it takes none */
        break;
    }
    UNREACHABLE();
}

uint32_t sqlite_session_bits(const struct sqlite_session *s)
{
    uint32_t bits = sqlite3_get_autocommit(s->db) == 0 ? SESSION_IN_TRANSACTION : 0;
    if (s->is_dirty && !s->is_memory) /* who is dirty is closed, and the data with it */
        bits |= SESSION_DIRTY;
    if (s->stream != NULL)
        bits |= SESSION_STREAMING;
    return bits;
}
