/* start.h - a ticket that ends when a resource is warm, or cannot be made so in time. */
#ifndef CORE_START_H
#define CORE_START_H

#include "core/resource.h"
#include "core/ticket.h"

/* The ticket's number, or a negative code. Opens `min` connections of the first role, at least one.
 */
int32_t start_begin(struct resource *r);

/* Why it ended, code OK when warm; NULL when the ticket is of another kind. */
struct error *start_error(struct ticket *t);

#endif
