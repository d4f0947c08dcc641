/* alike.h - what many resources say alike, kept once: their kind and its words, roles, pool and policy.
 *
 * Programs declare many resources of few kinds with few policies, and most of a declaration is that.
 * What is a resource's own is not in what is kept: its name, place, options, the names of its endpoints,
 * and the bounds of its connections, which change while it runs (core/resource.h).
 */
#ifndef CORE_ALIKE_H
#define CORE_ALIKE_H

#include "core/engine.h"
#include "nebula.h"

/* What spec says alike; NULL when out of memory. */
const struct nebula_spec *alike_keep(struct engine *e, const struct nebula_spec *spec);
void alike_return(struct engine *e, const struct nebula_spec *kept); /* which may be NULL */

#endif
