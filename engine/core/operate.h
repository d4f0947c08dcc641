/* operate.h - what is asked of a resource as a whole while it runs, beside pause and resume.
 *
 * Each checks what it is given, so that the border and the control socket refuse alike. What it
 * begins goes on by itself.
 */
#ifndef CORE_OPERATE_H
#define CORE_OPERATE_H

#include "core/resource.h"

/* Another connection for each that there is: see reconnect.h. */
enum error_code operate_reconnect(struct resource *r, int32_t percent, int64_t every_us,
                                  struct error *why);

#endif
