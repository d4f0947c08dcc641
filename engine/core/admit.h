/* admit.h - which idle connection serves whom: the next in turn, or of the endpoint whose turn it is (load.h); and who may
 * be served by whom, where each endpoint has a circuit (circuits_at.h).
 *
 * Whoever waits goes by the circuits of his guards. So one may wait for another endpoint beside an idle connection that
 * serves somebody behind him; else all are served in the order of arrival. */
#ifndef CORE_ADMIT_H
#define CORE_ADMIT_H

#include "core/circuits_at.h"
#include "core/pool.h"

/* He may be served by c, which leads to an endpoint by which he may be: then he has its pass. */
bool admit(struct waiter *w, const struct conn *c);
/* The connection for him, idle, or shared where he may; NULL: there is none. */
struct conn *admit_find(struct pool *p, struct waiter *w);
/* The first of those who wait that c serves; the first one that there is a connection for, *c. NULL: nobody, or others
 * in another worker come first. */
struct waiter *admit_first(struct pool *p, const struct conn *c);
struct waiter *admit_next(struct pool *p, struct conn **c);

/* By these circuits none of the endpoints that could serve is left; *why of the one that is next. */
bool admit_is_shut(const struct pool *p, struct guards *g, struct circuits_refusal *why);
/* The same for him, in words. */
bool admit_refuses(const struct pool *p, const struct waiter *w, struct error *e);
/* Those who wait for such ones are refused. */
void admit_refuse(struct pool *p);
/* When time alone lets those who wait be served by one more; INT64_MAX: never. */
int64_t admit_opens_us(const struct pool *p);

#endif
