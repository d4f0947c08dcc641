/* instances.h - the instances of a program's services, as the program tells of them, for `ls`.
 *
 * The engine itself runs none.
 */
#ifndef CORE_INSTANCES_H
#define CORE_INSTANCES_H

#include "core/engine.h"
#include "core/telling.h"
#include "nebula_host.h"

struct instance {
    struct instance *next; /* in the order in which they were first told of */
    struct nebula_instance told;
    char *name; /* of the index: service and number; owned */
    char *service, *state, *reason;
};

/* Instead of what was told before of the same one. False when out of memory. */
bool instances_tell(struct engine *e, const struct nebula_instance *told);
json_t *instances_json(struct telling *t); /* a list of objects */
void instances_fini(struct engine *e);

#endif
