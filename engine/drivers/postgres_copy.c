/* postgres_copy.c - COPY: bytes to the server and bytes from it, any number of them.
 *
 * A COPY is a stream, and the reply to STREAM says no more than that it has begun. The server sends
 * each line as a message of its own; they are gathered into chunks, and libpq is asked for no more
 * than one chunk has room for, so that who does not pull holds the server up. Input is pushed: a
 * push ends when the kernel has taken its last byte, so that the server holds up who pushes. A
 * server that fails takes the rest and throws it away: a push after that is answered with its error,
 * as a rule the next one (postgres_peek.c), and else the end of the input.
 *
 * Nothing that was pushed is done before the server has read CopyDone, and FINISH alone sends that.
 * Everything else that ends a COPY, the end of the connection included, undoes it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

#define CHUNK_SIZE (64 * 1024)             /* bytes; a chunk with so many is full */
#define PUSH_MOST (1024 * 1024 * 1024 - 1) /* bytes; the server takes no longer message */
#define WORD_MOST 40                       /* bytes of the word for "line" in any language */

/* --- chunks ----------------------------------------------------------------------------------- */

struct pg_chunk {
    struct result result;
    bool is_binary;
    size_t size, room;
    char *bytes;
};

static void cell(const struct result *r, int32_t row, int32_t column, struct nebula_value *out)
{
    const struct pg_chunk *chunk = container_of(r, const struct pg_chunk, result);
    CHECK(row == 0 && column == 0);
    out->type = chunk->is_binary ? NEBULA_BYTES : NEBULA_TEXT;
    out->bytes = chunk->bytes;
    out->size = (uint32_t)chunk->size;
}

static void column(const struct result *r, int32_t i, struct nebula_column *out)
{
    static const char name[] = "chunk";
    CHECK(i == 0 && r->columns == 1);
    *out = (struct nebula_column){.name = name, .size = sizeof name - 1};
}

static void free_result(struct result *r)
{
    struct pg_chunk *chunk = container_of(r, struct pg_chunk, result);
    free(chunk->bytes);
    free(chunk);
}

static const struct result_type type = {.cell = cell, .column = column, .free = free_result};

struct pg_chunk *pg_chunk_new(void)
{
    struct pg_chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct pg_chunk){.result = {.type = &type, .rows = 1, .columns = 1},
                               .room = CHUNK_SIZE + CHUNK_SIZE / 4};
    chunk->bytes = malloc(chunk->room);
    if (chunk->bytes == NULL)
        pg_chunk_free(&chunk);
    return chunk;
}

void pg_chunk_free(struct pg_chunk **chunk)
{
    if (*chunk != NULL)
        free_result(&(*chunk)->result);
    *chunk = NULL;
}

struct result *pg_chunk_result(struct pg_chunk *chunk)
{
    return chunk->size == 0 ? NULL : &chunk->result;
}

static bool add(struct pg_chunk *chunk, const char *line, size_t size)
{
    if (chunk->room - chunk->size < size) {
        size_t room = 2 * chunk->size + size;
        char *bytes = realloc(chunk->bytes, room);
        if (bytes == NULL)
            return false;
        chunk->bytes = bytes;
        chunk->room = room;
    }
    memcpy(chunk->bytes + chunk->size, line, size);
    chunk->size += size;
    return true;
}

/* --- from the server -------------------------------------------------------------------------- */

static bool is_wanted(const struct postgres *p, const struct pg_flight *f)
{
    return f->chunk != NULL && !p->is_cancelling;
}

static bool keep(struct postgres *p, struct pg_flight *f, const char *line, int size)
{
    struct error e;
    p->copy.lines++;
    if (!is_wanted(p, f) || add(f->chunk, line, (size_t)size))
        return true;
    error_set(&e, ERROR_MEMORY, "%s: no memory for a line", pg_resource(p));
    pg_lose(p, &e);
    return false;
}

bool pg_copy_read(struct postgres *p, struct pg_flight *f)
{
    char *line;
    int size;
    bool is_full = false, is_kept = true;
    while (!is_full && is_kept && (size = PQgetCopyData(p->pg, &line, 1)) > 0) {
        is_kept = keep(p, f, line, size);
        is_full = is_wanted(p, f) && f->chunk->size >= CHUNK_SIZE;
        PQfreemem(line);
    }
    if (!is_kept)
        return false;
    f->changed = p->copy.lines;
    if (is_full) {
        pg_hold(p);
    } else if (size == -1) { /* the last one, or an error: the result tells */
        p->copy.direction = PG_NOT_COPYING;
        return true;
    } else if (size < 0 || PQstatus(p->pg) == CONNECTION_BAD) {
        pg_lose(p, NULL);
    }
    return false;
}

static void pull(struct postgres *p, struct pg_flight *f)
{
    f->chunk = pg_chunk_new();
    if (f->chunk == NULL) {
        pg_refuse(p, f, ERROR_MEMORY, "no memory for a chunk");
        return;
    }
    f->chunk->is_binary = p->copy.is_binary;
    f->request->is_sent = true; /* what the COPY does besides may be done when nobody answers */
    pg_owe(p, PG_OWES_READING);
}

static void send_to_source(struct postgres *p, struct pg_flight *f)
{
    switch (f->request->verb) {
    case NEBULA_PULL:
        pull(p, f);
        return;
    case NEBULA_STOP:
        pg_owe(p, PG_OWES_READING);
        return;
    case NEBULA_PUSH:
    case NEBULA_FINISH:
        pg_refuse(p, f, ERROR_USAGE, "this stream takes no input: pull it");
        return;
    case NEBULA_RUN:
    case NEBULA_SCRIPT:
    case NEBULA_PREPARE:
    case NEBULA_BATCH:
    case NEBULA_STREAM:
        break;
    }
    UNREACHABLE();
}

/* --- to the server ---------------------------------------------------------------------------- */

/* No more input; why: NULL when that was all of it, and it is to be done. The answer may have come
 * long ago: libpq did not look at it before. */
static void end_input(struct postgres *p, const char *why)
{
    p->copy.direction = PG_NOT_COPYING;
    p->copy.is_watched = false;
    if (PQputCopyEnd(p->pg, why) > 0)
        pg_flush(p);
    else
        pg_lose(p, NULL);
    if (p->phase == PG_BUSY)
        pg_owe(p, PG_OWES_READING);
}

static int64_t count_lines(const char *at, size_t size)
{
    const char *end = at + size;
    int64_t lines = 0;
    for (; at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        lines++;
    return lines;
}

static void push(struct postgres *p, struct pg_flight *f)
{
    struct request *r = f->request;
    if (r->text_size > PUSH_MOST) {
        pg_refuse(p, f, ERROR_LIMIT, "more than 1 GB at once: push it in parts");
        return;
    }
    pg_copy_look(p);
    if (p->copy.is_ended) {
        end_input(p, "too late");
        return;
    }
    int taken = PQputCopyData(p->pg, r->text, (int)r->text_size);
    if (taken == 0) {
        pg_refuse(p, f, ERROR_MEMORY, "no memory for what was pushed");
        return;
    }
    r->is_sent = true;
    if (taken < 0) {
        pg_lose(p, NULL);
        return;
    }
    p->copy.lines += count_lines(r->text, r->text_size);
    f->changed = p->copy.is_binary ? -1 : p->copy.lines;
    pg_flush(p);
    if (p->phase == PG_BUSY && (p->events & WATCH_WRITE) == 0)
        pg_owe(p, PG_OWES_READING);
}

void pg_copy_look(struct postgres *p)
{
    if (p->copy.is_watched && !p->copy.is_ended)
        p->copy.is_ended = pg_peek_end(p->pg);
}

void pg_copy_pushed(struct postgres *p, struct pg_flight *f)
{
    (void)f;
    (void)PQisBusy(p->pg); /* hears what the server says besides */
    if (PQstatus(p->pg) == CONNECTION_BAD)
        pg_lose(p, NULL);
    else if ((p->events & WATCH_WRITE) == 0 && (p->is_cancelling || p->copy.is_ended))
        end_input(p, p->is_cancelling ? "cancelled" : "too late");
    else if ((p->events & WATCH_WRITE) == 0)
        pg_hold(p);
}

static void send_to_sink(struct postgres *p, struct pg_flight *f)
{
    switch (f->request->verb) {
    case NEBULA_PUSH:
        push(p, f);
        return;
    case NEBULA_FINISH:
        f->request->is_sent = true;
        end_input(p, NULL);
        return;
    case NEBULA_STOP:
        f->is_giving_up = true;
        end_input(p, "given up");
        return;
    case NEBULA_PULL:
        pg_refuse(p, f, ERROR_USAGE, "this stream wants input: push it, then finish, or stop it");
        return;
    case NEBULA_RUN:
    case NEBULA_SCRIPT:
    case NEBULA_PREPARE:
    case NEBULA_BATCH:
    case NEBULA_STREAM:
        break;
    }
    UNREACHABLE();
}

void pg_copy_send(struct postgres *p, struct pg_flight *f)
{
    if (p->copy.direction == PG_COPY_IN)
        send_to_sink(p, f);
    else
        send_to_source(p, f);
}

/* --- the begin -------------------------------------------------------------------------------- */

/* By itself, and without the Sync that libpq sends behind other statements: a server that fails
 * before it has looked for input (a trigger, a cancel) would answer it, and the one behind the input
 * too, and from then on each answer would be taken for that of the next request. */
static void send_words(struct postgres *p, const struct pg_flight *f)
{
    p->copy = (struct pg_copy){.is_watched = f->request->verb == NEBULA_STREAM};
    pg_sent(p, PQsendQuery(p->pg, f->request->text) != 0);
}

void pg_copy_start(struct postgres *p, struct pg_flight *f)
{
    if (f->request->count > 0) {
        pg_refuse(p, f, ERROR_QUERY, "a COPY takes no values");
        return;
    }
    f->is_dirty |= pg_text_is_suspect(f->request->text);
    f->request->is_sent = true;
    if (pg_has_prelude(p, f))
        pg_sent(p, pg_enter_pipeline(p, f));
    else
        send_words(p, f);
}

void pg_copy_go_on(struct postgres *p, struct pg_flight *f)
{
    p->is_pipelined = false;
    if (PQexitPipelineMode(p->pg))
        send_words(p, f);
    else
        pg_lose(p, NULL);
}

/* A server that waits for input is told that none comes: it undoes the statement. */
static void refuse_in(struct postgres *p, struct pg_flight *f)
{
    if (pg_problem(f)->code == ERROR_OK)
        error_set(pg_problem(f), ERROR_USAGE,
                  "%s: COPY FROM STDIN wants input, which a statement does not have: use copy_in()",
                  pg_resource(p));
    end_input(p, "no input");
}

/* A server that sends lines does the statement, and learns too late that nobody reads. There may be
 * any number of them, so they are not read to their end. */
static void refuse_out(struct postgres *p, struct pg_flight *f)
{
    if ((conn_of(p)->session & SESSION_IN_TRANSACTION) == 0)
        f->is_kept = true;
    error_set(pg_problem(f), ERROR_USAGE,
              "%s: COPY TO STDOUT brings chunks, which are no rows: use copy_out()",
              pg_resource(p));
    p->is_spoiled = true;
    pg_reply(p);
}

void pg_copy_begin(struct postgres *p, struct pg_flight *f, const PGresult *res)
{
    bool is_in = PQresultStatus(res) == PGRES_COPY_IN;
    bool is_ours = f->request->verb == NEBULA_STREAM && PQresultStatus(res) != PGRES_COPY_BOTH;
    if (!is_ours || (is_in && p->is_cancelling)) {
        is_in ? refuse_in(p, f) : refuse_out(p, f);
        return;
    }
    p->copy = (struct pg_copy){.direction = is_in ? PG_COPY_IN : PG_COPY_OUT,
                               .is_binary = PQbinaryTuples(res) != 0,
                               .is_watched = is_in,
                               .is_ended = is_in && p->copy.is_ended};
    pg_hold(p);
}

/* --- where an error is ------------------------------------------------------------------------ */

static int line_size(const char *text)
{
    return (int)strcspn(text, "\n");
}

struct place {
    int64_t line;
    char column[64];
};

/* Behind "COPY name" stand a word and the number of the line, and perhaps a word and a column. The
 * words may be in any language; a name may have commas and numbers too, but no word before them. */
static void read_place(struct place *out, const char *at, const char *end)
{
    for (at = memchr(at, ',', (size_t)(end - at)); at != NULL;
         at = memchr(at + 1, ',', (size_t)(end - at - 1))) {
        const char *digit = at + strcspn(at, "0123456789\n");
        char *behind;
        bool has_word = digit - at > 2 && digit - at <= WORD_MOST; /* ", line " */
        if (digit >= end || !has_word || memchr(at + 1, ',', (size_t)(digit - at - 1)))
            continue;
        out->line = strtoll(digit, &behind, 10);
        if (behind < end && *behind != ',') /* ": and what it says", as a rule */
            return;
        const char *name =
            behind < end ? memchr(behind + 2, ' ', (size_t)(end - behind - 2)) : NULL;
        if (name != NULL)
            snprintf(out->column, sizeof out->column, "%.*s", (int)strcspn(name + 1, ":\n"),
                     name + 1);
        return;
    }
}

/* What stands behind the first is the value that was wrong, and whoever wrote that may have written
 * anything. */
void pg_copy_find_line(struct reply *out, const PGresult *res)
{
    struct place place = {.line = 0};
    const char *context = PQresultErrorField(res, PG_DIAG_CONTEXT);
    for (const char *at = context; at != NULL && place.line == 0; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, "COPY ", 5) == 0)
            read_place(&place, at, at + line_size(at));
    }
    reply_place(out, place.line, place.column);
}
