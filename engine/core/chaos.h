/* chaos.h - faults on purpose, between a connection and its driver (nebula_chaos.h).
 *
 * Where nothing is said of a resource its `chaos` is NULL, and that is all that is asked. Else each request
 * that is about to be given to the driver comes by here first. One that is hit
 *
 *   is held back       it stays queued and unsent, and so do those behind it: whoever gives it up takes it
 *                      out of the queue, and it is proven not done
 *   fails              it ends as if the driver had said so, which never heard of it: proven not done. With
 *                      lost and protocol the connection ends with it
 *   is cut off         one of two on its way there, of which the server never hears; the other one on its way
 *                      back, when it has been done. The connection ends with it, and nobody knows which it was
 *
 * and an attempt to connect that is hit fails when the driver has just opened the connection. So a driver
 * never learns of chaos: it is sent what it would be sent, in the same order, or closed.
 *
 * What a fault needs is kept for the connection while it has a part in it. Without memory for that nothing
 * happens to the request.
 */
#ifndef CORE_CHAOS_H
#define CORE_CHAOS_H

#include "core/resource.h"
#include "nebula_chaos.h"

struct chaos; /* what is said of a resource, and under way in it */

/* --- for its connections, where there is chaos ------------------------------------------------ */

/* Whether r, which is queued, may be given to the driver now. False: conn_go_on() when it may, or
 * it ends. */
bool chaos_lets(struct conn *c, struct request *r);
/* r has its answer. True: nobody gets it, and c is closing. */
bool chaos_eats(struct conn *c, struct request *r);
/* The driver has opened c. True: it has not, and c is closing. */
bool chaos_refuses(struct conn *c);
/* r, which was not sent, is not the connection's any more. */
void chaos_unsent(struct conn *c, const struct request *r);
/* Nothing happens any more to what c has under way, which is being cancelled or lost. */
void chaos_forget(struct conn *c);

/* --- saying it -------------------------------------------------------------------------------- */

/* Whether what is said can be; *e says why not. */
enum error_code chaos_check(const struct resource *r, const struct nebula_chaos *said,
                            struct error *e);
/* The connection ends with a request that fails so. */
bool chaos_breaks(int32_t code);
/* From now on it is so. is_told: the log is told of it. False when out of memory: then it is as before. */
bool chaos_say(struct resource *r, const struct nebula_chaos *said, bool is_told);
/* r, which is new, is like its mould. False when out of memory. */
bool chaos_take(struct resource *r, const struct resource *mould);
void chaos_free(struct chaos **c); /* no connection is left; *c may be NULL */

/* --- for people ------------------------------------------------------------------------------- */

const struct nebula_chaos *chaos_said(const struct chaos *c);
int64_t chaos_left_us(const struct chaos *c); /* for how much longer it is in force */
/* What is said, as a part of a sentence. */
#define CHAOS_TEXT_SIZE 200
void chaos_explain(const struct nebula_chaos *said, char text[CHAOS_TEXT_SIZE]);

#endif
