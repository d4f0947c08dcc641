/* circuits.h - what keeps failing is not called for a while, in any worker.
 *
 * Where the rules say so (nebula_rules()) there is one for all workers, made with the first call (rules/circuit). While it is closed an attempt reads one word, and how it ended is counted under a lock.
 * What is open refuses each attempt before it waits for a connection, with `open`, and so it refuses leases,
 * for which the gate of the pools is shut meanwhile. What runs on a lease goes on: who has begun a
 * transaction is let to its end. But how it ended counts as well.
 *
 * There is one for each endpoint instead where the rules say so: circuits_at.h.
 *
 * A failure is what blames the server (base/error.h), and that no connection could be opened. Cancelled,
 * refused and never sent are nobody's.
 */
#ifndef CORE_CIRCUITS_H
#define CORE_CIRCUITS_H

#include "base/error.h"
#include "core/guards.h"
#include "rules/circuit.h"

struct circuits; /* a worker's part in a circuit */

/* Why something was refused, in numbers: to put it into words takes longer than to refuse. */
struct circuits_refusal {
    struct circuit_cause cause;
    bool is_half;
    int32_t at;      /* of this endpoint alone, see circuits_at.h; negative: of all */
    int64_t left_us; /* until it is worth asking again */
};

/* May a call be sent? Its pass is to be handed in once, by circuits_end(); 0: there is no circuit. False:
 * not now. */
bool circuits_pass(struct guards *g, uint64_t *pass, struct circuits_refusal *why);
/* Is it open for certain? So much is known at less cost; false: circuits_pass() tells. */
bool circuits_are_shut(const struct guards *g, struct circuits_refusal *why);
void circuits_explain(const struct guards *g, const struct circuits_refusal *r, struct error *out);
/* The same for a lease, for which nothing is handed in. */
bool circuits_lend(struct resource *r, struct circuits_refusal *refused, struct error *why);
/* For what runs on a lease: a pass if there is one to be had, else 0. */
uint64_t circuits_pass_leased(struct guards *g);
/* The call ended so, that long after it was sent. was_sent: else it says something only when nothing answers. */
void circuits_end(struct guards *g, uint64_t pass, enum error_code code, bool was_sent,
                  int64_t took_us);

/* Whether a call that ended so counts. */
bool circuits_counts(enum error_code code, bool was_sent);
/* How it stands, so many bad of so many: those of its window while it is closed, else those for which it
 * opened last. False when there is none. */
struct circuit_standing {
    int32_t state; /* enum circuit_state */
    int64_t bad, of;
};
bool circuits_standing(const struct guards *g, struct circuit_standing *out);

/* For people. */
struct circuits_view {
    enum circuit_state state;
    struct circuit_cause cause; /* why it opened last */
    int32_t trips;              /* ever */
    int64_t left_us;            /* OPEN: until it is half open */
    uint32_t era;               /* that of the passes which count */
    int32_t probes;             /* HALF: that are out, and have time left */
};
bool circuits_view(const struct guards *g,
                   struct circuits_view *out); /* false: there is none yet */

void circuits_changed(struct guards *g);
/* A pool of it was made, or its rules are others, or those of an operation. */
void circuits_see(struct pool *p);
void circuits_free(struct circuits **c); /* *c may be NULL */

#endif
