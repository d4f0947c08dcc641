/* thread.h - how the engine starts a thread: all signals blocked, a stack of 4 MB, named for ps.
 *
 * The library is a guest: a signal of the program must never land in a thread the program does not
 * know of.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* name: what ps shows, cut after 15 bytes. False when there is no room for one more. */
bool thread_start(pthread_t *out, const char *name, void *(*run)(void *data), void *data);

#endif
