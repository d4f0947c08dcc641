#include "core/operation.h"

#include <stdlib.h>
#include <string.h>

#include "core/circuits.h"
#include "core/places.h"
#include "core/rules.h"

static const uint8_t usual[] = {NEBULA_STAGE_RATE,    NEBULA_STAGE_DEADLINE, NEBULA_STAGE_RETRY,
                                NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_LIMIT,    NEBULA_STAGE_HEDGE};

static const struct nebula_rules none;

/* --- stages ----------------------------------------------------------------------------------- */

static bool is_in_force(const struct operation *o, uint8_t stage)
{
    const struct nebula_rules *own = o->rules, *all = o->guards->rules;
    switch ((enum nebula_stage)stage) {
    case NEBULA_STAGE_RATE:
        return all->rate.shape != NEBULA_RATE_NONE;
    case NEBULA_STAGE_DEADLINE:
        return own->early.least > 0;
    case NEBULA_STAGE_CIRCUIT:
        return all->circuit.mode != NEBULA_CIRCUIT_NONE;
    case NEBULA_STAGE_LIMIT:
        return all->limit.concurrent > 0;
    case NEBULA_STAGE_HEDGE:
        return own->hedge.copies > 0;
    default:
        return stage == NEBULA_STAGE_RETRY;
    }
}

static struct stages stages_of(const struct operation *o)
{
    const uint8_t *order = o->rules->order[0] == NEBULA_STAGE_NONE ? usual : o->rules->order;
    struct stages s = {.count = 0};
    for (int i = 0; i < NEBULA_STAGES - 1; i++)
        if (is_in_force(o, order[i]))
            s.at[s.count++] = order[i];
    return s;
}

/* What is in force for one may go by what another one says. */
static void set_stages(struct resource *r)
{
    for (struct operation *o = r->operations; o != NULL; o = o->next)
        o->stages = stages_of(o);
}

/* --- making ----------------------------------------------------------------------------------- */

static void operation_free(struct operation *o)
{
    if (o->is_apart)
        guards_free(&o->guards);
    rules_return(o->resource->engine, o->rules);
    places_return(o->resource->engine, &o->places);
    free(o);
}

/* NULL when out of memory. */
static struct operation *operation_new(struct resource *r, const char *name,
                                       const struct nebula_rules *rules, bool is_apart)
{
    struct operation *o = calloc(1, sizeof *o + strlen(name) + 1);
    if (o == NULL)
        return NULL;
    memcpy(o->name, name, strlen(name) + 1);
    o->resource = r;
    o->is_apart = is_apart;
    o->rules = rules_keep(r->engine, rules);
    o->guards = is_apart && o->rules != NULL ? guards_new(o) : NULL;
    if (o->rules != NULL && (!is_apart || o->guards != NULL))
        return o;
    operation_free(o);
    return NULL;
}

/* Number 0; NULL when out of memory. */
static struct operation *make_first(struct resource *r)
{
    struct operation *o = operation_new(r, "", r->rules == NULL ? &none : r->rules, true);
    if (o == NULL)
        return NULL;
    o->policy = r->spec->policy;
    o->guards->said = r->rules_said;
    r->operations = o;
    set_stages(r);
    return o;
}

static struct operation *first_of(struct resource *r)
{
    return r->operations != NULL ? r->operations : make_first(r);
}

static struct operation *last_of(struct operation *o)
{
    while (o->next != NULL)
        o = o->next;
    return o;
}

/* --- finding ---------------------------------------------------------------------------------- */

static struct operation *numbered(const struct resource *r, int32_t number)
{
    struct operation *o = r->operations;
    while (o != NULL && o->number != number)
        o = o->next;
    return o;
}

struct operation *operation_find(struct resource *r, int32_t number)
{
    if (number == 0 && r->operations == NULL)
        return r->rules == NULL ? NULL : make_first(r);
    return numbered(r, number);
}

bool operation_exists(const struct resource *r, int32_t number)
{
    return number == 0 || numbered(r, number) != NULL;
}

static bool has_each(const struct nebula_circuit *c)
{
    return c->mode != NEBULA_CIRCUIT_NONE && c->per == NEBULA_CIRCUIT_PER_ENDPOINT;
}

bool operations_need_balance(const struct resource *r)
{
    bool is_needed = r->rules != NULL && has_each(&r->rules->circuit);
    for (const struct operation *o = r->operations; o != NULL && !is_needed; o = o->next)
        is_needed = o->is_apart && has_each(&o->rules->circuit);
    return is_needed;
}

static struct operation *named(const struct resource *r, const char *name)
{
    struct operation *o = r->operations;
    while (o != NULL && strcmp(o->name, name) != 0)
        o = o->next;
    return o;
}

/* --- saying ----------------------------------------------------------------------------------- */

/* Goes by these rules, which are kept for it, from now on. */
static void go_by(struct operation *o, const struct nebula_rules *kept, uint64_t said)
{
    const struct nebula_rules *old = o->rules;
    o->rules = kept;
    if (o->is_apart) {
        o->guards->rules = kept;
        o->guards->said = said;
    }
    set_stages(o->resource);
    if (o->is_apart)
        guards_changed(o->guards);
    rules_return(o->resource->engine, old);
}

bool operation_rules(struct resource *r, const struct nebula_rules *said)
{
    const struct nebula_rules *kept = rules_keep(r->engine, said);
    if (kept == NULL)
        return false;
    rules_return(r->engine, r->rules);
    r->rules = kept;
    r->rules_said = ledger_stamp(r->engine->ledger);
    if (r->operations != NULL) /* they are there, and need no memory */
        go_by(r->operations, rules_keep(r->engine, kept), r->rules_said);
    resource_each_pool(r, circuits_see);
    return true;
}

static bool is_name(const char *name)
{
    size_t size = name == NULL ? 0 : strlen(name);
    return size > 0 && size <= OPERATION_NAME_MOST &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
               size;
}

static struct operation *add(struct resource *r, const char *name, const struct nebula_rules *rules,
                             bool is_apart)
{
    struct operation *first = first_of(r);
    struct operation *o = first == NULL ? NULL : operation_new(r, name, rules, is_apart);
    if (o == NULL)
        return NULL;
    struct operation *last = last_of(first);
    o->number = last->number + 1;
    if (!is_apart)
        o->guards = first->guards;
    last->next = o;
    return o;
}

int32_t operation_say(struct resource *r, const char *name, const struct nebula_policy *policy,
                      const struct nebula_rules *rules, bool is_apart, struct error *e)
{
    if (!is_name(name))
        return -(int32_t)error_set(
            e, ERROR_CONFIG, "%s: an operation's name is 1 to %d letters, digits, '_', '-' and '.'",
            r->name, OPERATION_NAME_MOST);
    struct operation *o = named(r, name);
    if (o != NULL && o->is_apart != is_apart)
        return -(int32_t)error_set(
            e, ERROR_CONFIG, "%s: the operation %s stays apart, or with the others", r->name, name);
    if (o == NULL && r->operations != NULL && last_of(r->operations)->number >= OPERATIONS_MOST)
        return -(int32_t)error_set(e, ERROR_LIMIT, "%s: more than %d operations", r->name,
                                   OPERATIONS_MOST);
    const struct nebula_rules *kept = o == NULL ? NULL : rules_keep(r->engine, rules);
    if (o == NULL ? (o = add(r, name, rules, is_apart)) == NULL : kept == NULL)
        return -(int32_t)error_set(e, ERROR_MEMORY, "%s: no memory for its rules", r->name);
    o->policy = *policy;
    if (kept != NULL)
        go_by(o, kept, ledger_stamp(r->engine->ledger));
    else
        set_stages(r);
    resource_each_pool(r, circuits_see);
    return o->number;
}

/* It was said when that was, and not now. */
static bool copy(struct resource *to, const struct operation *of)
{
    struct error e;
    int32_t number = operation_say(to, of->name, &of->policy, of->rules, of->is_apart, &e);
    if (number < 0)
        return false;
    struct operation *o = numbered(to, number);
    o->places = places_share(of->places);
    o->guards->said = of->guards->said;
    return true;
}

bool operations_copy(struct resource *to, const struct resource *from)
{
    if (from->rules != NULL && !operation_rules(to, from->rules))
        return false;
    to->rules_said = from->rules_said;
    for (const struct operation *o = from->operations; o != NULL; o = o->next)
        if (o->number > 0 && !copy(to, o))
            return false;
    return true;
}

void operations_free(struct resource *r)
{
    for (struct operation *o = r->operations, *next; o != NULL; o = next) {
        next = o->next;
        operation_free(o);
    }
    r->operations = NULL;
    rules_return(r->engine, r->rules);
    r->rules = NULL;
}
