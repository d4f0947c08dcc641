/* loaded.c - finds drivers in shared objects: ours in nebula-<name>.so, others by their path.
 *
 * Where ours lie is the linker's word (-rpath), relative to the program or the library. One that was
 * loaded stays: its client library may have threads and memory that outlive every connection.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "drivers/drivers.h"
#include "drivers/foreign.h"
#include "drivers/given.h"

#define NAME_MOST 64

const struct driver *driver_find(const char *name, struct error *e)
{
    if (strchr(name, '/') != NULL)
        return foreign_new(name, e);
    char file[NAME_MOST + 16], symbol[NAME_MOST + 16];
    snprintf(file, sizeof file, "nebula-%.*s.so", NAME_MOST, name);
    snprintf(symbol, sizeof symbol, "driver_%.*s", NAME_MOST, name);
    /* Client libraries bind what is called, which is little of what they have. */
    void *object = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
    const struct driver *driver = object != NULL ? dlsym(object, symbol) : NULL;
    bool (*take)(const struct given *) = NULL;
    if (driver != NULL)
        *(void **)&take = dlsym(object, "given_take");
    if (take == NULL) {
        error_set(e, ERROR_CONFIG,
                  "the driver %s cannot be loaded: %s; it belongs beside the program (one of your "
                  "own: beside its kind's folder), with its client library installed",
                  name, dlerror());
        return NULL;
    }
    if (take(&given_table))
        return driver;
    error_set(e, ERROR_CONFIG,
              "the driver %s is not of this engine: %s and the engine are built together, and "
              "there is one engine's library in a process",
              name, file);
    return NULL;
}

void driver_return(const struct driver *d)
{
    foreign_free(d);
}
