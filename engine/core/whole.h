/* whole.h - the parts of several workers as one answer.
 *
 * Numbers are added, but for min and max, which each worker has of the whole; times are those of one
 * histogram, and the recommendation is computed on the sum. What is listed one by one (connections,
 * listeners, troubles, endpoints of a role) says in which worker it is. Of one worker the answer is his
 * part as it is.
 */
#ifndef CORE_WHOLE_H
#define CORE_WHOLE_H

#include "core/gather.h"
#include "core/telling.h"

#define WHOLE_NO_RESOURCE "there is no resource of this name"

/* What was done, or why not. */
json_t *whole_result(struct telling *t, const struct error *why);
/* Puts into it in how many workers it was looked for, and who did not answer. */
void whole_sign(struct telling *t, struct gather *g, json_t *o);
bool whole_is_missing(const struct finding *p); /* he did not answer, or without memory */
/* INSPECT, STATS and EXPLAIN. NULL when out of memory, like an answer that has failed. */
json_t *whole_of_look(struct telling *t, struct gather *g, enum order_what what);
/* Of the first so many parts. */
json_t *whole_of_order(struct telling *t, struct gather *g, int32_t parts);

#endif
