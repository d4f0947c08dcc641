/* listing.h - `ls`: all resources, some with each turn of the loop.
 *
 * Telling 100,000 of them is most of a second's work, for which tasks, timers and whoever looks out for workers
 * that do not turn must not wait. So resources come and go while they are told: each is told once, or not at
 * all, as it was when its turn came.
 *
 * Of several workers each makes its part (gather.h), and whoever asked adds them to his own as he comes to
 * each resource. Who knows of the same resources as he does not tell of those that nobody used there: that
 * would be as much again for each worker, and nothing to add.
 */
#ifndef CORE_LISTING_H
#define CORE_LISTING_H

#include "core/gather.h"

struct listing;

/* Of an engine, and of what the others found, which it takes apart; g: NULL when it is alone, else
 * borrowed. NULL when out of memory. */
struct listing *listing_begin(struct engine *e, struct gather *g);
bool listing_go_on(struct listing *l); /* for a turn; true: all is told */
/* The line with its newline, to be freed; NULL when out of memory. */
char *listing_end(struct listing **l);
void listing_forget(struct listing **l); /* *l may be NULL */

/* What goes into a part, for a turn; true: that is all. */
bool listing_part(struct engine *e, const struct order *o, struct finding *p);

#endif
