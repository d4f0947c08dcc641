/* drain.h - a pool runs empty: nobody new is let in, who is in comes to his end, and each connection
 * closes when nobody needs it any more.
 *
 * Who waited already is served, for he came before. At its bound whatever is left is cut off, as when
 * the engine stops. An empty pool stays closed until it is resumed.
 */
#ifndef CORE_DRAIN_H
#define CORE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

/* at_us: the bound. Again: with another one. */
void drain_begin(struct pool *p, int64_t at_us);
void drain_undo(struct pool *p);
bool drain_is_over(const struct pool *p); /* nothing is left */

/* --- for the keeper --------------------------------------------------------------------------- */

void drain_look(struct pool *p);          /* cuts off what is left at the bound */
int64_t drain_next(const struct pool *p); /* when to look again, INT64_MAX: never */

#endif
