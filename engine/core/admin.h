/* admin.h - the control socket: how an operator's command reaches the engine that runs.
 *
 * A Unix socket that only its owner may open (0600, and the peer's user is checked). One JSON
 * object a line in, one out, answered in order; lines and clients are bounded. The verbs are those
 * of inspect.h; ask.c is the other side.
 */
#ifndef CORE_ADMIN_H
#define CORE_ADMIN_H

#include <sys/un.h>

#include "core/engine.h"

#define ADMIN_CLIENTS 16
#define ADMIN_LINE 65536 /* bytes of one request */

struct admin;

/* Listens at path. A socket that nobody answers any more is replaced, a file that is no socket is left
 * alone. NULL with the reason in *e. */
struct admin *admin_open(struct engine *engine, const char *path, struct error *e);
void admin_close(struct admin **a); /* takes the path away */

/* Where that is for the kernel. False with the reason in *e when the path is empty or too long. */
bool admin_address(struct sockaddr_un *at, const char *path, struct error *e);

#endif
