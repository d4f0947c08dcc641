/* lend.h - a lease: at once when a connection is idle, else by a ticket. */
#ifndef CORE_LEND_H
#define CORE_LEND_H

#include "core/lease.h"
#include "core/resource.h"
#include "core/ticket.h"

/* A lease (> 0); 0 with *ticket_out when one has to be waited for; or a negative code. */
int64_t lend_begin(struct resource *r, int32_t role, int64_t within_us, bool is_fail_fast,
                   int32_t *ticket_out);

/* What a ended ticket of this kind has to tell; NULL when the ticket is of another kind. The
 * error's code is OK with a lease. */
struct lend;
struct lend *lend_of(struct ticket *t);
const struct error *lend_error(const struct lend *l);
int64_t lend_lease(const struct lend *l);

#endif
