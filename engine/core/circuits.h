/* circuits.h - what keeps failing is not called for a while, in any worker.
 *
 * A resource that was told of a circuit (nebula_circuit()) has one for all workers, made with its first call
 * (rules/circuit). While it is closed an attempt reads one word, and how it ended is counted under a lock.
 * What is open refuses each attempt before it waits for a connection, with `open`, and so it refuses leases,
 * for which the gate of the pools is shut meanwhile. What runs on a lease goes on: who has begun a
 * transaction is let to its end. But how it ended counts as well.
 *
 * A failure is what blames the server (base/error.h), and that no connection could be opened. Cancelled,
 * refused and never sent are nobody's.
 */
#ifndef CORE_CIRCUITS_H
#define CORE_CIRCUITS_H

#include "base/error.h"
#include "core/resource.h"
#include "nebula_policy.h"

struct circuits; /* a worker's part in the circuit of a resource */

/* May a call be sent? Its pass is to be handed in once, by circuits_end(); 0: there is no circuit. False:
 * not now, and *why says until when. */
bool circuits_pass(struct resource *r, uint64_t *pass, struct error *why);
/* The same for a lease, for which nothing is handed in. */
bool circuits_lend(struct resource *r, struct error *why);
/* For what runs on a lease: a pass if there is one to be had, else 0. */
uint64_t circuits_pass_leased(struct resource *r);
/* The call ended so, that long after it was sent. was_sent: else it says something only when nothing answers. */
void circuits_end(struct resource *r, uint64_t pass, enum error_code code, bool was_sent,
                  int64_t took_us);

/* Whether a call that ended so counts. */
bool circuits_counts(enum error_code code, bool was_sent);
/* How it stands, so many bad of so many: those of its window while it is closed, else those for which it
 * opened last. False when there is none. */
struct circuit_standing {
    int32_t state; /* enum circuit_state */
    int64_t bad, of;
};
bool circuits_standing(struct resource *r, struct circuit_standing *out);

/* Whether what is said can be; *e says why not. */
enum error_code circuits_check(const struct resource *r, const struct nebula_circuit *said,
                               struct error *e);
/* From now on it is so. False when out of memory: then it is as before. */
bool circuits_say(struct resource *r, const struct nebula_circuit *said);
/* A pool of it was made. */
void circuits_see(struct pool *p);
void circuits_free(struct circuits **c); /* *c may be NULL */

#endif
