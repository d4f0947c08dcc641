/* tenant.h - one declaration, a resource for each tenant: where it connects, and as whom, depends on
 * who asks.
 *
 * A declaration whose options name {tenant} is no resource to be used but the mould of them: at the
 * first call of a tenant a resource of his own is made, called NAME@TENANT, with pools of its own.
 * So identity is part of the pool's key by value, and nobody is ever lent another's connection.
 * Tenants are bounded in number. Where one more is wanted, the one that nobody has asked for for the
 * longest is forgotten, if he has no connection and nobody waits, so names that nobody is called by do
 * not take the places of others for long. What was counted of him stays with the mould. A tenant who
 * was paused, drained or resized by himself is not forgotten, for that would undo it.
 */
#ifndef CORE_TENANT_H
#define CORE_TENANT_H

#include "core/resource.h"

/* Nobody is forgotten who was asked for a shorter while ago. */
#define TENANT_REST_US 1000000

/* What a value may be when the declaration does not say: fit for names of hosts and databases. */
#define TENANT_PATTERN "[A-Za-z0-9_-]+"

struct tenants;

/* Whether it is a POSIX extended regular expression. */
bool tenant_is_pattern(const char *pattern);

/* For a resource whose options name a tenant. NULL with the reason in *e. */
struct tenants *tenants_new(const struct resource *mould, struct error *e);
void tenants_free(struct tenants **t); /* *t may be NULL; the resources are the engine's */

/* The resource that r is for whoever acts now: r itself, or its tenant's, made at first use. NULL,
 * refused with a sentence, when nobody acts for a tenant, or for one that must not be. */
struct resource *tenant_resource(struct resource *r);

/* The same where it was made already; else r. */
struct resource *tenant_known(struct resource *r);

/* Adds what was counted of those that were forgotten; r is the mould. */
void tenants_add_past(const struct resource *r, int64_t *number);
/* Runs visit on r, and on the resource of each tenant that was seen. */
void tenants_each(struct resource *r, void (*visit)(struct resource *r));
/* The same step by step: the one after `at`, which is r to begin with; NULL behind the last. */
struct resource *tenants_next(const struct resource *r, const struct resource *at);

#endif
