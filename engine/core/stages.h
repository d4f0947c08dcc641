/* stages.h - what a call goes through before it is sent, rule by rule, and out of again when it has ended.
 *
 * Each stage is entered once for each time that the call comes by, and left once for each time that it went in, with
 * how what is inside of it ended: so of a stage before the retry that is the call, of one behind it the attempt.
 */
#ifndef CORE_STAGES_H
#define CORE_STAGES_H

#include "core/call.h"

enum stage_verdict {
    STAGE_GO = 0,
    STAGE_HOLD,  /* until c->held_until_us: stage_time(); or stage_served() before */
    STAGE_REFUSE /* c->error says why */
};

/* How what is inside ended. */
struct stage_end {
    enum error_code code;
    bool was_sent;
    int64_t took_us;
};

enum stage_verdict stage_enter(struct call *c, enum nebula_stage stage);
/* It was held until now: it goes in (true), or c->error says why not. */
bool stage_time(struct call *c, enum nebula_stage stage);
/* Nobody wants it any more, while it is held. */
void stage_abandon(struct call *c, enum nebula_stage stage);
/* The limit let it in after so long, or did not, for this reason: told. */
void stage_limited(struct call *c, int64_t waited_us, enum error_code code);
void stage_leave(struct call *c, enum nebula_stage stage, const struct stage_end *end);
/* It runs on a lease: then it is in none, and circuits hear how it ended. */
void stage_let_by(struct call *c, const struct conn *leased);

#endif
