/* error.h - everything that can go wrong, in one table: name, what the caller may do, manual text.
 *
 * A code is what a program decides by, the text is what a person reads. Lua sees both, and the
 * outcome of the call: whether the server certainly did it, certainly did not, or may have. Where to
 * look is for the manual.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
/*    name         lua name       action  what happened
 *      where to look first */
#define ERROR_TABLE(X) \
    X(OK,          "ok",          NONE,   "It worked.", \
      "") \
    X(CANCELLED,   "cancelled",   STOP,   "The task that asked was cancelled.", \
      "Who cancelled: cancel(), a for_each one of whose tasks failed, the end of the task it was started in, or a signal. With the server's own code (57014) it was a statement on the server: of a lease that pool.hold took away, or by its administrator. What had been sent by then is in doubt when the outcome says so.") \
    X(DEADLINE,    "deadline",    RETRY,  "The deadline of the call or of its task passed first.", \
      "Where the time went: the sentence says whether in the queue or at the server. In the queue: as for `wait`. At the server: what it runs and which locks it waits for. Raise call.deadline of the policy only when the answer is still worth something then.") \
    X(WAIT,        "wait",        WAIT,   "No connection became free within the part of the deadline that may be spent queueing.", \
      "nebula inspect NAME: how many are leased, since when, and how many wait. Leases kept across sleeps and other calls, slow statements, or a pool.max too small for the load.") \
    X(FULL,        "full",        WAIT,   "The queue is at its bound: that of the pool or of the channel. Or fail_fast found no free connection and no room.", \
      "As for `wait`; then pool.queue, or the capacity of the channel. A queue that is always full needs fewer callers, not more room.") \
    X(PAUSED,      "paused",      WAIT,   "The resource is paused and the call may not wait for its resumption.", \
      "Who paused it, and whether it should be resumed: nebula ls says which are.") \
    X(CLOSED,      "closed",      STOP,   "The engine is shutting down and begins nothing new, or the channel was closed.", \
      "The log around that time: a signal begins the drain. Of a channel: who closed it, which is how its end is told.") \
    X(LOST,        "lost",        RETRY,  "The connection broke, or a worker left. See the outcome: that may have been after the work was done.", \
      "The server's log at that time: a restart, a crash, an administrator, an idle timeout of the server or of something between; and ours: a nebula drain cuts off what is left in the end. `life` and `check` of the pool shorter than such a timeout keep it away from calls. Of a worker: the log says why it left.") \
    X(UNREACHABLE, "unreachable", WAIT,   "Nothing answers at the address: refused, no route, no such name, or no answer in time.", \
      "host and port of the declaration, whether the server runs, name resolution, firewalls. nebula inspect NAME shows the last words of the system.") \
    X(UNFIT,       "unfit",       WAIT,   "The server answers and is not what the role needs: a standby where the primary is wanted, or the other way round.", \
      "nebula inspect NAME: what each endpoint was seen as. After a switch-over it passes by itself; else target_session_attrs, reads, and whether the server writes.") \
    X(DENIED,      "denied",      ROTATE, "The server did not accept the credential.", \
      "user and password, or the certificate; whether the environment variable is set where the program runs; the server's rules for who may come from where.") \
    X(BUSY,        "busy",        WAIT,   "The server has no room for one more connection.", \
      "How many connections the server allows (max_connections) and who has them. The sum of pool.max over all programs has to stay below.") \
    X(LOCKED,      "locked",      WAIT,   "Another process holds a lock that the statement needs.", \
      "Which process holds it: of SQLite another program with the same file, of PostgreSQL the statement's locks. Shorter transactions help, a longer busy_timeout or lock_timeout hides it.") \
    X(CONFLICT,    "conflict",    RETRY,  "The transaction lost against a concurrent one and was rolled back; run all of it again.", \
      "Nothing, when it is rare: run the transaction again, or let the engine do it. When it is not: transactions that touch the same rows in another order, or are longer than they need to be.") \
    X(CONSTRAINT,  "constraint",  FIX,    "The data breaks a constraint of the schema.", \
      "The sentence names the constraint. The data is wrong, or `on conflict` is missing.") \
    X(QUERY,       "query",       FIX,    "The server does not accept the statement or its parameters.", \
      "The statement in the message, and the server's code beside it: names, types, the number of parameters, rights.") \
    X(READ_ONLY,   "read_only",   RETRY,  "A write reached a connection or a server that only reads.", \
      "Whether the server is a standby, or the transaction or role is declared as one that only reads. After a switch-over it passes by itself.") \
    X(STORAGE,     "storage",     ASK,    "The server has no room left, or its storage is damaged.", \
      "The server's disk and its log, before anything else is done to it.") \
    X(SERVER,      "server",      ASK,    "The server failed for a reason of its own.", \
      "The server's log at that time, with its code.") \
    X(PROTOCOL,    "protocol",    ASK,    "The server said something that is not in its protocol, or says so of the engine.", \
      "What stands between engine and server: a pooler or proxy, another program on that port, versions that do not know each other.") \
    X(STALE,       "stale",       FIX,    "The lease, stream or ticket has already ended.", \
      "Where it was given back, or which task it belonged to: a lease ends with its task. Kept in a variable that outlives it? Or it was taken away, as the sentence then says: pool.hold_action.") \
    X(USAGE,       "usage",       FIX,    "The program asked for something that cannot be.", \
      "The sentence; it is a mistake of the program.") \
    X(CONFIG,      "config",      FIX,    "A declaration cannot work as it stands.", \
      "nebula check, which finds all that is wrong at once, with file and line.") \
    X(NOT_YET,     "not_yet",     FIX,    "The setting is known but not in force in this version.", \
      "Take the setting out; the reference of settings says what is in force.") \
    X(LIMIT,       "limit",       FIX,    "A bound of the engine itself: too many tasks, too large a value.", \
      "Which bound: the sentence has the number. More tasks or tickets than that are a loop that does not wait for what it starts.") \
    X(MEMORY,      "memory",      WAIT,   "The process has no memory left for it.", \
      "The process's memory and its bound (ulimit -v, cgroup); results that are read whole where a stream would do.") \
    X(EMPTY,       "empty",       WAIT,   "Nothing lies in the channel, and fail_fast does not wait for it.", \
      "Nothing: ask later, or without fail_fast.") \
    X(OPEN,        "open",        WAIT,   "The circuit of the resource is open: too many calls failed or were slow, so none is sent for a while.", \
      "Why they failed: the log has the line `circuit open`, and nebula inspect NAME what is counted. retry_after says when the next one may be sent.") \
    X(RATE,        "rate",        WAIT,   "As many calls as the policy's rate lets were made already.", \
      "Who calls so often, and rate in the policy: how many in which span, and whose. retry_after says when asking again is worth it.") \
    X(SHED,        "shed",        WAIT,   "The call waited in the queue of the policy's limit, and that is too slow to serve all.", \
      "What the server is slowed down by, and limit in the policy. nebula inspect NAME: how many are under way and how many wait. Which calls are batch, and are refused first, and which are critical.")
/* clang-format on */

enum error_code {
#define X(name, lua, action, text, look) ERROR_##name,
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
    bool is_planted;        /* somebody did it on purpose: see core/chaos.h */
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
    e->is_planted = false;
    e->retry_after_us = 0;
    e->text[0] = '\0';
}

const char *error_name(enum error_code code);   /* "deadline" */
const char *error_manual(enum error_code code); /* the row's sentence */
enum error_action error_action_of(enum error_code code);
/* Trying again cannot help before somebody has repaired something. */
bool error_is_hopeless(enum error_code code);
/* The server, or the way to it, did not do its part. What a server has against a statement is an answer like
 * others. */
bool error_blames_server(enum error_code code);
/* It says nothing of the server: we did it ourselves. */
bool error_is_ours(enum error_code code);
const char *error_action_name(enum error_action action); /* "retry" */

#endif
