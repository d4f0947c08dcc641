/* nebula_driver.h - a driver of your own: what nebula needs of a client library, in a shared object
 * that is not a part of nebula.
 *
 * The object exports one symbol, `const struct nebula_driver nebula_driver`. Nothing of nebula is
 * linked to it: what it may say to the engine is a table of functions, to be found in each
 * connection. docs/driver.md leads through one.
 *
 * Four verbs. Each begins something and returns at once; its end is said later, from one of the
 * functions that the engine calls for it (ready, soon, resolved, worked), never inside the verb:
 *
 *   open    opened | failed
 *   send    replied | failed      one at a time, the next when the last has ended; but see depth
 *   cancel  cancelled | failed    and the send that it hurries still ends by itself
 *   close   closed
 *
 * failed() means that the connection is of no more use: it ends everything under way, and close()
 * comes next. close() may come in any state; what was under way then has no end but closed(). The
 * engine keeps the deadlines: a driver bounds nothing by itself.
 *
 * What nobody asked for is said from there too: told, turned, notice.
 *
 * Everything runs on the engine's thread, but for the function given to work(). Strings are UTF-8
 * and NUL-terminated unless a size stands beside them.
 */
#ifndef NEBULA_DRIVER_H
#define NEBULA_DRIVER_H

#include <sys/socket.h>

#include "nebula.h"

/* Of the structs here: raised when one of them changes otherwise than by growing at its end. They grow
 * together: the engine knows by the size of struct nebula_driver which of them a driver was compiled
 * with, and what an older one cannot say is zero. One that is newer than the engine is refused. */
#define NEBULA_DRIVER_ABI 1

struct nebula_driver_calls;

/* One connection: the first member of the driver's own struct, whose other bytes are zero when open()
 * is called. It lives until closed() has returned. */
struct nebula_conn {
    const struct nebula_driver_calls *engine; /* set before open(), and not to be changed */
};

/* What to connect to. Lives as long as the connection. */
struct nebula_target {
    const char *resource;               /* its name, for messages */
    const struct nebula_option *option; /* what the kind's spec() tells the driver */
    int32_t options;
    int32_t role;     /* which of the kind's roles, 0 is the first */
    int32_t endpoint; /* which of the endpoints that the kind's spec() named, 0 is the first */
    /* No endpoint is what the role needs, so this one is to be taken as it is. Else open() fails with
     * NEBULA_ERROR_UNFIT where a server answers that the role has no use for. */
    bool is_easy;
};

/* What to do. Lives until replied(), or closed().
 *
 * A stream (STREAM, PULL, STOP) gives rows, at most `window` with each reply, whose `more` says that
 * there are others. One that wants bytes says wants_input instead: then PUSH has some of them as its
 * text, any bytes, and ends when the server cannot be outrun by who pushes; nothing of it is done
 * before FINISH. STOP ends either, and undoes what was pushed. While a stream is open each reply has
 * NEBULA_STREAMING. */
struct nebula_driver_request {
    int32_t verb; /* enum nebula_verb; the driver refuses those it does not have with a reply */
    int32_t count;
    const struct nebula_value *value; /* count of them */
    const char *text;                 /* NUL-terminated too */
    uint32_t text_size;
    int32_t window;      /* STREAM, PULL: most rows in the reply */
    int64_t deadline_us; /* on now_us(), for servers that want to know it */
    int32_t parts;       /* BATCH: how many statements; see part() and part_replied() */
    bool is_each;        /* BATCH: each by itself, else all or nothing */
    /* In whose trace it is asked, as W3C Trace Context has it; "" in none. */
    const char *traceparent;
};

/* How cells are read: where the driver's result lies, when somebody looks. Rows and columns count
 * from 0. */
struct nebula_result_type {
    void (*cell)(const void *result, int32_t row, int32_t column, struct nebula_value *out);
    void (*column)(const void *result, int32_t column, struct nebula_column *out);
    void (*free)(void *result);
};

/* What the driver knows of the session, told with each reply. */
enum {
    NEBULA_IN_TRANSACTION = 1, /* a transaction is open: the kind's `rollback` ends it */
    NEBULA_DIRTY = 2,     /* something changed the session: the kind's `reset` makes it clean */
    NEBULA_STREAMING = 4, /* rows are waiting to be pulled */
    NEBULA_UNUSABLE = 8,  /* no words make it clean: close it */
};

/* How a request ended. All zero is: done, no rows, a clean session. */
struct nebula_driver_reply {
    int32_t code;      /* enum nebula_error_code; not OK: the server did not do it */
    bool is_partial;   /* not OK, but some of it may have been done */
    bool more;         /* a stream has more to pull */
    const char *text;  /* the sentence when it is not OK; copied */
    const char *state; /* the server's own code, at most 7 bytes; copied; may be NULL */
    int32_t session;   /* NEBULA_IN_TRANSACTION ... */
    int32_t rows, columns;
    void *result; /* the engine's now, which frees it; NULL when there are no rows to speak of */
    const struct nebula_result_type *result_type;
    int64_t changed; /* rows touched */
    int64_t last_id;
    int32_t part;       /* BATCH that failed: because of which, from 1; 0: of none in particular */
    bool wants_input;   /* with more: the stream takes bytes and gives none */
    bool wants_writer;  /* not OK, and not done at all: it needs the kind's role "writer" */
    bool wants_again;   /* not OK, of one among several: not done at all, not for its own fault */
    int64_t line;       /* not OK: the line of the input that it is about; 0 unknown */
    const char *column; /* with a line: and the column; copied; may be NULL */
};

struct nebula_addresses {
    int32_t count; /* at least 1 */
    const struct sockaddr_storage *address;
    const socklen_t *size;
};

enum { NEBULA_READ = 1, NEBULA_WRITE = 2 };

/* What a driver may say and ask for. `size` tells which functions this engine has. */
struct nebula_driver_calls {
    uint32_t abi, size;
    /* The ends of the verbs. */
    void (*opened)(struct nebula_conn *c);
    void (*replied)(struct nebula_conn *c, const struct nebula_driver_reply *reply);
    /* One sentence without secrets; copied. A request under way is in doubt then. */
    void (*failed)(struct nebula_conn *c, int32_t code, const char *text);
    void (*cancelled)(struct nebula_conn *c);
    void (*closed)(struct nebula_conn *c); /* c is gone when this returns */
    /* What the server said besides; for the log. */
    void (*notice)(struct nebula_conn *c, const char *text);

    /* The value of an option, or fallback. */
    const char *(*option)(const struct nebula_conn *c, const char *name, const char *fallback);
    int64_t (*now_us)(const struct nebula_conn *c); /* the time of this turn, monotonic */
    /* From now on ready() is called when fd can be read or written: level triggered, one descriptor
     * a connection, events 0: no more. False when out of memory, or fd cannot be watched. Before fd
     * is closed it must not be watched any more. */
    bool (*watch)(struct nebula_conn *c, int32_t fd, int32_t events);
    /* soon() is called from the top of the loop: for what is known inside a verb already. */
    void (*soon)(struct nebula_conn *c);
    /* Looks a name up beside the loop; resolved() is called. False when out of memory or threads. */
    bool (*resolve)(struct nebula_conn *c, const char *host, const char *service);
    /* Runs what blocks on a thread of the connection's own, all signals blocked; then worked() is
     * called. One at a time. close() waits for it, so it must end. False when out of memory or
     * threads. */
    bool (*work)(struct nebula_conn *c, void (*run)(struct nebula_conn *c));

    /* What the server says on a channel and nobody asked for, from whom (0: unknown); copied. Once
     * the connection is open, between any two others; to those who listen (the kind's `listen`). */
    void (*told)(struct nebula_conn *c, const char *channel, const char *bytes, uint32_t size,
                 int64_t from);

    /* The i-th statement of the batch under way, from 1. Its bytes live as long as the request. */
    void (*part)(const struct nebula_conn *c, int32_t i, struct nebula_part *out);
    /* What became of it, once, as soon as that is certain whatever comes; in any order, before the
     * batch itself ends. Its session does not count. A part of which nothing was said is in doubt when
     * the batch failed, so each part that is proven not done has to be said as well. */
    void (*part_replied)(struct nebula_conn *c, int32_t i, const struct nebula_driver_reply *reply);
    /* The server is not what the role needs any more: all connections to its endpoint in this role are
     * retired, and others are opened to one that is. In any state, before the reply or the failure that
     * shows it. */
    void (*turned)(struct nebula_conn *c);
};

struct nebula_driver {
    uint32_t abi;       /* NEBULA_DRIVER_ABI */
    uint32_t size;      /* sizeof(struct nebula_driver) */
    uint32_t conn_size; /* of the driver's own struct, which begins with struct nebula_conn */
    void (*open)(struct nebula_conn *c, const struct nebula_target *to);
    void (*send)(struct nebula_conn *c, const struct nebula_driver_request *r);
    void (*cancel)(struct nebula_conn *c); /* NULL: closing is the only way */
    void (*close)(struct nebula_conn *c);
    /* Each may be NULL when nothing asks for it. */
    void (*ready)(struct nebula_conn *c, int32_t events);
    void (*soon)(struct nebula_conn *c);
    /* found is NULL when there is no such name, and why says so. */
    void (*resolved)(struct nebula_conn *c, const struct nebula_addresses *found, const char *why);
    void (*worked)(struct nebula_conn *c);

    /* Most requests at once that a connection takes, where its pool says so (`pipeline`); 0 is 1. Each
     * is replied to in turn, and cancel() is for the first of them: another that it hits was not done,
     * and wants_again. */
    int32_t depth;
    bool takes_batches; /* BATCH is for this driver, else it is refused before */
    /* With depth: whether r, a RUN that may be done twice, leaves nothing in the session, so that others
     * may be sent before it has ended. */
    bool (*may_share)(const struct nebula_driver_request *r);
    /* Whether the options can be meant, asked when a resource is declared; NULL: all can. When not, the
     * sentence is in why, which has room for size bytes. */
    bool (*check)(const struct nebula_target *to, char *why, uint32_t size);
};

/* What the object exports, also where it hides everything else (-fvisibility=hidden), and in C++, where a
 * constant is otherwise its file's own. */
#pragma GCC visibility push(default)
extern const struct nebula_driver nebula_driver;
#pragma GCC visibility pop

#endif
