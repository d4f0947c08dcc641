/* circuit.h - stop calling what keeps failing.
 *
 * The circuit breaker of M. T. Nygard (Release It!, 2007, 5.2), with windows and slow calls as
 * resilience4j has them (its guide, "CircuitBreaker"). CLOSED lets all calls pass, and counts how
 * they ended. When too many ended badly it is OPEN and refuses all, for a pause. Then it is HALF
 * open: a few pass as probes, of which one that is bad opens it again, and so many good ones close
 * it.
 *
 * It trips when an outcome is recorded, and of those in the window
 *
 * - failed * 100 >= percent * all, or slow * 100 >= slow_percent * all, once they are `least`, or
 *   as many as the window holds;
 * - or so many failed in a row, in the window or not.
 *
 * The window is the last 1..1,000 outcomes, or those of the last span. The latter are counted in
 * ten buckets, each a tenth of the span, whose edges are multiples of that. What happens at an
 * edge is in the bucket that begins there, and a bucket is forgotten as a whole, when the tenth
 * after it begins: so an outcome counts for more than nine tenths of the span, and never for
 * longer than it. When the window becomes another, of the last outcomes 1,024 are there, whatever
 * it was; what is in a bucket counts as if all of it were from the bucket's beginning; and from
 * one kind of window to the other only failures in a row are kept.
 *
 * A pause is twice the one before, pause_max_us at most, and up to a tenth less by the dice, so
 * that those who tripped together do not come back together. It begins anew when the circuit was
 * closed for as long as the last pause. That it closed is not enough: good probes prove that a
 * server bears a few calls, and one that does not bear all would be tried after the shortest pause
 * again and again.
 *
 * A probe is a permit with a deadline. One that is not handed back by then is free again, so none
 * can leak. What it answers later counts still: nothing else is known of a server that is so late.
 * But of what was let pass before the state changed, nothing counts. A probe that was slow is bad
 * where slow calls are looked at.
 *
 * The mode may change in any state. Forced open refuses all, and when that is over, so is the
 * pause: probes decide. Forced closed lets all pass, counts them, and never trips. Metrics only
 * goes from state to state as if it refused, and lets all pass; a call that it would have refused
 * is known by its pass, and counts for nothing.
 *
 * One is shared by workers, under a lock of theirs. Its word, which they keep where it can be read
 * without, says alone whether all may pass. It has one size: 1,000 outcomes are 250 bytes, and ten
 * buckets or the permits no less. To follow the window would save two thirds of 376 bytes where
 * that is short, and cost a move, and memory that may not be there, at a reload that is else other
 * numbers.
 *
 * Pure: the caller brings time and dice. And he owes
 *
 * - one policy for all workers, changed under that lock, with circuit_look() behind it: if each
 *   came with his own, a mode would come and go with each call, and a window with it;
 * - to store the word anew after each of the functions that change a circuit;
 * - to hand in each pass once.
 *
 * The clock is that of a loop, never negative; those of two loops may differ, by less than
 * probe_us. When it goes back nothing is forgotten, and no pause is over, until it is where it was;
 * but no pause is longer than pause_max_us from now, and no permit longer than twice probe_us.
 */
#ifndef RULES_CIRCUIT_H
#define RULES_CIRCUIT_H

#include <stdbool.h>
#include <stdint.h>

#define CIRCUIT_WINDOW_MOST 1000
#define CIRCUIT_KEPT 1024 /* outcomes, two bits each */
#define CIRCUIT_BUCKETS 10
#define CIRCUIT_PROBES_MOST 16

enum circuit_mode {
    CIRCUIT_AUTOMATIC = 0,
    CIRCUIT_FORCED_OPEN,
    CIRCUIT_FORCED_CLOSED,
    CIRCUIT_METRICS_ONLY
};

struct circuit_policy {
    enum circuit_mode mode;
    int32_t window;  /* the last outcomes, 1 .. CIRCUIT_WINDOW_MOST; 0: those of the last span */
    int64_t span_us; /* CIRCUIT_BUCKETS at least; with a window it is not looked at */
    int32_t least;   /* outcomes, before a share of them says anything */
    int32_t percent; /* that failed, 1..100; 0: it is not looked at */
    int32_t slow_percent; /* that were slow, 1..100; 0: it is not looked at */
    int64_t slow_us;      /* a call that took longer is slow; 0: none is */
    int32_t consecutive;  /* failures in a row; 0: they are not looked at */
    int32_t probes;       /* good ones that close it, and at once; 1 .. CIRCUIT_PROBES_MOST */
    int64_t probe_us;     /* a probe's deadline from when it was let pass; positive */
    int64_t pause_us, pause_max_us;
};

enum circuit_state { CIRCUIT_CLOSED = 0, CIRCUIT_OPEN, CIRCUIT_HALF };
enum circuit_why {
    CIRCUIT_NOT = 0,
    CIRCUIT_FAILURES,
    CIRCUIT_SLOWNESS,
    CIRCUIT_CONSECUTIVE,
    CIRCUIT_PROBE,
    CIRCUIT_ORDER
};

struct circuit_tally {
    int64_t all, failed, slow;
};

/* Why it opened last: so many were bad, of so many; of none when it was ordered to. */
struct circuit_cause {
    enum circuit_why why;
    int64_t bad, of;
};

/* The last outcomes: a ring of bits. */
struct circuit_last {
    uint64_t failed[CIRCUIT_KEPT / 64], slow[CIRCUIT_KEPT / 64];
    uint32_t next, filled;
};

/* The outcomes of the last span: a ring of buckets. */
struct circuit_span {
    struct circuit_tally bucket[CIRCUIT_BUCKETS];
    int64_t begin_us; /* of the bucket that is being filled */
    int32_t at;       /* that one */
};

struct circuit_probes {
    struct circuit_permit {
        int64_t until_us;
        uint32_t number; /* of the pass that has it; 0: nobody has */
    } permit[CIRCUIT_PROBES_MOST];
    uint32_t lent; /* the last number */
    int32_t good, bad;
};

/* All zero is one of which nothing is known. */
struct circuit {
    enum circuit_state state;
    uint32_t era; /* how often the state has changed */
    enum circuit_mode mode;
    int32_t window; /* what is counted in it now */
    int64_t span_us;
    struct circuit_tally sum; /* CLOSED: of the window */
    int32_t streak;           /* CLOSED: failures in a row */
    int32_t trips;            /* ever */
    int64_t since_us;         /* in this state */
    int64_t until_us;         /* OPEN: no probe before then, unless it is forced */
    int64_t pause_us;         /* the last one, before the dice; 0: it begins anew */
    struct circuit_cause cause;
    union {
        struct circuit_last last;     /* CLOSED with a window */
        struct circuit_span span;     /* CLOSED without */
        struct circuit_probes probes; /* HALF */
    } kept;
};

/* --- what is known by one word ---------------------------------------------------------------- */

/* A word is the era above, the state below. A pass is the word when it was given, with a bit that
 * tells it from 0, and the number of its permit. That of a call that would have been refused says
 * nothing else. */
#define CIRCUIT_STATE 3U
#define CIRCUIT_PASS 4U
#define CIRCUIT_UNHEEDED 8U
#define CIRCUIT_NUMBER_SHIFT 8
#define CIRCUIT_NUMBER_MOST 0xffffffU
#define CIRCUIT_ERA_SHIFT 32

static inline uint64_t circuit_word(const struct circuit *c)
{
    return (uint64_t)c->era << CIRCUIT_ERA_SHIFT | c->state;
}
/* The pass of a call when all may pass. 0: only circuit_allow() can tell. */
static inline uint64_t circuit_pass(uint64_t word)
{
    return (word & CIRCUIT_STATE) == CIRCUIT_CLOSED ? word | CIRCUIT_PASS : 0;
}
/* With metrics only: the call would have been refused. */
static inline bool circuit_would_refuse(uint64_t pass)
{
    return pass & CIRCUIT_UNHEEDED;
}

/* How a call ended: bits. Cancelled, refused and never sent are nobody's outcome, but returned. */
enum circuit_outcome { CIRCUIT_WELL = 0, CIRCUIT_FAILED = 1, CIRCUIT_SLOW = 2 };
static inline uint32_t circuit_outcome(const struct circuit_policy *p, bool is_failed,
                                       int64_t took_us)
{
    bool is_slow = p->slow_us > 0 && took_us > p->slow_us;
    return (is_failed ? CIRCUIT_FAILED : 0U) | (is_slow ? CIRCUIT_SLOW : 0U);
}

/* --- under the lock --------------------------------------------------------------------------- */

/* May a call pass? Its pass, or 0 for no. */
uint64_t circuit_allow(struct circuit *c, const struct circuit_policy *p, int64_t now_us);
/* It would refuse, and change nothing: so it is most of the time while a circuit is open. */
static inline bool circuit_is_shut(const struct circuit *c, const struct circuit_policy *p,
                                   int64_t now_us)
{
    if (c->state != CIRCUIT_OPEN || c->mode != p->mode || c->until_us - now_us > p->pause_max_us)
        return false;
    return c->mode == CIRCUIT_FORCED_OPEN || (c->mode == CIRCUIT_AUTOMATIC && now_us < c->until_us);
}
/* It ended so. */
void circuit_record(struct circuit *c, const struct circuit_policy *p, uint64_t pass,
                    uint32_t outcome, int64_t now_us, uint64_t dice);
/* It came to nothing, which proves nothing. */
void circuit_return(struct circuit *c, uint64_t pass);
/* Goes by this policy from here on, and forgets what is too old. To be called before showing it. */
void circuit_look(struct circuit *c, const struct circuit_policy *p, int64_t now_us);

const char *circuit_state_name(enum circuit_state state); /* "closed" "open" "half" */
/* "failures" "slow" "consecutive" "probe" "order"; "none" */
const char *circuit_reason(enum circuit_why why);

#endif
