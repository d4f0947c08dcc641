/* explain.h - the tales of a resource's calls as JSON: the last calls about which something was decided, each with
 * its records, the one told of last behind the others; and what the resource did itself.
 *
 * Of several workers the tales are put together by time, and it is said whose each is.
 */
#ifndef CORE_EXPLAIN_H
#define CORE_EXPLAIN_H

#include "core/order.h"
#include "core/telling.h"

json_t *explain_one(struct telling *t, const struct order *o, const struct resource *r);
/* What was told is this worker's. */
void explain_sign(struct telling *t, json_t *told, int32_t worker);
/* Adds what another one told, both signed; no more calls are left than were asked for. */
void explain_fold(struct telling *t, json_t *to, json_t *from);

#endif
