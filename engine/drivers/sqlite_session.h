/* sqlite_session.h - one open SQLite database as its thread sees it.
 *
 * All functions here run on the connection's thread and may block there. The loop's thread reads
 * the session only between two jobs, but for is_stopping, and db in sqlite3_interrupt().
 *
 * To stop what runs takes both: sqlite3_interrupt() is forgotten when the next statement begins, so
 * one that comes too early is lost; is_stopping stays, and SQLite asks for it every few thousand
 * steps, as does every wait for a lock.
 */
#ifndef DRIVERS_SQLITE_SESSION_H
#define DRIVERS_SQLITE_SESSION_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "base/world.h"
#include "core/driver.h"
#include "drivers/sqlite_options.h"
#include "drivers/sqlite_statement.h"

/* What only an open needs. */
struct sqlite_opening {
    struct sqlite_options options;
    struct error error; /* why it failed */
};

struct sqlite_session {
    struct sqlite_opening *opening; /* NULL when it is open */
    const char *file;
    struct world *world;
    sqlite3 *db;                   /* NULL when not open */
    struct statements *statements; /* NULL before one is kept */
    struct statement *stream;      /* NULL when none is open */
    struct request *request;       /* being served; NULL: it is opened, idle or closed */
    bool is_dirty;  /* something was changed that lasts as long as the session; stays true */
    bool must_undo; /* whatever commits now is rolled back instead */
    bool is_lost;   /* the session is of no more use */
    bool may_create : 1, is_memory : 1, is_writer : 1; /* as the options say */
    atomic_bool is_stopping; /* set by the loop's thread: come back soon */
    /* The loop's thread alone, at any time. */
    bool is_working; /* a job is under way */
    bool is_cancelling, is_closing;
};

/* What lasts of the options. */
void sqlite_session_heed(struct sqlite_session *s, const struct sqlite_options *o);
/* Opens as the options say: a missing file is created, its journal set. ERROR_OK, or the opening's
 * error and nothing is open. */
enum error_code sqlite_session_open(struct sqlite_session *s);
void sqlite_session_close(struct sqlite_session *s); /* idempotent */

/* Serves its request and fills the reply; or is_lost, and it was not begun: its reply's error says why. */
void sqlite_session_serve(struct sqlite_session *s);
void sqlite_session_stop_stream(struct sqlite_session *s);
uint32_t sqlite_session_bits(const struct sqlite_session *s); /* SESSION_ */

int64_t
sqlite_session_deadline(const struct sqlite_session *s); /* nobody waits for a lock beyond it */
/* Sleeps before the n-th new attempt (n from 0) at a lock. False: give up, there is no time left.
 */
bool sqlite_session_pause(struct sqlite_session *s, int n);

/* What SQLite's code means, with its last message. */
enum error_code sqlite_session_explain(const struct sqlite_session *s, int rc, struct error *e);

#endif
