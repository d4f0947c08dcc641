/* nebula_strategy.c - pools whose size a strategy says. */
#include "nebula_border.h"

#include "core/answer.h"
#include "core/order.h"
#include "core/sizing.h"
#include "core/tale.h"

/* NULL, refused with a sentence, when there is no such role. */
static struct resource *find(struct engine *e, int32_t resource, int32_t role, int32_t *code_out)
{
    struct resource *r = table_get(&e->resources, resource);
    *code_out = 0;
    if (r == NULL)
        *code_out = border_no_resource(e, resource);
    else if (role < 0 || role >= r->spec->roles)
        *code_out = engine_refuse(e, ERROR_USAGE, "%s has no role number %d", r->name, (int)role);
    return *code_out == 0 ? r : NULL;
}

int32_t nebula_strategy(struct nebula *n, int32_t resource, const struct nebula_strategy *said)
{
    int32_t code;
    struct engine *e = border_enter(n);
    struct resource *r = find(e, resource, 0, &code);
    if (r == NULL)
        return code;
    if (said->name == NULL || !resource_is_span(said->every_us) || said->every_us == 0)
        return engine_refuse(e, ERROR_CONFIG, "%s: a strategy has a name, and a time above 0",
                             r->name);
    if (r->tenants != NULL || r->spec->is_data)
        return engine_refuse(e, ERROR_CONFIG, "%s: the size of its pools is no strategy's to say",
                             r->name);
    if (!sizing_say(r, said))
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory for its strategy", r->name);
    return 0;
}

int32_t nebula_home(struct nebula *n, int32_t resource, int32_t role, struct nebula_bounds *out)
{
    int32_t code;
    const struct resource *r = find(border_enter(n), resource, role, &code);
    if (r == NULL)
        return code;
    const struct fill_policy bounds = resource_bounds(r, role);
    *out = (struct nebula_bounds){.min = bounds.min, .max = bounds.max};
    out->size = resource_size(r, role).max;
    return sizing_is_due(r, role);
}

int32_t nebula_size(struct nebula *n, int32_t resource, int32_t role,
                    const struct nebula_sized *told)
{
    int32_t code;
    struct engine *e = border_enter(n);
    struct resource *r = find(e, resource, role, &code);
    if (r == NULL)
        return code;
    if (told->size < 0 || r->sizing == NULL)
        return engine_refuse(e, ERROR_USAGE, "%s has no strategy, or a size below 0", r->name);
    struct order o = {.what = ORDER_SIZE, .pool = role, .size = told->size};
    struct error why;
    int32_t was = resource_size(r, role).max;
    if (told->size > 0 && told->size != r->size[role] && answer_order(r, &o, &why) != ERROR_OK)
        return engine_refuse(e, why.code, "%s", why.text);
    int32_t is = resource_size(r, role).max;
    if (is != was)
        tale_sized(r, role, was, is);
    sizing_note(r, role, told);
    return 0;
}
