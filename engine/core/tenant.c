#include "core/tenant.h"

#include <regex.h>
#include <string.h>

#include "core/chaos.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/load.h"
#include "core/places.h"
#include "core/reach.h"
#include "core/operation.h"
#include "core/standing.h"
#include "core/task.h"

#define PLACE "{tenant}"
#define NAME_SIZE 256

struct tenants {
    regex_t pattern;
    struct list known; /* the one who was asked for last at the end */
    int32_t most;
    int64_t past[COUNTERS]; /* of those that were forgotten */
};

/* It is one by itself: "a)|(b" would be one within parentheses alone, and another than it looks. */
static bool is_closed(const char *pattern)
{
    regex_t alone;
    if (regcomp(&alone, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    regfree(&alone);
    return true;
}

/* As a whole: an alternative must not match a part. */
static bool compile(regex_t *out, const char *pattern)
{
    size_t size = strlen(pattern) + sizeof "^()$";
    char *whole = malloc(size);
    if (whole == NULL || !is_closed(pattern)) {
        free(whole);
        return false;
    }
    snprintf(whole, size, "^(%s)$", pattern);
    bool ok = regcomp(out, whole, REG_EXTENDED | REG_NOSUB) == 0;
    free(whole);
    return ok;
}

bool tenant_is_pattern(const char *pattern)
{
    regex_t compiled;
    bool ok = compile(&compiled, pattern);
    if (ok)
        regfree(&compiled);
    return ok;
}

struct tenants *tenants_new(const struct resource *mould, struct error *e)
{
    const struct nebula_spec *spec = mould->spec;
    if (strlen(mould->name) + TENANT_SIZE + sizeof "@" > NAME_SIZE) {
        error_set(e, ERROR_CONFIG, "%s: too long a name beside that of a tenant", mould->name);
        return NULL;
    }
    struct tenants *t = calloc(1, sizeof *t);
    const char *pattern = spec->tenant != NULL ? spec->tenant : TENANT_PATTERN;
    if (t == NULL || !compile(&t->pattern, pattern)) {
        error_set(e, t == NULL ? ERROR_MEMORY : ERROR_CONFIG,
                  "%s: the pattern of its tenants is no extended regular expression: %s",
                  mould->name, pattern);
        free(t);
        return NULL;
    }
    t->most = spec->tenants;
    list_init(&t->known);
    return t;
}

void tenants_free(struct tenants **tenants)
{
    struct tenants *t = *tenants;
    *tenants = NULL;
    if (t == NULL)
        return;
    regfree(&t->pattern);
    free(t);
}

/* --- a tenant's own -------------------------------------------------------------------------- */

/* The value with the tenant in each of its places; NULL when out of memory. */
static char *fill_in(const char *value, const char *tenant)
{
    size_t places = 0;
    for (const char *at = value; (at = strstr(at, PLACE)) != NULL; at += strlen(PLACE))
        places++;
    char *out = malloc(strlen(value) + places * strlen(tenant) + 1), *to = out;
    while (out != NULL && places-- > 0) {
        const char *place = strstr(value, PLACE);
        memcpy(to, value, (size_t)(place - value));
        to = stpcpy(to + (place - value), tenant);
        value = place + strlen(PLACE);
    }
    if (out != NULL)
        strcpy(to, value);
    return out;
}

static void free_options(struct nebula_option *option, const struct resource *mould)
{
    for (int32_t i = 0; i < mould->options; i++)
        if (mould->option[i].has_tenant)
            free((char *)option[i].value);
    free(option);
}

/* The options of the mould, filled in; NULL when out of memory. */
static struct nebula_option *fill_options(const struct resource *mould, const char *tenant)
{
    struct nebula_option *option = calloc((size_t)mould->options, sizeof *option);
    for (int32_t i = 0; option != NULL && i < mould->options; i++) {
        option[i] = mould->option[i];
        option[i].has_tenant = false;
        if (!mould->option[i].has_tenant)
            continue;
        option[i].value = fill_in(mould->option[i].value, tenant);
        if (option[i].value == NULL) {
            free_options(option, mould);
            return NULL;
        }
    }
    return option;
}

static struct resource *declare(struct resource *mould, const char *name, const char *tenant,
                                struct error *e)
{
    const char *endpoint[ENDPOINTS_MOST];
    struct nebula_spec spec = *mould->spec;
    struct nebula_option *option = fill_options(mould, tenant);
    if (option == NULL) {
        error_set(e, ERROR_MEMORY, "%s: no memory for one more tenant", mould->name);
        return NULL;
    }
    for (int32_t i = 0; i < spec.endpoints; i++)
        endpoint[i] = mould->outlook->board->endpoint[i].name;
    spec.name = name;
    spec.file = mould->file;
    spec.line = mould->line;
    spec.tenants = 0;
    spec.option = option;
    spec.options = mould->options;
    spec.endpoint_name = endpoint;
    spec.pool.min = mould->min;
    spec.pool.max = mould->max;
    memcpy(spec.role_max, mould->role_max, sizeof spec.role_max);
    struct resource *r = resource_new(mould->engine, &spec, e);
    free_options(option, mould);
    return r;
}

/* --- forgetting ------------------------------------------------------------------------------- */

static bool is_as_the_mould(const struct resource *r, const struct resource *mould)
{
    return r->is_paused == mould->is_paused && r->is_draining == mould->is_draining &&
           r->min == mould->min && r->max == mould->max &&
           memcmp(r->role_max, mould->role_max, sizeof r->role_max) == 0;
}

static void forget(struct tenants *t, struct resource *r)
{
    int64_t number[COUNTERS];
    counters_of(r, number);
    number[COUNTER_MIN] = number[COUNTER_MAX] = 0; /* all others of what is now are */
    for (int32_t i = 0; i < COUNTERS; i++)
        t->past[i] += number[i];
    list_remove(&t->known, &r->in_tenants);
    resource_free(&r);
}

/* False: everybody is needed, or was a moment ago. */
static bool forget_one(struct resource *mould)
{
    struct tenants *t = mould->tenants;
    struct list_node *n = list_head(&t->known);
    for (; n != NULL; n = list_next(&t->known, n)) {
        struct resource *r = container_of(n, struct resource, in_tenants);
        if (engine_now(mould->engine) - r->used_us < TENANT_REST_US)
            return false;
        if (!resource_is_in_use(r) && is_as_the_mould(r, mould)) {
            forget(t, r);
            return true;
        }
    }
    return false;
}

void tenants_add_past(const struct resource *r, int64_t *number)
{
    for (int32_t i = 0; i < COUNTERS; i++)
        number[i] += r->tenants->past[i];
}

/* --- asking for one --------------------------------------------------------------------------- */

static struct resource *make(struct resource *mould, const char *name, const char *tenant,
                             struct error *e)
{
    struct tenants *t = mould->tenants;
    if (t->known.count >= (uint32_t)t->most && !forget_one(mould)) {
        error_set(e, ERROR_LIMIT, "%s: %d tenants are in use already, which is the most",
                  mould->name, t->most);
        return NULL;
    }
    struct resource *r = declare(mould, name, tenant, e);
    if (r == NULL)
        return NULL;
    if (!operations_copy(r, mould) || (mould->balance != NULL && !load_say(r, mould->balance)) ||
        !chaos_take(r, mould)) {
        resource_free(&r);
        error_set(e, ERROR_MEMORY, "%s: no memory for one more tenant", mould->name);
        return NULL;
    }
    r->places = places_share(mould->places);
    r->is_paused = mould->is_paused;
    r->is_draining = mould->is_draining;
    standing_take(r, mould);
    list_push_tail(&t->known, &r->in_tenants);
    return r;
}

static enum error_code refuse(const struct resource *mould, const char *tenant, struct error *e)
{
    const char *name = mould->name;
    if (*tenant == '\0')
        return error_set(
            e, ERROR_USAGE,
            "%s: it is another one for each tenant: ask for it within tenant(name, fn)", name);
    if (regexec(&mould->tenants->pattern, tenant, 0, NULL, 0) != 0)
        return error_set(e, ERROR_USAGE, "%s: the tenant's name is not as its pattern says", name);
    return ERROR_OK;
}

/* That of a tenant, NULL when there is none yet. */
static struct resource *find(const struct resource *mould, const char *tenant, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%s@%s", mould->name, tenant);
    return resource_find(mould->engine, name);
}

struct resource *tenant_known(struct resource *r)
{
    char name[NAME_SIZE];
    struct resource *own =
        r->tenants == NULL ? NULL : find(r, context_tenant(r->engine->task->context), name);
    return own == NULL ? r : own;
}

struct resource *tenant_resource(struct resource *r)
{
    if (r->tenants == NULL)
        return r;
    const char *tenant = context_tenant(r->engine->task->context);
    char name[NAME_SIZE];
    struct error why;
    struct resource *own = find(r, tenant, name);
    if (own == NULL && refuse(r, tenant, &why) == ERROR_OK)
        own = make(r, name, tenant, &why);
    if (own == NULL) {
        engine_refuse(r->engine, why.code, "%s", why.text);
        return NULL;
    }
    own->used_us = engine_now(r->engine);
    list_remove(&r->tenants->known, &own->in_tenants);
    list_push_tail(&r->tenants->known, &own->in_tenants);
    return own;
}

void tenants_each(struct resource *r, void (*visit)(struct resource *r))
{
    for (struct resource *one = r; one != NULL; one = tenants_next(r, one))
        visit(one);
}

struct resource *tenants_next(const struct resource *r, const struct resource *at)
{
    if (r->tenants == NULL)
        return NULL;
    const struct list *known = &r->tenants->known;
    struct list_node *n = at == r ? list_head(known) : list_next(known, &at->in_tenants);
    return n == NULL ? NULL : container_of(n, struct resource, in_tenants);
}
