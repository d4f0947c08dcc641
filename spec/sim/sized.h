/* sized.h - a rig whose resource has a strategy, and what the strategy says. */
#ifndef SIM_SIZED_H
#define SIM_SIZED_H

#include "core/sizing.h"
#include "rig.h"

static const struct nebula_strategy sized_busy = {
    .name = "busy", .file = "policies/busy.lua", .line = 3, .every_us = SECOND};

static inline int32_t sized_say(struct rig *r, int32_t role, int32_t size)
{
    const struct nebula_sized told = {.size = size, .answer = (double)size};
    return nebula_size(r->nebula, r->shop, role, &told);
}

static inline int32_t sized_now(struct rig *r)
{
    return resource_size(table_get(&r->engine->resources, r->shop), 0).max;
}

#endif
