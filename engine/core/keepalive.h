/* keepalive.h - connections that nobody uses are asked now and then whether they still live, so that
 * what a firewall or a server has dropped is found, and replaced down to the minimum, before anybody
 * needs it.
 *
 * A few at a time, and none while somebody waits. It is no use: how long a connection has been idle is
 * counted as if nobody had asked, and it keeps its turn.
 */
#ifndef CORE_KEEPALIVE_H
#define CORE_KEEPALIVE_H

#include <stdint.h>

struct conn;
struct pool;

#define KEEPALIVE_AT_ONCE 2

/* Draws how long c may be unused: a little less than is declared, so that they are not asked together. */
void keepalive_draw(struct conn *c);

/* --- for the keeper --------------------------------------------------------------------------- */

void keepalive_look(struct pool *p);
int64_t keepalive_next(const struct pool *p); /* when to look again, INT64_MAX: never */

#endif
