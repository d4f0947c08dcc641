/* record.h - what was decided about the calls of a resource: the last decisions, one record each.
 *
 * A record says what happened, when, to which call and attempt, with which numbers, in whose trace, and where the
 * setting stands that decided. All have one size and lie in rings that are made once, with the resource's first
 * record, and overwritten in turn. Nobody waits for them, and what there is no memory for is not recorded.
 *
 * The number of a call is never used again in its engine, as that of its ticket is. Calls about which nothing was decided,
 * served at once and answered by their first attempt, leave nothing, so that the ring keeps what matters. What the
 * resource itself does, as its circuit opens, has a ring of its own: else the calls that an open circuit refuses
 * would soon have driven out why it opened. So has what stands in front of calls and answers most of them: else a
 * cache would have driven out all the rest.
 *
 * Which decisions there are, and what their numbers mean, is said in one table (record_row). Each worker has its own
 * records; they are put together when somebody asks: see explain.h. Who decides what is in tale.h.
 */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include <string.h>

#include "core/context.h"
#include "core/resource.h"
#include "nebula_policy.h"

#define RECORDS_OF_CALLS 256 /* powers of two; 28 kB with the others */
#define RECORDS_OF_ITSELF 32
#define RECORDS_OF_FRONT 64
#define RECORD_NUMBERS 3

enum record_what {
    RECORD_SERVED = 0, /* it waited for a connection, and got one */
    RECORD_REFUSED,    /* it did not get one, */
    RECORD_REFUSED_BY_CHAOS,
    RECORD_FAILED, /* an attempt ended badly, */
    RECORD_FAILED_BY_CHAOS,
    RECORD_COUNTED,   /* for the circuit, which stands so since then */
    RECORD_AGAIN,     /* another attempt will follow, */
    RECORD_NOT_AGAIN, /* or none, and why */
    RECORD_CIRCUIT,   /* the circuit refused it */
    RECORD_RATE_SERVED,
    RECORD_RATE_REFUSED,
    RECORD_LIMIT_SERVED, /* it waited for another call to end */
    RECORD_LIMIT_REFUSED,
    RECORD_SHED,
    RECORD_EARLY, /* it would hardly have made its deadline */
    RECORD_HEDGED,
    RECORD_HEDGE_WON,
    RECORD_HEDGE_DENIED, /* there were too many copies already */
    RECORD_CHAOS,        /* something was done to it on purpose */
    RECORD_ENDED,        /* the last one of a call, but for what stands in front */
    RECORD_CACHED, /* from here on by what stands in front of calls: an answer that is kept, */
    RECORD_STALE,
    RECORD_MISSED,
    RECORD_JOINED, /* or that another one asked for */
    RECORD_STALE_IF_ERROR,
    RECORD_FALLBACK,
    RECORD_FALLBACK_LAST,
    RECORD_FALLBACK_NONE,
    RECORD_CIRCUIT_OPENED, /* from here on by the resource itself */
    RECORD_CIRCUIT_HALF,
    RECORD_CIRCUIT_CLOSED,
    RECORD_CHAOS_BEGAN,
    RECORD_CHAOS_OVER,
    RECORD_SIZED,
    RECORDS
};

/* Why another attempt follows, or none. */
enum record_reason {
    REASON_NOT_APPLIED = 0, /* the server certainly did not do it */
    REASON_IDEMPOTENT,      /* it may have, and twice does no harm */
    REASON_IN_DOUBT,        /* it may have: from here on there is none */
    REASON_HOPELESS,        /* the same again would end the same way */
    REASON_TRIES,           /* there were as many as the policy lets it have */
    REASON_DEADLINE,        /* comes before the end of the pause */
    REASON_BUDGET,
    REASON_STOPPING,
    REASON_SERVER, /* it asked for none */
    REASON_MEMORY,
    REASONS
};

/* What chaos does to a request. */
enum record_planted {
    PLANTED_HELD = 0, /* for so long */
    PLANTED_BEHIND,   /* what is before it on its connection is held */
    PLANTED_FAILURE,
    PLANTED_CUT_THERE, /* the server never hears of it */
    PLANTED_CUT_BACK,  /* it does, and nobody of the answer */
    PLANTED_SORTS
};

struct record {
    int64_t at_us;                /* by the loop */
    uint64_t call;                /* its number; 0: the resource itself */
    uint8_t trace[TRACE_ID_SIZE]; /* zeros: none */
    int64_t number[RECORD_NUMBERS];
    const char *
        file; /* where the setting stands that decided, as the engine keeps it; NULL: nobody knows */
    int32_t line;
    int32_t generation; /* of the declarations */
    int32_t attempt;
    uint8_t what;     /* enum record_what */
    uint8_t endpoint; /* whose circuit it is of, from 1; 0: of none */
    uint16_t order;   /* how many there were of calls, this one among them; it goes round */
};

/* Of one resource in one worker. What was ever written is counted: a record is overwritten by the one that comes
 * so many later as there are. */
struct records {
    uint64_t of_calls, of_itself, of_front;
    struct record call[RECORDS_OF_CALLS];
    struct record itself[RECORDS_OF_ITSELF];
    struct record front[RECORDS_OF_FRONT];
};

/* What is known of a call while it is told. */
struct tale {
    uint64_t call;
    const struct context *context; /* the call's; NULL: the empty one */
    const struct operation *by;    /* whose policy it goes by; NULL: the declaration's */
    int64_t begun_us;              /* when it was asked */
    int32_t attempt;               /* the one under way, from 1 */
    bool is_told;                  /* there is a record of it */
};

/* What a number is called in an answer, and the word for it; NULL: it is a number. */
struct record_field {
    const char *name;
    const char *(*word)(int64_t number);
};

/* A sort of record. The fields end with a name that is NULL. The manual is printed from it. */
struct record_row {
    const char *name;
    struct record_field field[RECORD_NUMBERS + 1];
    const char *text;
};

const struct record_row *record_row(enum record_what what);

/* a, of what stands in front, was made before b, of a call. */
static inline bool record_is_older(const struct record *a, const struct record *b)
{
    return (int16_t)(uint16_t)(a->order - b->order) < 0;
}

/* How many there are, and the i-th of them from the oldest. */
static inline uint32_t records_of_calls(const struct records *r)
{
    return r->of_calls < RECORDS_OF_CALLS ? (uint32_t)r->of_calls : RECORDS_OF_CALLS;
}
static inline uint32_t records_of_itself(const struct records *r)
{
    return r->of_itself < RECORDS_OF_ITSELF ? (uint32_t)r->of_itself : RECORDS_OF_ITSELF;
}
static inline uint32_t records_of_front(const struct records *r)
{
    return r->of_front < RECORDS_OF_FRONT ? (uint32_t)r->of_front : RECORDS_OF_FRONT;
}
static inline const struct record *records_call(const struct records *r, uint32_t i)
{
    return &r->call[(r->of_calls - records_of_calls(r) + i) % RECORDS_OF_CALLS];
}
static inline const struct record *records_itself(const struct records *r, uint32_t i)
{
    return &r->itself[(r->of_itself - records_of_itself(r) + i) % RECORDS_OF_ITSELF];
}

static inline const struct record *records_front(const struct records *r, uint32_t i)
{
    return &r->front[(r->of_front - records_of_front(r) + i) % RECORDS_OF_FRONT];
}

/* Makes those of r. NULL when out of memory. */
struct records *records_new(struct resource *r);

static inline struct records *records_get(struct resource *r)
{
    return __builtin_expect(r->records != NULL, 1) ? r->records : records_new(r);
}

/* place: of the setting that decided; its file is kept by the engine, or NULL. */
static inline void record_fill(struct record *to, const struct resource *r, enum record_what what,
                               struct nebula_place place, int64_t a, int64_t b, int64_t c)
{
    to->at_us = engine_now(r->engine);
    to->number[0] = a;
    to->number[1] = b;
    to->number[2] = c;
    to->file = place.file;
    to->line = place.line;
    to->generation = r->generation;
    to->what = (uint8_t)what;
    to->endpoint = 0;
}

/* Of which call, and as which of all. */
static inline void record_sign(struct record *to, const struct records *all, const struct tale *s)
{
    to->order = (uint16_t)all->of_calls;
    to->call = s->call;
    to->attempt = s->attempt;
    if (s->context == NULL)
        memset(to->trace, 0, sizeof to->trace);
    else
        memcpy(to->trace, s->context->trace, sizeof to->trace);
}

/* It is of this endpoint; negative: of none. one may be NULL. */
static inline void record_endpoint(struct record *one, int32_t endpoint)
{
    if (one != NULL && endpoint >= 0)
        one->endpoint = (uint8_t)(endpoint + 1);
}

/* One more of a call; NULL: there is no memory for it. */
static inline struct record *record_add(struct resource *r, struct tale *s, enum record_what what,
                                        struct nebula_place place, int64_t a, int64_t b, int64_t c)
{
    struct records *all = records_get(r);
    if (all == NULL)
        return NULL;
    struct record *to = &all->call[all->of_calls++ % RECORDS_OF_CALLS];
    record_fill(to, r, what, place, a, b, c);
    record_sign(to, all, s);
    s->is_told = true;
    return to;
}

/* One more of what stands in front of it, and is told of most of them. */
static inline void record_front(struct resource *r, const struct tale *s, enum record_what what,
                                struct nebula_place place, int64_t a, int64_t b, int64_t c)
{
    struct records *all = records_get(r);
    if (all == NULL)
        return;
    struct record *to = &all->front[all->of_front++ % RECORDS_OF_FRONT];
    record_fill(to, r, what, place, a, b, c);
    record_sign(to, all, s);
}

/* One more of the resource itself; NULL: there is no memory for it. */
static inline struct record *record_itself(struct resource *r, enum record_what what,
                                           struct nebula_place place, int64_t a, int64_t b,
                                           int64_t c)
{
    struct records *all = records_get(r);
    if (all == NULL)
        return NULL;
    struct record *to = &all->itself[all->of_itself++ % RECORDS_OF_ITSELF];
    record_fill(to, r, what, place, a, b, c);
    return to;
}

#endif
