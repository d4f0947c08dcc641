#include "core/operate.h"

#include "core/pool.h"
#include "core/tenant.h"

/* What holds for whatever is asked. */
static enum error_code refuse(const struct resource *r, struct error *why)
{
    const char *name = r->name;
    if (r->engine->is_stopping)
        return error_set(why, ERROR_CLOSED, "%s: the engine is shutting down", name);
    if (r->spec->is_data)
        return error_set(why, ERROR_USAGE,
                         "%s: its one connection is its data, and no other can take its place",
                         name);
    return ERROR_OK;
}

static void reconnect(const struct resource *r, int32_t percent, int64_t every_us, int64_t number)
{
    for (int32_t role = 0; role < r->spec->roles; role++) {
        struct pool *p = resource_peek(r, role);
        if (p != NULL)
            reconnect_begin(p, percent, every_us, number);
    }
}

enum error_code operate_reconnect(struct resource *r, int32_t percent, int64_t every_us,
                                  int64_t number, struct error *why)
{
    const char *name = r->name;
    if (refuse(r, why) != ERROR_OK)
        return why->code;
    if (percent < 1 || percent > 100)
        return error_set(why, ERROR_USAGE, "%s: a share of 1 to 100 percent, not %d", name,
                         percent);
    if (!resource_is_span(every_us))
        return error_set(why, ERROR_USAGE, "%s: a step is a time from 0 on, and not endless", name);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        reconnect(one, percent, every_us, number);
    return ERROR_OK;
}

static void drain(struct resource *r, int64_t at_us)
{
    r->is_paused = false;
    r->is_draining = true;
    for (int32_t role = 0; role < r->spec->roles; role++) {
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
                         r->name);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        drain(one, engine_now(r->engine) + within_us);
    return ERROR_OK;
}

/* -1: as it is. */
struct bounds {
    int32_t role, min, max;
};

static enum error_code check_bounds(const struct resource *r, int32_t min, int32_t max,
                                    struct error *why)
{
    if (min >= 0 && max >= 1 && min <= max)
        return ERROR_OK;
    return error_set(why, ERROR_USAGE, "%s: 0 <= min <= max and max >= 1, not min %d max %d",
                     r->name, min, max);
}

/* What would be its bounds. */
static struct bounds bounds_of(const struct resource *r, struct bounds b)
{
    struct fill_policy size = {.min = r->min, .max = r->max};
    if (b.role >= 0)
        size = resource_bounds(r, b.role);
    b.min = b.min < 0 ? size.min : b.min;
    b.max = b.max < 0 ? size.max : b.max;
    return b;
}

/* A max of its own for one role. */
static enum error_code check_role(const struct resource *r, struct bounds b, struct error *why)
{
    const char *role_name = r->spec->role_name[b.role];
    if (r->spec->role_is_fixed[b.role])
        return error_set(why, ERROR_USAGE, "%s: the %s has %d connections, which its kind says",
                         r->name, role_name, resource_bounds(r, b.role).max);
    if (b.role > 0 && b.min > 0)
        return error_set(why, ERROR_USAGE, "%s: only the %s keeps a minimum", r->name,
                         r->spec->role_name[0]);
    b = bounds_of(r, b);
    return check_bounds(r, b.min, b.max, why);
}

static enum error_code check_all(const struct resource *r, struct bounds b, struct error *why)
{
    b = bounds_of(r, b);
    int32_t first = r->role_max[0] > 0 ? r->role_max[0] : b.max; /* which keeps min */
    if (check_bounds(r, b.min, b.max, why) != ERROR_OK)
        return why->code;
    return check_bounds(r, b.min, first, why);
}

static void resize(struct resource *r, struct bounds b)
{
    b = bounds_of(r, b);
    r->is_resized = true;
    if (b.role < 0)
        r->max = b.max;
    else
        r->role_max[b.role] = b.max;
    if (b.role <= 0)
        r->min = b.min;
    resource_each_pool(r, keep_resize);
}

/* A tenant may have bounds of his own by now, to which the others do not fit: then nobody gets them. */
enum error_code operate_resize(struct resource *r, int32_t role, int32_t min, int32_t max,
                               struct error *why)
{
    const struct bounds b = {.role = role, .min = min, .max = max};
    if (refuse(r, why) != ERROR_OK)
        return why->code;
    if (role < -1 || role >= r->spec->roles)
        return error_set(why, ERROR_USAGE, "%s has no role number %d", r->name, role);
    if (min < -1 || max < -1 || (min == -1 && max == -1))
        return error_set(why, ERROR_USAGE, "%s: a resize needs min or max, from 0 on", r->name);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        if ((role < 0 ? check_all(one, b, why) : check_role(one, b, why)) != ERROR_OK)
            return why->code;
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        resize(one, b);
    return ERROR_OK;
}

enum error_code operate_size(struct resource *r, int32_t role, int32_t size, struct error *why)
{
    if (refuse(r, why) != ERROR_OK)
        return why->code;
    if (r->spec->role_is_fixed[role] || r->tenants != NULL)
        return error_set(why, ERROR_USAGE, "%s: the size of the %s is no strategy's to say",
                         r->name, r->spec->role_name[role]);
    r->is_resized = true;
    r->size[role] = size;
    struct pool *p = resource_peek(r, role);
    if (p != NULL)
        keep_resize(p);
    return ERROR_OK;
}
