/* budget.h - tokens that the workers of a process use together: so many in a span of time, and what was saved up.
 *
 * A worker takes a slice of them at a time, and the lock of all only then; what is in its slice it uses
 * alone. So never more are used than one bucket for the process would give, and who asks is refused wrongly
 * for no more than a slice of each worker: rules/slice has the proof. What is put in arrives 10 ms later at
 * most, and what is left of a slice goes back as soon. Who leaves gives back what he has. An engine that is
 * alone takes from its own bucket.
 *
 * Retries are the first to be counted so, for each resource. A rate or a quota needs an identity and a policy of
 * its own, and to ask where it is used.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include "core/common.h"
#include "rules/policy.h"

struct budget;

/* The worker's part in the tokens of this identity, made with `first` of them when nobody has a part yet; the
 * policy is that of whoever made them. l NULL: it is alone. NULL when out of memory. */
struct budget *budget_new(struct ledger *l, int32_t worker, struct loop *loop, const char *identity,
                          const struct rate_policy *p, int64_t first);
void budget_free(struct budget **b); /* *b may be NULL */
/* One token, if there is one. */
bool budget_take(struct budget *b, int64_t now_us);
/* So many millionths more. */
void budget_put(struct budget *b, int64_t micros, int64_t now_us);

#endif
