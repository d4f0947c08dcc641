/* rules.h - what is said by nebula_policy.h: checked, and kept once for all who say the same. */
#ifndef CORE_RULES_H
#define CORE_RULES_H

#include "core/engine.h"
#include "nebula_policy.h"
#include "rules/policy.h"

/* Whether all of it can be; *e says what cannot, of what has this name. */
enum error_code rules_check(const struct resource *r, const struct nebula_rules *said,
                            struct error *e);

/* The same bytes for all; NULL when out of memory. */
const struct nebula_rules *rules_keep(struct engine *e, const struct nebula_rules *said);
void rules_return(struct engine *e, const struct nebula_rules *kept); /* which may be NULL */

#endif
