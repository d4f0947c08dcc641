/* nebula_policy.h - by which rules the calls of a resource are made, besides its deadline and its retries.
 *
 * Rules are said of a resource that is declared, or of an operation of it, and changed by saying them again:
 * what is known goes on. All workers of a ledger say the same; until they do, what was said last counts for what
 * they have together. What is all zero is not in force.
 *
 * A call goes through its rules in this order, unless it is told another one:
 *
 *   rate       so many calls in a span of time
 *   deadline   a call that will hardly make its deadline is refused
 *   retry      what follows is done again for each attempt
 *   circuit    what keeps failing is not called for a while
 *   limit      so many calls under way, the others wait, and who waits too long is shed
 *   hedge      a second copy of what takes too long
 *
 * and then it waits for a connection and is sent. What runs on a lease goes through none of them, but how it
 * ended counts for the circuit.
 */
#ifndef NEBULA_POLICY_H
#define NEBULA_POLICY_H

#include "nebula.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* [ffi */

/* --- retry ------------------------------------------------------------------------------------ */

/* How pauses grow: to twice as much, not at all, by the first one, by what was drawn before. */
enum nebula_retry_shape {
    NEBULA_RETRY_EXPONENTIAL = 0,
    NEBULA_RETRY_CONSTANT,
    NEBULA_RETRY_LINEAR,
    NEBULA_RETRY_DECORRELATED
};
/* What of a pause is drawn: all, the upper half, a fifth less or more, nothing. */
enum nebula_jitter {
    NEBULA_JITTER_FULL = 0,
    NEBULA_JITTER_EQUAL,
    NEBULA_JITTER_FIFTH,
    NEBULA_JITTER_NONE
};
/* What retries are paid with: a share of the calls, as struct nebula_policy says; or tokens that go by what
 * came of the attempts: the retry quota of the AWS SDKs, the throttle of gRPC A6. */
enum nebula_budget { NEBULA_BUDGET_SHARE = 0, NEBULA_BUDGET_QUOTA, NEBULA_BUDGET_RATIO };

/* The numbers of a pause and the tries are those of struct nebula_policy. The rest is in thousandths of a token,
 * with a budget that has some. */
struct nebula_again {
    int32_t shape, jitter, budget;
    int32_t capacity;  /* at most, and in the beginning; at least 1,000 */
    int32_t success;   /* what an attempt that goes well brings */
    int32_t cost;      /* quota: of a retry; at most the capacity */
    int32_t cost_lost; /* quota: of one after a lost connection or no answer in time */
};

/* --- circuit ---------------------------------------------------------------------------------- */

enum nebula_circuit_mode {
    NEBULA_CIRCUIT_NONE = 0, /* there is no circuit, and the rest is not in force */
    NEBULA_CIRCUIT_AUTOMATIC,
    NEBULA_CIRCUIT_OPEN,   /* refuses all */
    NEBULA_CIRCUIT_CLOSED, /* refuses nobody, and counts */
    NEBULA_CIRCUIT_METRICS /* goes from state to state, and refuses nobody */
};

/* Of whose calls there is one. Of an endpoint's: that endpoint alone is left out, and calls are refused when there is
 * no other one. It needs calls that are balanced over endpoints (nebula_balance(), which is told first). */
enum nebula_circuit_per { NEBULA_CIRCUIT_PER_RESOURCE = 0, NEBULA_CIRCUIT_PER_ENDPOINT };

/* What keeps failing is not called for a while. A call that is refused ends with `open`, and so does a lease; what
 * runs on a lease goes on. Failures are what blames the server: lost, no answer by the deadline, unreachable,
 * busy, server, storage, protocol. Percent are 1 to 100. */
struct nebula_circuit {
    int32_t mode;         /* enum nebula_circuit_mode */
    int32_t window;       /* the last calls, 1 to 1,000; 0: those of the last span */
    int64_t span_us;      /* at least 10, where there is no window */
    int32_t least;        /* calls, before a share of them says anything; at least 1 */
    int32_t percent;      /* that failed; 0: not looked at */
    int32_t slow_percent; /* that were slow; 0: not looked at */
    int32_t consecutive;  /* failures in a row; 0: not looked at */
    int64_t slow_us;      /* a call that takes longer is slow; 0: none is */
    int32_t probes;       /* good ones that close it, 1 to 16 */
    int32_t per;          /* enum nebula_circuit_per */
    int64_t probe_us;     /* how long a probe may take, positive */
    int64_t pause_us;     /* positive; doubles each time it opens again */
    int64_t pause_max_us; /* at least pause_us */
};

/* --- rate ------------------------------------------------------------------------------------- */

enum nebula_rate_shape {
    NEBULA_RATE_NONE = 0,
    NEBULA_RATE_BUCKET, /* a burst at once, and then as fast as tokens come */
    NEBULA_RATE_LEAKY,  /* one behind the other, and no burst */
    NEBULA_RATE_WINDOW  /* never more in any span */
};
/* Whose calls are counted together. */
enum nebula_rate_per {
    NEBULA_PER_ALL = 0,
    NEBULA_PER_KEY,   /* those of the same key: nebula_key() */
    NEBULA_PER_TENANT /* those of tasks of the same tenant */
};

/* A call that is refused ends with `rate`, and with retry_after. */
struct nebula_rate {
    int32_t shape, per;
    int64_t tokens;  /* in a span, 1 to 1,000,000,000; a call costs one */
    int64_t span_us; /* positive */
    int64_t burst;   /* bucket: what is saved up, at least 1 */
    int64_t wait_us; /* who has to wait no longer than this waits; 0: nobody does */
};

/* --- limit ------------------------------------------------------------------------------------ */

/* Who waits longer than the policy lets a call wait ends with `wait`, and who finds the queue full with `full`. */
struct nebula_limit {
    int32_t concurrent; /* calls under way, 1 to 1,000,000; 0: there is no limit */
    int32_t queue;      /* that wait for one of them to end, 0 to 1,000,000 */
    bool is_adaptive;   /* it is found; concurrent is where it begins */
    int32_t min, max;   /* adaptive: 1 <= min <= concurrent <= max */
    int32_t tolerance;  /* adaptive: percent of the lowest latency that are well, at least 100 */
};

enum nebula_priority {
    NEBULA_PRIORITY_NORMAL = 0,
    NEBULA_PRIORITY_CRITICAL,
    NEBULA_PRIORITY_BATCH,
    NEBULA_PRIORITIES
};

/* Of those of one priority who wait. */
struct nebula_patience {
    int64_t target_us;   /* who waits for longer all the time is too many; 0: never shed */
    int64_t most_us;     /* nobody waits longer while it sheds; 0: by the law alone */
    int64_t patience_us; /* 0: nobody who comes later overtakes it */
};

/* Which of those who wait in the queue of the limit are refused, with `shed`, and who goes first. */
struct nebula_shed {
    int64_t interval_us;          /* 0: nobody is shed */
    struct nebula_patience of[3]; /* by enum nebula_priority */
};

/* --- hedge, deadline --------------------------------------------------------------------------- */

/* Of calls that are idempotent another copy goes when it takes longer than nearly all do. */
struct nebula_hedge {
    int32_t copies;   /* in all, 2 to 5; 0: a call goes once */
    int32_t permille; /* of calls take no longer than what is waited for; 0: it is delay_us */
    int64_t delay_us; /* also as long as the quantile is not known; 0: no copies as long */
    int64_t floor_us; /* no copy before */
    int32_t percent;  /* copies of calls, 0 to 100 */
    int32_t burst;    /* copies that are saved up, at least 1 */
};

/* A call with less time left than half of them take is refused, with `deadline`. */
struct nebula_early {
    int32_t least;   /* calls that must be known; 0: nobody is refused */
    int32_t percent; /* of those that would be refused, 0 to 100: they go, so that news come */
};

/* --- all of them ------------------------------------------------------------------------------- */

enum nebula_stage {
    NEBULA_STAGE_NONE = 0,
    NEBULA_STAGE_RATE,
    NEBULA_STAGE_DEADLINE,
    NEBULA_STAGE_RETRY,
    NEBULA_STAGE_CIRCUIT,
    NEBULA_STAGE_LIMIT,
    NEBULA_STAGE_HEDGE,
    NEBULA_STAGES
};

struct nebula_rules {
    struct nebula_again again;
    struct nebula_circuit circuit;
    struct nebula_rate rate;
    struct nebula_limit limit;
    struct nebula_shed shed; /* needs a limit */
    struct nebula_hedge hedge;
    struct nebula_early early;
    /* Each stage once, hedge last; all zero: the usual one. */
    uint8_t order[6];
    uint32_t asks; /* bits: 1 << enum nebula_ask */
};

/* From now on; copied. 0 or a negative code: config, and which number cannot be; memory. */
int32_t nebula_rules(struct nebula *n, int32_t resource, const struct nebula_rules *rules);

/* Calls of the resource that go by another policy: its number, for nebula_request.operation, or a negative code.
 * is_apart: they have a circuit, rates, limits and times of their own; else what they do counts with the others,
 * whose circuit, rate and limit are theirs too. Again, by the same name: it is so from now on. At most 64. */
int32_t nebula_operation(struct nebula *n, int32_t resource, const char *name,
                         const struct nebula_policy *policy, const struct nebula_rules *rules,
                         bool is_apart);

/* --- what is asked and told --------------------------------------------------------------------- */

enum nebula_ask {
    NEBULA_ASK_FAILURE = 0, /* a call failed: is it a failure, and is it tried again? */
    NEBULA_TELL_CIRCUIT,    /* its state is another */
    NEBULA_TELL_RETRY,      /* an attempt failed, and there will be another one */
    NEBULA_TELL_REFUSED,    /* a stage refused a call */
    NEBULA_ASKS
};

/* What a call that failed counts as, for its circuit and its limit. */
enum nebula_class {
    NEBULA_CLASS_USUAL = 0,
    NEBULA_CLASS_FAILED, /* the server is to blame */
    NEBULA_CLASS_WELL,   /* it did its part */
    NEBULA_CLASS_NOTHING /* it says nothing of the server */
};

/* Texts are good until the next one is taken. What is not of the sort is 0, or "". */
struct nebula_question {
    int32_t what;                /* enum nebula_ask */
    int32_t ticket;              /* FAILURE: of the call, for nebula_answer() */
    int32_t resource, operation; /* numbers */
    int32_t code, outcome;       /* FAILURE, RETRY, REFUSED: of the error */
    int32_t attempts;            /* so far */
    bool is_idempotent;          /* FAILURE: the call may be done twice */
    bool may_repeat; /* FAILURE: what is done without an answer, tries and budget willing */
    int64_t took_us, left_us; /* FAILURE: of the attempt; until the deadline */
    int64_t pause_us;         /* RETRY; CIRCUIT: until it is half open */
    int64_t bad, of;          /* CIRCUIT: the calls because of which it opened */
    const char *from, *to,
        *why;                 /* CIRCUIT: "closed" "open" "half"; "failures" "slow" "probe" ... */
    const char *endpoint;     /* CIRCUIT: whose it is; "": of all */
    const char *state, *text; /* FAILURE, RETRY, REFUSED: the server's code, and the sentence */
    int64_t missed;           /* that were told before and are lost, as nobody took them */
};

/* The next thing that rules with `asks` ask or tell; false when there is none. To be taken after each turn. A call
 * that is asked about waits for a second at most. */
bool nebula_question(struct nebula *n, struct nebula_question *out);
/* Whether it is tried again: 1 yes, 0 no, -1 as usual. What is in doubt is not, unless the call may be done twice;
 * tries, deadline and budget bound it in any case. is: enum nebula_class. 0, or -stale: it does not wait any more. */
int32_t nebula_answer(struct nebula *n, int32_t ticket, int32_t again, int32_t is);

/* --- where it stands -------------------------------------------------------------------------- */

/* What `nebula explain` names as the reason of a decision. */
enum nebula_setting {
    NEBULA_SETTING_DEADLINE = 0, /* call.deadline */
    NEBULA_SETTING_WAIT,         /* call.wait */
    NEBULA_SETTING_RETRY,
    NEBULA_SETTING_CIRCUIT,
    NEBULA_SETTING_LIMIT,
    NEBULA_SETTING_RATE,
    NEBULA_SETTING_SHED,
    NEBULA_SETTING_HEDGE,
    NEBULA_SETTING_EARLY,
    NEBULA_SETTING_CACHE,
    NEBULA_SETTING_FALLBACK,
    NEBULA_SETTING_CHAOS, /* the whole declaration of nebula_chaos.h: a resource's, and no policy's */
    NEBULA_SETTINGS
};

struct nebula_place {
    const char *file; /* copied; NULL: nobody knows */
    int32_t line;
};

/* Where the settings of the resource's policy stand, from now on: place[i] is that of setting number i, and of those behind
 * the last nobody knows. 0 or a negative code. */
int32_t nebula_places(struct nebula *n, int32_t resource, const struct nebula_place *place,
                      int32_t places);
/* The same of the policy of an operation, by the number that nebula_operation() gave. */
int32_t nebula_operation_places(struct nebula *n, int32_t resource, int32_t operation,
                                const struct nebula_place *place, int32_t places);

/* --- what stands in front ----------------------------------------------------------------------- */

/* What a host decides before a call, instead of one, or when it has failed, and tells so that `nebula explain` knows
 * it; with three numbers. Ages and waits are in us, codes those of errors, a step is counted from 1. */
enum nebula_front {
    NEBULA_FRONT_HIT = 0, /* an answer that is kept: age */
    NEBULA_FRONT_STALE,  /* one that is older than it should be, as a newer one is asked for: age */
    NEBULA_FRONT_MISS,   /* there is none that is good: age of the one there is, or -1 */
    NEBULA_FRONT_JOINED, /* what another task had asked for: code, wait */
    NEBULA_FRONT_STALE_IF_ERROR, /* an old one, because of an error: code, age */
    NEBULA_FRONT_FALLBACK,       /* the fallback: step, enum nebula_way, code because of which */
    NEBULA_FRONT_FALLBACK_LAST,  /* its last good answer: step, code because of which, age */
    NEBULA_FRONT_FALLBACK_NONE, /* a step that has nothing: step, enum nebula_way, code of its own or 0 */
    NEBULA_FRONTS
};
/* What a step of a fallback is. */
enum nebula_way {
    NEBULA_WAY_LAST = 0, /* the last good answer */
    NEBULA_WAY_RESOURCE, /* another resource */
    NEBULA_WAY_VALUE,    /* a value */
    NEBULA_WAY_CALL,     /* a function */
    NEBULA_WAYS
};

/* A tale that begins: its number, which is positive. */
int64_t nebula_tale(struct nebula *n);
/* The next call of the acting task is told in this one; 0: in its own, as ever. */
void nebula_tale_in(struct nebula *n, int64_t tale);
/* That was decided for the acting task in front of the resource, in this tale; 0: in one of its own. Nothing when there
 * is no such resource, way or code. */
void nebula_front(struct nebula *n, int32_t resource, int64_t tale, int32_t what, int64_t a,
                  int64_t b, int64_t c);

/* --- strategies ------------------------------------------------------------------------------- */

/* A strategy says how many connections the pool of a role may have just now, between min and max. Its host asks it, again
 * and again, in the worker that is home of the pool: of all that use it there is one. */
struct nebula_strategy {
    const char *name, *file; /* copied; of the file NULL: nobody knows */
    int32_t line;
    int64_t every_us; /* how often it is asked */
};
/* From now on the resource has this one, in this worker; to be shown. Not for one of tenants, nor one whose session is
 * its data. 0 or a negative code. */
int32_t nebula_strategy(struct nebula *n, int32_t resource, const struct nebula_strategy *said);

struct nebula_bounds {
    int32_t min, max; /* as declared, or as nebula_resize() left them */
    int32_t size;     /* how many there may be now */
};
/* 1: this worker is to ask for the pool of that role. 0: another one is, or nobody, because it was not used yet, is
 * paused or drained, or its kind says max. Or a negative code. */
int32_t nebula_home(struct nebula *n, int32_t resource, int32_t role, struct nebula_bounds *out);

struct nebula_sized {
    int32_t size;    /* 0: it stays as it is */
    double answer;   /* what the size was made of; to be shown */
    const char *why; /* copied; there was no answer; NULL: there was */
};
/* What came of asking. As many connections the pool may have from now on, in all workers; what lies beyond the bounds
 * counts as the nearer one, also when these change. What is too much closes as it does by nebula_resize(). 0 or a
 * negative code. */
int32_t nebula_size(struct nebula *n, int32_t resource, int32_t role,
                    const struct nebula_sized *told);

/* ffi] */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
