/* places.h - where the settings of a policy stand, of a resource or of an operation of it, kept once for all that have
 * the same.
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

/* In *to, which may have others: from now on so many of its settings stand there, and of the rest nobody knows. False
 * when out of memory: then it is as before. */
bool places_say(struct engine *e, struct places **to, const struct nebula_place *said,
                int32_t count);
/* The same as another one's, which may have none. */
struct places *places_share(struct places *p);
void places_return(struct engine *e, struct places **p); /* *p may be NULL, and is so afterwards */

static inline struct nebula_place place_at(const struct places *p, enum nebula_setting setting)
{
    const struct nebula_place nowhere = {.file = NULL};
    return p == NULL ? nowhere : p->of[setting];
}
static inline struct nebula_place place_of(const struct resource *r, enum nebula_setting setting)
{
    return place_at(r->places, setting);
}
/* Of what it says itself: its pool. */
static inline struct nebula_place place_declared(const struct resource *r)
{
    return (struct nebula_place){.file = r->file, .line = r->line};
}

#endif
