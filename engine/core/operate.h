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
                                  int64_t number, struct error *why);

/* Refuses newcomers with `paused`, lets leases and calls end, closes everything; after within_us what
 * is left is cut off. Until it is resumed. See drain.h. */
enum error_code operate_drain(struct resource *r, int64_t within_us, struct error *why);

/* Other bounds; -1: as they are. With role -1 those of the whole: the first role keeps min, and each has
 * max that has none of its own. Growing serves who waits at once; shrinking closes what is idle at
 * once and the rest as it comes home. */
enum error_code operate_resize(struct resource *r, int32_t role, int32_t min, int32_t max,
                               struct error *why);

/* What a strategy says of one role, from 1 on: between the bounds, as a resize to it would be; see sizing.h. */
enum error_code operate_size(struct resource *r, int32_t role, int32_t size, struct error *why);

#endif
