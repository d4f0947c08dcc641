/* loop_sim.h - what the simulation knows of its loops, and no engine does. */
#ifndef SIM_LOOP_SIM_H
#define SIM_LOOP_SIM_H

#include "core/loop.h"

/* Its thread does something else until then: it is not turned, and hears of nothing. */
void loop_sleep_until(struct loop *l, int64_t at_us);
int64_t loop_awake_us(const struct loop *l);
bool loop_is_quiet(const struct loop *l); /* nothing waits for its next turn */
/* When something is due here: a timer, or at once; not before it is awake. INT64_MAX: nothing is. */
int64_t loop_next_us(struct loop *l);

#endif
