/* rig.h - one engine, one resource `shop`, one healthy server: what a scenario in virtual time
 * begins with.
 *
 * Nothing goes wrong unless the scenario orders it from the server. rig_end() proves that nothing
 * is left: connection, ticket, lease, task, byte; and that no law was broken.
 *
 *     rig_begin(&r);
 *     r.spec.pool.max = 1;
 *     rig_open(&r);
 *     ...
 *     rig_end(&r);
 */
#ifndef SIM_RIG_H
#define SIM_RIG_H

#include "core/engine.h"
#include "core/pool.h"
#include "core/resource.h"
#include "nebula.h"
#include "server.h"
#include "world_sim.h"

#define RIG_TICKETS 64

struct rig {
    struct nebula *nebula;
    struct engine *engine;
    struct server *server;
    struct nebula_spec spec; /* what rig_begin() says, until the scenario says otherwise */
    struct nebula_option option;
    int32_t shop;
    bool is_answered[RIG_TICKETS];
    int32_t code[RIG_TICKETS];
};

/* At most 2 connections and 100 waiters, no idle, life or check bound; calls have a deadline of 1
 * s, wait 500 ms at most and are tried once. */
void rig_begin(struct rig *r);
/* Begins, and opens so many that are nobody's: what is asked for is served at once. */
void rig_open_warm(struct rig *r, int32_t max);
void rig_open(struct rig *r);
void rig_end(struct rig *r);
/* Like rig_end(), but says what is wrong instead of failing the test; NULL when nothing is. For
 * engines that ran out of memory, whose nebula may be NULL. */
const char *rig_close(struct rig *r);

/* Time passes; what ends meanwhile is remembered. */
void rig_pass(struct rig *r, int64_t span_us);
bool rig_is_answered(const struct rig *r, int32_t ticket);
/* Waits until the ticket is answered. */
void rig_come(struct rig *r, int32_t ticket);
/* Waits for the ticket and gives it back. Returns its code; the numbers of its reply in *out, which
 * may be NULL. */
int32_t rig_await(struct rig *r, int32_t ticket, struct nebula_reply *out);

/* Asks for a lease. Its number, or 0 and rig_ticket(), or a negative code. */
int64_t rig_ask(struct rig *r);
int32_t rig_ticket(const struct rig *r); /* of the last lease that has to be waited for */
int64_t rig_lease(struct rig *r);        /* and waits for it */
int64_t rig_lease_of(struct rig *r, int32_t ticket); /* waits for one that was asked for */
void rig_release(struct rig *r, int64_t lease);
void rig_hold_for(struct rig *r, int64_t span_us); /* a lease, and gives it back */

/* Asks for what the request says; shop, RUN and the size of its text are filled in. The ticket. */
int32_t rig_request(struct rig *r, struct nebula_request request);
/* A RUN of text, on the lease or 0; the ticket. */
int32_t rig_call(struct rig *r, int64_t lease, const char *text);
int32_t rig_say(struct rig *r, int64_t lease, const char *text); /* and waits: its code */

struct pool *rig_pool(const struct rig *r);
int32_t rig_count(const struct rig *r, enum conn_state state);
uint32_t rig_conn_of(const struct rig *r,
                     int64_t lease); /* the number of the connection behind a lease */

#endif
