/* thread.h - how the engine starts a thread: all signals blocked, a stack of 4 MB; and how it is
 * named for ps.
 *
 * The library is a guest: a signal of the program must never land in a thread the program does not
 * know of.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* False when there is no room for one more. */
bool thread_start(pthread_t *out, void *(*run)(void *data), void *data);
/* What ps shows of the calling thread, cut after 15 bytes. From another thread it would go through
 * /proc, which takes as long as to start one. */
void thread_name(const char *name);

#endif
