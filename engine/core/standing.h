/* standing.h - what was ordered of resources and still holds in all workers: pauses, drains, bounds, sizes.
 *
 * Orders that were given in different workers reach the others in any order. Each has a number, and what
 * stands here is the latest: an older one that comes behind it is left alone, so all workers end alike.
 * Whoever declares a resource later, a worker that begins or a tenant that was never asked for there,
 * finds it as it stands.
 *
 * For workers of a ledger; an engine that is alone has nobody to agree with.
 */
#ifndef CORE_STANDING_H
#define CORE_STANDING_H

#include <stdbool.h>

struct engine;
struct order;
struct resource;

bool standing_join(struct engine *e); /* false when out of memory */
void standing_leave(struct engine *e);

/* Whether another one of its sort was given later for the same resource. */
bool standing_is_later(const struct resource *r, const struct order *o);
/* It was done here, and stands. Without memory nobody who comes later hears of it. */
void standing_keep(const struct resource *r, const struct order *o);
/* r was declared just now; mould: as this one, which is NULL when it is no tenant's. */
void standing_take(struct resource *r, const struct resource *mould);

#endif
