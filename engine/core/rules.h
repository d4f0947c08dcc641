/* rules.h - what is said of a resource by the rules of nebula_policy.h, kept once for all who say the same. */
#ifndef CORE_RULES_H
#define CORE_RULES_H

#include "core/engine.h"
#include "nebula_policy.h"

/* All zero: nothing was said. */
struct rules {
    struct nebula_circuit circuit;
};

/* The same bytes for all; NULL when out of memory. */
const struct rules *rules_keep(struct engine *e, const struct rules *said);
void rules_return(struct engine *e, const struct rules *kept); /* which may be NULL */

#endif
