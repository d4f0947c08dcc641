/* ask.h - the other side of the control socket (admin.h): a command line that asks another engine.
 *
 * Asking and hearing are two steps, so that many engines have the same time to answer. An engine
 * answers between two turns of its loop: one whose workflow computes, or whose process was stopped,
 * does not.
 */
#ifndef CORE_ASK_H
#define CORE_ASK_H

#include <stdint.h>

#include "base/error.h"

struct ask;

/* Sends one line to the socket at path, without waiting; the answer has within_us from now. NULL
 * with the reason in *e: ERROR_UNREACHABLE when nobody listens there, ERROR_BUSY when the engine is
 * there and takes nobody in. */
struct ask *ask_begin(const char *path, const char *request, int64_t within_us, struct error *e);

/* Waits for the answer, to be freed by the caller. NULL with the reason in *e: ERROR_DEADLINE, or
 * ERROR_LOST when the other side hung up. *a becomes NULL. */
char *ask_end(struct ask **a, struct error *e);

#endif
