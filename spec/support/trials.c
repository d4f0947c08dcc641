#include "support/trials.h"

#include <math.h>
#include <string.h>

#define MS 1000
#define TEN_SECONDS 1e7

void trials_begin(struct trials *t, int32_t initial)
{
    *t = (struct trials){.policy = {.min = 1, .max = 1000, .initial = initial, .tolerance = 2}};
    trials_turn(t, 0);
}

bool trials_turn(struct trials *t, int64_t after_us)
{
    t->now_us += after_us;
    return limit_turn(&t->limit, &t->policy, &t->seen, t->now_us);
}

void trials_note(struct trials *t, int32_t count, int64_t latency_us, int32_t well)
{
    struct limit_pass pass = limit_begin(&t->limit, &t->policy, t->limit.level - 1);
    for (int32_t i = 0; i < count; i++)
        limit_note(&t->seen, pass, latency_us, i < well, t->now_us);
}

static int64_t latency_us(char pair, double under)
{
    double of = strchr("tTUSQ", pair) != NULL ? 2.0 / 3 : pair == 'f' ? 1 : pair == 'h' ? 2 : 0;
    double times = pair == 'T' ? 1.2 : pair == 'U' ? 1.5 : pair == 'S' ? 2 : 1;
    times = pair == 'Q' ? 0.5 : times;
    return (int64_t)round(TEN_SECONDS * pow(under / 100, of) * times);
}

static int32_t failed(char pair, bool is_above, int32_t count)
{
    if (pair == 'x' || (pair == 'a' && is_above))
        return count;
    if (pair == 'e' && is_above)
        return count / 4;
    return pair == 'd' || pair == 'e' ? count / 10 : 0;
}

static void tell(struct trials *t, char pair, bool is_above)
{
    int32_t count = 4 * t->limit.level > 16 ? 4 * t->limit.level : 16;
    trials_note(t, count, latency_us(pair, t->limit.level), count - failed(pair, is_above, count));
    trials_turn(t, 60 * MS);
}

void trials_tell(struct trials *t, const char *pairs)
{
    for (; *pairs != '\0'; pairs++) {
        tell(t, *pairs, false);
        if (*pairs != 'x')
            tell(t, *pairs, true);
    }
}

bool trials_is_about(double value, double expected)
{
    double bound = fabs(expected) * 1e-4;
    return value >= expected - bound && value <= expected + bound;
}
