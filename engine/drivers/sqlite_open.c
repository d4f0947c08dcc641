/* sqlite_open.c - a database file is opened, and created as it was declared when it is not there.
 */
#include "drivers/sqlite_session.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define STEPS_BETWEEN_LOOKS 2000 /* of SQLite's machine: some 20 us */
#define GIVE_UP_BEFORE_US 2000   /* the deadline, so that the answer is in time */

int64_t sqlite_session_deadline(const struct sqlite_session *s)
{
    return s->request == NULL ? INT64_MAX : s->request->deadline_us;
}

bool sqlite_session_pause(struct sqlite_session *s, int n)
{
    static const int64_t pauses_us[] = {200, 500, 1000, 2000, 5000, 10000};
    int64_t pause_us = pauses_us[n < (int)COUNT(pauses_us) ? n : (int)COUNT(pauses_us) - 1];
    int64_t left_us = sqlite_session_deadline(s) - GIVE_UP_BEFORE_US - s->world->now_us(s->world);
    if (atomic_load(&s->is_stopping) || left_us <= 0)
        return false;
    if (pause_us > left_us)
        pause_us = left_us;
    nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
    return true;
}

/* --- what SQLite asks us --------------------------------------------------------------------- */

static int is_busy(void *data, int n)
{
    return sqlite_session_pause(data, n);
}

static int is_stopping(void *data)
{
    struct sqlite_session *s = data;
    return atomic_load(&s->is_stopping);
}

static int must_undo(void *data)
{
    const struct sqlite_session *s = data;
    return s->must_undo;
}

/* Pragmas whose argument says what to look at, or changes the file and not the session. */
static bool is_harmless_pragma(const char *name)
{
    static const char *const harmless[] = {
        "application_id", "foreign_key_check", "foreign_key_list", "incremental_vacuum",
        "index_info",     "index_list",        "index_xinfo",      "integrity_check",
        "optimize",       "quick_check",       "table_info",       "table_list",
        "table_xinfo",    "user_version",      "wal_checkpoint"};
    for (size_t i = 0; i < COUNT(harmless); i++)
        if (sqlite3_stricmp(name, harmless[i]) == 0)
            return true;
    return false;
}

/* Nothing is forbidden; this is where SQLite tells, while it prepares, what a statement will do. */
static int notice(void *data, int what, const char *name, const char *argument, const char *schema,
                  const char *by)
{
    struct sqlite_session *s = data;
    (void)schema;
    (void)by;
    switch (what) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_TEMP_TRIGGER:
        s->is_dirty = true;
        break;
    case SQLITE_PRAGMA:
        if (argument != NULL && !is_harmless_pragma(name))
            s->is_dirty = true;
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

/* --- opening -------------------------------------------------------------------------------- */

static void close_database(struct sqlite_session *s)
{
    CHECK(sqlite3_close(s->db) == SQLITE_OK);
    s->db = NULL;
}

/* Explains while the database still has its message. */
static int give_up(struct sqlite_session *s, int rc)
{
    sqlite_session_explain(s, rc, &s->opening->error);
    close_database(s);
    return rc;
}

/* What the declaration says about each connection. */
static int set_up(struct sqlite_session *s)
{
    const struct sqlite_options *o = &s->opening->options;
    char text[160] = "";
    int at = 0;
    if (o->cache_size > 0)
        at += snprintf(text + at, sizeof text - (size_t)at, "PRAGMA cache_size=-%lld;",
                       (long long)((o->cache_size + 1023) / 1024));
    if (o->mmap_size > 0)
        at += snprintf(text + at, sizeof text - (size_t)at, "PRAGMA mmap_size=%lld;",
                       (long long)o->mmap_size);
    if (o->is_writer)
        snprintf(text + at, sizeof text - (size_t)at, "PRAGMA synchronous=%s;", o->synchronous);
    int rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? rc : give_up(s, rc);
}

/* To open a pipe waits for somebody at its other end. What a folder is, SQLite tells. */
static bool is_special(const struct sqlite_session *s)
{
    struct stat found;
    return !s->is_memory && stat(s->file, &found) == 0 && !S_ISREG(found.st_mode) &&
           !S_ISDIR(found.st_mode);
}

static int open_database(struct sqlite_session *s, int flags)
{
    if (is_special(s)) {
        error_set(&s->opening->error, ERROR_CONFIG, "cannot open %s: it is no regular file",
                  s->file);
        return SQLITE_CANTOPEN;
    }
    int rc = sqlite3_open_v2(s->file, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (s->db == NULL) {
        sqlite_session_explain(s, rc, &s->opening->error);
        return rc;
    }
    sqlite3_extended_result_codes(s->db, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY,
                               (int)s->opening->options.foreign_keys, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_handler(s->db, is_busy, s);
    sqlite3_progress_handler(s->db, STEPS_BETWEEN_LOOKS, is_stopping, s);
    sqlite3_commit_hook(s->db, must_undo, s);
    return rc == SQLITE_OK ? rc : give_up(s, rc);
}

/* Runs a pragma and compares its one word. */
static int ask(struct sqlite_session *s, const char *pragma, const char *expected, bool *is_so)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(s->db, pragma, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    const char *word = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    *is_so = word != NULL && strcmp(word, expected) == 0;
    int end = sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? end : rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Two who change the mode at once refuse each other without asking is_busy(), so the attempts are
 * ours. */
static int set_journal(struct sqlite_session *s)
{
    char text[64];
    snprintf(text, sizeof text, "PRAGMA journal_mode=%s", s->opening->options.journal);
    bool is_set = false;
    int rc = ask(s, text, s->opening->options.journal, &is_set);
    for (int n = 0; (rc & 0xff) == SQLITE_BUSY && sqlite_session_pause(s, n); n++)
        rc = ask(s, text, s->opening->options.journal, &is_set);
    if (rc != SQLITE_OK)
        return give_up(s, rc);
    if (is_set)
        return SQLITE_OK;
    error_set(&s->opening->error, ERROR_CONFIG,
              "%s cannot have journal = \"%s\" where it lies: write journal = \"delete\"", s->file,
              s->opening->options.journal);
    close_database(s);
    return SQLITE_CANTOPEN;
}

/* Opens for writing; makes the file, and its journal, what was declared. */
static int connect_writer(struct sqlite_session *s)
{
    char text[64];
    int rc = open_database(s, SQLITE_OPEN_READWRITE | (s->may_create ? SQLITE_OPEN_CREATE : 0));
    if (rc != SQLITE_OK)
        return rc;
    snprintf(text, sizeof text, "PRAGMA page_size=%lld", (long long)s->opening->options.page_size);
    if (s->opening->options.page_size > 0)
        rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return give_up(s, rc);
    return s->is_memory ? SQLITE_OK : set_journal(s);
}

static int open_writer(struct sqlite_session *s)
{
    int rc = connect_writer(s);
    return rc == SQLITE_OK ? set_up(s) : rc;
}

/* What a reader cannot do: create the file, give it its journal, roll back what a crash left. */
static int prepare_file(struct sqlite_session *s)
{
    int rc = connect_writer(s);
    if (rc == SQLITE_OK)
        close_database(s);
    return rc;
}

/* Whether a writer has to see to the file first. One that nobody may write is read as it is. */
static int connect_reader(struct sqlite_session *s, bool *is_unprepared)
{
    bool is_wal = false;
    int rc = open_database(s, SQLITE_OPEN_READONLY);
    if (rc != SQLITE_OK)
        return rc;
    rc = ask(s, "PRAGMA journal_mode", "wal", &is_wal);
    bool may_write = access(s->file, W_OK) == 0;
    *is_unprepared =
        may_write && ((rc & 0xff) == SQLITE_READONLY ||
                      (rc == SQLITE_OK && is_wal != sqlite_options_is_wal(&s->opening->options)));
    return rc == SQLITE_OK ? rc : give_up(s, rc);
}

/* Whichever connection is first prepares the file. */
static int open_reader(struct sqlite_session *s)
{
    bool is_unprepared = s->may_create && access(s->file, F_OK) != 0;
    int rc = is_unprepared ? SQLITE_OK : connect_reader(s, &is_unprepared);
    if (is_unprepared) {
        if (s->db != NULL)
            close_database(s);
        rc = prepare_file(s);
        if (rc == SQLITE_OK)
            rc = open_database(s, SQLITE_OPEN_READONLY);
    }
    return rc == SQLITE_OK ? set_up(s) : rc;
}

void sqlite_session_heed(struct sqlite_session *s, const struct sqlite_options *o)
{
    s->file = o->file;
    s->may_create = o->may_create;
    s->is_memory = o->is_memory;
    s->is_writer = o->is_writer;
}

enum error_code sqlite_session_open(struct sqlite_session *s)
{
    if (sqlite_options_check_place(&s->opening->options, &s->opening->error) != ERROR_OK)
        return s->opening->error.code;
    int rc = s->is_writer ? open_writer(s) : open_reader(s);
    if (rc != SQLITE_OK)
        return s->opening->error.code;
    sqlite3_set_authorizer(s->db, notice, s); /* last: what we set ourselves is no dirt */
    return ERROR_OK;
}

void sqlite_session_close(struct sqlite_session *s)
{
    if (s->db == NULL)
        return;
    sqlite_session_stop_stream(s);
    statements_free(&s->statements);
    close_database(s);
}
