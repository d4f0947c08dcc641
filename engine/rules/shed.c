#include "rules/shed.h"

#include <math.h>

#include "base/check.h"

#define SOON_INTERVALS 16 /* RFC 8289, section 5.5 */

static int64_t later(int64_t at_us, int64_t span_us)
{
    return span_us > INT64_MAX - at_us ? INT64_MAX : at_us + span_us;
}

/* Whether all have been above for an interval, with the one that comes out now. */
static bool stands(struct shed_queue *q, const struct shed_policy *p, int64_t target_us,
                   int64_t waited_us, int32_t behind, int64_t now_us)
{
    bool was_empty = now_us - waited_us > q->seen_us; /* it came when all had gone */
    q->seen_us = now_us;
    if (target_us == 0 || waited_us < target_us || behind == 0) {
        q->above_us = 0;
        return false;
    }
    int64_t above_us = later(now_us, p->interval_us);
    if (q->above_us == 0 || q->above_us > above_us || was_empty)
        q->above_us = above_us;
    return now_us >= q->above_us;
}

/* --- the law ---------------------------------------------------------------------------------- */

static int64_t law_us(const struct shed_policy *p, uint32_t count)
{
    return (int64_t)((double)p->interval_us / sqrt(count));
}

/* Neither long ago, nor where a clock that has gone back would come to much later. */
static bool is_near(const struct shed_queue *q, const struct shed_policy *p, int64_t now_us)
{
    return q->next_us <= later(now_us, p->interval_us) &&
           (now_us - q->next_us) / SOON_INTERVALS < p->interval_us;
}

static void begin(struct shed_queue *q, const struct shed_policy *p, int64_t now_us)
{
    uint32_t grown = q->count - q->began;
    q->count = q->began = grown > 1 && is_near(q, p, now_us) ? grown : 1;
    q->next_us = later(now_us, law_us(p, q->count));
    q->is_shedding = true;
}

static bool is_its_turn(struct shed_queue *q, const struct shed_policy *p, int64_t now_us)
{
    if (now_us < q->next_us)
        return false;
    q->count += q->count < UINT32_MAX;
    q->next_us = later(q->next_us, law_us(p, q->count));
    return true;
}

bool shed_refuses(struct shed *s, const struct shed_policy *p, enum shed_class class,
                  int64_t waited_us, int32_t behind, int64_t now_us)
{
    CHECK(class < SHED_CLASSES);
    struct shed_queue *q = &s->of[class];
    const struct shed_bounds *of = &p->of[class];
    if (!stands(q, p, of->target_us, waited_us, behind, now_us)) {
        q->is_shedding = false;
        return false;
    }
    if (!q->is_shedding || !is_near(q, p, now_us)) {
        begin(q, p, now_us);
        return true;
    }
    return is_its_turn(q, p, now_us) || (of->most_us > 0 && waited_us > of->most_us);
}

/* --- the order -------------------------------------------------------------------------------- */

int64_t shed_due_us(const struct shed_policy *p, const struct shed_waiter *w)
{
    int64_t due_us = later(w->arrived_us, p->of[w->class].patience_us);
    return w->deadline_us < due_us ? w->deadline_us : due_us;
}

bool shed_goes_first(const struct shed_policy *p, const struct shed_waiter *a,
                     const struct shed_waiter *b)
{
    int64_t a_us = shed_due_us(p, a), b_us = shed_due_us(p, b);
    return a_us != b_us ? a_us < b_us : a->arrived_us < b->arrived_us;
}

const char *shed_class_name(enum shed_class class)
{
    switch (class) {
    case SHED_NORMAL:
        return "normal";
    case SHED_CRITICAL:
        return "critical";
    case SHED_BATCH:
        return "batch";
    case SHED_CLASSES:
        break;
    }
    UNREACHABLE();
}
