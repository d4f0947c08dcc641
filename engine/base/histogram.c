#include "base/histogram.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define EXACT 128 /* and so 2 to the power of: */
#define EXACT_BITS 7
#define EXACT_ROWS ((EXACT + HISTOGRAM_PARTS - 1) / HISTOGRAM_PARTS)
#define BUCKETS (HISTOGRAM_ROWS * HISTOGRAM_PARTS)
#define ROWS_MOST (2 * HISTOGRAM_ROWS)
_Static_assert(ROWS_MOST <= UINT8_MAX, "a place is one byte");

/* Of the quarters of a power of two: how many parts each has, and how many there are before it. */
static const uint8_t parts[] = {7, 6, 5, 4}, before[] = {0, 7, 13, 18, HISTOGRAM_PARTS};

enum level { COUNT_LOW = 0, COUNT_CARRIED, LEVELS };

/* --- buckets --------------------------------------------------------------------------------- */

struct bucket {
    int32_t row, part;
};

static struct bucket bucket_of(int64_t us)
{
    if (us < EXACT)
        return (struct bucket){(int32_t)us / HISTOGRAM_PARTS, (int32_t)us % HISTOGRAM_PARTS};
    int32_t bits = 63 - __builtin_clzll((uint64_t)us), quarter_bits = bits - 2;
    int32_t row = EXACT_ROWS + bits - EXACT_BITS;
    if (row >= HISTOGRAM_ROWS)
        return (struct bucket){HISTOGRAM_ROWS - 1, HISTOGRAM_PARTS - 1};
    int32_t quarter = (int32_t)(us >> quarter_bits) & 3;
    int64_t within = us & ((INT64_C(1) << quarter_bits) - 1);
    return (struct bucket){row,
                           before[quarter] + (int32_t)(within * parts[quarter] >> quarter_bits)};
}

/* By their values. */
static struct bucket nth(int32_t i)
{
    return (struct bucket){i / HISTOGRAM_PARTS, i % HISTOGRAM_PARTS};
}

static int64_t first_of(int32_t i)
{
    struct bucket at = nth(i);
    int32_t quarter = 0;
    if (at.row < EXACT_ROWS)
        return i;
    while (at.part >= before[quarter + 1])
        quarter++;
    int32_t quarter_bits = at.row - EXACT_ROWS + EXACT_BITS - 2;
    int64_t within = (int64_t)(at.part - before[quarter]) << quarter_bits;
    return ((INT64_C(4) + quarter) << quarter_bits) +
           (within + parts[quarter] - 1) / parts[quarter];
}

static int64_t middle_of(int32_t i)
{
    int64_t first_us = first_of(i);
    return first_us + (first_of(i + 1) - 1 - first_us) / 2;
}

/* --- rows ------------------------------------------------------------------------------------ */

/* NULL when there is none. */
static struct histogram_row *row_of(const struct histogram *h, enum level level, int32_t row)
{
    int32_t place = h->place[level][row];
    return place == 0 ? NULL : &h->row[place - 1];
}

/* Made at first use; all others may have moved then. NULL when out of memory. */
static struct histogram_row *make_row(struct histogram *h, enum level level, int32_t row)
{
    if (h->place[level][row] == 0) {
        struct histogram_row *more = realloc(h->row, (h->used + 1U) * sizeof *more);
        if (more == NULL)
            return NULL;
        h->row = more;
        h->row[h->used] = (struct histogram_row){.count = {{0}}};
        h->place[level][row] = ++h->used;
    }
    return row_of(h, level, row);
}

static uint32_t count_in(const struct histogram *h, int32_t half, struct bucket at)
{
    const struct histogram_row *low = row_of(h, COUNT_LOW, at.row),
                               *carried = row_of(h, COUNT_CARRIED, at.row);
    uint32_t count = low == NULL ? 0 : low->count[half][at.part];
    return carried == NULL ? count : count | (uint32_t)carried->count[half][at.part] << 16;
}

/* To the newer half. A count stays where it is before it would begin anew, or where there is no memory
 * to carry. */
static bool count_more(struct histogram *h, struct bucket at, uint32_t more)
{
    uint32_t count = count_in(h, h->newer, at);
    count = more > UINT32_MAX - count ? UINT32_MAX : count + more;
    if (make_row(h, COUNT_LOW, at.row) == NULL ||
        (count > UINT16_MAX && make_row(h, COUNT_CARRIED, at.row) == NULL))
        return false;
    row_of(h, COUNT_LOW, at.row)->count[h->newer][at.part] = (uint16_t)count;
    if (count > UINT16_MAX)
        row_of(h, COUNT_CARRIED, at.row)->count[h->newer][at.part] = (uint16_t)(count >> 16);
    return true;
}

/* The last one takes its place. */
static void drop_row(struct histogram *h, uint8_t *place)
{
    uint8_t *all = &h->place[0][0];
    h->row[*place - 1] = h->row[h->used - 1];
    for (int32_t i = 0; i < ROWS_MOST; i++)
        if (all[i] == h->used)
            all[i] = *place;
    *place = 0;
    h->used--;
}

static void drop_empty_rows(struct histogram *h)
{
    static const struct histogram_row empty;
    uint8_t *all = &h->place[0][0], used_before = h->used;
    for (int32_t i = 0; i < ROWS_MOST; i++)
        if (all[i] != 0 && memcmp(&h->row[all[i] - 1], &empty, sizeof empty) == 0)
            drop_row(h, &all[i]);
    if (h->used == used_before)
        return;
    struct histogram_row *fewer = h->used == 0 ? NULL : realloc(h->row, h->used * sizeof *fewer);
    if (h->used == 0)
        free(h->row);
    h->row = fewer != NULL || h->used == 0 ? fewer : h->row;
}

void histogram_fini(struct histogram *h)
{
    free(h->row);
    *h = (struct histogram){.row = NULL};
}

/* --- recording ------------------------------------------------------------------------------- */

static void sum_up(struct histogram_half *half, uint64_t count, int64_t sum_us, int64_t max_us)
{
    half->count += count;
    half->sum_us += sum_us;
    half->max_us = max_us > half->max_us ? max_us : half->max_us;
}

void histogram_record(struct histogram *h, int64_t us)
{
    CHECK(us >= 0);
    struct bucket at = bucket_of(us);
    struct histogram_row *row = row_of(h, COUNT_LOW, at.row);
    uint16_t *count = row == NULL ? NULL : &row->count[h->newer][at.part];
    if (count != NULL && *count < UINT16_MAX)
        ++*count;
    else if (!count_more(h, at, 1) && count == NULL)
        return;
    sum_up(&h->half[h->newer], 1, us, us);
}

void histogram_turn(struct histogram *h)
{
    h->newer = !h->newer;
    h->half[h->newer] = (struct histogram_half){.count = 0};
    for (int32_t i = 0; i < h->used; i++)
        memset(h->row[i].count[h->newer], 0, sizeof h->row[i].count[h->newer]);
    drop_empty_rows(h);
}

bool histogram_add(struct histogram *h, const struct histogram *other)
{
    bool is_whole = true;
    for (int32_t i = 0; i < 2 * BUCKETS; i++) {
        uint32_t count = count_in(other, i % 2, nth(i / 2));
        is_whole = (count == 0 || count_more(h, nth(i / 2), count)) && is_whole;
    }
    for (int32_t half = 0; half < 2; half++)
        sum_up(&h->half[h->newer], other->half[half].count, other->half[half].sum_us,
               other->half[half].max_us);
    return is_whole;
}

/* --- reading --------------------------------------------------------------------------------- */

size_t histogram_bytes(const struct histogram *h)
{
    return sizeof *h + h->used * sizeof h->row[0];
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
    uint64_t rank = rank_of(histogram_count(h) + zeros, permille);
    uint64_t below = zeros; /* as if they were in the first bucket */
    int64_t max_us = histogram_max_us(h);
    for (int32_t i = 0; i < BUCKETS - 1; i++) {
        below += count_in(h, 0, nth(i));
        below += count_in(h, 1, nth(i));
        if (below >= rank)
            return middle_of(i) < max_us ? middle_of(i) : max_us;
    }
    return max_us;
}
