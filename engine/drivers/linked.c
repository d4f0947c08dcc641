/* linked.c - finds drivers among those that are linked in, and others by their path. */
#include <string.h>

#include "base/check.h"
#include "drivers/drivers.h"
#include "drivers/foreign.h"

const struct driver *driver_find(const char *name, struct error *e)
{
    static const struct driver *const linked[] = {&driver_postgres, &driver_sqlite};
    if (strchr(name, '/') != NULL)
        return foreign_new(name, e);
    for (size_t i = 0; i < COUNT(linked); i++)
        if (strcmp(linked[i]->name, name) == 0)
            return linked[i];
    error_set(e, ERROR_CONFIG, "there is no driver %s", name);
    return NULL;
}

void driver_return(const struct driver *d)
{
    foreign_free(d);
}
