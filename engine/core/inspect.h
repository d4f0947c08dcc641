/* inspect.h - what an engine tells about itself: the verbs of the control socket, in one table.
 *
 * A request is one JSON object with a member "verb"; the answer is one JSON object on one line,
 * with "ok". The socket (admin.c) and the program itself (nebula_ask()) ask by the same table.
 */
#ifndef CORE_INSPECT_H
#define CORE_INSPECT_H

#include <stddef.h>

#include "core/engine.h"

/* One line with its newline, to be freed by the caller; NULL when out of memory. */
char *inspect_answer(struct engine *e, const char *request, size_t size);

#endif
