/* foreign.h - drivers from outside: shared objects that know nebula_driver.h and nothing else of
 * us. */
#ifndef DRIVERS_FOREIGN_H
#define DRIVERS_FOREIGN_H

#include "core/driver.h"

/* The driver in the object at path, which has a slash in it; the caller's, until foreign_free().
 * NULL with the reason in *e. */
const struct driver *foreign_new(const char *path, struct error *e);
/* No connection of it is left. The object stays loaded. A driver of ours is left alone. */
void foreign_free(const struct driver *d);

#endif
