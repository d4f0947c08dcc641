/* engine.h - one engine: what its parts share, and the two lists of numbers that outsiders know.
 *
 * Everything here belongs to one thread. Parts find each other through this struct and through
 * nothing else; there are no globals, so two engines in one process do not know of each other.
 */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include "base/error.h"
#include "base/index.h"
#include "base/list.h"
#include "base/log.h"
#include "base/names.h"
#include "base/table.h"
#include "base/world.h"
#include "core/loop.h"
#include "core/rooms.h"
#include "core/trace.h"

#define ENGINE_TICKETS_MOST 1000000
#define ENGINE_TASKS_MOST 20000 /* those that wait hold up the collector: see docs/benchmarks.md */
#define ENGINE_RESOURCES_MOST 100000
#define ENGINE_LISTENERS_MOST 100000
#define ROLES_MOST 4
#define ENGINE_HITS_A_TURN 63

struct asked_notes;
struct crew;
struct hold;
struct hold_place;
struct instance;
struct lease_row;
struct ledger;
struct pool;
struct resource;
struct standings;
struct task;

/* Who is behind a lease's number: see core/lease.h. */
struct lease_table {
    struct lease_row *row; /* row[0] is never used */
    int32_t size, free_head, used;
    int32_t owed; /* of the used ones, with what somebody lost */
    int32_t kept; /* of the free ones, for connections that come from other workers */
};

/* Leases held for too long, the oldest note first: see core/hold.h. */
struct holds {
    struct hold *first, *last; /* last: while there is a first */
    int32_t count;
    int32_t
        places; /* as many rows of the table of leases have one, once anybody says where he is */
    struct hold_place *place;
};

/* The pools of all resources: those of number n begin at n * ROLES_MOST. */
struct pool_table {
    struct pool **pool; /* NULL before first use */
    size_t size;
};

struct engine {
    const void *unwatched; /* its thread, NULL when there is a tracer: so both are asked at once */
    int64_t now_us;        /* the loop's time of this turn, see loop_keep() */
    struct task *task;     /* for whom the host acts now */
    uint32_t hits_left;    /* leases by the short path until the turn has to go on */
    struct lease_table leases;
    struct pool_table pools;

    const void *thread; /* the one that made it */
    struct tracer *tracer;
    struct world *world;
    struct loop *loop;
    struct ledger *ledger;       /* of all workers of the process, borrowed; NULL: it is alone */
    int32_t worker, workers;     /* which of how many */
    struct crew *crew;           /* the engines of the ledger; NULL: it is alone */
    struct standings *standings; /* what was ordered of their resources */
    struct log log;              /* says nothing until the host sets it up */
    struct secrets secrets;      /* never shown */
    struct names said;           /* by declarations, alike */
    struct list alike;           /* what they say alike as a whole: see core/alike.h */
    struct list rules;           /* and by nebula_policy.h: see core/rules.h */
    struct list places;          /* where that stands: see core/places.h */
    uint64_t tales;              /* there ever were: see core/tale.h */
    struct table tickets, tasks, resources, listeners;
    int64_t listened;              /* listeners there ever were; see core/listener.h */
    int64_t declared;              /* resources there ever were */
    struct index names;            /* of resources */
    struct list errands, sentries; /* that are not over; those for other workers */
    struct holds holds;            /* noted, and not taken by the host yet */
    struct list asked;             /* calls about which the host is asked: see core/asked.h */
    struct asked_notes *notes;     /* what it is told; NULL: nothing was yet */
    struct list ready;             /* tickets that ended and that the host has not seen */
    struct task *nobody;           /* acts when no task does */
    void *spare;                   /* memory for one more that waits for a lease: see core/lend.c */
    struct rooms rooms;            /* and for calls */
    int32_t queued;     /* ticket of the last call or lease that has to wait for a connection */
    struct error error; /* of the last negative result */
    char *program;      /* what ls shows, owned; may be NULL */
    uint32_t conns;     /* alive, of whatever state */
    bool is_stopping;
    bool allows_chaos;
    struct timer stop_timer; /* when what is left is closed */

    struct instance *instances;  /* of the program's services: see core/instances.h */
    struct index instance_names; /* service and number */
};

/* The loop is borrowed, and its world with it. False when out of memory; there is no engine then.
 */
bool engine_init(struct engine *e, struct loop *loop);
/* No connection is left. */
void engine_fini(struct engine *e);

/* From now on t hears of everything. */
void engine_watch(struct engine *e, struct tracer *t);

void engine_stop(struct engine *e, int64_t at_us);
bool engine_is_stopped(const struct engine *e);

/* The turn has gone on. */
static inline void engine_turned(struct engine *e)
{
    e->hits_left = ENGINE_HITS_A_TURN;
}

static inline int64_t engine_now(const struct engine *e)
{
    return e->now_us;
}

/* The time that is so far from now; the end of all time for what is beyond it. */
static inline int64_t engine_in(const struct engine *e, int64_t span_us)
{
    return span_us > INT64_MAX - e->now_us ? INT64_MAX : e->now_us + span_us;
}

/* NULL if there is none, or not yet. */
static inline struct pool *engine_pool(const struct engine *e, int32_t resource, int32_t role)
{
    size_t at = (size_t)(uint32_t)resource * ROLES_MOST + (uint32_t)role;
    return (uint32_t)role < ROLES_MOST && at < e->pools.size ? e->pools.pool[at] : NULL;
}

/* Remembers the sentence for the caller and gives the code negated, so that a refusal is one line.
 */
__attribute__((format(printf, 3, 4))) int32_t engine_refuse(struct engine *e, enum error_code code,
                                                            const char *format, ...);

void engine_log(struct engine *e, enum log_level level, const char *text,
                const struct log_field *field, int fields);

/* To the tracer there is. */
__attribute__((cold, noinline)) void engine_tell(struct engine *e, enum trace_what what,
                                                 int32_t resource, int64_t a, int64_t b, int64_t c);

/* Inline, because it stands on the lease path: one load and one predicted branch when nobody
 * listens. */
static inline void engine_trace(struct engine *e, enum trace_what what, int32_t resource, int64_t a,
                                int64_t b, int64_t c)
{
    if (__builtin_expect(e->tracer != NULL, 0))
        engine_tell(e, what, resource, a, b, c);
}

#endif
