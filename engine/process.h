/* process.h - the program's workers: what they have in common, how they begin, and how they end.
 *
 * Worker 0 lives on the main thread and runs the command. With more than one, each of the others has
 * a thread of its own, begun by worker 0 once it has read what all of them need; they share the
 * ledger (nebula.h), and each has a mailbox. All of them are counted as long as the process lives;
 * one that has left is begun anew when worker 0 asks for that.
 *
 * A worker leaves when it is told to, or when an error leaves its Lua state: an error that nobody
 * catches, no memory, a start that fails. Its mailbox refuses what is posted, its engine closes and
 * what it had passes on; then the others hear of it, and all that it did is over. When worker 0 leaves
 * the process ends. A failed CHECK ends the process, whichever worker it was in.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct mailbox;
struct nebula_ledger;
struct process;
struct watchdog;

/* With one worker. home is borrowed. NULL when out of memory. */
struct process *process_new(const char *home);
void process_free(struct process **p);

/* Runs the module `entry` in worker 0 and returns the exit code. By then all have left: who does not
 * come back from Lua within some seconds is named, and the process ends at once. */
int process_run(struct process *p, const char *entry, int count, char **arguments);

/* --- for the workers -------------------------------------------------------------------------- */

/* From now on there are so many, 1 to 64; worker 0 calls it before it has an engine. False when out
 * of memory. */
bool process_grow(struct process *p, int32_t workers);
int32_t process_count(const struct process *p);
/* NULL with one worker. */
struct nebula_ledger *process_ledger(const struct process *p);
/* From now on they look after each other (watchdog.h); worker 0 calls it before it has an engine, and
 * with more than one worker. False when out of memory. */
bool process_watch(struct process *p, int64_t bound_us);
struct watchdog *process_watchdog(const struct process *p); /* NULL: nobody looks */
/* NULL when there is no such worker. */
struct mailbox *process_mailbox(struct process *p, int32_t worker);
/* The channels of the process, made when first asked for. NULL when out of memory. */
struct hub *process_hub(struct process *p);

/* What the others begin with (copied, and wiped when all have it, or with is_kept at the end), and
 * their beginning: each runs the module `entry`, with the signals blocked that are blocked here. Who
 * cannot begin has left at once. False when out of memory. */
bool process_begin(struct process *p, const char *entry, const char *bytes, size_t size,
                   bool is_kept);
/* Begins one anew that has left, with what was kept. False while it still closes what it had open. */
bool process_replace(struct process *p, int32_t worker);
/* For the others: what process_begin() was given, until process_has_begun(). */
const char *process_given(struct process *p, size_t *size_out);
void process_has_begun(struct process *p, int32_t worker); /* it needs that no more; idempotent */
/* Why a worker has left, "" when it was told to; copied. */
void process_why(struct process *p, int32_t worker, char *text, size_t size);

#endif
