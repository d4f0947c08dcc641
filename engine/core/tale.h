/* tale.h - who decides about a call tells it here, and it becomes a record: which one, with which numbers, and by which
 * setting. See record.h.
 *
 * A call tells its tale from its beginning to its end. A lease that had to wait has one of one record, and so has a
 * transaction that is run again.
 */
#ifndef CORE_TALE_H
#define CORE_TALE_H

#include "core/places.h"
#include "core/record.h"
#include "rules/circuit.h"

struct waiter;

/* Of a call that begins, under this context, which lives as long. */
static inline struct tale tale_begin(struct engine *e, const struct context *context)
{
    return (struct tale){.call = ++e->tales, .context = context, .begun_us = engine_now(e)};
}

/* A connection came: told when it took time. Or none did, and why. */
void tale_served(struct resource *r, struct tale *s, const struct waiter *w, int32_t role);
void tale_refused(struct resource *r, struct tale *s, const struct waiter *w, int32_t role,
                  enum error_code code);
/* An attempt that was sent ended badly, so long after. */
void tale_failed(struct resource *r, struct tale *s, enum error_code code, enum outcome outcome,
                 int64_t after_us, int64_t deadline_us);
/* That counts for the circuit, where there is one; and it refused an attempt. */
void tale_counted(struct resource *r, struct tale *s, enum error_code code, bool was_sent);
void tale_circuit(struct resource *r, struct tale *s);
/* It has moved, here. */
void tale_moved(struct resource *r, enum circuit_state was, enum circuit_state is,
                const struct circuit_cause *cause);
/* What ended so may be repeated: the pause, or the negative code with which it is not. It may not be. */
void tale_again(struct resource *r, struct tale *s, enum outcome outcome, int64_t pause_us);
void tale_not_again(struct resource *r, struct tale *s, enum outcome outcome);
/* The call ended. Nothing where nothing was told, as of most. */
static inline void tale_end(struct resource *r, struct tale *s, enum error_code code,
                            enum outcome outcome)
{
    const struct nebula_place nowhere = {.file = NULL};
    if (__builtin_expect(s->is_told, 0))
        record_add(r, s, RECORD_ENDED, nowhere, code, engine_now(r->engine) - s->begun_us, outcome);
}

#endif
