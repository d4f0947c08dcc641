/* reach.h - the endpoints of a resource, and how the connections of one role reach them.
 *
 * An endpoint that does not answer is down for every role: it pauses, longer each time, and then one
 * connection alone probes it. One that answers and is not what the role needs pauses for that role
 * and for no other. Which of those that are left gets the next connection is for rules/choice to
 * say.
 *
 * A resource that names no endpoints has one all the same, which is its pool's own.
 */
#ifndef CORE_REACH_H
#define CORE_REACH_H

#include "base/error.h"
#include "core/driver.h"
#include "rules/fill.h"

#define ENDPOINTS_MOST 16

struct pool;

struct endpoint {
    const char *name; /* NULL when the resource names none */
    struct fill fill; /* how many may connect at once */
    int32_t opening;  /* attempts under way, of all roles */
    int64_t again_us; /* none before, after one that failed */
    struct error
        *why; /* the last attempt failed, NULL since one was answered; of named ones only */
};

/* An endpoint, as the pool of one role knows it. */
struct reach {
    struct endpoint *endpoint;
    struct target target, easy;
    int32_t opening, conns; /* attempts under way; connections not closing, those included */
    int32_t misses;         /* found unfit so often in a row */
    int64_t again_us;       /* not before, since it was found unfit */
    bool is_fit;            /* the last attempt found what the role needs */
};

void endpoint_init(struct endpoint *e, const char *name, int32_t connecting);
void endpoint_fini(struct endpoint *e);

/* Fills p->reach[0..p->reaches). */
void reach_init(struct pool *p);
void reach_fini(struct pool *p);

/* The place of the one for the next attempt, -1 when there is none for now. *is_easy_out: none is
 * what the role needs, so it is taken as it is. */
int32_t reach_next(const struct pool *p, bool *is_easy_out);
/* When one may be tried again that pauses now; 0 when none does. */
int64_t reach_again_us(const struct pool *p);
/* Attempts of the pool at endpoints that failed before: nobody counts on them. */
int32_t reach_probing(const struct pool *p);
/* Whether an endpoint is left of which nothing bad is known, or which may be tried now. */
bool reach_has_hope(const struct pool *p);

/* What came of an attempt; why: UNFIT when the endpoint answered and is not what the role needs. */
void reach_failed(struct pool *p, int32_t at, const struct error *why);
void reach_opened(struct pool *p, int32_t at, bool is_easy);
/* It was what the role needs, and is no more. */
void reach_turned(struct pool *p, int32_t at);
/* Why no endpoint is left, in one sentence; why: of the last attempt. */
void reach_explain(const struct pool *p, const struct error *why, struct error *out);
bool reach_may_open(const struct pool *p, int32_t at); /* it does not pause, and has room */
bool reach_is_down(const struct reach *r);             /* the last attempt failed */
bool reach_is_unfit(const struct reach *r); /* it answered, and is not what the role needs */
/* "down" "fit" "unfit" "unknown" */
const char *reach_state(const struct reach *r);

#endif
