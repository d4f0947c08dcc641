/* loaded.c - finds drivers in shared objects, nebula-<name>.so.
 *
 * Where they lie is the linker's word (-rpath), relative to the program. One that was loaded stays:
 * its client library may have threads and memory that outlive every connection.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "drivers/drivers.h"

#define NAME_MOST 64

const struct driver *driver_find(const char *name, struct error *e)
{
    char file[NAME_MOST + 16], symbol[NAME_MOST + 16];
    snprintf(file, sizeof file, "nebula-%.*s.so", NAME_MOST, name);
    snprintf(symbol, sizeof symbol, "driver_%.*s", NAME_MOST, name);
    /* What a driver needs of the engine is bound at once, by its own flag; client libraries bind
     * what is called, which is little of what they have. */
    void *object = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
    const struct driver *driver = object != NULL ? dlsym(object, symbol) : NULL;
    if (driver == NULL)
        error_set(e, ERROR_CONFIG,
                  "the driver %s cannot be loaded: %s; %s belongs beside the program, with its "
                  "client library installed",
                  name, dlerror(), file);
    return driver;
}
