/* worker.h - one thread of the program: its engine, its Lua state, and the one place that resumes
 * tasks.
 *
 * A task is a coroutine that waits for a ticket. The worker resumes it with the code of the
 * ticket's event, from its own loop and from nowhere else: so no call of the engine can find the
 * Lua state in the middle of something. The tree of tasks is Lua's (lua/nebula/task.lua).
 *
 * What Lua sees of it is `require "nebula.worker"`:
 *
 *   home             the folder with lua/, resources/ and policies/
 *   null             what stands for NULL: cjson's null too
 *   tag              what our yields carry: coroutine.yield(tag, ticket), ticket 0 for never
 *   engine           struct nebula *, once open() has succeeded
 *   open(options)    options as struct nebula_options -> true | nil, why
 *   start(co, task, ticket)   resumes co for the first time when the ticket ends
 *   listen(drain_us, cut_us)   SIGINT, SIGTERM and SIGHUP no longer end the process but call for a
 *                    drain -> true | nil, why
 *   on_signal(ticket)   the ticket of a nebula_wait() that the next signal wakes; 0 for none
 *                    -> the signal that came, or nil
 *   exit(code)       ends the loop once the running task has parked
 *   is_terminal(fd)  whether a person looks at it
 *   is_home(path)    whether path, written in whatever way, is the home
 *   is_file(path)    whether it is a regular file; nil when there is nothing
 *   run_dir()        the folder of the control sockets, made when it is not there
 *                    -> path | nil, why
 *   pid              of this process
 */
#ifndef WORKER_H
#define WORKER_H

struct worker;

/* home is borrowed. NULL when out of memory. */
struct worker *worker_new(const char *home);
void worker_free(struct worker **w); /* closes the engine, whatever is open */

/* Requires the module `entry` and calls it with the arguments. When it returns a number that is the
 * exit code; otherwise tasks run until worker.exit(code). Says what went wrong on stderr. */
int worker_run(struct worker *w, const char *entry, int count, char **arguments);

#endif
