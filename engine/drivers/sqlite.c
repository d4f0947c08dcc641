/* sqlite.c - SQLite's four verbs: what blocks is done on a thread of each connection's own.
 *
 * At most one job is under way; while it is, the session belongs to the thread, and the loop's side
 * may only set is_stopping and interrupt. A verb begins a job, the job's end says the sentence.
 * close() during a job hurries it, and the closing job begins when it has come back.
 */
#include <stdlib.h>

#include "base/check.h"
#include "core/blocking.h"
#include "drivers/drivers.h"
#include "drivers/sqlite_session.h"

struct sqlite {
    struct sqlite_session session;
    struct blocking *thread; /* NULL: there is none (yet) */
    union {
        struct job job;   /* of the thread */
        struct soon soon; /* without one: says what may not be said inside a verb */
    };
};

static struct sqlite *sqlite_of(struct job *j)
{
    return container_of(j, struct sqlite, job);
}

static void work(struct sqlite *s, void (*run)(struct job *j), void (*done)(struct job *j))
{
    CHECK(!s->session.is_working);
    s->session.is_working = true;
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

static void closed(struct sqlite *s)
{
    free(s->session.opening);
    conn_closed(conn_of(s));
}

static void done_close(struct job *j)
{
    struct sqlite *s = sqlite_of(j);
    blocking_free(&s->thread);
    closed(s);
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
    s->session.is_working = false;
    if (s->session.is_closing) {
        begin_close(s);
    } else if (s->session.opening->error.code != ERROR_OK) {
        conn_failed(conn_of(s), &s->session.opening->error);
    } else {
        free(s->session.opening);
        s->session.opening = NULL;
        conn_opened(conn_of(s));
    }
}

/* There is no thread: a failed open, or the close of one, ends here. */
static void speak(struct soon *soon)
{
    struct sqlite *s = container_of(soon, struct sqlite, soon);
    struct error no_memory;
    if (s->session.is_closing) {
        closed(s);
    } else if (s->session.opening != NULL) {
        conn_failed(conn_of(s), &s->session.opening->error);
    } else {
        error_set(&no_memory, ERROR_MEMORY, "no memory for a connection of %s",
                  conn_resource(conn_of(s)));
        conn_failed(conn_of(s), &no_memory);
    }
}

/* NULL when the opening's error says why, or there is no opening. */
static struct blocking *begin_thread(struct conn *c, const struct target *t)
{
    struct sqlite_session *s = &((struct sqlite *)conn_driver(c))->session;
    struct sqlite_opening *o = s->opening = calloc(1, sizeof *o);
    if (o == NULL || sqlite_options_read(&o->options, t, &o->error) != ERROR_OK)
        return NULL;
    sqlite_session_heed(s, &o->options);
    struct blocking *thread =
        blocking_new(conn_loop(c), s->is_writer ? "sqlite writer" : "sqlite reader");
    if (thread == NULL)
        error_set(&o->error, ERROR_MEMORY, "no memory or threads for a connection to %s", s->file);
    return thread;
}

static void open_session(struct conn *c, const struct target *t)
{
    struct sqlite *s = conn_driver(c);
    s->session.world = loop_world(conn_loop(c));
    atomic_init(&s->session.is_stopping, false);
    s->thread = begin_thread(c, t);
    if (s->thread != NULL) {
        work(s, run_open, done_open);
        return;
    }
    soon_init(&s->soon, speak);
    loop_soon(conn_loop(c), &s->soon);
}

/* --- send, cancel --------------------------------------------------------------------------- */

static void run_request(struct job *j)
{
    sqlite_session_serve(&sqlite_of(j)->session);
}

static void run_stop(struct job *j)
{
    sqlite_session_stop_stream(&sqlite_of(j)->session);
}

/* The next one may be sent as soon as this one's end is said. */
static struct request *served(struct sqlite *s)
{
    struct request *r = s->session.request;
    s->session.request = NULL;
    return r;
}

/* Whatever the sentence, the core may close the connection inside it; the connection lives on until
 * it was told that it is closed. */
static void done_request(struct job *j)
{
    struct sqlite *s = sqlite_of(j);
    struct conn *c = conn_of(s);
    s->session.is_working = false;
    if (s->session.is_closing) {
        begin_close(s);
    } else if (s->session.is_lost) {
        struct request *r = served(s);
        r->is_sent = false;
        struct error why = r->reply.error; /* which ends with the request */
        conn_failed(c, &why);
    } else if (s->session.is_cancelling && s->session.stream != NULL) {
        work(s, run_stop,
             done_request); /* whoever pulled is gone, and an interrupt may be pending */
    } else {
        bool was_cancelling =
            s->session.is_cancelling; /* told after the reply, if nobody closed inside it */
        c->session = sqlite_session_bits(&s->session);
        conn_replied(c, served(s));
        if (was_cancelling && !s->session.is_closing) {
            s->session.is_cancelling = false;
            conn_cancelled(c);
        }
    }
}

static void send_request(struct conn *c, struct request *r)
{
    struct sqlite *s = conn_driver(c);
    CHECK(!s->session.is_cancelling);
    atomic_store(&s->session.is_stopping, false);
    s->session.request = r;
    r->is_sent = s->session.is_writer; /* what a reader does cannot be in doubt */
    work(s, run_request, done_request);
}

static void cancel_request(struct conn *c, struct request *r)
{
    struct sqlite *s = conn_driver(c);
    CHECK(s->session.is_working && s->session.request == r);
    s->session.is_cancelling = true;
    hurry(s, true);
}

static void close_session(struct conn *c)
{
    struct sqlite *s = conn_driver(c);
    s->session.is_closing = true;
    if (s->thread == NULL)
        loop_soon(conn_loop(c), &s->soon);
    else if (s->session.is_working)
        hurry(s, s->session.request != NULL);
    else
        begin_close(s);
}

/* --- from worker to worker ------------------------------------------------------------------ */

static bool detach_session(struct conn *c)
{
    const struct sqlite *s = conn_driver(c);
    return s->thread != NULL && !s->session.is_working && !s->session.is_closing &&
           !s->session.is_lost;
}

/* The declaration is the same there, in other bytes, of which the file's name lasts. */
static void attach_session(struct conn *c, const struct target *t)
{
    struct sqlite *s = conn_driver(c);
    s->session.file = target_get(t, "file", "");
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
