/* play.h - one seed's play: an engine, or up to eight that are workers of one ledger; servers with
 * faults; and tasks that do all that the border allows.
 *
 * - troupe.c is the workers' lives: they turn, are late, die and come again; and what they share.
 * - scene.c rolls what is declared and how sick the servers are; at its end everything is gone.
 * - play.c is the tasks: what they ask for.
 * - hearers.c is what they listen to, and whether they hear it.
 * - copies.c is what they push into a stream, and what becomes of it.
 * - orders.c is the operator.
 * - policies.c is by which rules calls are made.
 * - obeyed.c is whether these hold.
 * - answers.c is what they get, and whether it is true.
 * - laws.c is what must hold after every step, seen from the inside.
 */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include "core/engine.h"
#include "ledger_trace.h"
#include "nebula_balance.h"
#include "nebula_policy.h"
#include "server.h"
#include "world_sim.h"

#define DECLARED 3
#define WORKERS_MOST 8
#define ACTORS 24
#define OPS 1024   /* tickets are small and recycled, so their number is an index */
#define CONNS 1024 /* no more live at once in one resource, by far */
#define IDS_IN_TX 8
#define MORE_MOST 3
#define CHANNELS 4
#define OPERATIONS 3 /* of a resource: itself, one that is with it, and one apart */
#define TALES 8192   /* told on one server */
#define NEVER INT64_MAX
#define SLACK_US 2100 /* a timer's tick, and one for the turn in which it fires */
#define FAIR_US 5000

struct play;
struct worker;

/* What we claim to know about one id, to be compared with the server's tally at the end. */
enum claim { CLAIM_OPEN = 0, CLAIM_ONCE, CLAIM_NEVER, CLAIM_AT_MOST_ONCE };

/* What is said of the calls of a resource. Each worker says an edition at a time of its own, and all have said it
 * before there is another one. */
struct rulebook {
    bool is_used, is_slow;
    int32_t edition;
    struct nebula_policy policy[OPERATIONS];
    struct nebula_rules rules[OPERATIONS],
        before[OPERATIONS]; /* of this edition, and of the last one */
    int32_t bound_left[2];  /* more were allowed, of all and of those apart */
    int64_t
        unbroken_us[2]; /* when somebody said last that one is no more, of all and of those apart */
    int32_t opened_by;  /* this worker opened the circuit last */
    /* A worker went before all had said this edition: until they have said the next, an older one may hold. */
    int32_t unsure;
};

struct declared {
    struct server *server;
    struct nebula_spec spec;
    struct rulebook rulebook;
    struct nebula_balance balance; /* over its endpoints; by a rule, or never said */
    struct nebula_option option[2];
    int32_t least, most, size; /* the bounds, and what a strategy said last; 0: nothing */
    int32_t max;               /* as it is by these */
    int64_t resized_us;
    bool is_paused;
    /* All connections were renewed: nobody gets one again that was opened before. */
    int64_t fence_us;
    int64_t
        chaos_us; /* until then a fault of chaos has a part in what is sent; -1: there was none */
    /* What was told on its server: on which channel, by number. */
    uint8_t channel_of[TALES];
    int64_t told;
    /* Of each role, while there are still more than its bounds of today allow. */
    int32_t conns_left[SERVER_ROLES];
};

enum op_kind {
    OP_NONE = 0,
    OP_SLEEP,
    OP_WAIT,
    OP_START,
    OP_RENEW, /* a reconnect */
    OP_ASK,   /* the answer of all workers */
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
    int32_t operation;
    int32_t copies; /* the most that may go at once */
    int32_t heard;  /* by its server, so often */
    bool is_ruled;  /* its turn is not that in which it came */
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
    struct worker *worker;
    int32_t task; /* 0: not alive */
    int64_t deadline_us;
    bool is_cancelled;
    int32_t busy; /* tickets under way */
    bool is_leasing;
    struct holding held;
    struct book book;
    int64_t stale; /* a lease it once had */
};

/* One engine, and its host. */
struct worker {
    struct play *play;
    int32_t index;
    struct nebula *nebula; /* NULL: it is dead */
    struct engine *engine;
    bool is_dying;             /* and its host hears of nothing any more */
    int32_t number[DECLARED];  /* of the resources */
    int32_t edition[DECLARED]; /* of the rules that it goes by; 0: of none */
    struct actor actor[ACTORS];
    struct actor operator; /* whose tickets are those of what is ordered */
    struct op op[OPS];     /* by ticket */
    int32_t ops, most_ticket;
    int64_t newest_served[DECLARED]
                         [SERVER_ROLES]; /* begun_us of the newest who was served in this step */
    int32_t waiters_left[DECLARED][SERVER_ROLES]; /* see struct declared */
    int64_t beside_us[DECLARED][SERVER_ROLES];    /* somebody waits since then beside an idle one */
    int64_t shut_out_us[DECLARED][SERVER_ROLES];  /* or for endpoints that let nobody pass */
    int64_t idle_since_us[DECLARED][CONNS];       /* by the connection's number */
    int64_t late_us;                              /* so long it did not look, before it did again */
    struct tracer tracer;
};

struct play {
    uint64_t seed;
    struct dice dice;
    struct nebula_ledger *ledger; /* NULL: one engine, which is no worker */
    struct worker *worker;
    int32_t workers, actors; /* actors: of each */
    struct declared declared[DECLARED];
    struct op *asking; /* inside nebula_call(): it may be sent before its ticket is known */
    struct claim_row {
        uint8_t resource, claim;
    } * claim;
    int64_t ids, ids_size, lessees;
    bool is_faultless, is_stopping;
    bool is_starved;      /* allocations fail now and then */
    bool is_scarce;       /* few connections for many, and little that breaks them */
    int64_t all_awake_us; /* from then on everybody looks */
    int64_t settled_us;   /* who was served since then was looked at by nobody */
    int64_t beside_us[DECLARED]
                     [SERVER_ROLES]; /* since when somebody waits beside an idle one elsewhere */
    struct witness witness;
    struct ledger_pause pause;
    bool is_between; /* one worker turns in the middle of another's */
    uint64_t hash;   /* of the trace */
    void *trace;     /* FILE, or NULL */
    int64_t answered, refused, happened;
};

/* --- scene.c ---------------------------------------------------------------------------------- */

struct outcome_of_play {
    uint64_t hash;
    int64_t answered, happened;
    int64_t seen[FAULTS];
    char why[400]; /* "" when every law held */
};
/* Plays one seed to its end. trace may be NULL, and so may lines: those of core/ledger.h, see
 * ledger_trace.h. */
void play_seed(uint64_t seed, int64_t steps, void *trace, void *lines, struct outcome_of_play *out);
/* One more declaration for a worker. False when it was refused. */
bool scene_declare(struct play *p, struct worker *w, int i);
void scene_watch(struct worker *w); /* its engine tells what happens */

/* --- play.c ----------------------------------------------------------------------------------- */

void play_act(struct play *p);                       /* somebody does something */
void play_disturb(struct play *p, struct worker *w); /* cancels or wakes one of its tickets */
void play_close_actor(struct play *p, struct actor *a);
bool play_begin(struct play *p, const struct op *op, int32_t ticket);
void play_forget_actor(struct play *p, struct actor *a); /* its host does not care any more */
/* One more line for who reads the trace. */
__attribute__((format(printf, 2, 3))) void play_note(struct play *p, const char *format, ...);

/* --- troupe.c ----------------------------------------------------------------------------------- */

bool troupe_open(struct play *p, struct worker *w); /* false when there is no memory */
/* Time passes, at most so much, until something is due; whoever is awake turns. */
void troupe_turn(struct play *p, int64_t span_us);
void troupe_settle(struct play *p); /* what was said to happen soon has happened */
void troupe_act(struct play *p);    /* somebody comes, goes, or does something else */
void troupe_run_between(struct ledger_pause *pause, int32_t worker, bool is_hand);
bool troupe_is_awake(const struct worker *w);
bool troupe_is_here(const struct worker *w); /* it is awake, and its host hears of it */
struct worker *troupe_pick(struct play *p);  /* one that is here; NULL: none is */
void troupe_stop(struct play *p, int64_t at_us);
bool troupe_is_stopped(const struct play *p);
void troupe_close(struct play *p);
void troupe_close_actors(struct worker *w);
void troupe_cap(struct declared *d,
                int32_t role);       /* tells the server what is the most from now on */
void troupe_inspect(struct play *p); /* what must hold for all together */
void troupe_inspect_order(
    struct play *p); /* nobody was served after one who came 5 ms later elsewhere */

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

void play_resume(struct play *p); /* whatever is paused, everywhere */
void play_declared(
    struct declared *d);           /* its bounds are as it says, and no strategy said anything */
void play_operate(struct play *p); /* an operator does something, to a resource or to its server */

/* --- policies.c ------------------------------------------------------------------------------- */

void policies_roll(struct play *p, int i);                  /* for a declaration that is new */
bool policies_say(struct play *p, struct worker *w, int i); /* false when there is no memory */
void policies_act(struct play *p); /* somebody says what others have said, or something new */
/* Chooses an operation for it, and how urgent it is. */
void policies_choose(struct play *p, struct op *op, struct nebula_request *r);
const struct nebula_policy *policies_of(const struct play *p, const struct op *op);
void policies_lose(struct play *p); /* a worker is about to be gone */
/* All have said the last edition. */
bool policies_are_said(const struct play *p, int i);
/* Its calls and leases may wait for one endpoint beside another one, which serves who comes later. */
bool policies_leave_out(const struct play *p, int i);
void policies_answer(struct worker *w); /* what its engine asks about failures */
/* The most that may be under way by what was said lately: of all, or of those apart. */
int32_t policies_bound(const struct play *p, int i, bool is_apart);

/* --- obeyed.c --------------------------------------------------------------------------------- */

void obeyed_inspect(struct play *p);
void obeyed_answered(const struct op *op, int32_t ticket, const struct nebula_reply *r);
void obeyed_expect_over(struct play *p); /* nobody calls any more */
/* What is worth being met. */
void obeyed_meet_leaving(const struct worker *w, int32_t ticket);
void obeyed_meet_saying(const struct worker *w, int i);
void obeyed_meet_circuit(struct worker *w, int32_t resource, int64_t state);

/* --- answers.c -------------------------------------------------------------------------------- */

void answers_take(struct worker *w);
void answers_inspect(const struct worker *w); /* in which order they were served */
int64_t claim_new(struct play *p, int32_t resource);
void claim_settle(struct play *p, int64_t id, enum claim claim);
void claims_compare(struct play *p);
void holding_drop(struct play *p, struct actor *a);
void play_served(struct play *p, struct op *op);
bool play_writes(const struct op *op);
/* Its server hears of it as soon as it is served: chaos has not held it back, nor thrown it away. */
bool play_is_seen(const struct play *p, const struct op *op);
bool answers_are_in_order(const struct play *p,
                          const struct op *op); /* that, and the first comes first */
void claim_all(struct play *p, const int64_t *id, int64_t count, enum claim claim);
void play_heard(struct witness *w, const struct heard *h);

/* --- laws.c ----------------------------------------------------------------------------------- */

void laws_inspect(struct play *p);
struct pool *laws_pool(const struct worker *w, int32_t resource, int32_t role); /* NULL: none */
/* At the moment in which a start ends well. */
/* The endpoints that would do for the first who waits, and came before that, a bit each. */
int32_t laws_waits_for(const struct pool *p, int64_t since_us);
void laws_expect_started(const struct worker *w, int32_t resource);
/* At the moment in which a connection is lent. */
void laws_expect_staying(const struct worker *w, int32_t resource, uint32_t conn);
bool laws_are_warm(const struct play *p); /* every pool has its minimum, idle */
void laws_expect_ears(const struct play *p, bool is_over);

#endif
