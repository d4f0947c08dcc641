#include "core/guards.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/circuits.h"
#include "core/circuits_at.h"
#include "core/identity.h"
#include "core/limits.h"
#include "core/operation.h"
#include "core/rates.h"
#include "core/tokens.h"

struct guards *guards_new(const struct operation *owner)
{
    struct guards *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->resource = owner->resource;
    g->owner = owner;
    g->rules = owner->rules;
    g->said = ledger_stamp(g->resource->engine->ledger);
    return g;
}

void guards_free(struct guards **guards)
{
    struct guards *g = *guards;
    *guards = NULL;
    if (g == NULL)
        return;
    circuits_free(&g->circuits);
    circuits_at_free(&g->at);
    rates_free(&g->rates);
    limits_free(&g->limits);
    tokens_free(&g->tokens);
    times_fini(&g->calls);
    times_fini(&g->attempts);
    free(g);
}

void guards_changed(struct guards *g)
{
    circuits_changed(g);
    circuits_at_changed(g);
    rates_changed(g);
    limits_changed(g);
}

struct common *guards_join(const struct guards *g, const char *sort, common_make *make,
                           const void *how)
{
    struct engine *e = g->resource->engine;
    char whose[OPERATION_NAME_MOST + 32];
    if (e->ledger == NULL)
        return common_join(NULL, NULL, make, how);
    snprintf(whose, sizeof whose, "%s/%s", sort, g->owner->name);
    char *identity = identity_of(g->resource, whose, IDENTITY_ALL_ROLES);
    struct common *c = identity == NULL ? NULL : common_join(e->ledger, identity, make, how);
    free(identity);
    return c;
}
