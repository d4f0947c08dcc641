/* errand.h - the ticket of what was begun on a resource as a whole: it ends when that is over.
 *
 * Who stops waiting stops nothing: what was begun goes on.
 */
#ifndef CORE_ERRAND_H
#define CORE_ERRAND_H

#include "core/resource.h"
#include "core/ticket.h"

/* Whether it is over in the pool. */
typedef bool errand_over(const struct pool *p);

/* For what is begun next: a ticket that ends when it is over in every pool of r; or a negative code,
 * and nothing may be begun. */
int32_t errand_begin(struct resource *r, errand_over *is_over);
/* Ends those of r with *why. */
void errand_fail(struct resource *r, errand_over *is_over, const struct error *why);
/* Something changed: ends those that are over. */
void errand_look(struct engine *e);

/* What an ended ticket of this kind has to tell; NULL when the ticket is of another kind. */
struct error *errand_error(struct ticket *t);

#endif
