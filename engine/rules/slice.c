#include "rules/slice.h"

#include "base/check.h"

__extension__ typedef unsigned __int128 wide;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t slice_size(const struct rate_policy *p)
{
    wide worth = (wide)p->tokens * (wide)SLICE_SPAN_US / (wide)p->span_us;
    return worth < 1 ? 1 : worth > INT64_MAX ? INT64_MAX : (int64_t)worth;
}

void bucket_init(struct bucket *b, int64_t micros, int64_t now_us)
{
    *b = (struct bucket){.micros = micros, .since_us = now_us, .ahead = micros};
}

static int64_t room(const struct bucket *b, int64_t tokens)
{
    int64_t most = (tokens - b->held) * RATE_TOKEN;
    return most > b->micros ? most - b->micros : 0;
}

static int64_t span_worth(const struct rate_policy *p)
{
    return p->tokens < INT64_MAX / RATE_TOKEN ? p->tokens * RATE_TOKEN : INT64_MAX;
}

void bucket_fill(struct bucket *b, const struct rate_policy *p, int64_t now_us)
{
    if (now_us <= b->since_us)
        return;
    wide brought =
        (wide)(now_us - b->since_us) * (wide)p->tokens * (wide)RATE_TOKEN + (wide)b->rest;
    wide micros = brought / (wide)p->span_us;
    int64_t most = room(b, p->burst);
    b->since_us = now_us;
    b->rest = micros < (wide)most ? (int64_t)(brought % (wide)p->span_us) : 0;
    int64_t added = micros < (wide)most ? (int64_t)micros : most;
    b->micros += added;
    b->ahead = span_worth(p) - b->ahead > added ? b->ahead + added : span_worth(p);
}

static void put(struct bucket *b, const struct rate_policy *p, int64_t micros)
{
    b->micros += smaller(micros, room(b, p->burst + p->extra));
}

void bucket_earn(struct bucket *b, const struct rate_policy *p, int64_t micros)
{
    int64_t paid = smaller(micros, b->ahead);
    b->ahead -= paid;
    put(b, p, micros - paid);
}

int64_t bucket_take(struct bucket *b, int64_t most)
{
    int64_t tokens = smaller(b->micros / RATE_TOKEN, most);
    b->micros -= tokens * RATE_TOKEN;
    b->held += tokens;
    return tokens;
}

void bucket_give(struct bucket *b, const struct rate_policy *p, int64_t tokens)
{
    CHECK(tokens <= b->held);
    b->held -= tokens;
    put(b, p, tokens * RATE_TOKEN);
}

void bucket_settle(struct bucket *b, int64_t held)
{
    b->held = held;
}
