/* times.h - how long calls took in the last seconds, in this worker, for rules that go by it. */
#ifndef CORE_TIMES_H
#define CORE_TIMES_H

#include "base/histogram.h"

/* All zero is one of which nothing is known. */
struct times {
    struct histogram histogram;
    int64_t turned_us; /* what is older than two turns is forgotten */
    int64_t read_us;   /* when the numbers below were read */
    int64_t quantile_us;
    uint64_t count;
    int32_t permille;
};

void times_fini(struct times *t); /* all zero again */
void times_note(struct times *t, int64_t took_us, int64_t now_us);
/* What so many thousandths of them are not longer than, as it was lately; 0 of nothing. */
int64_t times_quantile_us(struct times *t, int32_t permille, int64_t now_us);

#endif
