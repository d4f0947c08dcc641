/* nap.h - tickets that wait for nothing but time, or for a word from another task. Both end at the
 * task's deadline. */
#ifndef CORE_NAP_H
#define CORE_NAP_H

#include "core/task.h"
#include "core/ticket.h"

struct nap {
    struct ticket ticket;
    struct timer timer;
    struct soon soon; /* a nap of no time at all */
    int64_t deadline_us;
    bool is_bounded; /* the deadline comes first */
};

/* The ticket's number, or a negative code. */
int32_t nap_sleep(struct engine *e, int64_t span_us);
int32_t nap_wait(struct engine *e);
void nap_wake(struct ticket *t,
              enum error_code code); /* a ticket of another kind, or not pending, is left alone */

#endif
