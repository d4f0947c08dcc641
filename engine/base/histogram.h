/* histogram.h - how long things took, so that quantiles of the last minutes can be told.
 *
 * Up to 127 us each value has a bucket of its own. From there on each power of two is cut into 22, wider
 * ones where the values are larger: its first quarter into 7, the others into 6, 5 and 4. So a bucket is
 * at most 1/28 of its values wide, and what it is told as is less than 2 % away from any of them, rounding
 * to whole us included. What is longer than 71 minutes is in the last one, and of it only the longest is
 * known. (Logarithmic buckets with linear ones within: HdrHistogram, G. Tene, 2012; hdrhistogram.org.)
 *
 * It forgets by halves that take turns: all is recorded in the newer half, and a turn drops the older
 * one. So whoever turns it every two minutes is told of the last two to four. How old a half is, is for
 * him to know.
 *
 * It costs what it knows: a row of 88 bytes for each power of two of which there was a value, and one
 * more where a count of it went beyond 65,535; a row without any is given up by the turn. So the whole
 * range is 2.9 kB, and times between 1 and 100 ms are 0.8. Recorded in constant time, except for the
 * first one in a row. All zero is an empty one.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_PARTS 22
#define HISTOGRAM_ROWS 31

struct histogram_half {
    uint64_t count;
    int64_t sum_us, max_us;
};

struct histogram_row {
    uint16_t count[2][HISTOGRAM_PARTS]; /* by half */
};

struct histogram {
    struct histogram_half half[2];
    struct histogram_row *row; /* those that there are */
    uint8_t used, newer;       /* rows; half */
    uint8_t place[2]
                 [HISTOGRAM_ROWS]; /* among them, of the counts and of what they carry; 0: none */
};

void histogram_fini(struct histogram *h); /* empty again */

/* us: 0 or more. Without memory for its row it is not recorded. */
void histogram_record(struct histogram *h, int64_t us);
/* The older half is forgotten, the newer one becomes it. */
void histogram_turn(struct histogram *h);
/* Records all that the other one knows. False when out of memory; some of it is missing then. */
bool histogram_add(struct histogram *h, const struct histogram *other);

size_t histogram_bytes(const struct histogram *h); /* its own and its rows' */
uint64_t histogram_count(const struct histogram *h);
int64_t histogram_sum_us(const struct histogram *h);
int64_t histogram_max_us(const struct histogram *h); /* exactly; 0 when it is empty */
/* What so many thousandths of all are not longer than (500: the median), and of `zeros` more that took
 * no time and were not recorded. 0 of nothing. */
int64_t histogram_quantile_us(const struct histogram *h, uint64_t zeros, int32_t permille);

#endif
