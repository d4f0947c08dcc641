/* error.h - everything that can go wrong, in one table: name, what the caller may do, manual text.
 *
 * A code is what a program decides by, the text is what a person reads. Lua sees both, and the
 * outcome of the call: whether the server certainly did it, certainly did not, or may have.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
/*    name         lua name       action  manual text */
#define ERROR_TABLE(X) \
    X(OK,          "ok",          NONE,   "It worked.") \
    X(CANCELLED,   "cancelled",   STOP,   "The task that asked was cancelled.") \
    X(DEADLINE,    "deadline",    RETRY,  "The deadline of the call or of its task passed first.") \
    X(WAIT,        "wait",        WAIT,   "No connection became free within the part of the deadline that may be spent queueing.") \
    X(FULL,        "full",        WAIT,   "The queue is at its bound: that of the pool or of the channel. Or fail_fast found no free connection and no room.") \
    X(PAUSED,      "paused",      WAIT,   "The resource is paused and the call may not wait for its resumption.") \
    X(CLOSED,      "closed",      STOP,   "The engine is shutting down and begins nothing new, or the channel was closed.") \
    X(LOST,        "lost",        RETRY,  "The connection broke. See the outcome: it may have broken after the server did the work.") \
    X(UNREACHABLE, "unreachable", WAIT,   "Nothing answers at the address: refused, no route, no such name, or no answer in time.") \
    X(DENIED,      "denied",      ROTATE, "The server did not accept the credential.") \
    X(BUSY,        "busy",        WAIT,   "The server has no room for one more connection.") \
    X(LOCKED,      "locked",      WAIT,   "Another process holds a lock that the statement needs.") \
    X(CONFLICT,    "conflict",    RETRY,  "The transaction lost against a concurrent one and was rolled back; run all of it again.") \
    X(CONSTRAINT,  "constraint",  FIX,    "The data breaks a constraint of the schema.") \
    X(QUERY,       "query",       FIX,    "The server does not accept the statement or its parameters.") \
    X(READ_ONLY,   "read_only",   RETRY,  "A write reached a connection or a server that only reads.") \
    X(STORAGE,     "storage",     ASK,    "The server has no room left, or its storage is damaged.") \
    X(SERVER,      "server",      ASK,    "The server failed for a reason of its own.") \
    X(PROTOCOL,    "protocol",    ASK,    "The server said something that is not in its protocol.") \
    X(STALE,       "stale",       FIX,    "The lease, stream or ticket has already ended.") \
    X(USAGE,       "usage",       FIX,    "The program asked for something that cannot be.") \
    X(CONFIG,      "config",      FIX,    "A declaration cannot work as it stands.") \
    X(NOT_YET,     "not_yet",     FIX,    "The setting is known but not in force in this version.") \
    X(LIMIT,       "limit",       FIX,    "A bound of the engine itself: too many tasks, too large a value.") \
    X(MEMORY,      "memory",      WAIT,   "The process has no memory left for it.") \
    X(EMPTY,       "empty",       WAIT,   "Nothing lies in the channel, and fail_fast does not wait for it.")
/* clang-format on */

enum error_code {
#define X(name, lua, action, text) ERROR_##name,
    ERROR_TABLE(X)
#undef X
        ERROR_COUNT
};

/* What the caller may do about it. */
enum error_action {
    ACTION_NONE = 0,
    ACTION_RETRY,  /* the same again may work at once */
    ACTION_WAIT,   /* the same again may work later */
    ACTION_ROTATE, /* get another credential */
    ACTION_FIX,    /* repair the program or the declaration */
    ACTION_STOP,   /* give up, somebody decided so */
    ACTION_ASK,    /* a person has to look */
};

/* How a call ended, seen from the server: exactly one of three. */
enum outcome {
    OUTCOME_OK = 0,   /* acknowledged */
    OUTCOME_FAILED,   /* proven not applied */
    OUTCOME_IN_DOUBT, /* sent, and no proof either way */
};

#define ERROR_TEXT_SIZE 240

/* An error by value: no part of it is owned by anybody else. */
struct error {
    enum error_code code;
    char state[8];          /* the server's own code (SQLSTATE, SQLite's result code), "" if none */
    int64_t retry_after_us; /* what the server asked for, 0 if nothing */
    char text[ERROR_TEXT_SIZE]; /* one sentence, without secrets */
};

/* Fills *e (may be NULL) and returns code, so that a failing function ends in one line. A sentence
 * that is too long ends early, behind a whole character. */
__attribute__((format(printf, 3, 4))) enum error_code
error_set(struct error *e, enum error_code code, const char *format, ...);

enum error_code error_set_list(struct error *e, enum error_code code, const char *format,
                               va_list args);

/* More text at the end of the sentence. No argument may lie in *e. */
__attribute__((format(printf, 2, 3))) void error_append(struct error *e, const char *format, ...);

/* The text of nothing is empty; what lies behind its end is not looked at. */
static inline void error_clear(struct error *e)
{
    e->code = ERROR_OK;
    e->state[0] = '\0';
    e->retry_after_us = 0;
    e->text[0] = '\0';
}

const char *error_name(enum error_code code);   /* "deadline" */
const char *error_manual(enum error_code code); /* the row's sentence */
enum error_action error_action_of(enum error_code code);
const char *error_action_name(enum error_action action); /* "retry" */

#endif
