/* nebula.h - the border: everything a program may ask of the engine, and nothing else.
 *
 * One engine belongs to one thread; every function here is called on it. What can be answered at
 * once is answered by the return value. What cannot returns a ticket, and the ticket ends as
 * exactly one event from nebula_next(). Nothing ever calls back into the caller.
 *
 * The engine acts for a task: the one last named to nebula_task_enter(). What a task leases, calls
 * and waits for is its own and ends with it.
 *
 * Times are in microseconds (us). An absolute time is a point on nebula_now_us(); a span of 0 means
 * "as the policy says" unless it is said otherwise. Negative results are error codes with the sign
 * changed (base/error.h; nebula_error_name()), and nebula_error() has the sentence. A pointer is NULL
 * only where that is said.
 *
 * LuaJIT reads what is between the two marker lines, so that part is plain C without preprocessor.
 */
#ifndef NEBULA_H
#define NEBULA_H

#include <stdbool.h>
#include <stdint.h>

#define NEBULA_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* all that the shared library shows */

/* [ffi */

struct nebula;
struct nebula_ledger;
struct ask;

/* --- values ----------------------------------------------------------------------------------- */

enum nebula_type {
    NEBULA_NULL = 0,
    NEBULA_BOOL,  /* integer, 0 or 1 */
    NEBULA_INT,   /* integer */
    NEBULA_FLOAT, /* number */
    NEBULA_TEXT,  /* bytes, size: in the database's own words, encoded as UTF-8 */
    NEBULA_BYTES, /* bytes, size: anything */
};

struct nebula_value {
    int32_t type; /* enum nebula_type */
    uint32_t size;
    union {
        int64_t integer;
        double number;
        const char *bytes;
    };
};

struct nebula_column {
    const char *name; /* NUL-terminated */
    uint32_t size;
    uint32_t type; /* the kind's own: PostgreSQL an OID, SQLite 0 */
};

/* --- requests and replies --------------------------------------------------------------------- */

enum nebula_verb {
    NEBULA_RUN = 1, /* one statement with parameters; the reply holds all its rows */
    NEBULA_SCRIPT,  /* any number of statements without parameters; no rows */
    NEBULA_PREPARE, /* makes the statement ready on this connection and runs nothing */
    NEBULA_BATCH,   /* some statements, each with parameters and rows, in one round trip */
    NEBULA_STREAM,  /* one statement; the reply holds its first rows. Needs a lease. A PostgreSQL
                       COPY has begun then, and its rows are to be pulled or pushed */
    NEBULA_PULL,    /* the next rows of the lease's stream. Those of a COPY come as one row with one
                       column: some 64 kB of whole lines; changed counts the lines so far */
    NEBULA_STOP,    /* ends the lease's stream early; the session stays. Of what was pushed nothing
                       is done */
    NEBULA_PUSH, /* the stream wants input: text is its next bytes, and is on its way to the server
                       when this ends. Nothing of it is done before FINISH */
    NEBULA_FINISH, /* the stream has had all its input */
};

/* One statement of a batch. */
struct nebula_part {
    const char *text; /* copied */
    uint32_t text_size;
    int32_t count;                    /* values */
    const struct nebula_value *value; /* copied, their bytes too */
};

struct nebula_request {
    int64_t lease;    /* 0: the engine leases one for this request alone and may retry */
    int32_t resource; /* ignored with a lease */
    int32_t verb;     /* enum nebula_verb */
    int32_t role;     /* which of the kind's roles, 0 is the first; ignored with a lease */
    int32_t count;    /* values */
    int32_t window;   /* STREAM, PULL: most rows in the reply, at least 1 */
    uint32_t text_size;
    const char *text;                 /* copied */
    const struct nebula_value *value; /* copied, their bytes too */
    const struct nebula_part *part;   /* BATCH, which has no text and no values of its own */
    int32_t parts;                    /* BATCH: 1 to 1000, of 16 MiB together */
    bool is_each;       /* BATCH: each part by itself. Else all or nothing: outside of a transaction
                          they are one, of selects, inserts, updates and deletes alone */
    int64_t within_us;  /* 0: as the policy says. Never beyond the task's deadline */
    bool is_idempotent; /* doing it twice does no harm, so it may be repeated when in doubt */
    bool is_fail_fast;  /* do not queue for a connection */
    bool is_dirty;      /* as nebula_dirty(): it changes its session, and its words do not tell */
    int32_t operation, priority; /* by whose policy, how urgent: nebula_policy.h; 0: as usual */
};

/* What a ticket ended with. Pointers, those in cells and columns too, live until nebula_done(). */
struct nebula_reply {
    int32_t code;    /* 0 ok, else an error code */
    int32_t outcome; /* 0 ok, 1 failed: proven not applied, 2 in doubt */
    int32_t rows, columns;
    int32_t attempts;
    int32_t role;     /* the role that answered */
    int32_t parts;    /* of a batch */
    int32_t part;     /* of a batch that failed: the one because of which; 0: none in particular */
    int64_t lease;    /* of a lease's ticket */
    int64_t listener; /* of a listener's ticket */
    int64_t changed;  /* rows touched, -1 when it makes no sense */
    int64_t last_id;
    int64_t retry_after_us;
    const char *text;    /* the sentence, "" when ok */
    const char *state;   /* the server's own code, "" if none */
    bool more;           /* a stream has more to pull, or wants input */
    bool wants_input;    /* it wants input: PUSH it, then FINISH; or STOP */
    int64_t line;        /* with an error: the line of the input that it is about, 0 unknown */
    const char *column;  /* and the column, "" unknown */
    int64_t deadline_us; /* of a call: until when it waited, as nebula_now_us() counts */
};

/* What a listener hears next: what was told, or that something was missed before whatever follows. */
struct nebula_told {
    int32_t gap; /* 0: it was told; else the error code of why something was missed */
    uint32_t channel_size, size;
    const char *channel; /* NUL-terminated, as bytes are */
    const char *bytes;   /* what was told; of a gap: the sentence */
    int64_t from;        /* who told it, as the server numbers its sessions; 0 nobody knows */
    int64_t missed;      /* of a gap: messages that were dropped here */
    int64_t span_us;     /* of a gap: how long nothing could be heard */
};

struct nebula_event {
    int32_t ticket;
    int32_t code; /* 0 ok, else an error code; nebula_reply() tells more */
};

/* How a lease went, when it is given back. */
enum nebula_verdict {
    NEBULA_GOOD = 0, /* as far as the caller knows */
    NEBULA_SPOILED,  /* close it */
};

/* --- declarations ----------------------------------------------------------------------------- */

struct nebula_option {
    const char *name;
    const char *value;
    bool is_secret;  /* shown as *** wherever its value would appear */
    bool has_tenant; /* {tenant} in its value stands for the tenant: another resource for each */
    int8_t role;     /* 0: of all roles; else of role number role - 1 alone */
    int8_t endpoint; /* 0: at all endpoints; else at endpoint number endpoint - 1 alone */
};

/* Which of several endpoints the connections of a role go to. */
enum nebula_choice {
    NEBULA_STAY = 0,   /* all to one; when that fails or is not what the role needs, to the next */
    NEBULA_SPREAD = 1, /* the next one to the endpoint with the fewest */
    NEBULA_FALL_BACK = 2, /* added: where none is what the role needs, any will do for a while */
};

struct nebula_pool {
    int32_t min;        /* kept open without traffic */
    int32_t max;        /* never more, connecting ones included */
    int32_t queue;      /* most waiters; one more is refused with `full` */
    int32_t connecting; /* at once */
    int32_t pipeline;   /* of calls that may be repeated, at once on one connection; 0: 1 */
    bool is_fail_fast;  /* refuse with `full` instead of queueing */
    bool is_fifo;       /* lend the connection that was idle longest (default: the last one used) */
    int64_t idle_us;    /* closed when idle for longer, down to min; 0 never */
    int64_t life_us;    /* closed after about this long; 0 never */
    int32_t life_jitter; /* percent of life that is drawn at birth and taken off, 0..50 */
    int64_t check_us;    /* asked whether it lives when idle for longer; 0 always asked, -1 never */
    int64_t keepalive_us; /* asked when unused for longer; 0 never, else at least 100 ms */
    int64_t hold_us;      /* leased for longer: nebula_hold(); 0 never, else at least 100 ms */
    bool is_reclaiming;   /* and taken away */
    int64_t connect_us;   /* bound of one attempt to connect, and of one check or reset */
    int64_t start_us;     /* nebula_start(): attempts go on for so long; 0: until the first fails */
};

struct nebula_policy {
    int64_t deadline_us; /* of a call as a whole, retries included */
    int64_t wait_us;     /* the part of it that may pass in the queue */
    int32_t tries;       /* 1: no retry */
    int64_t pause_us;    /* before the first retry; doubles, with full jitter */
    int64_t pause_max_us;
    int32_t budget;       /* retries, in percent of calls */
    int32_t budget_least; /* retries a second that are allowed whatever the percentage */
};

struct nebula_spec {
    const char *name; /* all strings are copied */
    const char *kind;
    const char *driver; /* one of ours, "sqlite"; or the path of an object: nebula_driver.h */
    const char *policy_name;
    const char *file; /* where it was declared, for people; NULL: nobody knows */
    int32_t line;
    int32_t roles; /* 1..4; role i has role_name[i] and room for role_max[i] connections */
    const char *role_name[4];
    int32_t role_max[4];              /* 0: as pool.max */
    bool role_is_fixed[4];            /* it stays as it is: the kind knows why */
    uint8_t role_choice[4];           /* enum nebula_choice */
    int32_t writer;                   /* where a statement goes that its role cannot do */
    int32_t endpoints;                /* 0..16; with 0 the options alone say where it is */
    const char *const *endpoint_name; /* what people call them */
    const char *check;                /* a SCRIPT that a living connection answers */
    const char *rollback; /* a SCRIPT that ends an open transaction without effect; NULL: close */
    const char *reset;    /* a SCRIPT that makes a session without transaction clean; NULL: close */
    bool is_data; /* the session is the data: nobody may ask for another one, or for a clean one */
    /* The part of a SCRIPT that begins to hear of a channel, and the one that ends it; NULL: such a
     * resource tells nothing. The channel's name takes the place of %s; the character before it,
     * its quote, is doubled in it. */
    const char *listen;
    const char *unlisten;
    int32_t channel_most; /* bytes of a channel's name */
    const struct nebula_option *option;
    int32_t options;
    const char *tenant; /* extended regex of a tenant's name; NULL: letters, digits, _ and - */
    int32_t tenants;    /* the most, with options that have {tenant}; else 0 */
    struct nebula_pool pool;
    struct nebula_policy policy;
};

/* --- the engine ------------------------------------------------------------------------------- */

struct nebula_options {
    const char *control; /* path of the control socket; NULL: none */
    const char *name;    /* what ls shows as the program, copied; NULL: nothing */
    int32_t log_format;  /* 0 json lines, 1 logfmt, 2 pretty */
    int32_t log_level;   /* 0 debug, 1 info, 2 warn, 3 error, 4 nothing */
    int32_t log_fd;      /* borrowed */
    bool allow_chaos;    /* nebula_chaos() may be said */
};

/* NULL on failure; then the sentence is in text (size bytes, may be NULL). */
struct nebula *nebula_open(const struct nebula_options *options, char *text, uint32_t size);
/* Begins to stop: nothing new is begun, idle connections close, leases and calls may go on until
 * at_us, then they are cancelled. Again with a sooner time hurries it. */
void nebula_stop(struct nebula *n, int64_t at_us);
bool nebula_is_stopped(const struct nebula *n); /* stopping, and no connection is left */
/* Closes whatever is left and frees. Blocks until the drivers are done. *n becomes NULL, and may be so. */
void nebula_close(struct nebula **n);

void nebula_turn(struct nebula *n, int64_t until_us); /* waits (0: not), and does what there is */
/* For a program with a loop of its own: a descriptor that is readable as long as there is something
 * to do, be it a socket, a timer, news from a thread, or a ticket that ended and was not taken. Watch
 * it for reading (level triggered), call nebula_step() when it is readable, and take the tickets that
 * ended. What is asked for meanwhile may make it readable too; nothing else is to be called for it.
 * It is the engine's until nebula_close(); negative when there is no descriptor or memory left. The
 * first time costs a step, and from then on each engine has a timer of the kernel. */
int32_t nebula_fd(struct nebula *n);
void nebula_step(struct nebula *n); /* does what is due and never waits */
/* Ends the wait of the turn under way, or of the next. Any thread may call it, while n is open. */
void nebula_interrupt(struct nebula *n);
/* The next ticket that ended; false when there is none. */
bool nebula_next(struct nebula *n, struct nebula_event *out);
int64_t nebula_now_us(struct nebula *n); /* reads the clock */

/* The sentence of the last negative result, until the next call of anything. */
const char *nebula_error(const struct nebula *n);
const char *nebula_error_name(int32_t code);   /* "deadline" */
const char *nebula_error_action(int32_t code); /* "retry" "wait" "rotate" "fix" "stop" "ask" */

/* --- resources -------------------------------------------------------------------------------- */

int32_t nebula_declare(struct nebula *n, const struct nebula_spec *spec); /* its number, > 0 */
int32_t nebula_find(struct nebula *n, const char *name);                  /* 0 when there is none */
/* A resource's name, NULL when there is none of this number. It lives as long as the resource. The
 * number of one that was made for a tenant, see nebula_lease_resource(), may be another tenant's when
 * nobody has asked for him for long. */
const char *nebula_name(struct nebula *n, int32_t resource);
/* The number of one of its roles ("writer"), or -USAGE when it has none of this name. */
int32_t nebula_role(struct nebula *n, int32_t resource, const char *name);
/* A ticket that ends when the first `min` connections (at least one) are open, or start_us has passed;
 * with start_us 0 it ends with the first attempt that fails. Never later than the task's deadline. */
int32_t nebula_start(struct nebula *n, int32_t resource);
/* In all workers of a ledger, as what follows: new leases wait until it is resumed. 0 or negative. */
int32_t nebula_pause(struct nebula *n, int32_t resource);
int32_t nebula_resume(struct nebula *n, int32_t resource);
/* Another connection for each: `percent` of them (1..100) leave at once and then every every_us, leased
 * ones as they come home; `min` stay warm where max leaves room, and while connecting fails nobody
 * leaves. A ticket that ends when the last is gone, or a negative code. Again: from the beginning. */
int32_t nebula_reconnect(struct nebula *n, int32_t resource, int32_t percent, int64_t every_us);
/* Runs it empty: newcomers are refused with `paused`, who is in or waits comes to his end, and what is
 * left after within_us is cancelled. A ticket that ends when nothing is left, with `cancelled` when it
 * is resumed before; or a negative code. Like above, who stops waiting stops nothing. */
int32_t nebula_drain(struct nebula *n, int32_t resource, int64_t within_us);
/* Other bounds, at once; -1: as it is. Role -1: min and max of all roles that have no max of their own;
 * else a max for that one alone. What is too much closes as it comes home. 0 or a negative code. */
int32_t nebula_resize(struct nebula *n, int32_t resource, int32_t role, int32_t min, int32_t max);
/* Whether the task entered may do again what `attempts` attempts have proven undone, a transaction
 * that lost against another one: by the policy's tries, the deadline, and the budget, out of which it
 * is taken. How long it has to pause before, in us; or a negative code, and why in nebula_error(). */
int64_t nebula_retry(struct nebula *n, int32_t resource, int32_t attempts);

/* --- tasks ------------------------------------------------------------------------------------ */

/* A new task (> 0) with the deadline of its parent (0: of nobody), or a negative code. */
int32_t nebula_task_open(struct nebula *n, int32_t parent);
void nebula_task_enter(struct nebula *n, int32_t task); /* acts for it from here on; 0: nobody */
/* Sets the deadline of the task entered; 0 none. Returns the one before, to be put back. It is the
 * caller's to keep the sooner one. */
int64_t nebula_task_deadline(struct nebula *n, int64_t at_us);
/* From here on the task entered acts in this trace, and so do the tasks that are opened below it: a
 * traceparent of W3C Trace Context ("00-<trace>-<parent>-<flags>"), "" for none; copied. 0, or a
 * negative code: usage when it is no traceparent, memory. Kinds that can pass it on to their server. */
int32_t nebula_task_trace(struct nebula *n, const char *traceparent);
/* From here on the task entered acts for this tenant, and so do the tasks that are opened below it: 1
 * to 63 bytes without control characters, "" for nobody; copied. 0, or a negative code: usage, memory.
 * It decides which resource a declaration with {tenant} is. */
int32_t nebula_task_tenant(struct nebula *n, const char *tenant);
/* Those of the task entered, "" if none. They live until the task is given another or ends. */
const char *nebula_task_traceparent(const struct nebula *n);
const char *nebula_task_tenant_name(const struct nebula *n);
bool nebula_is_pattern(const char *pattern); /* POSIX extended, as nebula_spec.tenant has to be */
/* Ends all its tickets with `cancelled`, and everything it asks for from now on at once. */
void nebula_task_cancel(struct nebula *n, int32_t task);
/* A cancelled task may clean up: it is not cancelled until at_us, which is its deadline. */
void nebula_task_grace(struct nebula *n, int32_t task, int64_t at_us);
/* Ends it: its tickets vanish without an event, its leases are given back. */
void nebula_task_close(struct nebula *n, int32_t task);

/* --- tickets ---------------------------------------------------------------------------------- */

/* All return a ticket (> 0) or a negative code. The first ends ok after span_us, 0: in the next turn,
 * the second when somebody wakes it. */
int32_t nebula_sleep(struct nebula *n, int64_t span_us);
int32_t nebula_wait(struct nebula *n);
int32_t nebula_call(struct nebula *n, const struct nebula_request *request);
/* Ends a nebula_wait() with code (0 ok). A ticket that has ended already is left alone. */
void nebula_wake(struct nebula *n, int32_t ticket, int32_t code);
/* Ends a ticket with `cancelled`, now, as an event. */
void nebula_cancel(struct nebula *n, int32_t ticket);
/* After its event and before nebula_done(): what a ticket ended with. Rows and columns count from
 * 0. All return 0, or -ERROR_STALE when there is no such reply, cell or column; *out is left alone
 * then. It is the caller's, and the bytes that it names are the ticket's, until nebula_done(). */
int32_t nebula_reply(struct nebula *n, int32_t ticket, struct nebula_reply *out);
int32_t nebula_cell(struct nebula *n, int32_t ticket, int32_t row, int32_t column,
                    struct nebula_value *out);
int32_t nebula_column(struct nebula *n, int32_t ticket, int32_t column, struct nebula_column *out);
/* Of a batch: from here on the three above speak of this part, counted from 1; 0: of the whole again,
 * which is ok when every part is, or, with is_each, when every part has been answered. */
int32_t nebula_part(struct nebula *n, int32_t ticket, int32_t part);
/* Gives the ticket back. Every ticket whose event was taken is given back once. One that has not ended is
 * cancelled, and has no event then; nor has one whose event was not taken: a lease or a listener that it
 * ended with is closed. */
void nebula_done(struct nebula *n, int32_t ticket);

/* --- leases ----------------------------------------------------------------------------------- */

/* Lending at once reads no clock: it believes the time of the last turn. Who has not turned for long
 * calls nebula_now_us() first, so that what was idle for long is asked whether it lives.
 * A lease (> 0); or 0 with the ticket in nebula_ticket(), when one has to be waited for, and each 64th time
 * without a turn though one is idle; or a negative code. within_us: how long to wait; 0: as the policy's
 * wait says. Never beyond the task's deadline. */
int64_t nebula_lease(struct nebula *n, int32_t resource, int32_t role, int64_t within_us,
                     bool is_fail_fast);
int32_t nebula_ticket(const struct nebula *n); /* of the last lease or call that has to wait */
/* After its event: the lease that it ended with, and gives it back; 0: nebula_reply() has more. */
int64_t nebula_lent(struct nebula *n, int32_t ticket);
/* 0, or -ERROR_STALE. A connection that is not clean is made so, or closed, before anybody gets it. */
int32_t nebula_release(struct nebula *n, int64_t lease, int32_t verdict);
/* Says that its session was changed in a way that no statement told, so that it is made clean before
 * anybody else gets it. 0, or -ERROR_STALE. */
int32_t nebula_dirty(struct nebula *n, int64_t lease);
/* Where it was taken (copied), for nebula_hold() and the listings. 0, or a negative code. */
int32_t nebula_lease_place(struct nebula *n, int64_t lease, const char *place);
/* A lease that is held for longer than its pool's hold_us. */
struct nebula_hold {
    int64_t lease, held_us;
    int32_t task, resource;   /* whose it is, 0 nobody's; and of what */
    uint32_t connection;      /* its number, as the listings show it */
    bool is_reclaimed;        /* it was taken away: what is asked on it is refused with `stale` */
    const char *name, *place; /* the resource's; and of its taking, NULL when nobody said it */
};
/* The next one; false when there is none. To be asked after each turn: each hold is told once, and again
 * whenever it has become twice as long. */
bool nebula_hold(struct nebula *n, struct nebula_hold *out);
/* Whether a transaction is open in its session, as its server said last: 0, 1, or -ERROR_STALE. */
int32_t nebula_in_transaction(struct nebula *n, int64_t lease);
/* The number of its resource, of the tenant's own where each tenant has one; or -ERROR_STALE. */
int32_t nebula_lease_resource(struct nebula *n, int64_t lease);

/* --- listeners -------------------------------------------------------------------------------- */

/* Which channels, and how much of what is told may wait to be heard. */
struct nebula_channels {
    int32_t resource;
    int32_t count;           /* at least 1 */
    const char *const *name; /* copied; one that is named twice counts once */
    int32_t queue;           /* most messages, at least 1; beyond it the oldest ones are dropped */
    int64_t bytes;           /* of them together, at least 1 */
    int64_t within_us; /* 0: as the policy's deadline says. Never beyond the task's deadline */
};

/* A ticket that ends when whatever is told on the channels from then on is heard; the listener is in
 * its reply, and the task's. All listeners of a resource hear by one connection of its pool. */
int32_t nebula_listen(struct nebula *n, const struct nebula_channels *channels);
/* A ticket that ends with what the listener hears next; within_us: 0: whenever that is. Never beyond
 * the task's deadline. Of several tickets the first is served first. */
int32_t nebula_hear(struct nebula *n, int64_t listener, int64_t within_us);
/* What a nebula_hear() ended with, after its event and before nebula_done(); then the bytes are gone.
 * 0, or -ERROR_STALE. What nobody looked at is heard again by the next ticket. */
int32_t nebula_told(struct nebula *n, int32_t ticket, struct nebula_told *out);
/* 0, or -ERROR_STALE. Tickets of nebula_hear() end with `closed`. */
int32_t nebula_unlisten(struct nebula *n, int64_t listener);

/* --- looking ---------------------------------------------------------------------------------- */

/* What is counted of a role, or with role -1 of the resource as a whole; and what the last two to four
 * minutes of a role were like: waits, holds, utilisation, which max would do. They fill at most `size`
 * numbers: those of this worker. How many there are, of the latter 0 when the role was not used; or a
 * negative code. See docs/reference/counters.md. */
int32_t nebula_stats(struct nebula *n, int32_t resource, int32_t role, int64_t *out, int32_t size);
int32_t nebula_figures(struct nebula *n, int32_t resource, int32_t role, double *out, int32_t size);
/* The names of the i-th of these numbers; NULL from their end on. */
const char *nebula_counter(int32_t i);
const char *nebula_figure(int32_t i);
/* One request of the control socket, as JSON ({"verb":"ls"}), answered as one JSON line, whose bytes live
 * until the next call of this. It is told of this worker alone; what is ordered is done in all. */
const char *nebula_ask(struct nebula *n, const char *request);
/* Told of all workers of the ledger: a ticket, whose line nebula_asked() has until nebula_done(), else
 * NULL. Who does not turn for a second is left out, and named in it ("silent"). */
int32_t nebula_ask_all(struct nebula *n, const char *request);
const char *nebula_asked(struct nebula *n, int32_t ticket);
/* Asks another engine by its control socket, without waiting; its answer has within_us from now.
 * NULL when that cannot be, and why in *code_out: unreachable when nobody listens there, busy when
 * the engine takes nobody in. For command lines, which have no engine. */
struct ask *nebula_ask_begin(const char *path, const char *request, int64_t within_us,
                             int32_t *code_out);
/* Waits for the answer and gives the ask back. The line, to be freed with nebula_free(); NULL when
 * there is none, and why in *code_out: deadline, or lost when the other side hung up. */
char *nebula_ask_end(struct ask *a, int32_t *code_out);
/* The text with *** where a secret stands, to be freed with nebula_free(); NULL: there is no memory. */
char *nebula_mask(const char *text, const char *const *secret, int32_t secrets);
void nebula_free(void *answer);
void nebula_log(struct nebula *n, int32_t level, const char *text);

/* ffi] */

/* --- what Lua does not need ------------------------------------------------------------------- */

/* The codes of replies, events and, with the sign changed, of negative results. What each means, and
 * what may be done about it, is in docs/reference/errors.md. */
/* clang-format off */
enum nebula_error_code {
    NEBULA_ERROR_OK = 0, NEBULA_ERROR_CANCELLED, NEBULA_ERROR_DEADLINE, NEBULA_ERROR_WAIT,
    NEBULA_ERROR_FULL, NEBULA_ERROR_PAUSED, NEBULA_ERROR_CLOSED, NEBULA_ERROR_LOST,
    NEBULA_ERROR_UNREACHABLE, NEBULA_ERROR_UNFIT, NEBULA_ERROR_DENIED, NEBULA_ERROR_BUSY,
    NEBULA_ERROR_LOCKED, NEBULA_ERROR_CONFLICT, NEBULA_ERROR_CONSTRAINT, NEBULA_ERROR_QUERY,
    NEBULA_ERROR_READ_ONLY, NEBULA_ERROR_STORAGE, NEBULA_ERROR_SERVER, NEBULA_ERROR_PROTOCOL,
    NEBULA_ERROR_STALE, NEBULA_ERROR_USAGE, NEBULA_ERROR_CONFIG, NEBULA_ERROR_NOT_YET,
    NEBULA_ERROR_LIMIT, NEBULA_ERROR_MEMORY, NEBULA_ERROR_EMPTY, NEBULA_ERROR_OPEN,
    NEBULA_ERROR_RATE, NEBULA_ERROR_SHED,
};
/* clang-format on */

const char *nebula_version(void); /* of the library that runs; NEBULA_VERSION: compiled with */

/* What 1 to 64 engines, each on its own thread, count together: declared alike, they have at most max
 * connections in all. Workers count from 0, each has one engine at a time. Freed when all are closed. */
struct nebula_ledger *nebula_ledger_new(int32_t workers);
void nebula_ledger_free(struct nebula_ledger **l);
struct nebula *nebula_open_worker(struct nebula_ledger *l, int32_t worker,
                                  const struct nebula_options *options, char *text, uint32_t size);

/* Declarations in Lua, as the program `nebula` reads them: from a folder, from a text, or both. */
struct nebula_source {
    const char *folder; /* its resources/NAME.lua and policies/NAME.lua; NULL: none */
    const char *text;   /* NULL: none */
    const char *name;   /* of the text, for messages; NULL: "text" */
    const char *home;   /* of our own kinds and policies; NULL: NEBULA_HOME, else as installed */
    const char *path;   /* folders with kinds of your own, with : between; NULL: NEBULA_PATH */
};

/* Declares all of it: how many resources, or a negative code. Everything that is wrong is said at once,
 * in *why, one mistake a line (FILE:LINE:COLUMN: SETTING: SENTENCE), to be freed with nebula_free(), and
 * the first in nebula_error(); *why is NULL when nothing is wrong or no memory is left, and why may be
 * NULL. Nothing is declared then, unless the engine itself refuses a resource, whose driver is not
 * installed for example: those before it stay. Connects to nothing. Lua runs inside this call alone, in a
 * state of its own that ends with it. */
int32_t nebula_declare_source(struct nebula *n, const struct nebula_source *source, char **why);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
