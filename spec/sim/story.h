/* story.h - short scenarios that go through all that a call, a lease, a stream, a listener, a task
 * and a stop can come to, each statement with an id of its own.
 *
 * They are told again and again, and each time something else fails: the n-th allocation
 * (oom_sim_spec.c), the n-th verb of the driver (verbs_sim_spec.c). So a scenario goes on whatever
 * it is answered; what must hold is asked at its end: what was said of each id is what the server
 * has, the resource serves as before, and nothing is left.
 */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include "rig.h"

#define STORY_IDS 32
#define STORIES 23

struct story {
    struct rig rig;
    struct server *twin; /* of a resource with two endpoints: the other one, a standby */
    struct nebula_option option[4];
    enum outcome outcome[STORY_IDS]; /* of what was said about an id */
    bool is_said[STORY_IDS];
};

struct story_row {
    const char *name;
    void (*tell)(struct story *s);
    int32_t roles, endpoints;
    int32_t tenants; /* each has a resource of his own; 0: there are none */
};
extern const struct story_row stories[STORIES];

void story_streams(struct story *s);
void story_copies(struct story *s);
void story_listeners(struct story *s);
void story_rules(struct story *s);
void story_rules_again(struct story *s);
void story_hedges(struct story *s);
void story_endpoints(struct story *s);
void story_operations(struct story *s);
void story_tenants(struct story *s);

/* --- what a scenario says, and may fail ------------------------------------------------------- */

int64_t story_lease(struct story *s); /* or 0 */
void story_release(struct story *s, int64_t lease);
bool story_say(struct story *s, struct nebula_request request); /* true when it was done */
/* Asks for it once, and says what is certain. */
int32_t story_ask(struct story *s, struct nebula_request request);
void story_claim(struct story *s, int id, int32_t outcome);
/* Adds id once, on the lease or 0, and remembers what became of it. */
void story_add(struct story *s, int64_t lease, int id, int64_t within_us);

/* --- telling ---------------------------------------------------------------------------------- */

/* A rig that keeps one connection, asks those that were idle for 10 ms, and tries again, with cheap
 * pauses. Open it with rig_open(&s->rig), which may fail. */
void story_begin(struct story *s, const struct story_row *row);
/* Tells it, if the rig could be opened, and compares. */
void story_tell(struct story *s, const struct story_row *row);
/* NULL, or what is wrong. */
const char *story_end(struct story *s);

#endif
