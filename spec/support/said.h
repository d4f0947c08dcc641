/* said.h - one rule of a resource, said alone. */
#ifndef SUPPORT_SAID_H
#define SUPPORT_SAID_H

#include "nebula_policy.h"

static inline int32_t say_circuit(struct nebula *n, int32_t resource,
                                  const struct nebula_circuit *c)
{
    const struct nebula_rules rules = {.circuit = *c};
    return nebula_rules(n, resource, &rules);
}

#endif
