/* listen.h - a ticket that ends when a listener hears, or cannot. */
#ifndef CORE_LISTEN_H
#define CORE_LISTEN_H

#include "core/listener.h"
#include "core/resource.h"
#include "core/ticket.h"

/* The ticket's number, or a negative code. */
int32_t listen_begin(struct resource *r, const struct nebula_channels *asked);

/* The listener hears: *why is OK; or it does not, and nobody will know its number. */
void listen_ended(struct listen *l, const struct error *why);

/* What an ended ticket of this kind has to tell; NULL when the ticket is of another kind. */
struct listen *listen_of(struct ticket *t);
struct error *listen_error(struct listen *l);
int64_t listen_listener(const struct listen *l);

#endif
