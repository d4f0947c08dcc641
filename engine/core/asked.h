/* asked.h - what the host is asked about a call that failed, and what rules did that it wants to hear of.
 *
 * A call whose policy asks waits, for ASKED_MOST_US at most, until the host says what the failure counts as and
 * whether to try again; without an answer the rules decide as ever. What is only told lies in a ring that drops the
 * oldest: a host that does not take it delays nobody.
 */
#ifndef CORE_ASKED_H
#define CORE_ASKED_H

#include "core/call.h"

#define ASKED_MOST_US 1000000
#define ASKED_NOTES_MOST 64

/* The next thing that the host is asked or told; false when there is none. */
bool asked_next(struct engine *e, struct nebula_question *out);
void asked_fini(struct engine *e);

/* Do its rules ask for this? o may be NULL. */
static inline bool asked_hears(const struct operation *o, enum nebula_ask what)
{
    return o != NULL && (o->rules->asks & 1U << (uint32_t)what) != 0;
}

/* The last attempt ended. True: the call waits for the host, as its policy asks about failures. */
bool asked_ask(struct call *c);
/* A call of o was refused, after so many attempts; there will be another attempt. */
void asked_refused(const struct operation *o, const struct error *why, int32_t attempts);
void asked_retries(const struct call *c, int64_t pause_us);
/* Kept if the rules of the operation say so, which may be NULL. What is not of this sort is zero. */
void asked_tell(const struct operation *o, struct nebula_question what);

#endif
