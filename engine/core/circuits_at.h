/* circuits_at.h - of each endpoint a circuit, so that one that keeps failing is left out and the others serve on.
 *
 * Where the rules say so (NEBULA_CIRCUIT_PER_ENDPOINT) the calls that share guards have one for each endpoint of the
 * resource, in all workers, with the same numbers; there is none of all of them then. Nobody is asked at the door but
 * whether there is any endpoint left: which one serves a call is known when it has a connection, and so the pool
 * takes the pass with the connection (pool.c), and passes by what it gets no pass for. So an endpoint whose circuit is
 * open is neither chosen nor lent, and when its pause is over it gets as many calls as it has permits, before all
 * others. Nothing new is connected to it while those of all guards are open.
 *
 * A pass is the attempt's, who hands it in where it was taken (attempt.h). Where nothing answers whoever connects,
 * that is a failure of the endpoint: nobody's attempt ends by it as long as there is another one.
 */
#ifndef CORE_CIRCUITS_AT_H
#define CORE_CIRCUITS_AT_H

#include "core/circuits.h"

struct circuits_at; /* those of one worker's guards */

/* The rules of g say that there are some. */
bool circuits_at_apply(const struct guards *g);

/* Which endpoints may be sent a call now, a bit each; and of these, which wait for a probe: who is due goes first. Else
 * nobody would know that it is well again, as a rule gives little to who has failed. */
struct circuits_at_choice {
    uint32_t may, due;
};
struct circuits_at_choice circuits_at_choice(struct guards *g); /* g may be NULL: all may */
/* Of these, that are shut, the one that is open no more the soonest. */
void circuits_at_next(struct guards *g, uint32_t of, struct circuits_refusal *out);
/* May a call be sent there? Its pass is to be handed in once; 0: there is no circuit. False: not now. */
bool circuits_at_pass(struct guards *g, int32_t at, uint64_t *pass);
/* For what runs on a lease: a pass if there is one to be had, else 0. */
uint64_t circuits_at_pass_leased(struct guards *g, int32_t at);
/* As circuits_end(). What was taken of others than there are now is nobody's. */
void circuits_at_end(struct guards *g, int32_t at, uint64_t pass, enum error_code code,
                     bool was_sent, int64_t took_us);
/* An attempt to connect to it failed. */
void circuits_at_failed(struct resource *r, int32_t at, enum error_code code);

/* The endpoints that no guards of the resource let be used; and when time alone lets one more pass at this one, where
 * some do not, 0: never. */
uint32_t circuits_at_shut_for_all(const struct resource *r);
int64_t circuits_at_again_us(const struct resource *r, int32_t at);

/* As circuits.h has them, of the endpoint. */
bool circuits_at_standing(const struct guards *g, int32_t at, struct circuit_standing *out);
bool circuits_at_view(const struct guards *g, int32_t at, struct circuits_view *out);

void circuits_at_changed(struct guards *g);
void circuits_at_free(struct circuits_at **at); /* *at may be NULL */

#endif
