#include "core/batch.h"

void batch_begin(struct request *r)
{
    for (int32_t i = 0; i < r->parts; i++) {
        struct request *part = &r->part[i].request;
        reply_init(&part->reply);
        part->reply.is_unanswered = true;
        part->is_sent = false;
    }
}

/* What was once done, or may have been, no later failure undoes. */
static void end_part(struct part *p)
{
    p->outcome = request_outcome(&p->request);
    p->is_answered = !p->request.reply.is_unanswered;
    if (p->outcome == OUTCOME_FAILED && p->is_doubtful)
        p->outcome = OUTCOME_IN_DOUBT;
}

enum outcome batch_end(struct request *r)
{
    int32_t count[OUTCOME_IN_DOUBT + 1] = {0};
    for (int32_t i = 0; i < r->parts; i++) {
        end_part(&r->part[i]);
        count[r->part[i].outcome]++;
    }
    if (count[OUTCOME_OK] == r->parts)
        return OUTCOME_OK;
    return count[OUTCOME_FAILED] == r->parts ? OUTCOME_FAILED : OUTCOME_IN_DOUBT;
}

void batch_unanswer(struct request *r)
{
    reply_fini(&r->reply);
    reply_init(&r->reply);
    for (int32_t i = 0; i < r->parts; i++) {
        struct reply *part = &r->part[i].request.reply;
        reply_fini(part);
        reply_init(part);
        part->is_unanswered = true;
    }
}

void batch_forget(struct request *r)
{
    for (int32_t i = 0; i < r->parts; i++) {
        struct part *p = &r->part[i];
        reply_fini(&p->request.reply);
        p->is_doubtful = p->is_doubtful || p->outcome != OUTCOME_FAILED;
        p->outcome = p->is_doubtful ? OUTCOME_IN_DOUBT : OUTCOME_FAILED;
        p->is_answered = false;
    }
}
