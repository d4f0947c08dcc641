/* nebula_resource.c - declarations, and what is told to a resource. */
#include "nebula_border.h"

#include <string.h>

#include "core/answer.h"
#include "core/asked.h"
#include "core/again.h"
#include "core/chaos.h"
#include "core/counters.h"
#include "core/errand.h"
#include "core/load.h"
#include "core/operation.h"
#include "core/order.h"
#include "core/places.h"
#include "core/pool.h"
#include "core/rules.h"
#include "core/standing.h"
#include "core/start.h"
#include "core/tale.h"
#include "core/task.h"
#include "core/tenant.h"

int32_t nebula_declare(struct nebula *n, const struct nebula_spec *spec)
{
    struct engine *e = border_enter(n);
    struct error why;
    if (spec->name != NULL && strchr(spec->name, '@') != NULL)
        return engine_refuse(e, ERROR_CONFIG, "%s: the @ in a name stands before that of a tenant",
                             spec->name);
    struct resource *r = resource_new(e, spec, &why);
    if (r == NULL)
        return engine_refuse(e, why.code, "%s", why.text);
    standing_take(r, NULL);
    return r->number;
}

int32_t nebula_balance(struct nebula *n, int32_t resource, const struct nebula_balance *b)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    struct error why;
    if (r == NULL)
        return border_no_resource(e, resource);
    if (load_check(r, b, &why) != ERROR_OK)
        return engine_refuse(e, why.code, "%s", why.text);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        if (!load_say(one, b))
            return engine_refuse(e, ERROR_MEMORY, "%s: no memory for its balance", one->name);
    return 0;
}

int32_t nebula_rules(struct nebula *n, int32_t resource, const struct nebula_rules *rules)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    struct error why;
    if (r == NULL)
        return border_no_resource(e, resource);
    if (rules_check(r, rules, &why) != ERROR_OK)
        return engine_refuse(e, why.code, "%s", why.text);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        if (!operation_rules(one, rules))
            return engine_refuse(e, ERROR_MEMORY, "%s: no memory for its rules", one->name);
    return 0;
}

int32_t nebula_chaos(struct nebula *n, int32_t resource, const struct nebula_chaos *c)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    struct error why;
    if (r == NULL)
        return border_no_resource(e, resource);
    if (!e->allows_chaos)
        return engine_refuse(e, ERROR_USAGE, "%s: chaos: the engine was not opened to allow it",
                             r->name);
    if (chaos_check(r, c, &why) != ERROR_OK)
        return engine_refuse(e, why.code, "%s", why.text);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        if (!chaos_say(one, c, one == r))
            return engine_refuse(e, ERROR_MEMORY, "%s: no memory for chaos", one->name);
    return 0;
}

int32_t nebula_operation(struct nebula *n, int32_t resource, const char *name,
                         const struct nebula_policy *policy, const struct nebula_rules *rules,
                         bool is_apart)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    struct error why;
    if (r == NULL)
        return border_no_resource(e, resource);
    if (resource_check_policy(r->name, policy, &why) != ERROR_OK ||
        rules_check(r, rules, &why) != ERROR_OK)
        return engine_refuse(e, why.code, "%s", why.text);
    int32_t number = 0;
    for (struct resource *one = r; one != NULL && number >= 0; one = tenants_next(r, one))
        number = operation_say(one, name, policy, rules, is_apart, &why);
    return number < 0 ? engine_refuse(e, why.code, "%s", why.text) : number;
}

bool nebula_question(struct nebula *n, struct nebula_question *out)
{
    return asked_next(border_enter(n), out);
}

int32_t nebula_answer(struct nebula *n, int32_t ticket, int32_t again, int32_t is)
{
    struct engine *e = border_enter(n);
    struct ticket *t = ticket_find(e, ticket);
    struct call *c = t == NULL ? NULL : call_of(t);
    if (c == NULL || c->state != CALL_ASKING)
        return engine_refuse(e, ERROR_STALE, "ticket %d is not asked about", ticket);
    if (is < NEBULA_CLASS_USUAL || is > NEBULA_CLASS_NOTHING)
        return engine_refuse(e, ERROR_USAGE, "there is no class number %d", is);
    call_answered(c, again, (enum nebula_class)is);
    return 0;
}

/* Number 0 is the resource itself, whose operation is made with the first call. */
static struct places **places_in(struct resource *r, int32_t operation)
{
    return operation == 0 ? &r->places : &operation_find(r, operation)->places;
}

int32_t nebula_operation_places(struct nebula *n, int32_t resource, int32_t operation,
                                const struct nebula_place *place, int32_t places)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    if (r == NULL)
        return border_no_resource(e, resource);
    if (!operation_exists(r, operation))
        return engine_refuse(e, ERROR_USAGE, "%s has no operation number %d", r->name, operation);
    if (places < 0 || places > NEBULA_SETTINGS)
        return engine_refuse(e, ERROR_USAGE, "%s: there are %d settings, not %d", r->name,
                             NEBULA_SETTINGS, places);
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        if (!places_say(e, places_in(one, operation), place, places))
            return engine_refuse(e, ERROR_MEMORY, "%s: no memory for where its settings stand",
                                 one->name);
    return 0;
}

int32_t nebula_places(struct nebula *n, int32_t resource, const struct nebula_place *place,
                      int32_t places)
{
    return nebula_operation_places(n, resource, 0, place, places);
}

int32_t nebula_find(struct nebula *n, const char *name)
{
    struct resource *r = resource_find(border_enter(n), name);
    return r == NULL ? 0 : r->number;
}

const char *nebula_name(struct nebula *n, int32_t resource)
{
    const struct resource *r = table_get(&border_enter(n)->resources, resource);
    return r == NULL ? NULL : r->name;
}

int32_t nebula_role(struct nebula *n, int32_t resource, const char *name)
{
    struct engine *e = border_enter(n);
    const struct resource *r = table_get(&e->resources, resource);
    if (r == NULL)
        return border_no_resource(e, resource);
    for (int32_t i = 0; i < r->spec->roles; i++)
        if (strcmp(r->spec->role_name[i], name) == 0)
            return i;
    return engine_refuse(e, ERROR_USAGE, "%s has no role %s", r->name, name);
}

int32_t nebula_start(struct nebula *n, int32_t resource)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    return r == NULL ? border_no_resource(e, resource) : start_begin(r);
}

static int32_t give(struct nebula *n, int32_t resource, struct order *o)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    struct error why;
    if (r == NULL)
        return border_no_resource(e, resource);
    return answer_order(r, o, &why) == ERROR_OK ? 0 : engine_refuse(e, why.code, "%s", why.text);
}

int32_t nebula_pause(struct nebula *n, int32_t resource)
{
    return give(n, resource, &(struct order){.what = ORDER_PAUSE});
}

int32_t nebula_resume(struct nebula *n, int32_t resource)
{
    return give(n, resource, &(struct order){.what = ORDER_RESUME});
}

int32_t nebula_resize(struct nebula *n, int32_t resource, int32_t role, int32_t min, int32_t max)
{
    struct engine *e = border_enter(n);
    const struct resource *r = table_get(&e->resources, resource);
    struct order o = {.what = ORDER_RESIZE, .min = min, .max = max};
    if (r != NULL && (role < -1 || role >= r->spec->roles))
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", r->name, role);
    if (r != NULL && role >= 0)
        o.role = r->spec->role_name[role];
    return give(n, resource, &o);
}

static int32_t begin(struct nebula *n, int32_t resource, struct order *o, errand_over *is_over)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    return r == NULL ? border_no_resource(e, resource) : errand_begin(r, o, is_over);
}

int32_t nebula_reconnect(struct nebula *n, int32_t resource, int32_t percent, int64_t every_us)
{
    struct order o = {.what = ORDER_RECONNECT, .percent = percent, .every_us = every_us};
    return begin(n, resource, &o, reconnect_is_over);
}

int32_t nebula_drain(struct nebula *n, int32_t resource, int64_t within_us)
{
    struct order o = {.what = ORDER_DRAIN, .within_us = within_us};
    return begin(n, resource, &o, drain_is_over);
}

int32_t nebula_stats(struct nebula *n, int32_t resource, int32_t role, int64_t *out, int32_t size)
{
    struct engine *e = border_enter(n);
    const struct resource *r = table_get(&e->resources, resource);
    if (r == NULL)
        return border_no_resource(e, resource);
    if (role < -1 || role >= r->spec->roles)
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", r->name, role);
    int64_t all[COUNTERS] = {0};
    int32_t count = role < 0 ? COUNTERS : COUNTERS_OF_ROLE;
    if (role < 0)
        counters_of(r, all);
    else
        counters_add_role(r, role, all);
    if (size > 0)
        memcpy(out, all, (size_t)(size < count ? size : count) * sizeof *out);
    return count;
}

const char *nebula_counter(int32_t i)
{
    return i >= 0 && i < COUNTERS ? counter_name((enum counter)i) : NULL;
}

int32_t nebula_figures(struct nebula *n, int32_t resource, int32_t role, double *out, int32_t size)
{
    struct engine *e = border_enter(n);
    const struct resource *r = table_get(&e->resources, resource);
    if (r == NULL)
        return border_no_resource(e, resource);
    if (role < 0 || role >= r->spec->roles)
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", r->name, role);
    struct pool *p = resource_peek(r, role);
    if (p == NULL)
        return 0;
    struct window w;
    double all[FIGURES];
    monitor_window(p, &w);
    window_read(&w, all);
    if (size > 0)
        memcpy(out, all, (size_t)(size < FIGURES ? size : FIGURES) * sizeof *out);
    return FIGURES;
}

const char *nebula_figure(int32_t i)
{
    return i >= 0 && i < FIGURES ? figure_name((enum figure)i) : NULL;
}

int64_t nebula_retry(struct nebula *n, int32_t resource, int32_t attempts)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    struct error why;
    if (r == NULL)
        return border_no_resource(e, resource);
    if (attempts < 1)
        return engine_refuse(e, ERROR_USAGE, "%d attempts prove nothing; at least 1", attempts);
    int32_t refusal = task_may_begin(e, r->name);
    if (refusal < 0)
        return refusal;
    if ((r = tenant_resource(r)) == NULL)
        return -(int64_t)e->error.code;
    struct again again = {.attempts = attempts};
    const struct error lost = {.code = ERROR_CONFLICT};
    int64_t pause_us =
        again_pause(r, operation_find(r, 0), &again, &lost, e->task->deadline_us, &why);
    struct tale t = tale_begin(e, e->task->context);
    t.attempt = attempts;
    tale_again(r, &t, OUTCOME_FAILED, pause_us);
    if (pause_us < 0)
        return engine_refuse(e, why.code, "%s", why.text);
    engine_trace(e, TRACE_RETRIES, r->number, 0, attempts + 1, pause_us);
    return pause_us;
}
