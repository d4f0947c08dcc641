/* host.h - what Lua sees of its worker: `require "nebula.worker"`.
 *
 *   home             the folder with lua/, resources/ and policies/
 *   null             what stands for NULL: cjson's null too
 *   tag              what our yields carry: coroutine.yield(tag, ticket), ticket 0 for never
 *   engine           struct nebula *, once open() has succeeded
 *   open(options)    options as struct nebula_options -> true | nil, why
 *   start(co, task, ticket, place)   resumes co for the first time when the ticket ends; place:
 *                    FILE:LINE where the task was started, nil: it is the workflow
 *   listen(drain_us, cut_us)   SIGINT, SIGTERM and SIGHUP no longer end the process but call for a
 *                    drain -> true | nil, why
 *   on_signal(ticket)   the ticket of a nebula_wait() that the next signal wakes; 0 for none
 *                    -> the signal that came, or nil
 *   on_hold(fn)      called with each lease that is held for too long, as struct nebula_hold
 *   on_question(fn)  called with what the engine asks or tells, a struct nebula_question *
 *   exit(code)       ends the process once the running task has parked
 *   nap(seconds)     blocks; for commands, which have no loop
 *   is_terminal(fd)  whether a person looks at it
 *   is_home(path)    whether path, written in whatever way, is the home
 *   is_file(path)    whether it is a regular file; nil when there is nothing
 *   run_dir()        the folder of the control sockets, made when it is not there
 *                    -> path | nil, why
 *   pid              of this process
 *
 * And of the others, see process.h and mailbox.h; lua/nebula/mail.lua is what to use of these:
 *
 *   index, count     which of how many workers, the first is 0
 *   grow(count)      so many workers, for worker 0 before it opens its engine -> true | nil, why
 *   watch(bound_us)  who does not come back from Lua for longer is told of by another one; after
 *                    grow() and before open() -> true | nil, why
 *   begin(entry, bytes, is_kept)   the others begin with these bytes and this module; is_kept: so that
 *                    one may begin anew -> true | nil, why
 *   replace(worker)  begins one anew that has left -> true; false while it still closes what it had
 *   given()          these bytes, for each of the others, once
 *   leave()          ends this worker alone, once the running task has parked
 *   fail(why)        the same, because of an error
 *   why(worker)      of one that has left: why, "" when it was told to
 *   send(to, bytes, is_urgent)   -> true | nil, why: "full", "limit", "closed", "memory"
 *   receive()        -> from, bytes; or from, false when that worker has left, true when it is back; nil
 *                    when nothing has come
 *   on_mail(ticket)  the ticket of a nebula_wait() that the next mail wakes; 0 for none
 *                    -> whether there is some already
 *
 * And for services:
 *
 *   cores()          processors that this process may use
 *   backoff(pause_us, pause_max_us, failures)   -> us, see nebula_host.h
 *   tell_instance(state)   what `ls` shows of one, as struct nebula_instance -> whether there was memory
 */
#ifndef HOST_H
#define HOST_H

#include <lua.h>

struct worker;

/* What `require` calls when it is first asked for; its upvalue is the worker. */
int host_open_module(lua_State *lua);

#endif
