/* sqlite.c - SQLite's four verbs: what blocks is done on a thread of each connection's own.
 *
 * At most one job is under way; while it is, the session belongs to the thread, and the loop's side
 * may only set is_stopping and interrupt. A verb begins a job, the job's end says the sentence.
 * close() during a job hurries it, and the closing job begins when it has come back.
 */
#include <string.h>

#include "base/check.h"
#include "core/blocking.h"
#include "drivers/drivers.h"
#include "drivers/sqlite_session.h"

struct sqlite {
    struct sqlite_session session;
    struct blocking *thread; /* NULL: there is none (yet) */
    struct job job;
    struct soon soon;        /* says what may not be said inside a verb */
    struct request *request; /* being served */
    bool is_working;         /* the job is under way */
    bool is_cancelling, is_closing;
};

static struct sqlite *sqlite_of(struct job *j)
{
    return container_of(j, struct sqlite, job);
}

static void work(struct sqlite *s, void (*run)(struct job *j), void (*done)(struct job *j))
{
    CHECK(!s->is_working);
    s->is_working = true;
    s->job.run = run;
    s->job.done = done;
    blocking_run(s->thread, &s->job);
}

/* The loop's thread asks the job under way to come back soon. */
static void hurry(struct sqlite *s, bool is_open)
{
    atomic_store(&s->session.is_stopping, true);
    if (is_open)
        sqlite3_interrupt(s->session.db);
}

/* --- close ---------------------------------------------------------------------------------- */

static void run_close(struct job *j)
{
    sqlite_session_close(&sqlite_of(j)->session);
}

static void done_close(struct job *j)
{
    struct sqlite *s = sqlite_of(j);
    blocking_free(&s->thread);
    conn_closed(conn_of(s));
}

static void begin_close(struct sqlite *s)
{
    work(s, run_close, done_close);
}

/* --- open ----------------------------------------------------------------------------------- */

static void run_open(struct job *j)
{
    sqlite_session_open(&sqlite_of(j)->session);
}

static void done_open(struct job *j)
{
    struct sqlite *s = sqlite_of(j);
    s->is_working = false;
    if (s->is_closing)
        begin_close(s);
    else if (s->session.error.code != ERROR_OK)
        conn_failed(conn_of(s), &s->session.error);
    else
        conn_opened(conn_of(s));
}

/* There is no thread: a failed open, or the close of one, ends here. */
static void speak(struct soon *soon)
{
    struct sqlite *s = container_of(soon, struct sqlite, soon);
    if (s->is_closing)
        conn_closed(conn_of(s));
    else
        conn_failed(conn_of(s), &s->session.error);
}

static void open_session(struct conn *c, const struct target *t)
{
    struct sqlite *s = conn_driver(c);
    soon_init(&s->soon, speak);
    s->session.world = loop_world(conn_loop(c));
    s->session.deadline_us = INT64_MAX; /* close() ends an open that takes too long */
    atomic_init(&s->session.is_stopping, false);
    if (sqlite_options_read(&s->session.options, t, &s->session.error) == ERROR_OK) {
        s->thread = blocking_new(conn_loop(c),
                                 s->session.options.is_writer ? "sqlite writer" : "sqlite reader");
        if (s->thread == NULL)
            error_set(&s->session.error, ERROR_MEMORY,
                      "no memory or threads for a connection to %s", s->session.options.file);
    }
    if (s->thread == NULL)
        loop_soon(conn_loop(c), &s->soon);
    else
        work(s, run_open, done_open);
}

/* --- send, cancel --------------------------------------------------------------------------- */

static void run_request(struct job *j)
{
    struct sqlite *s = sqlite_of(j);
    sqlite_session_serve(&s->session, s->request);
}

static void run_stop(struct job *j)
{
    sqlite_session_stop_stream(&sqlite_of(j)->session);
}

/* Whatever the sentence, the core may close the connection inside it; the connection lives on until
 * it was told that it is closed. */
static void done_request(struct job *j)
{
    struct sqlite *s = sqlite_of(j);
    struct conn *c = conn_of(s);
    s->is_working = false;
    if (s->is_closing) {
        begin_close(s);
    } else if (s->session.is_lost) {
        s->request->is_sent = false;
        conn_failed(c, &s->session.error);
    } else if (s->is_cancelling && s->session.stream != NULL) {
        work(s, run_stop,
             done_request); /* whoever pulled is gone, and an interrupt may be pending */
    } else {
        bool was_cancelling =
            s->is_cancelling; /* told after the reply, if nobody closed inside it */
        c->session = sqlite_session_bits(&s->session);
        conn_replied(c, s->request);
        if (was_cancelling && !s->is_closing) {
            s->is_cancelling = false;
            conn_cancelled(c);
        }
    }
}

static void send_request(struct conn *c, struct request *r)
{
    struct sqlite *s = conn_driver(c);
    CHECK(!s->is_cancelling);
    atomic_store(&s->session.is_stopping, false);
    s->request = r;
    r->is_sent = s->session.options.is_writer; /* what a reader does cannot be in doubt */
    work(s, run_request, done_request);
}

static void cancel_request(struct conn *c, struct request *r)
{
    struct sqlite *s = conn_driver(c);
    CHECK(s->is_working && s->request == r);
    s->is_cancelling = true;
    hurry(s, true);
}

static void close_session(struct conn *c)
{
    struct sqlite *s = conn_driver(c);
    s->is_closing = true;
    if (s->thread == NULL)
        loop_soon(conn_loop(c), &s->soon);
    else if (s->is_working)
        hurry(s, s->request != NULL);
    else
        begin_close(s);
}

/* --- from worker to worker ------------------------------------------------------------------ */

static bool detach_session(struct conn *c)
{
    const struct sqlite *s = conn_driver(c);
    return s->thread != NULL && !s->is_working && !s->is_closing && !s->session.is_lost;
}

/* The declaration is the same there, in other bytes. */
static void attach_session(struct conn *c, const struct target *t)
{
    struct sqlite *s = conn_driver(c);
    CHECK(sqlite_options_read(&s->session.options, t, &s->session.error) == ERROR_OK);
    s->session.world = loop_world(conn_loop(c));
    blocking_move(s->thread, conn_loop(c));
}

const struct driver driver_sqlite = {
    .name = "sqlite",
    .size = sizeof(struct sqlite),
    .open = open_session,
    .send = send_request,
    .cancel = cancel_request,
    .close = close_session,
    .detach = detach_session,
    .attach = attach_session,
};
