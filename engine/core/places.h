/* places.h - where the settings of a resource's policy stand, kept once for all resources that have the same.
 *
 * The file is that of the policy that says the setting: of policies that are `like` one another, the first that does. Who
 * declares resources tells it (nebula_places()); of whom nobody told, nothing is known.
 */
#ifndef CORE_PLACES_H
#define CORE_PLACES_H

#include "core/resource.h"
#include "nebula_policy.h"

struct places {
    struct list_node node;
    int32_t users;
    struct nebula_place of[NEBULA_SETTINGS];
};

/* From now on so many of its settings stand there, and of the others nobody knows. False when out of memory: then it is as before. */
bool places_say(struct resource *r, const struct nebula_place *said, int32_t count);
/* Those of `from`, for one of its tenants. */
void places_share(struct resource *r, const struct resource *from);
void places_return(struct resource *r);

static inline struct nebula_place place_of(const struct resource *r, enum nebula_setting setting)
{
    const struct nebula_place nowhere = {.file = NULL};
    return r->places == NULL ? nowhere : r->places->of[setting];
}
/* Of what it says itself: its pool. */
static inline struct nebula_place place_declared(const struct resource *r)
{
    return (struct nebula_place){.file = r->file, .line = r->line};
}

#endif
