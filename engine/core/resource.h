/* resource.h - one declared thing: what it is, and a pool for each of its roles.
 *
 * A resource that nobody uses is its declaration and nothing else: a pool comes with the first use
 * of its role.
 */
#ifndef CORE_RESOURCE_H
#define CORE_RESOURCE_H

#include "core/driver.h"
#include "core/engine.h"
#include "nebula.h"
#include "rules/policy.h"

struct budget;
struct chaos;
struct nebula_balance;
struct nebula_rules;
struct operation;
struct outlook;
struct places;
struct pool;
struct records;
struct sizing;
struct tenants;

struct resource {
    struct engine *engine;
    int32_t number;
    bool is_resized; /* its bounds, or a size, were ordered, so they are those of all workers */
    bool is_paused, is_draining;
    uint32_t last_conn;      /* number of the newest connection */
    int32_t users;           /* calls and errands that have a pointer to it */
    struct outlook *outlook; /* of the endpoints that the spec names, NULL if it names none */
    const struct driver *driver;
    struct tenants *tenants;          /* NULL: it is the same for all */
    struct list_node in_tenants;      /* of the same declaration */
    int64_t used_us;                  /* a tenant's: somebody asked for it last */
    int64_t declared;                 /* as which of all that there ever were */
    struct nebula_balance *balance;   /* over its endpoints, NULL: it was said by nobody; load.h */
    struct budget *budget;            /* for retries, NULL: it was not called yet */
    const struct nebula_rules *rules; /* NULL: none was said; see operation.h */
    uint64_t rules_said;              /* when, see guards.h */
    struct operation *operations;     /* by number; NULL: none was said, or it was not used yet */
    struct chaos *chaos;              /* faults on purpose, NULL: there are none */
    struct places *places;            /* of its settings, NULL: nobody told; core/places.h */
    struct records *records;          /* what was decided, NULL: nothing yet; core/record.h */
    struct sizing *sizing;            /* its strategy, NULL: it has none; core/sizing.h */
    int32_t generation; /* of the declarations, for those records; 0 until they can be read anew */
    uint64_t calls, retries, failed, in_doubt, faults;
    const char *name, *file; /* the file may be NULL */
    int32_t line, options;
    const struct nebula_option *option;
    int32_t min, max, role_max[ROLES_MOST]; /* of connections; they change while it runs */
    int32_t size[ROLES_MOST];               /* what a strategy says of each; 0: nothing */
    const struct nebula_spec *spec;         /* the rest of its declaration, see core/alike.h */
    char bytes[];                           /* options, their values, and the name */
};

/* Checks and copies the spec. NULL with the reason in *e. */
struct resource *resource_new(struct engine *engine, const struct nebula_spec *spec,
                              struct error *e);
void resource_free(struct resource **r); /* no connection is left */
/* Somebody has a connection, waits, listens, calls or has it on his list. */
bool resource_is_in_use(struct resource *r);

struct resource *resource_find(const struct engine *e,
                               const char *name); /* NULL if there is none */
/* Of the role's pool: the bounds, and what is in force, which is less where a strategy says so. */
struct fill_policy resource_bounds(const struct resource *r, int32_t role);
struct fill_policy resource_size(const struct resource *r, int32_t role);
/* The pool of a role, made at first use. NULL when out of memory. */
struct pool *resource_pool(struct resource *r, int32_t role);
/* The same if it was made already, else NULL. */
static inline struct pool *resource_peek(const struct resource *r, int32_t role)
{
    return engine_pool(r->engine, r->number, role);
}
/* Whether it can be; *e says what cannot, of what has this name. */
enum error_code resource_check_policy(const char *name, const struct nebula_policy *p,
                                      struct error *e);
bool resource_is_span(int64_t span_us); /* can be added to any time of the loop */

/* Whoever asks from now on waits, until his deadline or resume. Nothing to one that is drained. */
void resource_pause(struct resource *r);
void resource_resume(struct resource *r);

/* Runs visit on each pool there is. */
void resource_each_pool(struct resource *r, void (*visit)(struct pool *p));

#endif
