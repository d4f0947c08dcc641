/* reach.h - the endpoints of a resource, and how the connections of one role reach them.
 *
 * An endpoint that does not answer is down for every role: it pauses, longer each time, and then one
 * connection alone probes it. One that answers and is not what the role needs pauses for that role
 * and for no other; all workers know that together (core/outage). Which of those that are left gets the
 * next connection is for rules/choice to say.
 *
 * A resource that names no endpoints has one all the same, which is its pool's own.
 */
#ifndef CORE_REACH_H
#define CORE_REACH_H

#include "base/error.h"
#include "core/driver.h"
#include "core/outage.h"

#define ENDPOINTS_MOST 16

struct pool;
struct resource;

/* An endpoint, as the pool of one role knows it. */
struct reach {
    const struct endpoint *endpoint;
    const struct seen *seen;
    struct target target;
    const struct target *easy; /* NULL where the role does not fall back */
    int32_t opening, conns;    /* attempts under way; connections not closing, those included */
};

/* Behind the pool: its endpoints, and for a role that falls back what each is without being fit. */
size_t reach_size(const struct resource *r, int32_t role);
int32_t reach_count(const struct resource *r);
static inline const struct target *reach_target(const struct reach *r, bool is_easy)
{
    return is_easy && r->easy != NULL ? r->easy : &r->target;
}

/* Fills p->reach[0..p->reaches) and p->outlook, of which it shares what is known. False when out of memory. */
bool reach_init(struct pool *p);
void reach_fini(struct pool *p);

/* The place of the one for the next attempt, -1 when there is none for now. *is_easy_out: none is
 * what the role needs, so it is taken as it is. */
int32_t reach_next(const struct pool *p, bool *is_easy_out);
/* When one may be tried again that pauses now, or that others have connected to for too long; 0: unknown. */
int64_t reach_again_us(const struct pool *p);
/* Attempts of the pool at endpoints that failed before: nobody counts on them. */
int32_t reach_probing(const struct pool *p);
/* Whether an endpoint is left of which nothing bad is known, or which may be tried now. */
bool reach_has_hope(const struct pool *p);

/* Why no endpoint is left, in one sentence; why: of the last attempt. */
void reach_explain(const struct pool *p, const struct error *why, struct error *out);
bool reach_may_open(const struct pool *p, int32_t at); /* it does not pause, and has room */
bool reach_is_down(const struct reach *r);             /* the last attempt failed */
bool reach_is_unfit(const struct reach *r); /* it answered, and is not what the role needs */
/* "down" "fit" "unfit" "unknown" */
const char *reach_state(const struct reach *r);

#endif
