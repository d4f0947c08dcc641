#include "core/operate.h"

#include "core/pool.h"
#include "core/tenant.h"

/* What holds for whatever is asked. */
static enum error_code refuse(const struct resource *r, struct error *why)
{
    const char *name = r->spec.name;
    if (r->engine->is_stopping)
        return error_set(why, ERROR_CLOSED, "%s: the engine is shutting down", name);
    if (r->spec.is_data)
        return error_set(why, ERROR_USAGE,
                         "%s: its one connection is its data, and no other can take its place",
                         name);
    return ERROR_OK;
}

static void reconnect(const struct resource *r, int32_t percent, int64_t every_us)
{
    for (int32_t role = 0; role < r->spec.roles; role++) {
        struct pool *p = resource_peek(r, role);
        if (p != NULL)
            reconnect_begin(p, percent, every_us);
    }
}

enum error_code operate_reconnect(struct resource *r, int32_t percent, int64_t every_us,
                                  struct error *why)
{
    const char *name = r->spec.name;
    if (refuse(r, why) != ERROR_OK)
        return why->code;
    if (percent < 1 || percent > 100)
        return error_set(why, ERROR_USAGE, "%s: a share of 1 to 100 percent, not %d", name,
                         percent);
    if (!resource_is_span(every_us))
        return error_set(why, ERROR_USAGE, "%s: a step is a time from 0 on, and not endless", name);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        reconnect(one, percent, every_us);
    return ERROR_OK;
}

static void drain(struct resource *r, int64_t at_us)
{
    r->is_paused = false;
    r->is_draining = true;
    for (int32_t role = 0; role < r->spec.roles; role++) {
        struct pool *p = resource_peek(r, role);
        if (p != NULL)
            drain_begin(p, at_us);
    }
}

enum error_code operate_drain(struct resource *r, int64_t within_us, struct error *why)
{
    if (refuse(r, why) != ERROR_OK)
        return why->code;
    if (!resource_is_span(within_us))
        return error_set(why, ERROR_USAGE, "%s: a drain has a bound from 0 on, and not endless",
                         r->spec.name);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        drain(one, engine_now(r->engine) + within_us);
    return ERROR_OK;
}

static enum error_code check_bounds(const struct resource *r, int32_t min, int32_t max,
                                    struct error *why)
{
    if (min >= 0 && max >= 1 && min <= max)
        return ERROR_OK;
    return error_set(why, ERROR_USAGE, "%s: 0 <= min <= max and max >= 1, not min %d max %d",
                     r->spec.name, min, max);
}

/* A max of its own for one role. */
static enum error_code resize_role(struct resource *r, int32_t role, int32_t min, int32_t max,
                                   struct error *why)
{
    const char *name = r->spec.name, *role_name = r->spec.role_name[role];
    struct fill_policy size = resource_size(r, role);
    if (r->spec.role_is_fixed[role])
        return error_set(why, ERROR_USAGE, "%s: the %s has %d connections, which its kind says",
                         name, role_name, size.max);
    if (role > 0 && min > 0)
        return error_set(why, ERROR_USAGE, "%s: only the %s keeps a minimum", name,
                         r->spec.role_name[0]);
    min = min < 0 ? size.min : min;
    max = max < 0 ? size.max : max;
    if (check_bounds(r, min, max, why) != ERROR_OK)
        return why->code;
    r->spec.role_max[role] = max;
    if (role == 0)
        r->spec.pool.min = min;
    return ERROR_OK;
}

static enum error_code resize_all(struct resource *r, int32_t min, int32_t max, struct error *why)
{
    struct nebula_pool *p = &r->spec.pool;
    min = min < 0 ? p->min : min;
    max = max < 0 ? p->max : max;
    int32_t first = r->spec.role_max[0] > 0 ? r->spec.role_max[0] : max; /* which keeps min */
    if (check_bounds(r, min, max, why) != ERROR_OK || check_bounds(r, min, first, why) != ERROR_OK)
        return why->code;
    p->min = min;
    p->max = max;
    return ERROR_OK;
}

enum error_code operate_resize(struct resource *r, int32_t role, int32_t min, int32_t max,
                               struct error *why)
{
    if (refuse(r, why) != ERROR_OK)
        return why->code;
    if (role < -1 || role >= r->spec.roles)
        return error_set(why, ERROR_USAGE, "%s has no role number %d", r->spec.name, role);
    if (min < -1 || max < -1 || (min == -1 && max == -1))
        return error_set(why, ERROR_USAGE, "%s: a resize needs min or max, from 0 on",
                         r->spec.name);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one)) {
        enum error_code code =
            role < 0 ? resize_all(one, min, max, why) : resize_role(one, role, min, max, why);
        if (code != ERROR_OK)
            return code;
        resource_each_pool(one, keep_resize);
    }
    return ERROR_OK;
}
