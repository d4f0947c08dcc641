/* sqlite_error.c - SQLite's result codes in our words. */
#include "drivers/sqlite_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

struct meaning {
    int rc; /* extended or primary; the first row that fits counts */
    enum error_code code;
    bool names_file;
    const char *advice; /* what to do, behind SQLite's own sentence; "" when that says it all */
};

/* clang-format off */
static const struct meaning meanings[] = {
    {SQLITE_BUSY_SNAPSHOT,   ERROR_CONFLICT,    false, "another connection wrote after this transaction had read: begin it again, as a writer from its start"},
    {SQLITE_BUSY,            ERROR_LOCKED,      true,  "another process or connection held the lock until the deadline"},
    {SQLITE_PROTOCOL,        ERROR_LOCKED,      true,  "too many others fight for the lock"},
    {SQLITE_LOCKED_SHAREDCACHE, ERROR_LOCKED,   true,  "another connection holds the lock"},
    {SQLITE_LOCKED,          ERROR_QUERY,       false, "a stream of this lease still reads it: end the stream first"},
    {SQLITE_CONSTRAINT,      ERROR_CONSTRAINT,  false, ""},
    {SQLITE_FULL,            ERROR_STORAGE,     true,  "no room left on the disk, or the file is at its largest size: make room"},
    {SQLITE_IOERR_NOMEM,     ERROR_MEMORY,      false, ""},
    {SQLITE_IOERR,           ERROR_STORAGE,     true,  "the disk or its file system failed"},
    {SQLITE_NOTADB,          ERROR_STORAGE,     true,  "the file holds something else, or is encrypted or damaged"},
    {SQLITE_CORRUPT,         ERROR_STORAGE,     true,  "the file is damaged: restore it, or save what can be read with .recover of the sqlite3 shell"},
    {SQLITE_NOLFS,           ERROR_STORAGE,     true,  "the file system has no room for files of this size"},
    {SQLITE_READONLY,        ERROR_READ_ONLY,   false, "this connection only reads: lease the role writer; if it is the writer, make the file and its folder writable"},
    {SQLITE_AUTH,            ERROR_CONFIG,      true,  ""},
    {SQLITE_PERM,            ERROR_CONFIG,      true,  "make the file and its folder accessible to this user"},
    {SQLITE_TOOBIG,          ERROR_LIMIT,       false, "a value is over 1 GB, or the rows of one reply are: stream them"},
    {SQLITE_NOMEM,           ERROR_MEMORY,      false, ""},
    {SQLITE_ABORT,           ERROR_STALE,       false, "a rollback ended the stream"},
    {SQLITE_ERROR,           ERROR_QUERY,       false, ""},
    {SQLITE_MISMATCH,        ERROR_QUERY,       false, ""},
    {SQLITE_RANGE,           ERROR_QUERY,       false, ""},
    {SQLITE_NOTFOUND,        ERROR_QUERY,       false, ""},
};
/* clang-format on */

static const struct meaning *meaning_of(int rc)
{
    for (size_t i = 0; i < COUNT(meanings); i++)
        if (meanings[i].rc == rc)
            return &meanings[i];
    return (rc & 0xff) == rc ? NULL : meaning_of(rc & 0xff);
}

/* The file cannot be opened, and errno alone knows why. */
static enum error_code explain_open(const struct sqlite_session *s, struct error *e)
{
    int why = s->db == NULL ? 0 : sqlite3_system_errno(s->db);
    switch (why) {
    case EMFILE:
    case ENFILE:
        return error_set(e, ERROR_UNREACHABLE, "cannot open %s: %s: raise the limit (ulimit -n)",
                         s->file, strerror(why));
    case ENOENT:
        if (!s->may_create)
            return error_set(
                e, ERROR_UNREACHABLE,
                "cannot open %s: there is no such file: create it, or let create = true do so",
                s->file);
        return error_set(
            e, ERROR_CONFIG,
            "cannot open %s: its folder is not there, or this user may create nothing in it",
            s->file);
    case 0:
        return error_set(e, ERROR_CONFIG,
                         "cannot open %s: is it a file, and may this user open it?", s->file);
    default:
        return error_set(e, ERROR_CONFIG, "cannot open %s: %s", s->file, strerror(why));
    }
}

/* A folder can be opened for reading, and fails at the first read. */
static bool is_folder(const struct sqlite_session *s, int rc)
{
    return (rc & 0xff) == SQLITE_IOERR && s->db != NULL && sqlite3_system_errno(s->db) == EISDIR;
}

static enum error_code explain_stop(const struct sqlite_session *s, struct error *e)
{
    if (s->world->now_us(s->world) >= sqlite_session_deadline(s))
        return error_set(e, ERROR_DEADLINE, "interrupted at the deadline");
    return error_set(e, ERROR_CANCELLED, "interrupted because nobody waits for it any more");
}

static enum error_code explain_known(const struct sqlite_session *s, int rc,
                                     const struct meaning *m, struct error *e)
{
    /* Our own malloc may have failed, or our bound was met: then the database has no message. */
    bool is_its_own = s->db != NULL && (sqlite3_errcode(s->db) & 0xff) == (rc & 0xff);
    const char *said = is_its_own ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    int offset = m->code == ERROR_QUERY && is_its_own ? sqlite3_error_offset(s->db) : -1;
    if (offset >= 0)
        return error_set(e, m->code, "%s, at byte %d of the statement", said, offset + 1);
    bool is_told = m->advice[0] != '\0';
    return error_set(e, m->code, "%s%s%s%s%s", said, m->names_file ? ": " : "",
                     m->names_file ? s->file : "", is_told ? ": " : "", m->advice);
}

enum error_code sqlite_session_explain(const struct sqlite_session *s, int rc, struct error *e)
{
    const struct meaning *m = meaning_of(rc);
    bool is_stopped =
        rc == SQLITE_INTERRUPT || ((rc & 0xff) == SQLITE_BUSY && atomic_load(&s->is_stopping));
    if (is_stopped)
        explain_stop(s, e);
    else if ((rc & 0xff) == SQLITE_CANTOPEN || is_folder(s, rc))
        explain_open(s, e);
    else if (m == NULL)
        error_set(e, ERROR_SERVER, "SQLite: %s", sqlite3_errstr(rc));
    else
        explain_known(s, rc, m, e);
    snprintf(e->state, sizeof e->state, "%d", rc);
    return e->code;
}
