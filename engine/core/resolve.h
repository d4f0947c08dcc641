/* resolve.h - host names, looked up on threads. Private to the loops that have real threads
 * (loop_uv.c).
 *
 * getaddrinfo() blocks, for half a minute when no name server answers. So a few threads of our own
 * do it, started when the first question comes; who comes when all are busy waits in a queue, first
 * in, first out. All functions are for the loop's thread.
 */
#ifndef CORE_RESOLVE_H
#define CORE_RESOLVE_H

#include "core/loop.h"

struct resolver;

/* NULL when out of memory. Starts no thread yet. */
struct resolver *resolver_new(struct loop *loop);
/* Every question was answered or forgotten. Waits a moment for the threads; one that is still
 * inside getaddrinfo() then is left to itself and frees what it holds when it comes back. Nothing
 * is posted to the loop after this. */
void resolver_free(struct resolver **v);

/* See loop_resolve() and resolve_forget(). */
struct resolve *resolver_ask(struct resolver *v, const char *host, const char *service,
                             resolve_done *done, void *data);
void resolver_forget(struct resolve **r);

#endif
