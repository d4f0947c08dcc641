/* drivers.h - the drivers that are linked in. */
#ifndef DRIVERS_DRIVERS_H
#define DRIVERS_DRIVERS_H

#include "core/driver.h"

extern const struct driver driver_postgres;
extern const struct driver driver_sqlite;

#endif
