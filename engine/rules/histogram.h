/* histogram.h - how long things took, so that quantiles of the last minutes can be told.
 *
 * Buckets are log-linear, the idea of HdrHistogram (G. Tene, 2012; hdrhistogram.org): each power of two
 * is cut into 32 equal parts, so a bucket is at most 1/32 of its values wide, and its middle at most
 * 1/64 away from any of them: 1.6 %. Up to 63 us each value has a bucket of its own. What is longer than
 * 71 minutes is in the last one, and of it only the longest is known.
 *
 * It forgets by halves that take turns: all is recorded in the newer half, and a turn drops the older
 * one. So whoever turns it every two minutes is told of the last two to four. How old a half is, is for
 * him to know.
 *
 * Pure, of fixed size (7.2 kB), recorded in constant time. All zero is an empty one.
 */
#ifndef RULES_HISTOGRAM_H
#define RULES_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 896

struct histogram_half {
    uint64_t count;
    int64_t sum_us, max_us;
    uint32_t bucket[HISTOGRAM_BUCKETS];
};

struct histogram {
    struct histogram_half half[2];
    int32_t newer; /* half */
};

/* us: 0 or more. */
void histogram_record(struct histogram *h, int64_t us);
/* The older half is forgotten, the newer one becomes it. */
void histogram_turn(struct histogram *h);

uint64_t histogram_count(const struct histogram *h);
int64_t histogram_sum_us(const struct histogram *h);
int64_t histogram_max_us(const struct histogram *h); /* exactly; 0 when it is empty */
/* What so many thousandths of all are not longer than (500: the median), and of `zeros` more that took
 * no time and were not recorded. 0 of nothing. */
int64_t histogram_quantile_us(const struct histogram *h, uint64_t zeros, int32_t permille);

#endif
