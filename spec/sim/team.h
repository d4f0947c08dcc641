/* team.h - the rig's resource in some engines of one ledger, which turn one after the other.
 *
 *     team_begin(&w, 3, 6);
 *     w.of[1].spec...
 *     team_open_all(&w);
 *     ...
 *     team_end(&w);
 */
#ifndef SIM_TEAM_H
#define SIM_TEAM_H

#include <jansson.h>

#include "rig.h"

#define TEAM_MOST 8
#define TEAM_INSPECT "{\"verb\":\"inspect\",\"name\":\"shop\"}"
#define TEAM_STATS "{\"verb\":\"stats\",\"name\":\"shop\"}"

/* The rig's resource in some engines. Only the first rig begins and ends the world. */
struct team {
    struct nebula_ledger *ledger;
    struct rig of[TEAM_MOST];
    int count, stuck; /* stuck: does not turn, -1: none */
};

void team_begin(struct team *w, int count, int32_t max);
void team_open_one(struct team *w, int i);
void team_open_all(struct team *w);
void team_end(struct team *w);

void team_turn_all(struct team *w);
void team_pass(struct team *w, int64_t span_us);
int64_t team_lease_in(struct team *w, int i); /* and waits for it */
void team_hold(struct team *w, int i, int64_t span_us);
int32_t team_wait_for(struct team *w, int i, int32_t ticket); /* its code */

/* The answer of all, asked in one. */
json_t *team_ask(struct team *w, int i, const char *request);
json_t *team_at(const json_t *o, const char *key); /* it is there */
int64_t team_number(const json_t *o, const char *key);
const char *team_text(const json_t *o, const char *key);
const char *team_state_of(struct team *w, int i); /* of shop, until the next one */

#endif
