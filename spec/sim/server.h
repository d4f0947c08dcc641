/* server.h - a model of a database server, with faults that are rolled or ordered.
 *
 * It understands a few words. The first number after a word is who says it, one lessee of a
 * connection; the second what about:
 *
 * - `add L ID` adds one to ID, in the transaction if one is open.
 * - `put L ID` makes ID one, however often it is said.
 * - `get L ID` changes nothing, and `fail L ID` is refused.
 * - `begin L`, `commit L` and `undo L` are transactions.
 * - `set L` dirties the session.
 * - `rows L N` is a stream of N rows, and `give L N` one that brings them one by one, none with its
 *   beginning.
 * - `take L` is a stream that wants input: each `push L ID` gives it one, and all of them are added
 *   with `finish L`, in the transaction if one is open. Whatever else ends it adds none.
 * - `pull L` and `stop L` are for the stream; without words they are said by whoever has it.
 * - `check`, `rollback` and `reset` are the pool's own words, said by nobody.
 * - `hark 0 ID;` and `hush 0 ID;`, any number of them in one text, are the ear's: whatever is told on
 *   ID from then on is told to the session, or not any more.
 *
 * It keeps the tally of what was applied, and it watches the laws that only a server can see: what
 * one lessee left in a session never meets another one, and a cancel never hits a statement that it
 * was not meant for.
 */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "base/error.h"
#include "core/value.h"
#include "world_sim.h"

/* Of an attempt to connect, of a session, of a statement, of the pool's own words, of a cancel, of closing. */
/* clang-format off */
#define SERVER_FAULTS(X) \
    X(REFUSED, "nobody listens") \
    X(DENIED, "the password is wrong") \
    X(FULL, "there is no room for one more session") \
    X(UNFIT, "it is not what the role needs, this time") \
    X(SLOW_OPEN, "connecting takes long") \
    X(NO_OPEN, "connecting is never answered") \
    X(HALF_OPEN, "accepted, and nothing is ever answered") \
    X(SLOW_PEER, "accepted, and everything takes long") \
    X(LOST_IDLE, "a session ends by itself, some time after it was opened") \
    X(LOST_SILENTLY, "so, and the client is not told, and the next statement never answered") \
    X(UNSENT, "lost before a byte left") \
    X(LOST_BEFORE, "lost on the way, not applied") \
    X(LOST_AFTER, "applied, and lost before the reply, or in the middle of one that has parts") \
    X(UNREADABLE, "applied, and the client has no memory for the reply") \
    X(SLOW, "a statement takes long") \
    X(STUCK, "never applied and never answered, until it is cancelled") \
    X(MUTE, "applied and never answered") \
    X(ERROR, "a statement fails") \
    X(TURNED, "it is not what the role needs any more, and says so") \
    X(CONFLICT, "an error that also ends the transaction") \
    X(OWN_FAILS, "a check, a rollback or a reset fails") \
    X(OWN_SLOW, "one of these takes long") \
    X(CANCEL_SLOW, "a cancel takes long") \
    X(CANCEL_LOST, "a cancel returns without having hit") \
    X(CANCEL_MUTE, "a cancel neither hits nor returns") \
    X(CLOSE_SLOW, "closing takes long")
/* clang-format on */

enum fault {
    FAULT_NONE = 0,
#define AS_FAULT(name, text) FAULT_##name,
    SERVER_FAULTS(AS_FAULT)
#undef AS_FAULT
        FAULTS
};
const char *fault_name(enum fault f);
const char *fault_text(enum fault f);

#define SERVER_ROLES 2

struct server;
struct session;
struct wire;

/* What somebody hears who witnesses all statements as they are sent. */
struct heard {
    const char *server;
    int64_t lessee, id;
    int64_t opened_us; /* the session's */
    int32_t role;
    bool is_own;
};
struct witness {
    void (*heard)(struct witness *w, const struct heard *h);
};

/* name is copied. */
struct server *server_new(const char *name, uint64_t seed);
void server_free(struct server **s); /* whoever is connected hears no more of it */
struct server *server_find(const char *name);

void server_odds(struct server *s, enum fault fault, int permille);
void server_calm(struct server *s); /* nothing fails any more, by dice, by order or by number */
void server_order(struct server *s,
                  enum fault fault); /* on the next occasion, for sure; in order */
/* The nth verb from here on and the `times - 1` after it fail, each in the way of that number among
 * the ways in which such a verb can fail; a way that it does not know is none. */
void server_fail(struct server *s, int64_t nth, int32_t times, int32_t way);
#define SERVER_WAYS 9
bool server_has_failed(const struct server *s);                /* the nth verb has come */
void server_cap(struct server *s, int32_t role, int32_t most); /* a law: never more wires */
void server_room(struct server *s,
                 int32_t most); /* sessions; beyond them it is full. 0: any number */
void server_writer(struct server *s, int32_t role);     /* only this role may add and put */
void server_standby(struct server *s, bool is_standby); /* it only reads; a primary at first */
void server_pace(struct server *s, int64_t pace_us);    /* each statement takes so much longer */
void server_watch(struct server *s, struct witness *w);
/* All sessions end; whoever connects before until_us is refused. */
void server_crash(struct server *s, int64_t until_us);

/* Tells something to every session that listens to the channel: the number that it has, from 1. */
int64_t server_tell(struct server *s, int64_t channel);

int server_applied(const struct server *s, int64_t id); /* how often */
int64_t server_total(const struct server *s);           /* of all ids together */
int32_t server_wires(const struct server *s, int32_t role);
int32_t server_sessions(const struct server *s);
int64_t server_seen(const struct server *s, enum fault fault);
int64_t server_opened(const struct server *s); /* connects that worked, ever */
int64_t server_heard(const struct server *s);  /* statements received, ever */

/* --- the wire, for the driver ----------------------------------------------------------------- */

struct answer {
    enum error_code code;
    const char *state, *text;
    uint32_t bits; /* SESSION_ */
    int32_t rows;
    int64_t cell; /* of the first row; the next ones count up */
    int64_t changed;
    bool more, wants_writer, wants_input;
    bool is_turned; /* the session wanted the primary, and this is none any more */
};

/* The client's end. Its owner hears each of these from the top of the loop. */
struct wire {
    struct server *server;
    struct session *session; /* NULL before connecting and after hanging up */
    struct happening closing;
    int32_t role;
    const char *wants; /* "primary", "standby"; NULL: it does not matter */
    void (*opened)(struct wire *w);
    void (*failed)(struct wire *w, enum error_code code, const char *state, const char *text);
    void (*replied)(struct wire *w, const struct answer *a);
    void (*cancelled)(struct wire *w);
    void (*told)(struct wire *w, int64_t channel, int64_t number);
    void (*closed)(struct wire *w);
    int64_t (*awake_us)(const struct wire *w); /* hears of nothing before; NULL: it always does */
    int64_t (*timer_us)(const struct wire *w); /* when its next timer rings; NULL: it has none */
};

void wire_connect(struct wire *w, struct server *s, int32_t role);
/* True when a byte has left. */
bool wire_send(struct wire *w, enum nebula_verb verb, const char *text, int32_t window);
/* It is on its way behind another one: whoever listens hears it now, and the server when it is its
 * turn. */
void wire_announce(struct wire *w, const char *text);
void wire_send_again(struct wire *w, const char *text);
/* is_exposed: it may hit what comes behind, too. */
void wire_cancel(struct wire *w, bool is_exposed);
void wire_break(struct wire *w);   /* soon, in whoever's hands it is then */
void wire_hang_up(struct wire *w); /* then closed() and nothing else */

#endif
