/* admit.h - by whom somebody who waits may be served, where each endpoint has a circuit (circuits_at.h). */
#ifndef CORE_ADMIT_H
#define CORE_ADMIT_H

#include "core/circuits_at.h"
#include "core/pool.h"

/* He may be served by c, which leads to an endpoint by which he may be: then he has its pass. */
bool admit(struct waiter *w, const struct conn *c);
/* By these circuits none of the endpoints that could serve is left; *why of the one that is next. */
bool admit_is_shut(const struct pool *p, struct guards *g, struct circuits_refusal *why);
/* The same for him, in words. */
bool admit_refuses(const struct pool *p, const struct waiter *w, struct error *e);
/* Those who wait for such ones are refused. */
void admit_refuse(struct pool *p);
/* When the first of them may be served by one more; INT64_MAX: that is told, or he does not wait for that. */
int64_t admit_opens_us(const struct pool *p);

#endif
