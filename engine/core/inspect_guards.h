/* inspect_guards.h - what the rules of a resource know now, as JSON. All workers have one, so of several parts one will do. */
#ifndef CORE_INSPECT_GUARDS_H
#define CORE_INSPECT_GUARDS_H

#include "core/resource.h"
#include "core/telling.h"

/* The state of its circuit, "open" or "half", where it is not closed; of those of its endpoints, by their names. */
void inspect_put_circuit(struct telling *t, json_t *summary, const struct resource *r);
/* A list, by operation; that of the resource is "". */
json_t *inspect_guards(struct telling *t, const struct resource *r);

#endif
