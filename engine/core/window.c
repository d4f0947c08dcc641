#include "core/window.h"

#include "base/check.h"
#include "rules/advice.h"

/* --- adding up ------------------------------------------------------------------------------- */

/* The rows of the one that it was copied from are left to it. */
static bool keep(struct histogram *h)
{
    struct histogram own = {.row = NULL};
    bool is_whole = histogram_add(&own, h);
    *h = own;
    return is_whole;
}

bool window_keep(struct window *w)
{
    bool has_waits = keep(&w->wait), has_holds = keep(&w->hold);
    if (!has_waits || !has_holds)
        window_fini(w);
    return has_waits && has_holds;
}

void window_fini(struct window *w)
{
    histogram_fini(&w->wait);
    histogram_fini(&w->hold);
}

bool window_add(struct window *w, const struct window *other)
{
    w->span_us = other->span_us > w->span_us ? other->span_us : w->span_us;
    w->leases += other->leases;
    w->waited += other->waited;
    w->refused += other->refused;
    w->ended += other->ended;
    w->noted += other->noted;
    w->arrivals_per_s += other->arrivals_per_s;
    w->in_use += other->in_use;
    w->listening += other->listening;
    w->least += other->least;
    bool has_waits = histogram_add(&w->wait, &other->wait);
    return histogram_add(&w->hold, &other->hold) && has_waits;
}

/* --- reading --------------------------------------------------------------------------------- */

const char *figure_name(enum figure f)
{
    static const char *const name[FIGURES] = {
#define X(name, key, kind, text) [FIGURE_##name] = (key),
        FIGURE_TABLE(X)
#undef X
    };
    CHECK((size_t)f < FIGURES);
    return name[f];
}

bool figure_is_whole(enum figure f)
{
    enum { WHOLE, REAL };
    static const uint8_t kind_of[FIGURES] = {
#define X(name, key, kind, text) [FIGURE_##name] = (kind),
        FIGURE_TABLE(X)
#undef X
    };
    CHECK((size_t)f < FIGURES);
    return kind_of[f] == WHOLE;
}

/* Three quantiles and the longest, of `zeros` more that took no time. */
static void read_times(const struct histogram *h, uint64_t zeros, double *number)
{
    static const int32_t permille[] = {500, 950, 990};
    if (histogram_count(h) == 0)
        return;
    for (size_t i = 0; i < COUNT(permille); i++)
        number[i] = (double)histogram_quantile_us(h, zeros, permille[i]);
    number[COUNT(permille)] = (double)histogram_max_us(h);
}

static int64_t mean_us(const struct histogram *h, uint64_t count)
{
    return count == 0 ? 0 : histogram_sum_us(h) / (int64_t)count;
}

static struct advice_on advised_on(const struct window *w, const double *number)
{
    return (struct advice_on){
        .window_us = w->span_us,
        .leases = w->leases,
        .arrivals_per_s = w->arrivals_per_s,
        .hold_p95_us = (int64_t)number[FIGURE_HOLD_P95_US],
        .hold_mean_us = (int64_t)number[FIGURE_HOLD_MEAN_US],
        .in_use = w->in_use,
        .wait_p95_us = (int64_t)number[FIGURE_WAIT_P95_US],
        .max = w->max,
        .listening = w->listening,
        .least = w->least,
        .is_fixed = w->is_fixed,
    };
}

void window_read(const struct window *w, double *number)
{
    for (int32_t i = 0; i < FIGURES; i++)
        number[i] = 0;
    number[FIGURE_WINDOW_US] = (double)w->span_us;
    number[FIGURE_LEASES] = (double)w->leases;
    number[FIGURE_WAITED] = (double)w->waited;
    number[FIGURE_REFUSED] = (double)w->refused;
    number[FIGURE_ARRIVALS_PER_S] = w->arrivals_per_s;
    number[FIGURE_UTILISATION] = w->room > 0 ? w->in_use / w->room : 0;
    number[FIGURE_ENDED] = (double)w->ended;
    number[FIGURE_HOLD_MEAN_US] = (double)mean_us(&w->hold, w->ended);
    read_times(&w->wait, w->leases - w->waited, &number[FIGURE_WAIT_P50_US]);
    read_times(&w->hold, w->ended - w->noted, &number[FIGURE_HOLD_P50_US]);
    const struct advice_on on = advised_on(w, number);
    number[FIGURE_ADVISED_MAX] = advice_max(&on);
}

void window_advice(const struct window *w, char *out, size_t size)
{
    double number[FIGURES];
    window_read(w, number);
    const struct advice_on on = advised_on(w, number);
    advice_words(&on, out, size);
}
