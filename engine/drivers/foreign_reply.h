/* foreign_reply.h - what a driver from outside replies, as the core has it. */
#ifndef DRIVERS_FOREIGN_REPLY_H
#define DRIVERS_FOREIGN_REPLY_H

#include "core/value.h"
#include "nebula_driver.h"

/* Their code of a failure; one that we do not know is the server's. */
enum error_code foreign_code(int32_t code);
/* *said has size bytes: what a driver with an older header does not say is zero. Its result is the
 * reply's from then on. */
void foreign_fill(struct reply *r, const struct nebula_driver_reply *said, size_t size);
/* Nobody wants to hear it. */
void foreign_forget(const struct nebula_driver_reply *said);

#endif
