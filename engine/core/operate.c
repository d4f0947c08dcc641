#include "core/operate.h"

#include "core/pool.h"

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
    for (int32_t role = 0; role < r->spec.roles; role++) {
        struct pool *p = resource_peek(r, role);
        if (p != NULL)
            reconnect_begin(p, percent, every_us);
    }
    return ERROR_OK;
}
