/* signals.h - SIGINT, SIGTERM and SIGHUP, heard by a thread of the program's own.
 *
 * The first one asks the program to drain; its worker hears of it at its next turn. A second one
 * that is no SIGHUP, or a drain that takes longer than it was given because Lua never came back,
 * ends the process at once with 128 + the signal. What who leads the group of processes tells it and
 * in the next moment the group is one signal. Time in which the process is stopped (SIGSTOP) does
 * not count. For the program alone: the library installs nothing.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdint.h>

struct nebula;
struct signals;

/* Blocks these signals in this thread and in those that it starts, and begins to listen. engine is
 * interrupted at the first signal; drain_us later the process ends, or cut_us after that when the
 * worker has heard of it meanwhile and cancels. NULL when out of memory or threads. */
struct signals *signals_new(struct nebula *engine, int64_t drain_us, int64_t cut_us);
/* The engine is about to be closed and is not interrupted any more; the bound and the second signal
 * still count, in case closing takes long. */
void signals_leave(struct signals *s);
/* After signals_leave(). The signals stay blocked: what comes now is too late to matter. */
void signals_free(struct signals **s);

/* The worker has told Lua of the signal: it comes back from its own work. */
void signals_heard(struct signals *s);
/* The first signal that came, 0 when none did. */
int signals_first(const struct signals *s);

#endif
