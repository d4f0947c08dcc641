/* call.h - one call from begin to end: the order of all policies, in one place.
 *
 * A call goes in through its stages (stages.h), is sent, and comes out through them again when that has ended. What
 * of it is proven not applied, or harmless to repeat, may be tried again within the policy's bounds, and nothing
 * else: then it has come out as far as to its retry, pauses there, and goes in again. In the end it has exactly one
 * of three outcomes.
 *
 * A call may be answered before its request has ended: at its deadline, or cancelled. Then the request lives on
 * until the driver lets go of it. What runs on a lease is in no stage but for the circuit, which hears of it.
 */
#ifndef CORE_CALL_H
#define CORE_CALL_H

#include "core/again.h"
#include "core/attempt.h"
#include "core/circuits.h"
#include "core/copies.h"
#include "core/limits.h"
#include "core/ticket.h"

enum call_state { CALL_TRYING = 0, CALL_HELD, CALL_ASKING, CALL_PAUSING, CALL_OVER };

struct call {
    struct ticket ticket; /* first: a ticket of this type is a call */
    struct timer timer;   /* of its pause, of what holds it, or of who is asked */
    enum call_state state;
    bool is_dropped;             /* nobody wants the reply any more */
    bool is_doubtful;            /* an attempt ended in doubt */
    uint8_t inside;              /* of so many stages; HELD: by the next one */
    struct stages stages;        /* as they were when it began */
    struct operation *operation; /* NULL: by its declaration alone */
    struct again again;
    uint64_t pass; /* of the attempt under way, by the circuit; 0: it needs none */
    struct circuits_refusal refused; /* by the circuit, and not in words yet */
    struct limited limited;
    struct copies copies;
    int64_t held_until_us;
    struct list_node in_asked; /* ASKING, and the host has not heard of it */
    enum outcome outcome;
    struct part *shown;     /* whose reply is read; NULL: that of the whole */
    struct attempt *answer; /* by which it is */
    size_t size;            /* with the bytes */
    struct attempt attempt;
    struct error error;
    char bytes[]; /* the values, then the texts */
};

extern const struct ticket_type call_ticket;

/* The deadline of one that begins here, by the request or the policy, and by the task. */
int64_t call_deadline_us(const struct engine *e, int64_t within_us,
                         const struct nebula_policy *policy);

/* The ticket's number, or a negative code. */
int32_t call_begin(struct engine *e, const struct nebula_request *request);

/* What it is ASKING was answered: as nebula_answer() has it. */
void call_answered(struct call *c, int32_t again, enum nebula_class is);
/* Before its error is shown: some reasons are put into words when somebody asks for them. */
void call_explain(struct call *c);

/* For core/copies: it failed, and might be done again; one of its copies ended, or is not in flight any more. */
bool call_may_repeat(const struct call *c);
void call_copy_ended(struct attempt *a, enum outcome outcome, const struct error *why);
void call_copy_let_go(struct attempt *a);

/* The call behind a ticket; NULL when the ticket is of another kind. */
static inline struct call *call_of(struct ticket *t)
{
    return t->type == &call_ticket ? (struct call *)t : NULL;
}

#endif
