/* session.h - the server's end of one wire. Only server.c and session.c look into these structs. */
#ifndef SIM_SESSION_H
#define SIM_SESSION_H

#include "server.h"

#define ORDERS_MOST 16
#define PENDING_MOST 64
#define HARKS_MOST 16
#define TALES_MOST 512

struct server {
    struct list_node node;
    char name[32];
    struct dice dice;
    int odds[FAULTS];
    enum fault order[ORDERS_MOST];
    int32_t orders;
    int64_t verbs, fail_from, fail_until; /* numbers of verbs: all that came, and those that fail */
    int32_t fail_way;
    int32_t cap[SERVER_ROLES], wires[SERVER_ROLES];
    int32_t room, writer;
    int64_t down_until_us;
    bool is_standby;
    int64_t pace_us;      /* each statement takes so much longer */
    struct list sessions; /* their own end included, until nobody knows them any more */
    int32_t live;         /* of those, the ones that take room */
    struct witness *witness;
    uint16_t *applied; /* by id */
    int64_t ids, total, seen[FAULTS], opened, heard, tales;
};

struct statement {
    enum nebula_verb verb;
    enum fault fault;
    char word[12];
    int64_t lessee, id;
    int64_t hark[HARKS_MOST]; /* of the ear's words, all ids */
    int32_t harks;
    int32_t window;
};

/* On its way to a client. */
struct tale {
    int64_t channel, number;
};

enum arrival { ARRIVAL_OPENED = 0, ARRIVAL_FAILED, ARRIVAL_REPLY };

struct session {
    struct list_node node;
    struct server *server;
    struct wire *wire; /* NULL when the client has hung up */
    int32_t role;
    const char *wants; /* see struct wire */
    bool is_live, is_dead;
    bool is_mute, is_slow; /* see FAULT_HALF_OPEN, FAULT_SLOW_PEER */
    int64_t opened_us;

    /* What a lessee leaves behind: who, or 0. */
    int64_t in_transaction, dirty, streaming;
    int64_t pending[PENDING_MOST]; /* ids, negative for a put */
    int32_t pendings;
    int64_t rows_left, next_row;
    bool is_giving, is_taking;
    int64_t taken[PENDING_MOST]; /* ids that were pushed */
    int32_t takens;
    int64_t hark[HARKS_MOST]; /* channels; 0 is none */
    struct tale tale[TALES_MOST];
    int32_t tales;

    bool is_running, is_acted, is_exposed;
    struct statement statement;
    uint64_t serial, cancel_serial;

    struct happening acts, arrives, dies, hits, returns, notices, speaks;
    enum arrival arrival;
    struct answer answer;
};

/* Counts a verb; its fault among first..last when it is one of those that fail, or FAULT_NONE. */
enum fault server_count(struct server *s, enum fault first, enum fault last);
/* One of first..last by order or by dice, or FAULT_NONE. */
enum fault server_roll(struct server *s, enum fault first, enum fault last);
void server_apply(struct server *s, int64_t id, bool is_put);

/* Does what the statement says and words the answer. */
void session_execute(struct session *s);
/* Words the answer of a statement that was cancelled before it did anything. */
void session_give_up(struct session *s);
/* A law: nobody meets what another one left. */
void session_inspect(const struct session *s, const struct statement *st);
void session_tell(struct session *s, const struct tale *t); /* if it listens */
void session_end(struct session *s);
/* The client learns of it a little later. */
void session_lose(struct session *s, const char *text);

#endif
