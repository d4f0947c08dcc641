#include "drivers/drivers.h"

#include <string.h>

#include "base/check.h"

const struct driver *driver_find(const char *name)
{
    static const struct driver *const linked[] = {&driver_postgres, &driver_sqlite};
    for (size_t i = 0; i < COUNT(linked); i++)
        if (strcmp(linked[i]->name, name) == 0)
            return linked[i];
    return NULL;
}
