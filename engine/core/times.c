#include "core/times.h"

#include <string.h>

#define TURN_US 10000000
#define READ_US 10000 /* to find a quantile takes a microsecond: so it is done no oftener */

void times_fini(struct times *t)
{
    histogram_fini(&t->histogram);
    memset(t, 0, sizeof *t);
}

static void turn(struct times *t, int64_t now_us)
{
    int64_t age_us = now_us - t->turned_us;
    if (age_us >= 0 && age_us < TURN_US)
        return;
    histogram_turn(&t->histogram);
    if (age_us >= 2 * TURN_US)
        histogram_turn(&t->histogram);
    t->turned_us = now_us;
}

void times_note(struct times *t, int64_t took_us, int64_t now_us)
{
    turn(t, now_us);
    histogram_record(&t->histogram, took_us > 0 ? took_us : 0);
}

int64_t times_quantile_us(struct times *t, int32_t permille, int64_t now_us)
{
    int64_t age_us = now_us - t->read_us;
    if (t->permille == permille && age_us >= 0 && age_us < READ_US)
        return t->quantile_us;
    turn(t, now_us);
    t->permille = permille;
    t->read_us = now_us;
    t->count = histogram_count(&t->histogram);
    t->quantile_us = t->count == 0 ? 0 : histogram_quantile_us(&t->histogram, 0, permille);
    return t->quantile_us;
}
