/* tale.h - who decides about a call tells it here, and it becomes a record: which one, with which numbers, and by which
 * setting. See record.h.
 *
 * A call tells its tale from its beginning to its end. A lease that had to wait has one of one record, and so has a
 * transaction that is run again. What stands in front of a call begins its tale before, and goes on with it when the
 * call has ended: it says so to the task that asks (nebula_tale_in()).
 */
#ifndef CORE_TALE_H
#define CORE_TALE_H

#include "core/places.h"
#include "core/record.h"
#include "core/task.h"
#include "rules/circuit.h"

struct attempt;
struct circuits_refusal;
struct waiter;

/* Of what a task asked for, under this context, which lives as long. */
static inline struct tale tale_apart(struct engine *e, const struct context *context)
{
    return (struct tale){.call = ++e->tales, .context = context, .begun_us = engine_now(e)};
}
/* Of what the acting task asks for: it goes on with the tale that was begun for it. */
static inline struct tale tale_begin(struct engine *e, const struct context *context)
{
    struct tale s = {.context = context, .begun_us = engine_now(e)};
    if (__builtin_expect(e->task->tale == 0, 1)) {
        s.call = ++e->tales;
        return s;
    }
    s.call = e->task->tale;
    e->task->tale = 0;
    return s;
}

/* A connection came: told when it took time. Or none did, and why. */
void tale_served(struct resource *r, struct tale *s, const struct waiter *w, int32_t role);
void tale_refused(struct resource *r, struct tale *s, const struct waiter *w, int32_t role,
                  const struct error *why);
/* An attempt that was sent ended badly, so long after. */
void tale_failed(struct resource *r, struct tale *s, const struct error *why, enum outcome outcome,
                 int64_t after_us, int64_t deadline_us);
/* Chaos does this to it; PLANTED_FAILURE and cuts end it with that code, whoever is held is so for that long. */
void tale_chaos(struct resource *r, struct tale *s, enum record_planted what, enum error_code code,
                int64_t delay_us);
/* Chaos began, for so long; or is over. */
void tale_chaos_began(struct resource *r, int64_t during_us);
/* Its strategy says so many connections of this role, and said so many before. */
void tale_sized(struct resource *r, int32_t role, int32_t from, int32_t to);
void tale_chaos_over(struct resource *r);
/* That counts for the circuit, where there is one. o: by which it goes; NULL: by the declaration alone. */
void tale_counted(const struct attempt *a, struct tale *s, const struct operation *o,
                  enum error_code code);
/* The circuit refused an attempt. */
void tale_circuit(struct resource *r, struct tale *s, const struct circuits_refusal *why);
/* It has moved, here: that of an endpoint, or negative. */
void tale_moved(struct resource *r, const struct operation *o, int32_t endpoint,
                enum circuit_state was, enum circuit_state is, const struct circuit_cause *cause);
/* It has to wait so long for its turn by the rate, or is refused: then not before. */
void tale_rate(struct resource *r, struct tale *s, int64_t wait_us, bool is_refused);
void tale_early(struct resource *r, struct tale *s, int64_t left_us, int64_t median_us);
/* It waited so long for one of so many calls to end; or was refused with this, or shed, with a queue of so many. */
void tale_limit(struct resource *r, struct tale *s, int64_t waited_us, int32_t concurrent);
void tale_limit_refused(struct resource *r, struct tale *s, enum error_code code, int64_t waited_us,
                        int32_t queue);
void tale_shed(struct resource *r, struct tale *s, int64_t waited_us, int64_t target_us);
/* So long after its attempt was begun: another copy of it goes, or might have; copy number n was the first to answer. */
void tale_hedged(struct resource *r, struct tale *s, int64_t after_us, bool is_denied);
void tale_hedge_won(struct resource *r, struct tale *s, int32_t copy, int64_t after_us);
/* What ended so may be repeated: the pause, or the negative code with which it is not. It may not be. */
void tale_again(struct resource *r, struct tale *s, enum outcome outcome, int64_t pause_us);
void tale_not_again(struct resource *r, struct tale *s, enum outcome outcome);
/* What stands in front of a call decided this: enum nebula_front, with its numbers. */
void tale_front(struct resource *r, struct tale *s, enum nebula_front what, int64_t a, int64_t b,
                int64_t c);
/* The call ended. Nothing where nothing was told, as of most. */
static inline void tale_end(struct resource *r, struct tale *s, enum error_code code,
                            enum outcome outcome)
{
    const struct nebula_place nowhere = {.file = NULL};
    if (__builtin_expect(s->is_told, 0))
        record_add(r, s, RECORD_ENDED, nowhere, code, engine_now(r->engine) - s->begun_us, outcome);
}

#endif
