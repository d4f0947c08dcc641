/* postgres.h - what the files of the PostgreSQL driver share. Private to them.
 *
 *   postgres.c             the four verbs, and who says what when
 *   postgres_open.c        an address, then libpq's handshake
 *   postgres_send.c        a request becomes bytes on their way
 *   postgres_read.c        bytes become a reply
 *   postgres_belief.c      what cannot be true of an answer
 *   postgres_flights.c     the requests in flight
 *   postgres_batch.c       several statements in one request
 *   postgres_statements.c  what is prepared on this connection
 *   postgres_params.c      values to the server
 *   postgres_rows.c        values from the server
 *   postgres_copy.c        COPY: bytes in both directions
 *   postgres_peek.c        what the server has said, before libpq reads it
 *   postgres_session.c     what a statement leaves behind in the session
 *   postgres_trace.c       in whose trace a call is made
 *   postgres_cancel.c      the thread that asks the server to stop
 *   postgres_error.c       SQLSTATE and libpq's sentences to our codes
 */
#ifndef DRIVERS_POSTGRES_H
#define DRIVERS_POSTGRES_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/blocking.h"
#include "core/context.h"
#include "core/driver.h"

struct pg_flight;
struct postgres;

/* --- errors ----------------------------------------------------------------------------------- */

enum error_code pg_state_code(const char *state);
/* What the server said. resource begins the sentence. */
void pg_error_of_result(struct error *e, const char *resource, const PGresult *res);
bool pg_is_fatal(const PGresult *res); /* the session ends with it */
/* It did not take the statement's words: nothing was begun. */
bool pg_is_about_words(const PGresult *res);
/* What libpq says of a connection that worked before. */
void pg_error_of_loss(struct error *e, const char *resource, const PGconn *pg);
/* Why the handshake failed; was is the state before it did. */
void pg_error_of_open(struct error *e, const char *resource, const PGconn *pg, ConnStatusType was);

/* The option that says what a role needs of the server. */
#define PG_WANTS "target_session_attrs"

/* --- values ----------------------------------------------------------------------------------- */

#define PG_PARAMS_ROOM 512 /* bytes; what needs more is allocated */

/* Not to be moved: its arrays may lie in itself. */
struct pg_params {
    int count;
    const Oid *type; /* NULL: the server finds out all of them */
    const char **value;
    int *size;
    int *format;
    void *block; /* NULL: room was enough */
    char room[PG_PARAMS_ROOM] __attribute__((aligned(8)));
};

/* Of r, whose bytes are borrowed. False: nothing is held, r->reply.error tells why. */
bool pg_params_init(struct pg_params *v, struct postgres *p, struct request *r);
/* Whether it could, but for memory. */
bool pg_params_check(struct postgres *p, struct request *r);
void pg_params_fini(struct pg_params *v);

struct pg_rows; /* a struct result */

/* Room for `most` results; NULL when out of memory. */
struct pg_rows *pg_rows_new(int32_t most);
void pg_rows_free(struct pg_rows **rows);
/* There is room for res, and it has the columns of those before. */
bool pg_rows_may_add(const struct pg_rows *rows, const PGresult *res);
/* Takes res. False when out of memory. */
bool pg_rows_add(struct pg_rows *rows, PGresult *res);
bool pg_rows_is_full(const struct pg_rows *rows);
bool pg_rows_has_columns(const struct pg_rows *rows);
struct result *pg_rows_result(struct pg_rows *rows);

/* --- COPY ------------------------------------------------------------------------------------- */

struct pg_chunk; /* a struct result */

struct pg_chunk *pg_chunk_new(void); /* NULL when out of memory */
void pg_chunk_free(struct pg_chunk **chunk);
struct result *pg_chunk_result(struct pg_chunk *chunk); /* NULL when it is empty */

enum pg_direction { PG_NOT_COPYING = 0, PG_COPY_OUT, PG_COPY_IN };

/* Of the stream that is open: from the server's word that a COPY begins to its last byte. */
struct pg_copy {
    enum pg_direction direction;
    bool is_binary;
    bool is_watched; /* for a word of the server that ends it before its input does */
    bool is_ended;   /* there was one */
    int64_t lines;   /* so far */
};

/* --- the session ------------------------------------------------------------------------------ */

bool pg_text_is_suspect(const char *text);
bool pg_leaves_traces(const char *tag, const char *text, bool has_rows);
bool pg_forgets_statements(const char *tag);
bool pg_is_commit(const char *text);
bool pg_is_control(const char *text); /* begins or ends a transaction, or a part of one */
bool pg_is_copy(const char *text);
bool pg_may_share(const struct driver *d, const struct request *r); /* see core/driver.h */
bool pg_is_all_or_nothing(const char *text);
bool pg_is_undone_as_a_whole(const char *text); /* if its session ends before it is complete */
bool pg_commits_parts(const char *text);

/* --- prepared statements ---------------------------------------------------------------------- */

#define PG_STATEMENTS_MOST 256            /* remembered on a connection, unless it is declared */
#define PG_STATEMENTS_BYTES (1024 * 1024) /* of their texts, together */
#define PG_STATEMENT_SIZE (256 * 1024)    /* a longer text is not remembered */
#define PG_GONE_MOST 64                   /* to be deallocated at the next occasion */
#define PG_BUCKETS 128

#define PG_NAME_SIZE 16
struct pg_name {
    char text[PG_NAME_SIZE];
};

struct pg_statement {
    struct list_node node; /* by last use, newest first */
    struct pg_statement *next;
    uint64_t hash;
    uint32_t id;
    uint32_t text_size;
    uint32_t size;    /* of key */
    uint32_t flights; /* that point here */
    bool is_prepared;
    bool is_on_its_way; /* its Parse was sent and not answered */
    bool is_dropped;    /* there only for those that point here */
    bool is_suspect;    /* its text may change the session */
    struct pg_name name;
    char key[]; /* the text, then which parameters are BYTES */
};

struct pg_table {
    struct pg_statement *bucket[PG_BUCKETS];
    uint32_t gone[PG_GONE_MOST];
};

struct pg_statements {
    uint32_t most; /* 0: none is remembered */
    uint32_t last_id;
    struct list used;
    struct pg_table *table; /* NULL before the first one */
    size_t bytes;
    int gones; /* in the table */
};

void pg_statements_init(struct pg_statements *s, uint32_t most);
void pg_statements_fini(struct pg_statements *s);
/* The entry for r's text and parameters, made if there was none; NULL when it cannot be kept. It
 * stays readable until pg_statement_leave(). */
struct pg_statement *pg_statements_use(struct pg_statements *s, const struct request *r,
                                       bool *is_new_out);
void pg_statement_leave(struct pg_statement **it); /* which may be NULL */
/* The server has it no more, or never had it. */
void pg_statements_drop(struct pg_statements *s, struct pg_statement *it);
/* It is of no more use, but the server may have it. */
void pg_statements_retire(struct pg_statements *s, struct pg_statement *it);
void pg_statements_forget(struct pg_statements *s); /* the server dropped all of them */
struct pg_name pg_statement_name(uint32_t id);

/* --- the trace -------------------------------------------------------------------------------- */

#define PG_NAME_MOST                                                                               \
    64 /* of application_name, with its zero byte: the server cuts what is longer */

/* What is told ahead of a call, each by a statement of its own. */
enum pg_telling { PG_TELLS_SPAN = 0, PG_TELLS_BOTH, PG_TELLINGS };

/* What the session says of whose trace it works in, where the declaration asks for it. */
struct pg_trace {
    bool is_known;                 /* the session says `said`; else anything */
    bool is_prepared[PG_TELLINGS]; /* the statements of this generation */
    uint32_t generation;
    char said[TRACEPARENT_SIZE + 1]; /* "" nothing */
    char name[PG_NAME_MOST];         /* as pg_trace_name() */
};

/* application_name when nothing is said, in ASCII. */
void pg_trace_name(char *name_out, const struct target *target);
/* NULL where nobody asks for it. False when out of memory. */
bool pg_trace_init(struct pg_trace **t, const struct target *target);
/* Something must be said before r. */
bool pg_trace_is_due(const struct postgres *p, const struct request *r);
/* Says it ahead of f, in pipeline mode. False when libpq does not take it. */
bool pg_trace_send(struct postgres *p, struct pg_flight *f);
/* Nobody knows what the session says; is_dropped: nor whether the statement is there. */
void pg_trace_forget(struct pg_trace *t, bool is_dropped); /* t may be NULL */

/* --- cancel ----------------------------------------------------------------------------------- */

struct pg_cancel;

/* returned(data) runs on the loop each time PQcancel came back. NULL when out of memory or threads.
 */
struct pg_cancel *pg_cancel_new(struct loop *loop, PGconn *pg, void (*returned)(void *data),
                                void *data);
void pg_cancel_send(struct pg_cancel *k);
void pg_cancel_move(struct pg_cancel *k, struct loop *loop); /* to another one; none is under way */
bool pg_cancel_is_under_way(const struct pg_cancel *k);
/* It must not be under way. Joins the thread: it is idle, so this is short. */
void pg_cancel_free(struct pg_cancel **k);
/* False when it came back just now: returned() will run. Else the thread is left to itself and
 * frees all when PQcancel comes back. */
bool pg_cancel_abandon(struct pg_cancel **k);

/* --- a request in flight ---------------------------------------------------------------------- */

/* From send to reply. Its problem, the first one, is written where it will be read. */
struct pg_flight {
    struct request *request;
    struct pg_rows *rows;           /* NULL: rows are thrown away */
    struct pg_chunk *chunk;         /* the same of a COPY */
    struct pg_statement *statement; /* NULL: not remembered */
    int64_t changed;
    int ahead;         /* results before those of the statement, within its Sync */
    bool is_prelude;   /* results up to the first sync answer what goes before the statement */
    bool is_preparing; /* the next result answers Parse */
    bool is_again;     /* it was prepared anew because the server had lost it */
    bool is_stale;     /* the server does not take the prepared statement any more */
    bool is_complete;  /* the server said that it did the statement */
    bool is_refused;   /* the server said that it did not */
    bool is_kept;      /* an error does not undo all of it: a part was committed, or will be */
    bool is_dirty;
    bool is_stream;
    bool is_giving_up; /* what the server says to that is no news */
    bool is_answered;  /* without the server: replied when its turn comes */
    bool is_exposed;   /* the cancel of another one may have hit it */

    /* of a batch */
    struct pg_flight *part; /* one for each of its parts; NULL: it is none */
    int32_t at;             /* the part whose results come next; behind the last: all have come */
    int due;                /* of a part: results to come */
    bool is_over;           /* of a part: its reply is filled */
};

#define PG_DEPTH_MOST 64 /* requests at once on one connection */

struct pg_flights {
    struct pg_flight *ring; /* depth of them; count from first on are in flight */
    struct pg_flight own;   /* the ring when nothing is shared */
    int depth, first, count;
};

static inline struct error *pg_problem(struct pg_flight *f)
{
    return &f->request->reply.error;
}

/* --- the connection --------------------------------------------------------------------------- */

enum pg_phase {
    PG_NEW = 0,
    PG_RESOLVING,
    PG_CONNECTING,
    PG_IDLE, /* nothing under way; the socket is watched for the server's last words */
    PG_BUSY, /* a request is under way */
    PG_HELD, /* a stream is open and nobody pulls: the socket is left alone */
    PG_LOST, /* conn_failed() is about to be said, or was */
    PG_CLOSED,
};

/* What a turn of the loop owes the core. */
enum {
    PG_OWES_LOSS = 1,
    PG_OWES_ANSWER = 2, /* the request ended without the server */
    PG_OWES_READING = 4,
};

/* What only an open needs. */
struct pg_opening {
    struct postgres *owner;
    struct resolve *resolve;
    struct resolved *found; /* what is left of it to try begins at next */
    struct job poll;        /* beside the loop */
    int next;
    struct timer turn;  /* of the address that is tried, when others are behind it */
    ConnStatusType was; /* before the last poll */
    PostgresPollingStatusType polled;
    bool is_polling;             /* then this, pg and why are the other thread's */
    char heard[ERROR_TEXT_SIZE]; /* there, the last thing that the server said besides */
};

struct postgres {
    PGconn *pg;
    const struct target *target;
    struct watch watch;
    struct soon soon;
    int events; /* what is watched for */
    int owes;
    enum pg_phase phase;
    enum pg_phase before; /* what an answer without the server leads back to */

    struct pg_opening *opening; /* NULL when it is open, or closed */
    /* PG_OWES_LOSS: why it is lost. Before: what the server said, as if it would hang up. NULL: nothing,
     * or there was no memory for it. */
    struct error *why;

    struct pg_flight *head; /* whose results come next; NULL: nothing is in flight */
    struct pg_flights flights;
    bool is_pipelined;    /* results end with a sync, not with NULL */
    bool is_row_by_row;   /* so libpq gives what comes next, unless a plain query is sent */
    bool is_spoiled;      /* this connection is not to be used again */
    bool is_contradicted; /* an error came as what is none, or a commit is no commit */
    bool is_turned;       /* the server is not what the role needs any more, and the core is told */
    bool is_cancelling;
    const struct request *cancelled; /* while cancelling; it may have ended */
    struct pg_copy copy;
    bool is_stream_whole; /* what is not complete of the stream that is open was not done */

    struct pg_cancel *cancel; /* NULL until the first one */
    int64_t pause_us;         /* until it is sent again */
    union {
        struct timer again;    /* a cancel that came too early is sent again */
        struct timer patience; /* of one that is closed: it waits for the cancel so long */
    };
    struct pg_statements statements;
    struct pg_trace *trace; /* NULL: nobody asks for it */
};

const char *pg_resource(struct postgres *p);
void pg_watch(struct postgres *p, int events);
void pg_owe(struct postgres *p, int what);
/* The connection is of no more use; the core hears it soon. why: NULL for the server's last words,
 * or what libpq says. */
void pg_lose(struct postgres *p, const struct error *why);

/* False when out of memory. */
bool pg_flights_init(struct pg_flights *s, int depth);
void pg_flights_drop(struct postgres *p); /* none of them will be replied */
void pg_flights_fini(struct postgres *p);
/* There is room: the core sends no more than the depth. */
struct pg_flight *pg_flight_push(struct postgres *p, struct request *r);
void pg_flight_pop(struct postgres *p); /* the head, which has nothing any more */
/* The head is being cancelled, and that may hit those behind it. */
void pg_flights_expose(struct postgres *p);
/* It is not answered yet, and to be stopped. */
static inline bool pg_is_being_cancelled(const struct postgres *p)
{
    return p->is_cancelling && p->phase == PG_BUSY && p->head != NULL &&
           p->head->request == p->cancelled;
}
/* It ends without the server, once it is the head. */
void pg_answer(struct postgres *p, struct pg_flight *f);
/* The reply's fields, from what was read. */
void pg_fill_reply(struct pg_flight *f);
void pg_flight_fini(struct pg_flight *f); /* frees what it has */

/* close() was called, and pg is ours again: lets go of all of it. */
void pg_closed(struct postgres *p);

/* Whether the libpq there is knows all options. */
bool pg_open_check(const struct driver *d, const struct target *t, struct error *e);
bool pg_open_init(struct postgres *p); /* false when out of memory */
void pg_open(struct postgres *p);
void pg_open_ready(struct postgres *p);
/* Only what another thread has is left of the opening. */
void pg_open_stop(struct postgres *p);

/* Begins f, which ends by its problem when it cannot. */
void pg_send(struct postgres *p, struct pg_flight *f);
void pg_run_again(struct postgres *p, struct pg_flight *f);
void pg_flush(struct postgres *p);
/* libpq took it all, or not: then half of it may be on its way. */
void pg_sent(struct postgres *p, bool ok);
/* Begins a pipeline, with what is to be deallocated. The three are false when libpq fails. */
bool pg_enter_pipeline(struct postgres *p, struct pg_flight *f);
bool pg_has_prelude(struct postgres *p, const struct pg_flight *f); /* something goes before f */
/* What was sent last is a stream's. False when libpq does not take it. */
bool pg_go_row_by_row(struct postgres *p);
/* One statement, into the pipeline. is_together: it is not run if one before it fails. */
bool pg_send_part(struct postgres *p, struct pg_flight *f, bool is_together);
bool pg_leave_pipeline(struct postgres *p);

void pg_send_batch(struct postgres *p, struct pg_flight *f);
/* Whose results come next: a part, or f itself when all of them have come. */
struct pg_flight *pg_batch_current(struct pg_flight *f);
/* A result of the part was read. */
void pg_batch_took(struct pg_flight *f, struct pg_flight *part);
/* So was the answer to a Sync. True when the batch has ended. */
bool pg_batch_synced(struct postgres *p, struct pg_flight *f);
/* The server hung up, and said why. is_proven: the part under way was not done. False: nothing is
 * known of the whole. */
bool pg_batch_ends_session(struct postgres *p, struct pg_flight *f, bool is_proven);
/* All or nothing, and a part was refused: so nothing is done. */
bool pg_batch_is_refused(const struct pg_flight *f);

/* The server said what cannot be: the connection is lost. why goes behind "the server". */
void pg_disbelieve(struct postgres *p, const char *why);
/* It was said what became of it, or it is one of which nothing need be said. */
bool pg_is_answered(const struct pg_flight *f);
bool pg_is_notice(const PGresult *res); /* by its severity */
/* res came as a notice. */
void pg_doubt_notice(struct postgres *p, const PGresult *res);
bool pg_is_tag_of_commit(const char *tag);     /* of what a commit may end as */
bool pg_is_misunderstood(const PGresult *res); /* the server heard other bytes than we said */

/* Reads what has arrived, and replies when that is all. */
void pg_read(struct postgres *p);
/* Ends the head; the stream that it belongs to stays open. */
void pg_hold(struct postgres *p);
/* Ends f, of which nothing was sent. */
void pg_refuse(struct postgres *p, struct pg_flight *f, enum error_code code, const char *why);
/* Ends the head, which was answered without the server. */
void pg_reply_answered(struct postgres *p);
/* The connection is lost: ends the head if the server had refused it by then. */
bool pg_reply_refused(struct postgres *p);
/* Ends the head as its problem says. Last thing to do: the core may begin the next one inside. */
void pg_reply(struct postgres *p);

/* Sends f, whose text is a COPY; pg_copy_go_on() when what goes before it was answered. */
void pg_copy_start(struct postgres *p, struct pg_flight *f);
void pg_copy_go_on(struct postgres *p, struct pg_flight *f);
/* The server answers f with the begin of a COPY, which is ours to go through with, or to refuse. */
void pg_copy_begin(struct postgres *p, struct pg_flight *f, const PGresult *res);
/* Takes what has come of it; false when there is nothing more to take for now. */
bool pg_copy_read(struct postgres *p, struct pg_flight *f);
/* f is for the stream, which is a COPY. */
void pg_copy_send(struct postgres *p, struct pg_flight *f);
/* Before libpq reads: the server may have ended what takes input, and libpq would not tell. */
void pg_copy_look(struct postgres *p);
/* What f pushed may have left by now. */
void pg_copy_pushed(struct postgres *p, struct pg_flight *f);
/* The line of the input that an error of the server is about. */
void pg_copy_find_line(struct reply *out, const PGresult *res);

/* Something that has come, and that libpq has not read, ends the statement. */
bool pg_peek_end(PGconn *pg);

#endif
