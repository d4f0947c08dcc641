/* drivers.h - the drivers that come with the engine.
 *
 * Each is its files, <name>*.c, and exports driver_<name>. The program has none linked in: it loads
 * nebula-<name>.so when the first resource with that driver is declared (loaded.c), so that nobody
 * waits for client libraries which nothing asked for. In the archive they are linked (linked.c). */
#ifndef DRIVERS_DRIVERS_H
#define DRIVERS_DRIVERS_H

#include "core/driver.h"

#pragma GCC visibility push(default)
extern const struct driver driver_postgres;
extern const struct driver driver_sqlite;
#pragma GCC visibility pop

#endif
