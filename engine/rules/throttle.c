#include "rules/throttle.h"

#include "base/check.h"

/* The capacity by which the tokens were counted is in the upper half of the word. */
#define HALF_BITS 32

static int64_t amount(int32_t thousandths)
{
    return thousandths > 0 ? thousandths : 0;
}

static uint64_t put(int64_t capacity, int64_t tokens)
{
    return (uint64_t)capacity << HALF_BITS | (uint64_t)tokens;
}

static int64_t tokens_of(uint64_t word, int64_t capacity)
{
    int64_t counted_by = (int64_t)(word >> HALF_BITS), tokens = (uint32_t)word;
    if (counted_by == capacity)
        return tokens;
    if (counted_by == 0)
        return capacity;
    return (tokens * capacity + counted_by - 1) / counted_by;
}

/* --- a failure -------------------------------------------------------------------------------- */

static int64_t cost_of(const struct throttle_policy *p, enum throttle_wish wish)
{
    switch (wish) {
    case THROTTLE_END:
        return 0;
    case THROTTLE_RETRY:
        return amount(p->cost);
    case THROTTLE_RETRY_TRANSIENT:
        return amount(p->cost_transient);
    }
    UNREACHABLE();
}

static struct throttle_verdict by_quota(int64_t capacity, int64_t tokens, int64_t cost)
{
    bool is_enough = tokens >= cost;
    int64_t paid = is_enough ? cost : 0;
    return (struct throttle_verdict){
        .word = put(capacity, tokens - paid), .paid = (int32_t)paid, .may_retry = is_enough};
}

static struct throttle_verdict by_ratio(int64_t capacity, int64_t tokens)
{
    int64_t left = tokens > THROTTLE_TOKEN ? tokens - THROTTLE_TOKEN : 0;
    return (struct throttle_verdict){.word = put(capacity, left), .may_retry = left * 2 > capacity};
}

static struct throttle_verdict judge(uint64_t word, const struct throttle_policy *p, int64_t cost)
{
    int64_t capacity = amount(p->capacity), tokens = tokens_of(word, capacity);
    switch (p->mode) {
    case THROTTLE_SHARE:
        return (struct throttle_verdict){.word = word, .may_retry = true};
    case THROTTLE_QUOTA:
        return by_quota(capacity, tokens, cost);
    case THROTTLE_RATIO:
        return by_ratio(capacity, tokens);
    }
    UNREACHABLE();
}

struct throttle_verdict throttle_charge(uint64_t word, const struct throttle_policy *p,
                                        enum throttle_wish wish)
{
    struct throttle_verdict v = judge(word, p, cost_of(p, wish));
    v.may_retry = v.may_retry && wish != THROTTLE_END;
    return v;
}

/* --- a success -------------------------------------------------------------------------------- */

uint64_t throttle_reward(uint64_t word, const struct throttle_policy *p, int32_t paid)
{
    if (p->mode == THROTTLE_SHARE)
        return word;
    int64_t capacity = amount(p->capacity);
    bool gives_back = p->mode == THROTTLE_QUOTA && paid > 0;
    int64_t tokens = tokens_of(word, capacity) + (gives_back ? paid : amount(p->success));
    return put(capacity, tokens < capacity ? tokens : capacity);
}

int32_t throttle_tokens(uint64_t word, const struct throttle_policy *p)
{
    return (int32_t)tokens_of(word, amount(p->capacity));
}
