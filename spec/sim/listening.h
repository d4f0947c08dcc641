/* listening.h - short words for scenarios about listeners, in the rig of rig.h. Channels are numbers:
 * see server_tell(). */
#ifndef SIM_LISTENING_H
#define SIM_LISTENING_H

#include "rig.h"

/* The ticket. At most 1000 bytes wait. */
int32_t listening_ask(struct rig *r, int32_t queue, int32_t count, const char *const *name);
int64_t listening_of(struct rig *r, int32_t ticket); /* waits: the listener, or a negative code */
int64_t listening_to(struct rig *r, const char *channel);

/* Waits for a ticket of nebula_hear(): "channel:text", "gap CODE MISSED", or the name of an error.
 * Good until the next call of this. */
const char *listening_word(struct rig *r, int32_t ticket);
/* It is what the listener hears next. */
void listening_hears(struct rig *r, int64_t listener, const char *expected);
void listening_hears_nothing(struct rig *r, int64_t listener);

struct ear *listening_ear(const struct rig *r);
/* Opens a rig of so many connections. */
void listening_begin(struct rig *r, int32_t max);

#endif
