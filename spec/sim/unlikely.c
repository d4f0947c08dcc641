#include "unlikely.h"

#include "base/check.h"
#include "world_sim.h"

static const struct {
    const char *name, *text;
    enum unlikely_kind kind;
} row[UNLIKELY_ROWS] = {
#define AS_ROW(row_name, row_kind, row_text)                                                       \
    [row_name] = {.name = #row_name, .text = (row_text), .kind = UNLIKELY_##row_kind},
    UNLIKELY(AS_ROW)
#undef AS_ROW
};

#define ON_PERMILLE 300
#define ODDS_MOST 60

/* Of the world that there is one of. */
static struct {
    struct dice dice;
    int odds[UNLIKELY_ROWS];
    int64_t count[UNLIKELY_ROWS];
} the;

void unlikely_stop(void)
{
    for (int u = 0; u < UNLIKELY_ROWS; u++)
        the.odds[u] = 0;
}

void unlikely_begin(uint64_t seed, bool has_faults)
{
    unlikely_stop();
    the.dice.state = seed;
    for (int u = 0; u < UNLIKELY_ROWS; u++) {
        bool is_on = dice_hits(&the.dice, ON_PERMILLE);
        int odds = (int)dice_between(&the.dice, 1, ODDS_MOST);
        if (is_on && row[u].kind <= (has_faults ? UNLIKELY_FAULT : UNLIKELY_CHOICE))
            the.odds[u] = odds;
    }
}

bool unlikely_happens(enum unlikely u)
{
    CHECK(row[u].kind != UNLIKELY_MEETING);
    bool happens = dice_hits(&the.dice, the.odds[u]);
    the.count[u] += happens;
    return happens;
}

void unlikely_met(enum unlikely u)
{
    CHECK(row[u].kind == UNLIKELY_MEETING);
    the.count[u]++;
}

int64_t unlikely_count(enum unlikely u)
{
    return the.count[u];
}

const char *unlikely_name(enum unlikely u)
{
    return row[u].name;
}

const char *unlikely_text(enum unlikely u)
{
    return row[u].text;
}
