/* load.h - what each endpoint of a pool carries and how well it does, and which of them serves next.
 *
 * Only a role that spreads over several endpoints, of a resource that was told how (nebula_balance()), has
 * loads. Its gate is never open: each call and each lease takes the long path and asks here. All others
 * pay one comparison with NULL, and nothing on the short path.
 *
 * The rule names an endpoint (rules/balance). When none of its connections is idle, the next best one that
 * has an idle connection serves, and the first one is noted as wanted: another connection is opened to it
 * where max leaves room, in all workers together. Where there is none, and it has had no connection at all for
 * a second, the endpoint that has most of them gives one up, an idle one or one that comes home. Sooner it may
 * come from another worker: where many wait, connections go to and fro.
 *
 * A call is judged where it ends (rules/eject). Whose connection was lost, whose server failed, or who was
 * not answered by the deadline, failed by its endpoint; whoever was cancelled or refused, or waited in
 * vain, is nobody's failure, and neither is what the server has against a statement. An attempt to connect
 * is no call: core/reach knows what came of those.
 *
 * An endpoint that is ejected has its connections retired, and gets none until its time is over. One that its
 * circuits shut gets none either, and keeps those that it has: probes will need them. When so few are left that
 * those ejected are used all the same, those are not: an ejection is a guess, and a circuit has counted.
 */
#ifndef CORE_LOAD_H
#define CORE_LOAD_H

#include "core/conn.h"
#include "core/reach.h"
#include "nebula_balance.h"
#include "rules/balance.h"
#include "rules/choice.h"
#include "rules/eject.h"

struct pool;
struct resource;

struct load {
    struct list idle; /* its idle connections, the next one to be lent first */
    struct balance_latency latency;
    struct balance_weight from; /* what its weight comes from, as it was looked at last */
    bool is_wanted;             /* the rule named it, and none of its connections was idle */
    bool is_out;                /* it was ejected, and that was told */
    bool is_away;               /* so, or down, or not what the role needs */
    int64_t news_us;            /* when it was not what the role needs: then it is looked at anew */
    int64_t had_us;             /* when it was used last, or room was made for it; 0: never */
    int64_t back_us;            /* since then it is away no more; 0: it never was */
};

struct loads {
    struct nebula_balance said;
    struct eject_policy policy;
    struct eject_fleet fleet;
    uint64_t uses;
    uint32_t shut; /* the endpoints that no circuit lets be used, a bit each; circuits_at.h */
    bool is_panic;
    bool has_news; /* somebody is wanted since the keeper looked */
    struct load of[ENDPOINTS_MOST];
    struct balance_of balance[ENDPOINTS_MOST];
    struct eject eject[ENDPOINTS_MOST];
};

/* --- what is said: load_said.c ---------------------------------------------------------------- */

/* What is wrong with it for this resource. */
enum error_code load_check(const struct resource *r, const struct nebula_balance *b,
                           struct error *e);
/* It is so from now on, in all of its pools. False when out of memory; all is as before then. */
bool load_say(struct resource *r, const struct nebula_balance *b);
bool load_is_said(const struct resource *r); /* a rule */
const char *load_rule_name(int32_t rule);    /* "round-robin" */
/* p->loads, by what the resource says now; NULL where nothing is to be balanced. False when out of
 * memory; all is as before then. */
bool load_init(struct pool *p);
void load_fini(struct pool *p);

/* --- for the pool and its connections ------------------------------------------------------------ */

/* In these states a connection has something to do for somebody, or for nobody any more. */
static inline bool load_is_carrying(enum conn_state state)
{
    return state == CONN_LEASED || state == CONN_CANCELLING;
}
uint32_t load_idle(const struct pool *p); /* a bit for each endpoint that has an idle connection */
/* The endpoint by which the next use with this key is served, among those whose bits are in `ready`, which
 * have a connection for it; -1: none of them may be used. may: those that may be, by who uses them. */
int32_t load_choose(struct pool *p, uint64_t key, uint32_t ready, uint32_t may);
/* c is lent, chosen or not. */
void load_use(struct conn *c);
/* c is in another state now than `from`; and: it came from, or goes to, another worker. */
void load_moved(struct conn *c, enum conn_state from);
void load_came(struct conn *c);
void load_left(struct conn *c);
/* One call more (1) or less (-1) shares c with the first. */
void load_shared(struct conn *c, int32_t more);
/* What was sent on c ended after so long. */
void load_note(const struct conn *c, enum error_code code, int64_t span_us);

/* Who may be connected to: not who is ejected. Whoever is wanted comes first, and the connections of one
 * with little weight count for more. */
void load_survey(const struct pool *p, struct choice_of *of);
/* How many somebody has a use for: those who wait, or the endpoints that are wanted. */
int32_t load_demand(const struct pool *p, int32_t waiting);
bool load_is_wanted(const struct pool *p, int32_t at);
bool load_is_shunned(const struct pool *p, int32_t at); /* ejected, and not all are used */
void load_arrived(struct pool *p,
                  int32_t at); /* an attempt to connect to it ended, or may not be */
/* It is ejected, or shut, until then; 0: it is not, or nobody knows. */
int64_t load_again_us(const struct pool *p, int32_t at);
/* One that is idle makes room for one that is wanted more. */
void load_make_room(struct pool *p);

/* --- for people ------------------------------------------------------------------------------- */

enum load_figure {
    LOAD_WEIGHT = 0, /* percent; 0: it may not be used now */
    LOAD_HEALTH,
    LOAD_SUCCESS,
    LOAD_SPEED,
    LOAD_SLOW_START,
    LOAD_OUTSTANDING,
    LOAD_LATENCY,      /* seconds */
    LOAD_CALLS,        /* that ended in the window under way and the one before */
    LOAD_SUCCESS_RATE, /* of these; 1 without any */
    LOAD_EJECTIONS,
    LOAD_EJECTED_FOR, /* seconds that are left */
    LOAD_FIGURES
};
const char *load_figure_name(enum load_figure f);
bool load_figure_is_whole(enum load_figure f);
void load_read(struct pool *p, int32_t at, double *number);
bool load_is_ejected(const struct pool *p, int32_t at);        /* now; p->loads may be NULL */
const char *load_ejected_by(const struct pool *p, int32_t at); /* the last time: "success" */
bool load_is_panic(struct pool *p); /* too few are left, so all are used, ejected or not */

#endif
