#include "rules/balance.h"

#include <math.h>
#include <stdbool.h>

#include "base/check.h"

#define GAIN 0.125

/* --- the rules -------------------------------------------------------------------------------- */

/* Those among which a rule chooses, and of these: the largest weight, all together, and the last use. */
struct field {
    const struct balance_of *of;
    int32_t count;
    enum balance_state least;
    uint64_t key, dice;
    int32_t most, all;
    uint64_t latest;
};

static bool is_in(const struct field *f, int32_t at)
{
    return f->of[at].state >= f->least;
}

static void survey(struct field *f)
{
    f->most = f->all = 0;
    f->latest = 0;
    for (int32_t i = 0; i < f->count; i++) {
        const struct balance_of *of = &f->of[i];
        f->latest = of->used > f->latest ? of->used : f->latest;
        if (!is_in(f, i))
            continue;
        f->all += of->weight;
        f->most = of->weight > f->most ? of->weight : f->most;
    }
}

static int32_t round_robin(const struct field *f)
{
    int32_t best = -1;
    for (int32_t i = 0; i < f->count; i++)
        if (is_in(f, i) && (best < 0 || f->of[i].credit + f->of[i].weight >
                                            f->of[best].credit + f->of[best].weight))
            best = i;
    return best;
}

/* The last step of splitmix64: each bit of the outcome depends on all of those that go in. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* Between 0 and 1, and neither of them: with one bit more the largest would be rounded to 1. */
static double fraction(uint64_t bits)
{
    return ((double)(bits >> 12) + 0.5) / 4503599627370496.0;
}

/* What one has drawn that has not the largest weight, 0..1. It draws once a round, which is over when the others
 * have had their part: whoever drew at each call would not stay unlucky for long. */
static double luck(const struct field *f, int32_t at)
{
    const struct balance_of *of = &f->of[at];
    int32_t others = f->all - of->weight;
    CHECK(others > 0); /* whoever has the largest weight is one of them */
    uint64_t round = (f->latest - of->used) * (uint64_t)f->most / (uint64_t)others;
    return fraction(mixed(mixed(of->used + mixed((uint64_t)at + 1)) + round));
}

/* What it has to carry, as many calls as would be as much for the heaviest one. What lies between two numbers is
 * the one or the other by its luck. Else one of a tenth of the weight would get nothing as long as the others have
 * less than ten calls each, and with a single failure more than the others would never be used again. */
static int64_t carried(const struct field *f, int32_t at)
{
    const struct balance_of *of = &f->of[at];
    if (of->weight == f->most)
        return of->outstanding;
    return (int64_t)((of->outstanding + luck(f, at)) * f->most / of->weight);
}

/* Among equals the dice say where to begin. */
static int32_t least_outstanding(const struct field *f)
{
    int32_t best = -1, from = (int32_t)(f->dice % (uint64_t)f->count);
    int64_t least = 0;
    for (int32_t n = 0; n < f->count; n++) {
        int32_t i = (from + n) % f->count;
        int64_t own = is_in(f, i) ? carried(f, i) : 0;
        if (!is_in(f, i) || (best >= 0 && own >= least))
            continue;
        best = i;
        least = own;
    }
    return best;
}

/* What nobody knows is taken to be like the others. */
static double usual_us(const struct field *f)
{
    double sum_us = 0;
    int32_t known = 0;
    for (int32_t i = 0; i < f->count; i++)
        if (f->of[i].state != BALANCE_OUT && f->of[i].latency_us > 0) {
            sum_us += f->of[i].latency_us;
            known++;
        }
    return known == 0 ? 1 : sum_us / known;
}

static double cost(const struct field *f, int32_t at, double usual)
{
    double latency_us = f->of[at].latency_us > 0 ? f->of[at].latency_us : usual;
    return latency_us * (double)(carried(f, at) + 1);
}

/* The place of the nth that is in. */
static int32_t nth(const struct field *f, int32_t n)
{
    for (int32_t i = 0; i < f->count; i++)
        if (is_in(f, i) && n-- == 0)
            return i;
    UNREACHABLE();
}

static int32_t two_choices(const struct field *f)
{
    int32_t in = 0;
    for (int32_t i = 0; i < f->count; i++)
        in += is_in(f, i);
    if (in < 2)
        return in == 0 ? -1 : nth(f, 0);
    int32_t one = (int32_t)((f->dice & UINT32_MAX) % (uint64_t)in);
    int32_t other = (int32_t)((f->dice >> 32) % (uint64_t)(in - 1));
    int32_t a = nth(f, one), b = nth(f, other + (other >= one));
    double usual = usual_us(f);
    return cost(f, b, usual) < cost(f, a, usual) ? b : a;
}

/* One of little weight passes its turn on, once a round. */
static bool passes(const struct field *f, int32_t at)
{
    int32_t weight = f->of[at].weight;
    return weight < f->most && luck(f, at) * f->most >= weight;
}

static int32_t least_recently_used(const struct field *f)
{
    int32_t best = -1;
    for (int32_t i = 0; i < f->count; i++)
        if (is_in(f, i) && !passes(f, i) && (best < 0 || f->of[i].used < f->of[best].used))
            best = i;
    return best;
}

static double score(const struct balance_of *of, uint64_t key)
{
    return -of->weight / log(fraction(mixed(key ^ mixed(of->name))));
}

static int32_t sticky(const struct field *f)
{
    int32_t best = -1;
    double most = 0;
    for (int32_t i = 0; i < f->count; i++) {
        double own = is_in(f, i) ? score(&f->of[i], f->key) : 0;
        if (is_in(f, i) && (best < 0 || own > most)) {
            best = i;
            most = own;
        }
    }
    return best;
}

static int32_t choose(enum balance_rule rule, struct field *f)
{
    survey(f);
    switch (rule) {
    case BALANCE_ROUND_ROBIN:
        return round_robin(f);
    case BALANCE_TWO_CHOICES:
        return two_choices(f);
    case BALANCE_LEAST_RECENTLY_USED:
        return least_recently_used(f);
    case BALANCE_STICKY:
        return f->key != 0 ? sticky(f) : least_outstanding(f);
    case BALANCE_LEAST_OUTSTANDING:
        return least_outstanding(f);
    case BALANCE_CONNECTIONS:
    case BALANCE_RULES:
        break;
    }
    UNREACHABLE();
}

struct balance_choice balance_choose(enum balance_rule rule, const struct balance_of *of,
                                     int32_t count, uint64_t key, uint64_t dice)
{
    struct field f = {.of = of, .count = count, .least = BALANCE_BUSY, .key = key, .dice = dice};
    struct balance_choice chosen = {.best = choose(rule, &f)};
    f.least = BALANCE_READY;
    bool is_ready = chosen.best >= 0 && of[chosen.best].state == BALANCE_READY;
    chosen.ready = is_ready ? chosen.best : choose(rule, &f);
    return chosen;
}

void balance_use(struct balance_of *of, int32_t count, int32_t at, uint64_t number)
{
    int64_t all = 0;
    for (int32_t i = 0; i < count; i++) {
        if (of[i].state == BALANCE_OUT)
            continue;
        of[i].credit += of[i].weight;
        all += of[i].weight;
    }
    of[at].credit -= all;
    of[at].used = number;
    /* Who could not be used for long is owed one round, and no more. */
    for (int32_t i = 0; i < count; i++)
        of[i].credit = of[i].credit > all ? all : of[i].credit < -all ? -all : of[i].credit;
}

uint64_t balance_hash(const char *bytes, uint32_t size)
{
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3U;
    hash = mixed(hash);
    return hash == 0 ? 1 : hash;
}

/* --- weights ---------------------------------------------------------------------------------- */

double balance_health(int64_t failures)
{
    return 1.0 / (1 << (failures < 4 ? failures : 4));
}

double balance_success(int64_t well, int64_t failed)
{
    return (double)(well + 2) / (double)(well + failed + 2);
}

double balance_speed(double latency_us, double fastest_us)
{
    double speed = latency_us > 0 && fastest_us > 0 ? fastest_us / latency_us : 1;
    return speed < BALANCE_LEAST ? BALANCE_LEAST : speed > 1 ? 1 : speed;
}

double balance_slow_start(int64_t since_us, int64_t window_us)
{
    if (since_us >= window_us)
        return 1;
    double share = (double)since_us / (double)window_us;
    return share < BALANCE_LEAST ? BALANCE_LEAST : share;
}

int32_t balance_weight(enum balance_rule rule, const struct balance_weight *w)
{
    double product = w->slow_start;
    if (rule != BALANCE_STICKY)
        product *= w->health * w->success;
    if (rule == BALANCE_ROUND_ROBIN)
        product *= w->latency;
    int32_t weight = (int32_t)lround(product * BALANCE_WEIGHT_MOST);
    return weight < 1 ? 1 : weight;
}

/* --- latency ---------------------------------------------------------------------------------- */

static double left_after(int64_t span_us)
{
    return span_us <= 0 ? 1 : exp(-(double)span_us / BALANCE_DECAY_US);
}

/* After a rest the new one counts for more than its gain. */
void balance_latency_note(struct balance_latency *l, int64_t span_us, int64_t now_us)
{
    double forgotten = 1 - left_after(now_us - l->at_us);
    double gain = l->mean_us <= 0 ? 1 : forgotten > GAIN ? forgotten : GAIN;
    double own_us = span_us < 1 ? 1 : (double)span_us;
    l->mean_us += gain * (own_us - l->mean_us);
    l->at_us = now_us;
}

double balance_latency_at(const struct balance_latency *l, int64_t now_us)
{
    return l->mean_us * left_after(now_us - l->at_us);
}
