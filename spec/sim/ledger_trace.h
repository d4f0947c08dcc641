/* ledger_trace.h - what engines do to their ledger, step by step, for spec/model to follow.
 *
 * The linker wraps the functions of core/ledger.h, so the engine is the one that runs everywhere else. A line is
 * "LEDGER STEP WORKER RESULT COUNT NUMBER...": which of the permits, in the order in which they were made; the function's
 * name without permits_; what it gave, or was given; and as many numbers: of an ask the arrivals, of what was received the
 * parcels, of what is handed on who must have come before.
 */
#ifndef SIM_LEDGER_TRACE_H
#define SIM_LEDGER_TRACE_H

#include <stdio.h>

#include "core/ledger.h"

/* Counts anew; lines go to the file, NULL: nowhere. */
void ledger_trace_begin(FILE *lines);
/* Called before each step of a worker: others may run there, as threads may. */
struct ledger_pause {
    void (*run)(struct ledger_pause *p, int32_t worker,
                bool is_hand); /* is_hand: of permits_hand() */
};
void ledger_trace_pause(struct ledger_pause *p);
/* Parcels and permits that were sent by a worker and have not been received yet, of all together. */
int32_t ledger_trace_on_its_way(const struct stake *s);
int64_t ledger_trace_steps(void); /* since the beginning */

#endif
