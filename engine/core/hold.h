/* hold.h - leases held for too long: who holds them is noted for the host, which knows the holder's
 * lines, and where the declaration says so the lease is taken away.
 *
 * The short path knows nothing of it. The keeper looks at the leased ones when it looks anyway, and
 * wakes up in time. Each hold is noted once, and again whenever it has become twice as long.
 */
#ifndef CORE_HOLD_H
#define CORE_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct engine;
struct pool;
struct resource;

#define HOLDS_MOST 1000 /* noted and not taken; one more is counted and forgotten */

/* A hold that was noted. */
struct hold {
    struct hold *next; /* noted after it */
    int64_t lease, held_us;
    int32_t task;
    const struct resource *resource;
    uint32_t conn;
    bool is_reclaimed;
    const char *place; /* of its taking, NULL when that was not traced; lives with the engine */
};

/* The next one, to be freed by the caller; NULL when there is none. */
struct hold *hold_take(struct engine *e);
void holds_fini(struct engine *e);
bool hold_is_noted(const struct resource *r); /* one of its leases, and nobody took the note yet */

/* Where c's lease was taken; NULL when that was not traced. */
const char *hold_place(const struct conn *c);
/* False when out of memory. */
bool hold_trace(struct conn *c, const char *place);

bool hold_was_noted(const struct conn *c); /* of the lease that it has */

/* --- for the keeper --------------------------------------------------------------------------- */

void hold_look(struct pool *p);
int64_t hold_next(const struct pool *p); /* when to look again, INT64_MAX: never */

#endif
