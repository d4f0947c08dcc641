/* sizing.h - a pool whose size a strategy says, between min and max.
 *
 * The host asks the strategy in the worker that is home of the pool, and brings what it answers (operate_size()): as many
 * connections there may be from then on, in all workers. The bounds stay what was declared, or ordered since, so an
 * operator moves the bounds, and the strategy what is between them. What was answered here is kept to be told.
 */
#ifndef CORE_SIZING_H
#define CORE_SIZING_H

#include "core/resource.h"
#include "core/telling.h"
#include "nebula_policy.h"

#define SIZING_WHY_SIZE 256

/* Of one role, as it was asked here. */
struct sized {
    bool was_asked, has_answer;
    int64_t asked_us, answered_us; /* on the wall */
    double answer;                 /* the last one there was */
    char why[SIZING_WHY_SIZE];     /* there is none since; "": there is */
};

struct sizing {
    struct nebula_strategy said;
    struct sized of[ROLES_MOST];
};

/* From now on the resource has this one. False when out of memory: then it is as before. */
bool sizing_say(struct resource *r, const struct nebula_strategy *said);
/* Whether it is this worker that asks for this pool, and there is something to be asked. */
bool sizing_is_due(const struct resource *r, int32_t role);
/* What came of asking; the resource has a strategy. */
void sizing_note(struct resource *r, int32_t role, const struct nebula_sized *told);
json_t *sizing_json(struct telling *t, const struct resource *r);

#endif
