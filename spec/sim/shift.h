/* shift.h - some engines under one ledger, each a rig of its own with the resource `shop` of one server: what a
 * scenario of several workers in virtual time begins with.
 *
 *     shift_begin(&w, 3);
 *     w.spec->pool.max = 1;      for all of them
 *     shift_open_all(&w);
 *     ...
 *     shift_end(&w);
 */
#ifndef SIM_SHIFT_H
#define SIM_SHIFT_H

#include "ledger_trace.h"
#include "rig.h"

#define SHIFT_MOST 8

struct shift {
    struct nebula_ledger *ledger;
    struct nebula_spec *spec; /* the first one's, which the others copy when they open */
    struct rig of[SHIFT_MOST];
    int count;
    bool is_stuck[SHIFT_MOST];       /* it does not turn: it never comes back from what it does */
    void (*looked)(struct shift *w); /* after each step, when it is not NULL */
};

void shift_begin(struct shift *w, int count);
void shift_open(struct shift *w, int i);
void shift_open_all(struct shift *w);
void shift_close(struct shift *w, int i); /* while the others stand still */
void shift_end(struct shift *w);

/* Time passes, a little at a time, so that none is late for its timers because another one moved the time. */
void shift_pass(struct shift *w, int64_t span_us);
bool shift_is_open(const struct shift *w, int i);

/* Time passes until the ticket is answered, 20 s at most. */
void shift_come(struct shift *w, int i, int32_t ticket);
int32_t shift_await(struct shift *w, int i, int32_t ticket); /* and gives it back: its code */

int64_t shift_lend(struct shift *w, int i); /* a lease, and waits for it */
void shift_hold(struct shift *w, int i, int64_t span_us);
/* A lease that is not there at once: its ticket. */
int32_t shift_ask(struct shift *w, int i);
bool shift_has(const struct shift *w, int i, int32_t ticket);
int64_t shift_take(struct shift *w, int i, int32_t ticket); /* which is answered */
/* The lease, or 0 when it is not there within that time. */
int64_t shift_lease(struct shift *w, int i, int64_t within_us);

/* Somebody who waits gives up in the middle of a step of worker 0: when it hands something on, or at the
 * step that is as far off as `left` says. For ledger_trace_pause(). */
struct quitter {
    struct ledger_pause pause; /* .run = quit */
    bool at_hand;
    struct rig *rig;
    int32_t ticket;
    int left;
    int hands; /* so often something was handed on */
};
void quit(struct ledger_pause *pause, int32_t worker, bool is_hand);

#endif
