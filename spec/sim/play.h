/* play.h - one seed's play: an engine, servers with faults, and tasks that do all that the border
 * allows.
 *
 * - scene.c rolls what is declared and how sick the servers are; at its end everything is gone.
 * - play.c is the tasks: what they ask for.
 * - hearers.c is what they listen to, and whether they hear it.
 * - copies.c is what they push into a stream, and what becomes of it.
 * - orders.c is the operator.
 * - answers.c is what they get, and whether it is true.
 * - laws.c is what must hold after every step, seen from the inside.
 */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include "core/engine.h"
#include "nebula.h"
#include "server.h"
#include "world_sim.h"

#define DECLARED 3
#define ACTORS 24
#define OPS 1024   /* tickets are small and recycled, so their number is an index */
#define CONNS 1024 /* no more live at once in one resource, by far */
#define IDS_IN_TX 8
#define MORE_MOST 3
#define CHANNELS 4
#define TALES 8192 /* told on one server */
#define NEVER INT64_MAX
#define SLACK_US 2100 /* a timer's tick, and one for the turn in which it fires */
#define FAIR_US 5000

struct play;

/* What we claim to know about one id, to be compared with the server's tally at the end. */
enum claim { CLAIM_OPEN = 0, CLAIM_ONCE, CLAIM_NEVER, CLAIM_AT_MOST_ONCE };

struct declared {
    struct server *server;
    struct nebula_spec spec;
    struct nebula_option option[2];
    int32_t number;
    bool is_paused;
    /* What was told on its server: on which channel, by number. */
    uint8_t channel_of[TALES];
    int64_t told;
    /* Of each role, while there are still more than its bounds of today allow. */
    int32_t conns_left[SERVER_ROLES], waiters_left[SERVER_ROLES];
};

enum op_kind {
    OP_NONE = 0,
    OP_SLEEP,
    OP_WAIT,
    OP_START,
    OP_LEASE,
    OP_CALL,
    OP_ON_LEASE,
    OP_LISTEN,
    OP_HEAR,
    OP_ANSWERED, /* its reply was read; the ticket is given back some time later */
};
enum word {
    WORD_ADD = 0,
    WORD_PUT,
    WORD_GET,
    WORD_BEGIN,
    WORD_COMMIT,
    WORD_UNDO,
    WORD_SET,
    WORD_FAIL,
    WORD_ROWS,
    WORD_PULL,
    WORD_STOP,
    WORD_GIVE,
    WORD_TAKE,
    WORD_PUSH,
    WORD_FINISH,
    WORD_PREPARE,
    WORD_BATCH, /* a few adds, all or nothing */
    WORD_EACH,  /* a few puts, each by itself */
    WORDS
};

/* One ticket under way. */
struct op {
    enum op_kind kind;
    enum word word;
    struct actor *actor;
    int32_t resource, role; /* resource: index of declared */
    int64_t begun_us;
    int64_t deadline_us;   /* answered by then */
    int64_t wait_until_us; /* not served after */
    int64_t lessee, id;
    int32_t more;   /* ids behind it, of a batch */
    int32_t window; /* rows, the most that were asked for */
    bool is_served; /* has had its first connection */
};

/* A lease as its holder sees it. */
struct holding {
    int64_t lease; /* 0: none */
    int32_t resource, role;
    int64_t lessee;
    int32_t busy; /* tickets under way on it */
    bool is_in_transaction, is_streaming, is_committing, is_broken;
    int64_t id[IDS_IN_TX], ids;
    int64_t next_row;

    /* A stream that takes, and what was pushed into it. */
    bool is_taking, is_finishing;
    bool is_doomed; /* a push of it failed: it is not to be finished */
    int64_t taken[IDS_IN_TX], takens;
};

/* A listener as its task sees it. */
struct book {
    int64_t listener; /* 0: none */
    int32_t resource;
    uint32_t channels; /* bits */
    int32_t busy;      /* tickets under way */
    int64_t last;      /* the number heard last */
    int64_t next;      /* from there on nothing may be missed; 0: any may come next */
    int64_t promised;  /* the first that he was promised to hear */
};

struct actor {
    int32_t task; /* 0: not alive */
    int64_t deadline_us;
    bool is_cancelled;
    int32_t busy; /* tickets under way */
    bool is_leasing;
    struct holding held;
    struct book book;
    int64_t stale; /* a lease it once had */
};

struct play {
    uint64_t seed;
    struct dice dice;
    struct nebula *nebula;
    struct engine *engine;
    struct declared declared[DECLARED];
    struct actor actor[ACTORS];
    struct op op[OPS]; /* by ticket */
    int32_t ops, most_ticket;
    struct op *asking; /* inside nebula_call(): it may be sent before its ticket is known */
    struct claim_row {
        uint8_t resource, claim;
    } * claim;
    int64_t ids, ids_size, lessees;
    int64_t newest_served[DECLARED]
                         [SERVER_ROLES]; /* begun_us of the newest who was served in this step */
    bool is_faultless, is_stopping;
    bool is_starved;                        /* allocations fail now and then */
    int64_t idle_since_us[DECLARED][CONNS]; /* by the connection's number */
    struct witness witness;
    struct tracer tracer;
    uint64_t hash; /* of the trace */
    void *trace;   /* FILE, or NULL */
    int64_t answered, refused, happened;
};

/* --- scene.c ---------------------------------------------------------------------------------- */

struct outcome_of_play {
    uint64_t hash;
    int64_t answered, happened, faults;
    char why[400]; /* "" when every law held */
};
/* Plays one seed to its end. trace may be NULL. */
void play_seed(uint64_t seed, int64_t steps, void *trace, struct outcome_of_play *out);

/* --- play.c ----------------------------------------------------------------------------------- */

void play_act(struct play *p); /* somebody does something */
void play_close_actor(struct play *p, struct actor *a);
bool play_begin(struct play *p, const struct op *op, int32_t ticket);
void play_turn(struct play *p, int64_t span_us);
/* One more line for who reads the trace. */
__attribute__((format(printf, 2, 3))) void play_note(struct play *p, const char *format, ...);

/* --- copies.c --------------------------------------------------------------------------------- */

bool copy_may_push(const struct holding *h); /* also while one is under way */
enum word copy_next(struct play *p, const struct holding *h);
/* It was asked for. */
void copy_asked(struct holding *h, const struct op *op);
void copy_ended(struct play *p, struct holding *h, const struct op *op,
                const struct nebula_reply *r);
/* Nobody has it any more. */
void copy_drop(struct play *p, struct holding *h);

/* --- hearers.c -------------------------------------------------------------------------------- */

void hearer_act(struct play *p, struct actor *a);
void hearer_promised(struct play *p,
                     struct actor *a); /* its ticket ends now: from here on it hears */
void hearer_answered(struct play *p, int32_t ticket, struct op *op, const struct nebula_reply *r);
void play_tell(struct play *p); /* somebody tells something */

/* --- orders.c --------------------------------------------------------------------------------- */

void play_operate(struct play *p); /* an operator does something, to a resource or to its server */

/* --- answers.c -------------------------------------------------------------------------------- */

void answers_take(struct play *p);
int64_t claim_new(struct play *p, int32_t resource);
void claim_settle(struct play *p, int64_t id, enum claim claim);
void claims_compare(struct play *p);
void holding_drop(struct play *p, struct holding *h);
void play_served(struct play *p, struct op *op);
bool play_writes(const struct op *op);
void claim_all(struct play *p, const int64_t *id, int64_t count, enum claim claim);
void play_heard(struct witness *w, const struct heard *h);

/* --- laws.c ----------------------------------------------------------------------------------- */

void laws_inspect(struct play *p);
/* At the moment in which a start ends well. */
void laws_expect_started(const struct play *p, const struct declared *d);
/* At the moment in which a connection is lent. */
void laws_expect_staying(const struct play *p, const struct declared *d, uint32_t conn);
bool laws_are_warm(const struct play *p); /* every pool has its minimum, idle */

#endif
