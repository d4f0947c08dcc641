#include "rules/histogram.h"

#include <string.h>

#include "base/check.h"

#define PART_BITS 5
#define PARTS (1 << PART_BITS) /* of a power of two */

/* The values of a power of two begin at PARTS << shift, and those below PARTS count as the first one. */
static int32_t bucket_of(int64_t us)
{
    int32_t shift = us < PARTS ? 0 : 63 - PART_BITS - __builtin_clzll((uint64_t)us);
    int64_t at = (int64_t)shift * PARTS + (us >> shift);
    return at < HISTOGRAM_BUCKETS ? (int32_t)at : HISTOGRAM_BUCKETS - 1;
}

static int64_t middle_of(int32_t bucket)
{
    int32_t shift = bucket < PARTS ? 0 : bucket / PARTS - 1;
    int64_t first_us = (int64_t)(bucket - shift * PARTS) << shift;
    return first_us + (((int64_t)1 << shift) >> 1);
}

void histogram_record(struct histogram *h, int64_t us)
{
    CHECK(us >= 0);
    struct histogram_half *half = &h->half[h->newer];
    uint32_t *bucket = &half->bucket[bucket_of(us)];
    half->count++;
    half->sum_us += us;
    half->max_us = us > half->max_us ? us : half->max_us;
    *bucket += *bucket < UINT32_MAX;
}

void histogram_turn(struct histogram *h)
{
    h->newer = !h->newer;
    memset(&h->half[h->newer], 0, sizeof h->half[0]);
}

uint64_t histogram_count(const struct histogram *h)
{
    return h->half[0].count + h->half[1].count;
}

int64_t histogram_sum_us(const struct histogram *h)
{
    return h->half[0].sum_us + h->half[1].sum_us;
}

int64_t histogram_max_us(const struct histogram *h)
{
    int64_t one_us = h->half[0].max_us, other_us = h->half[1].max_us;
    return one_us > other_us ? one_us : other_us;
}

/* How many of `count` the quantile is not shorter than; at least one. */
static uint64_t rank_of(uint64_t count, int32_t permille)
{
    uint64_t rank = count / 1000 * (uint64_t)permille;
    rank += (count % 1000 * (uint64_t)permille + 999) / 1000;
    return rank > 0 ? rank : 1;
}

int64_t histogram_quantile_us(const struct histogram *h, uint64_t zeros, int32_t permille)
{
    CHECK(permille >= 0 && permille <= 1000);
    uint64_t rank = rank_of(histogram_count(h) + zeros, permille), below = zeros;
    int64_t max_us = histogram_max_us(h);
    if (rank <= zeros)
        return 0;
    for (int32_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        below += h->half[0].bucket[i];
        below += h->half[1].bucket[i];
        if (below >= rank)
            return middle_of(i) < max_us ? middle_of(i) : max_us;
    }
    return max_us;
}
