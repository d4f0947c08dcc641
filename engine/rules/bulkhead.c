#include "rules/bulkhead.h"

#include "base/check.h"

static void give_permit(struct bulkhead *b)
{
    b->under++;
    b->ran++;
}

enum bulkhead_verdict bulkhead_enter(struct bulkhead *b, const struct bulkhead_policy *p)
{
    if (b->waiting == 0 && b->under < p->concurrent) {
        give_permit(b);
        return BULKHEAD_RUN;
    }
    if (b->waiting >= p->queue) {
        b->refused++;
        return BULKHEAD_REFUSE;
    }
    b->waiting++;
    b->queued++;
    return BULKHEAD_QUEUE;
}

bool bulkhead_next(struct bulkhead *b, const struct bulkhead_policy *p)
{
    if (b->waiting == 0 || b->under >= p->concurrent)
        return false;
    b->waiting--;
    give_permit(b);
    return true;
}

void bulkhead_return(struct bulkhead *b)
{
    CHECK(b->under > 0);
    b->under--;
}

void bulkhead_leave(struct bulkhead *b)
{
    CHECK(b->waiting > 0);
    b->waiting--;
    b->left++;
}
