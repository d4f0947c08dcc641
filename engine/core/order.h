/* order.h - what an operator orders through the control socket: the verbs that change a resource.
 *
 * They answer when they have begun; how far they are is what `inspect` shows.
 */
#ifndef CORE_ORDER_H
#define CORE_ORDER_H

#include <jansson.h>

#include "core/resource.h"

/* The request's members beside "verb" and "name" are those of the order, and no others. */
typedef enum error_code order_verb(struct resource *r, const json_t *request, struct error *why);

order_verb order_pause, order_resume;
order_verb order_drain;     /* within_us: 10 s unless it is said */
order_verb order_reconnect; /* percent: 25, every_us: 1 s */
order_verb order_resize;    /* min, max, role: a name */

#endif
