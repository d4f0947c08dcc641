/* value.h - what goes to a server and what comes back: requests, values, replies.
 *
 * A request is a verb and values. A reply is read where the driver's result lies: nothing is copied
 * until somebody looks at a cell.
 */
#ifndef CORE_VALUE_H
#define CORE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "nebula.h" /* struct nebula_value, struct nebula_column, enum nebula_verb */

struct conn;
struct context;
struct part;
struct request;
struct result;
struct tale;

/* A driver's result: embedded first in the driver's own struct. rows * columns cells. */
struct result_type {
    void (*cell)(const struct result *r, int32_t row, int32_t column, struct nebula_value *out);
    void (*column)(const struct result *r, int32_t column, struct nebula_column *out);
    void (*free)(struct result *r);
};
struct result {
    const struct result_type *type;
    int32_t rows, columns;
};

/* What a request ended with. Filled by the driver before conn_replied(). */
struct reply {
    struct result *result; /* owned; NULL when there are no rows to speak of */
    int64_t changed;       /* rows the statement touched, -1 when it makes no sense */
    int64_t last_id;       /* SQLite: rowid of the last insert; 0 elsewhere */
    bool more;             /* a stream: there may be more to pull */
    bool is_partial;       /* with an error: some of it was done and stays done */
    bool is_unanswered;    /* the connection ended first, for whatever reason; set by the core.
                              Of a part it is true until the driver says otherwise */
    int32_t part;          /* BATCH, with an error: which part it is of, from 1; 0: of none */
    bool wants_again;      /* with an error, shared: not done at all, and not for its own fault */
    bool wants_writer;     /* not done at all: it needs a connection of the role `writer` */
    bool wants_input;      /* with more: the stream takes bytes and gives none */
    int64_t line;          /* with an error: the line of the input that it is about, 0 unknown */
    uint16_t column_at;    /* where in the error's text its column begins, 0 unknown */
    struct error error;    /* code ERROR_OK when the server did it */
};

/* One thing for a server to do. Owned by who made it; lent to the connection from conn_send() until
 * ended() is called, exactly once, never inside conn_send(). */
struct request {
    struct list_node node; /* in the connection's queue of requests in flight */
    void (*ended)(
        struct request *r); /* reply is filled; the connection does not know it any more */
    enum nebula_verb verb;
    int32_t count;  /* values behind the text */
    int32_t window; /* STREAM, PULL: most rows in the reply */
    uint32_t text_size;
    const char *text;                 /* the statement; NUL-terminated too */
    const struct nebula_value *value; /* parameters; their bytes stay valid until ended() */
    struct part *part;                /* BATCH */
    int32_t parts;
    bool is_each;            /* BATCH: each part by itself, else all or nothing */
    int64_t deadline_us;     /* for drivers that pass it to the server */
    struct context *context; /* under which it is asked; NULL: the empty one */
    bool is_sent;            /* set by the driver once a byte may have left */
    bool is_lent;            /* the driver has it; set by the connection */
    bool is_shared;          /* may be sent behind others of its like */
    bool is_unwanted;        /* shared: nobody waits for its reply any more */
    bool is_idempotent;      /* the kind says that doing it twice does no harm */
    bool is_held;            /* chaos did not let it be sent at once */
    bool is_cut;             /* chaos cut the connection that had it */
    struct tale *tale;       /* of the call that it is an attempt of; NULL: of none */
    struct reply reply;
};

/* What came and nobody asked for: a notification, a push, a delivery. The bytes are the driver's,
 * and its own again when conn_told() returns. */
struct told {
    const char *channel; /* NUL-terminated */
    const char *bytes;
    uint32_t size;
    int64_t from; /* who told it, as the server numbers its sessions; 0 nobody knows */
};

/* Nothing has come yet. Writes what is read, not the whole struct. */
static inline void reply_init(struct reply *r)
{
    r->result = NULL;
    r->changed = -1;
    r->last_id = 0;
    r->more = r->is_partial = r->is_unanswered = r->wants_writer = r->wants_input = false;
    r->wants_again = false;
    r->line = 0;
    r->column_at = 0;
    r->part = 0;
    error_clear(&r->error);
}
void reply_fini(struct reply *r); /* frees the result; idempotent */
/* Its error, which has its sentence, is about this line of the input, and this column ("": unknown):
 * the sentence ends with them. */
static inline void reply_place(struct reply *r, int64_t line, const char *column)
{
    size_t size = strlen(r->error.text);
    r->line = line;
    if (line > 0 && size > 0 && r->error.text[size - 1] == '.')
        r->error.text[size - 1] = '\0'; /* it goes on */
    if (line > 0)
        error_append(&r->error, ", line %lld of the input", (long long)line);
    if (column[0] == '\0')
        return;
    error_append(&r->error, ", column ");
    r->column_at = (uint16_t)strlen(r->error.text);
    error_append(&r->error, "%s", column);
}

/* How an attempt went, by its reply; or when there will be none. */
enum outcome request_outcome(const struct request *r);
enum outcome request_outcome_unanswered(const struct request *r);
/* It goes on with a stream, which is no call of its own. */
bool request_goes_on(const struct request *r);

/* One statement of a batch. The driver fills its reply as that of any request, and says with
 * is_unanswered whether it is certain. */
struct part {
    struct request request;
    enum outcome outcome; /* of all attempts together; this and the rest is the caller's */
    bool is_answered;     /* by the server, when the whole was */
    bool is_doubtful;     /* an attempt before may have done it */
};

/* What request_copy() needs besides the struct, in bytes. */
size_t request_room(const struct nebula_request *r);
/* What is asked for, with the parts, the values and the texts in room, which is aligned for any of
 * them. The rest of *to is left alone. */
void request_copy(struct request *to, const struct nebula_request *r, void *room);

#endif
