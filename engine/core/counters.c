#include "core/counters.h"

#include <string.h>

#include "core/ear.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/tenant.h"

const char *counter_name(enum counter c)
{
    static const char *const name[COUNTERS] = {
#define X(name, key, kind, text) [COUNTER_##name] = (key),
        COUNTER_TABLE(X)
#undef X
    };
    CHECK((size_t)c < COUNTERS);
    return name[c];
}

enum refusal refusal_of(enum error_code code)
{
    if (code == ERROR_FULL)
        return REFUSAL_FULL;
    if (code == ERROR_WAIT || code == ERROR_DEADLINE)
        return REFUSAL_LATE;
    return code == ERROR_PAUSED ? REFUSAL_PAUSED : REFUSAL_TROUBLE;
}

static uint64_t refused(const struct pool_stats *s)
{
    uint64_t sum = 0;
    for (int32_t i = 0; i < REFUSALS; i++)
        sum += s->refused[i];
    return sum;
}

static void add_pool(const struct pool *p, int64_t *number)
{
    const struct pool_stats *s = &p->stats;
    const struct ear *e = p->ear;
    const uint64_t all[COUNTERS_OF_ROLE] = {
        [COUNTER_OPENING] = pool_count(p, CONN_OPENING),
        [COUNTER_IDLE] = pool_count(p, CONN_IDLE),
        [COUNTER_LEASED] = pool_count(p, CONN_LEASED),
        [COUNTER_LISTENING] = pool_count(p, CONN_LISTENING),
        [COUNTER_CHECKING] = pool_count(p, CONN_CHECKING),
        [COUNTER_RESETTING] = pool_count(p, CONN_RESETTING),
        [COUNTER_CANCELLING] = pool_count(p, CONN_CANCELLING),
        [COUNTER_CLOSING] = pool_count(p, CONN_CLOSING),
        [COUNTER_WAITING] = p->waiters.count,
        [COUNTER_LISTENERS] = e == NULL ? 0 : e->listeners.count,
        [COUNTER_MIN] = (uint64_t)p->size.min,
        [COUNTER_MAX] = (uint64_t)p->size.max,
        [COUNTER_LEASES] = pool_leases(p),
        [COUNTER_WAITED] = s->waited,
        [COUNTER_WAITED_US] = (uint64_t)s->waited_us,
        [COUNTER_REFUSED] = refused(s),
        [COUNTER_REFUSED_FULL] = s->refused[REFUSAL_FULL],
        [COUNTER_REFUSED_LATE] = s->refused[REFUSAL_LATE],
        [COUNTER_REFUSED_PAUSED] = s->refused[REFUSAL_PAUSED],
        [COUNTER_REFUSED_TROUBLE] = s->refused[REFUSAL_TROUBLE],
        [COUNTER_OPENED] = s->opened,
        [COUNTER_OPEN_FAILED] = s->open_failed,
        [COUNTER_CLOSED] = s->closed,
        [COUNTER_LOST] = s->lost,
        [COUNTER_RETIRED] = s->retired,
        [COUNTER_CHECKS] = s->checks,
        [COUNTER_KEEPALIVES] = s->keepalives,
        [COUNTER_RESETS] = s->resets,
        [COUNTER_CANCELS] = s->cancels,
        [COUNTER_TOLD] = e == NULL ? 0 : e->told,
        [COUNTER_GAPS] = e == NULL ? 0 : e->gaps,
        [COUNTER_HOLDS] = s->holds,
        [COUNTER_RECLAIMS] = s->reclaims,
    };
    for (int32_t i = 0; i < COUNTERS_OF_ROLE; i++)
        number[i] += (int64_t)all[i];
}

void counters_add_role(const struct resource *r, int32_t role, int64_t *number)
{
    const struct pool *p = resource_peek(r, role);
    if (p != NULL) {
        add_pool(p, number);
        return;
    }
    struct fill_policy size = resource_size(r, role);
    number[COUNTER_MIN] += size.min;
    number[COUNTER_MAX] += size.max;
}

static void add_resource(const struct resource *r, int64_t *number)
{
    for (int32_t role = 0; role < r->spec->roles; role++)
        counters_add_role(r, role, number);
    number[COUNTER_CALLS] += (int64_t)r->calls;
    number[COUNTER_RETRIES] += (int64_t)r->retries;
    number[COUNTER_FAILED] += (int64_t)r->failed;
    number[COUNTER_IN_DOUBT] += (int64_t)r->in_doubt;
    number[COUNTER_CHAOS] += (int64_t)r->faults;
}

void counters_of(const struct resource *r, int64_t *number)
{
    memset(number, 0, COUNTERS * sizeof *number);
    if (r->tenants != NULL)
        tenants_add_past(r, number);
    const struct resource *one = r->tenants == NULL ? r : tenants_next(r, r);
    for (; one != NULL; one = tenants_next(r, one))
        add_resource(one, number);
}
