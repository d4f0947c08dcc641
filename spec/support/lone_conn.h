/* lone_conn.h - a driver alone on a real loop: no pool, no call, no policy.
 *
 * The sentences that core/conn.c would hear are heard and counted here instead, and the rules of
 * core/driver.h are held against the driver: nothing is said inside a verb, every begin has one
 * end, and after close nothing is said but closed. A broken rule aborts the test with the line that
 * says it.
 */
#ifndef SPEC_LONE_CONN_H
#define SPEC_LONE_CONN_H

#include "core/driver.h"

enum sentence {
    SAID_OPENED = 0,
    SAID_REPLIED,
    SAID_FAILED,
    SAID_CANCELLED,
    SAID_TURNED,
    SAID_CLOSED,
    SAID_NOTICE,
    SAID_TOLD,
    SENTENCES
};

struct lone {
    struct loop *loop; /* borrowed; several may share it */
    struct conn *conn; /* NULL once closed */
    const struct driver *driver;
    struct target target;
    struct nebula_option option[16];
    uint32_t said[SENTENCES];     /* how often each sentence was heard */
    struct error error;           /* of the last SAID_FAILED */
    char notice[ERROR_TEXT_SIZE]; /* the last SAID_NOTICE */
    char told[ERROR_TEXT_SIZE];   /* the last SAID_TOLD: "channel: payload" */
    int64_t told_by;
    int64_t open_until_us; /* said to the driver, and not kept: a second from the begin */
    bool is_opening, is_cancelling, is_closing; /* begun, and their end not said yet */
    bool is_inside;                             /* a verb has not returned */
};

/* option: name, value, name, value, ..., NULL; borrowed. Nothing is begun yet. */
void lone_init(struct lone *l, struct loop *loop, const struct driver *driver,
               const char *const *option, int32_t role);

/* Begin, and return. The request is the caller's and lives until it has ended. */
void lone_begin_open(struct lone *l);
void lone_begin_send(struct lone *l, struct request *r);
void lone_begin_cancel(struct lone *l); /* of the head request */
void lone_begin_close(struct lone *l);

/* Turn the loop until the sentence was heard `count` times in all, at most 20 s: false then, or as
 * soon as the connection failed or closed and it cannot be heard any more. */
bool lone_wait(struct lone *l, enum sentence sentence, uint32_t count);
void lone_turn(struct lone *l, int64_t span_us); /* turns for so long */

/* Begin and wait for the end. lone_open(): ERROR_OK or what it failed with. lone_close() is fine in
 * any state; a connection that failed is closing already, as in the core, and is waited for. */
enum error_code lone_open(struct lone *l);
void lone_close(struct lone *l);

/* A request without parameters; reply_fini(&r->reply) is the caller's. */
struct request lone_request(enum nebula_verb verb, const char *text);
/* Sends r and waits: the reply's code; the connection's when it failed. */
enum error_code lone_call(struct lone *l, struct request *r);
/* The same for one verb and text, the reply thrown away. */
enum error_code lone_do(struct lone *l, enum nebula_verb verb, const char *text);
bool lone_has_ended(const struct request *r);

#endif
