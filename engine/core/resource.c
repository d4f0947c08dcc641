#include "core/resource.h"

#include <string.h>

#include "core/alike.h"
#include "core/budget.h"
#include "core/chaos.h"
#include "core/circuits.h"
#include "core/errand.h"
#include "core/handover.h"
#include "core/hold.h"
#include "core/operation.h"
#include "core/places.h"
#include "core/pool.h"
#include "core/tenant.h"

bool target_has(const struct target *t, const struct nebula_option *option)
{
    return (option->role == 0 || option->role == t->role + 1) &&
           (option->endpoint == 0 || option->endpoint == t->endpoint + 1);
}

const char *target_get(const struct target *t, const char *name, const char *fallback)
{
    for (int32_t i = t->options - 1; i >= 0; i--)
        if (target_has(t, &t->option[i]) && strcmp(t->option[i].name, name) == 0)
            return t->option[i].value;
    return fallback;
}

/* --- checking -------------------------------------------------------------------------------- */

bool resource_is_span(int64_t span_us)
{
    return span_us >= 0 && span_us <= INT64_MAX / 4;
}

static bool is_look(int64_t span_us)
{
    return resource_is_span(span_us) && (span_us == 0 || span_us >= POOL_LOOK_LEAST_US);
}

static enum error_code check_pool(const char *name, const struct nebula_pool *p, struct error *e)
{
    if (p->max < 1 || p->min < 0 || p->min > p->max)
        return error_set(e, ERROR_CONFIG,
                         "%s: pool: 0 <= min <= max and max >= 1, not min %d max %d", name, p->min,
                         p->max);
    if (p->queue < 0 || p->connecting < 1)
        return error_set(e, ERROR_CONFIG, "%s: pool: queue >= 0 and connecting >= 1, not %d and %d",
                         name, p->queue, p->connecting);
    if (!resource_is_span(p->idle_us) || !resource_is_span(p->life_us) ||
        !resource_is_span(p->start_us) || !resource_is_span(p->hold_us) ||
        (p->check_us != -1 && !resource_is_span(p->check_us)))
        return error_set(e, ERROR_CONFIG, "%s: pool: a time is negative or endless", name);
    if (!is_look(p->keepalive_us) || !is_look(p->hold_us))
        return error_set(e, ERROR_CONFIG, "%s: pool: keepalive and hold are 0, or at least 100 ms",
                         name);
    if (p->connect_us == 0 || !resource_is_span(p->connect_us))
        return error_set(e, ERROR_CONFIG, "%s: pool: connect must be positive and not endless",
                         name);
    if (p->life_jitter < 0 || p->life_jitter > 50)
        return error_set(e, ERROR_CONFIG, "%s: pool: life_jitter is 0 to 50 percent, not %d", name,
                         p->life_jitter);
    return ERROR_OK;
}

static enum error_code check_pipeline(const struct nebula_spec *s, const struct driver *d,
                                      struct error *e)
{
    int32_t most = d->depth > 1 ? d->depth : 1;
    if (s->pool.pipeline < 0 || s->pool.pipeline > most)
        return error_set(e, ERROR_CONFIG, "%s: pool: pipeline is 0 to %d, not %d", s->name, most,
                         s->pool.pipeline);
    return ERROR_OK;
}

enum error_code resource_check_policy(const char *name, const struct nebula_policy *p,
                                      struct error *e)
{
    if (p->deadline_us == 0 || !resource_is_span(p->deadline_us) || !resource_is_span(p->wait_us))
        return error_set(e, ERROR_CONFIG,
                         "%s: policy: the deadline must be positive, and no time endless", name);
    if (p->tries < 1 || !resource_is_span(p->pause_us) || !resource_is_span(p->pause_max_us) ||
        p->budget < 0 || p->budget_least < 0)
        return error_set(e, ERROR_CONFIG, "%s: policy: tries >= 1, and nothing negative in retry",
                         name);
    return ERROR_OK;
}

static enum error_code check_options(const struct nebula_spec *s, struct error *e)
{
    if (s->options < 0 || (s->options > 0 && s->option == NULL))
        return error_set(e, ERROR_CONFIG, "%s: %d options that are not there", s->name, s->options);
    for (int32_t i = 0; i < s->options; i++)
        if (s->option[i].name == NULL || s->option[i].value == NULL)
            return error_set(e, ERROR_CONFIG, "%s: option %d has no name or no value", s->name,
                             i + 1);
        else if (s->option[i].role < 0 || s->option[i].role > s->roles ||
                 s->option[i].endpoint < 0 || s->option[i].endpoint > s->endpoints)
            return error_set(e, ERROR_CONFIG, "%s: option %d is of a role or endpoint there is not",
                             s->name, i + 1);
    return ERROR_OK;
}

static enum error_code check_roles(const struct nebula_spec *s, struct error *e)
{
    if (s->roles < 1 || s->roles > ROLES_MOST)
        return error_set(e, ERROR_CONFIG, "%s: 1 to %d roles, not %d", s->name, ROLES_MOST,
                         s->roles);
    for (int32_t i = 0; i < s->roles; i++)
        if (s->role_name[i] == NULL || s->role_max[i] < 0)
            return error_set(e, ERROR_CONFIG, "%s: role %d has no name, or a negative max", s->name,
                             i);
    if (s->writer < 0 || s->writer >= s->roles)
        return error_set(e, ERROR_CONFIG, "%s: role %d cannot be the one that writes", s->name,
                         s->writer);
    return ERROR_OK;
}

static enum error_code check_endpoints(const struct nebula_spec *s, struct error *e)
{
    if (s->endpoints < 0 || s->endpoints > ENDPOINTS_MOST)
        return error_set(e, ERROR_CONFIG, "%s: at most %d endpoints, not %d", s->name,
                         ENDPOINTS_MOST, s->endpoints);
    for (int32_t i = 0; i < s->endpoints; i++)
        if (s->endpoint_name == NULL || s->endpoint_name[i] == NULL)
            return error_set(e, ERROR_CONFIG, "%s: endpoint %d has no name", s->name, i + 1);
    return ERROR_OK;
}

static enum error_code check_tenants(const struct nebula_spec *s, struct error *e)
{
    bool is_mould = false;
    for (int32_t i = 0; i < s->options; i++)
        is_mould = is_mould || s->option[i].has_tenant;
    if (is_mould != (s->tenants > 0) || s->tenants < 0 || s->tenants > ENGINE_RESOURCES_MOST)
        return error_set(e, ERROR_CONFIG, "%s: options %s, and %d tenants at most", s->name,
                         is_mould ? "that differ by tenant" : "the same for all", s->tenants);
    return ERROR_OK;
}

/* Both words or none, with one place for the channel's name. */
static enum error_code check_listening(const struct nebula_spec *s, struct error *e)
{
    const char *words[] = {s->listen, s->unlisten};
    if (s->listen == NULL && s->unlisten == NULL)
        return ERROR_OK;
    for (size_t i = 0; i < COUNT(words); i++) {
        const char *place = words[i] == NULL ? NULL : strstr(words[i], "%s");
        if (place == NULL || place == words[i] || strstr(place + 1, "%s") != NULL)
            return error_set(e, ERROR_CONFIG,
                             "%s: the words to listen and to unlisten have one %%s behind a quote",
                             s->name);
    }
    if (s->channel_most < 1)
        return error_set(e, ERROR_CONFIG, "%s: a channel's name of at most %d bytes", s->name,
                         s->channel_most);
    return ERROR_OK;
}

static enum error_code check(struct engine *engine, const struct nebula_spec *s, struct error *e)
{
    if (s->name == NULL || s->name[0] == '\0')
        return error_set(e, ERROR_CONFIG, "a resource needs a name");
    if (resource_find(engine, s->name) != NULL)
        return error_set(e, ERROR_CONFIG, "%s: declared twice", s->name);
    if (s->kind == NULL || s->policy_name == NULL)
        return error_set(e, ERROR_CONFIG, "%s: a resource is of a kind, and has a policy's name",
                         s->name);
    if (s->driver == NULL)
        return error_set(e, ERROR_CONFIG, "%s: the kind names no driver", s->name);
    if (s->check == NULL)
        return error_set(e, ERROR_CONFIG, "%s: the kind has no words for a check", s->name);
    if (check_roles(s, e) != ERROR_OK || check_endpoints(s, e) != ERROR_OK ||
        check_options(s, e) != ERROR_OK || check_tenants(s, e) != ERROR_OK ||
        check_listening(s, e) != ERROR_OK)
        return e->code;
    if (check_pool(s->name, &s->pool, e) != ERROR_OK)
        return e->code;
    return resource_check_policy(s->name, &s->policy, e);
}

/* --- copying --------------------------------------------------------------------------------- */

/* Measures with to == NULL, copies otherwise; both by one walk, so they cannot disagree. */
struct copier {
    char *to;
    size_t used;
};

static void *copy_bytes(struct copier *c, const void *from, size_t size)
{
    void *at = NULL;
    if (c->to != NULL && size > 0)
        at = memcpy(c->to + c->used, from, size);
    c->used += size;
    return at;
}

static const char *copy_text(struct copier *c, const char *text)
{
    return copy_bytes(c, text, strlen(text) + 1);
}

/* What it alone says: its options and its name. The options' names are kept by the engine, and secrets
 * elsewhere, see keep_secrets(). */
static void copy_own(struct copier *c, struct resource *r, const struct nebula_spec *s)
{
    struct nebula_option *option = copy_bytes(c, s->option, (size_t)s->options * sizeof *option);
    for (int32_t i = 0; i < s->options; i++) {
        const char *value = s->option[i].value;
        if (!s->option[i].is_secret)
            value = copy_text(c, value);
        if (option == NULL)
            continue;
        option[i].value = value;
        option[i].name = names_keep(&r->engine->said, s->option[i].name);
    }
    r->option = option;
    r->options = s->options;
    r->name = copy_text(c, s->name);
}

/* Texts that many resources have are kept once in the engine. False when out of memory. */
static bool keep_names(struct names *names, const struct nebula_spec *s)
{
    for (int32_t i = 0; i < s->options; i++)
        if (names_keep(names, s->option[i].name) == NULL)
            return false;
    for (int32_t i = 0; i < s->endpoints; i++)
        if (names_keep(names, s->endpoint_name[i]) == NULL)
            return false;
    return s->file == NULL || names_keep(names, s->file) != NULL;
}

/* Moves secret values into locked memory, from where no text shows them. False when out of memory.
 */
static bool keep_secrets(struct resource *r)
{
    struct nebula_option *option = (struct nebula_option *)(void *)r->bytes;
    for (int32_t i = 0; i < r->options; i++)
        if (option[i].is_secret) {
            const char *value = option[i].value;
            option[i].value = secrets_add(&r->engine->secrets, value, strlen(value));
            if (option[i].value == NULL) {
                r->options = i;
                return false;
            }
        }
    return true;
}

static void drop_secrets(struct resource *r)
{
    for (int32_t i = 0; i < r->options; i++)
        if (r->option[i].is_secret)
            secrets_drop(&r->engine->secrets, r->option[i].value);
}

/* False with the reason in *e. */
static bool make_mould(struct resource *r, struct error *e)
{
    if (r->spec->tenants > 0)
        r->tenants = tenants_new(r, e);
    return r->spec->tenants == 0 || r->tenants != NULL;
}

/* What its roles share of the endpoints, whose names are kept already. False when out of memory. */
static bool make_endpoints(struct resource *r, const char *const *name)
{
    if (r->spec->endpoints > 0)
        r->outlook = outlook_new(r, NULL, name);
    return r->spec->endpoints == 0 || r->outlook != NULL;
}

/* --- the resource ---------------------------------------------------------------------------- */

/* Another worker that waits would have the one connection closed, and the data with it. */
static enum error_code check_data(const struct engine *engine, const struct nebula_spec *s,
                                  const struct driver *driver, struct error *e)
{
    if (!s->is_data || driver->detach != NULL || engine->ledger == NULL || engine->workers == 1)
        return ERROR_OK;
    return error_set(e, ERROR_CONFIG,
                     "%s: its session is the data, and its driver cannot hand one to another "
                     "worker: it is for one worker, not %d",
                     s->name, engine->workers);
}

/* One that takes the options. */
static const struct driver *find_driver(const struct engine *engine, const struct nebula_spec *spec,
                                        struct error *e)
{
    struct error why;
    const struct target all = {
        .resource = spec->name, .option = spec->option, .options = spec->options};
    const struct driver *driver = driver_find(spec->driver, &why);
    if (driver == NULL) {
        error_set(e, why.code, "%s: %s", spec->name, why.text);
        return NULL;
    }
    if (check_pipeline(spec, driver, e) == ERROR_OK &&
        check_data(engine, spec, driver, e) == ERROR_OK &&
        (driver->check == NULL || driver->check(driver, &all, e)))
        return driver;
    driver_return(driver);
    return NULL;
}

/* With its number, and what is its own to say; NULL when out of memory. */
static struct resource *copy(struct engine *engine, const struct nebula_spec *spec)
{
    struct copier measure = {.to = NULL};
    struct resource none = {.engine = engine}, *r;
    copy_own(&measure, &none, spec);
    if (!keep_names(&engine->said, spec) || (r = calloc(1, sizeof *r + measure.used)) == NULL)
        return NULL;
    r->engine = engine;
    node_init(&r->in_tenants);
    r->spec = alike_keep(engine, spec);
    r->number = r->spec == NULL ? 0 : table_add(&engine->resources, r);
    if (r->number == 0) {
        alike_return(engine, r->spec);
        free(r);
        return NULL;
    }
    copy_own(&(struct copier){.to = r->bytes}, r, spec);
    r->file = spec->file == NULL ? NULL : names_keep(&engine->said, spec->file);
    r->line = spec->line;
    r->declared = ++engine->declared;
    r->min = spec->pool.min;
    r->max = spec->pool.max;
    memcpy(r->role_max, spec->role_max, sizeof r->role_max);
    return r;
}

struct resource *resource_new(struct engine *engine, const struct nebula_spec *spec,
                              struct error *e)
{
    if (check(engine, spec, e) != ERROR_OK)
        return NULL;
    const struct driver *driver = find_driver(engine, spec, e);
    if (driver == NULL)
        return NULL;
    struct resource *r = copy(engine, spec);
    if (r == NULL) {
        driver_return(driver);
        error_set(e, ERROR_MEMORY, "%s: no memory for one more resource", spec->name);
        return NULL;
    }
    r->driver = driver;
    error_set(e, ERROR_MEMORY, "%s: no memory for its name and secrets", spec->name);
    if (!keep_secrets(r) || !make_endpoints(r, spec->endpoint_name) || !make_mould(r, e) ||
        !index_add(&engine->names, r->name, r)) {
        resource_free(&r);
        return NULL;
    }
    return r;
}

static void drop_pool(struct pool *p)
{
    p->engine->pools.pool[p->resource->number * ROLES_MOST + p->role] = NULL;
    pool_free(&p);
}

void resource_free(struct resource **resource)
{
    struct resource *r = *resource;
    *resource = NULL;
    resource_each_pool(r, drop_pool);
    if (resource_find(r->engine, r->name) == r)
        index_drop(&r->engine->names, r->name);
    tenants_free(&r->tenants);
    outlook_free(&r->outlook);
    budget_free(&r->budget);
    operations_free(r);
    chaos_free(&r->chaos);
    places_return(r->engine, &r->places);
    free(r->records);
    free(r->sizing);
    free(r->balance);
    drop_secrets(r);
    driver_return(r->driver);
    table_drop(&r->engine->resources, r->number);
    alike_return(r->engine, r->spec);
    free(r);
}

bool resource_is_in_use(struct resource *r)
{
    bool is_in_use = r->users > 0 || hold_is_noted(r);
    for (int32_t role = 0; role < r->spec->roles; role++) {
        const struct pool *p = resource_peek(r, role);
        is_in_use = is_in_use || (p != NULL && pool_is_in_use(p));
    }
    return is_in_use;
}

struct resource *resource_find(const struct engine *e, const char *name)
{
    return index_get(&e->names, name);
}

struct fill_policy resource_bounds(const struct resource *r, int32_t role)
{
    int32_t own = r->role_max[role];
    return (struct fill_policy){.min = role == 0 ? r->min : 0,
                                .max = own > 0 ? own : r->max,
                                .connecting = r->spec->pool.connecting};
}

struct fill_policy resource_size(const struct resource *r, int32_t role)
{
    struct fill_policy size = resource_bounds(r, role);
    int32_t said = r->size[role];
    if (said > 0 && said < size.max)
        size.max = said > size.min ? said : size.min;
    return size;
}

/* For the pools of whatever resource there is. False when out of memory. */
static bool make_room(struct engine *e)
{
    size_t size = (size_t)e->resources.size * ROLES_MOST;
    if (size == e->pools.size)
        return true;
    struct pool **pool = realloc(e->pools.pool, size * sizeof(struct pool *));
    if (pool == NULL)
        return false;
    for (size_t i = e->pools.size; i < size; i++)
        pool[i] = NULL;
    e->pools = (struct pool_table){.pool = pool, .size = size};
    return true;
}

struct pool *resource_pool(struct resource *r, int32_t role)
{
    CHECK(role >= 0 && role < r->spec->roles);
    struct engine *e = r->engine;
    struct pool *p = resource_peek(r, role);
    if (p != NULL || !make_room(e) || (p = pool_new(r, role)) == NULL)
        return p;
    e->pools.pool[r->number * ROLES_MOST + role] = p;
    circuits_see(p);
    if (r->is_paused)
        keep_pause(p);
    if (r->is_draining)
        drain_begin(p, engine_now(e));
    return p;
}

void resource_each_pool(struct resource *r, void (*visit)(struct pool *p))
{
    for (int32_t role = 0; role < r->spec->roles; role++) {
        struct pool *p = resource_peek(r, role);
        if (p != NULL)
            visit(p);
    }
}

static void pause_one(struct resource *r)
{
    if (r->is_draining)
        return; /* which is more */
    r->is_paused = true;
    resource_each_pool(r, keep_pause);
}

static void resume_one(struct resource *r)
{
    struct error why;
    error_set(&why, ERROR_CANCELLED, "%s: resumed before it was drained", r->name);
    if (r->is_draining)
        errand_fail(r, drain_is_over, &why);
    r->is_paused = r->is_draining = false;
    resource_each_pool(r, keep_resume);
}

void resource_pause(struct resource *r)
{
    tenants_each(r, pause_one);
}

void resource_resume(struct resource *r)
{
    tenants_each(r, resume_one);
}
