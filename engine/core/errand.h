/* errand.h - the ticket of what was begun on a resource as a whole: it ends when that is over.
 *
 * With several workers it is over when it is so in each: a sentry is sent to every other one, which does
 * there what was ordered, and comes back when it is over, or with why it cannot be. A worker that leaves
 * has nothing left, and sends it back.
 *
 * Who stops waiting stops nothing: what was begun goes on.
 */
#ifndef CORE_ERRAND_H
#define CORE_ERRAND_H

#include "core/order.h"
#include "core/ticket.h"

/* Whether it is over in the pool. */
typedef bool errand_over(const struct pool *p);

/* Does it, in all workers: a ticket that ends when it is over in every pool of r; or a negative code, and
 * nothing was begun. */
int32_t errand_begin(struct resource *r, struct order *o, errand_over *is_over);
/* Ends those of r with *why. */
void errand_fail(struct resource *r, errand_over *is_over, const struct error *why);
/* Something changed: ends those that are over. */
void errand_look(struct engine *e);

/* What an ended ticket of this kind has to tell; NULL when the ticket is of another kind. */
struct error *errand_error(struct ticket *t);

#endif
