#include "rules/advice.h"

#include <math.h>
#include <stdio.h>

#define HEADROOM 1.25

struct words {
    char text[64];
};

/* To three digits, or to all of those before the point. What is shown is rounded so before it is computed
 * with, so that whoever does the sum again comes to the same. */
static double rounded(double number)
{
    if (number <= 0 || number >= 999.5)
        return round(number);
    double unit = pow(10, 2 - floor(log10(number)));
    return round(number * unit) / unit;
}

static struct words show(double number, const char *unit)
{
    struct words w;
    snprintf(w.text, sizeof w.text, number < 999.5 ? "%.3g%s" : "%.0f%s", number, unit);
    return w;
}

struct span {
    double number, unit_us;
    const char *unit;
};

static struct span span_of(int64_t span_us)
{
    double us = (double)span_us;
    if (us < 999.5)
        return (struct span){us, 1, " us"};
    if (us < 999.5e3)
        return (struct span){rounded(us / 1e3), 1e3, " ms"};
    return (struct span){rounded(us / 1e6), 1e6, " s"};
}

static struct words show_span(int64_t span_us)
{
    const struct span s = span_of(span_us);
    return show(s.number, s.unit);
}

static bool is_by_mean(const struct advice_on *on)
{
    return on->hold_mean_us > on->hold_p95_us;
}

static int64_t hold_us(const struct advice_on *on)
{
    return is_by_mean(on) ? on->hold_mean_us : on->hold_p95_us;
}

/* What lies a hair above a whole number is the whole number. */
static int32_t whole(const struct advice_on *on, double in_use)
{
    double wanted = ceil(in_use * HEADROOM + on->listening - 1e-6);
    if (wanted > ADVICE_MAX_MOST)
        return ADVICE_MAX_MOST;
    return wanted < 1 ? 1 : (int32_t)wanted;
}

static int32_t by_holds(const struct advice_on *on)
{
    const struct span hold = span_of(hold_us(on));
    return whole(on, rounded(on->arrivals_per_s) * (hold.number * hold.unit_us / 1e6));
}

static int32_t by_use(const struct advice_on *on)
{
    return whole(on, rounded(on->in_use));
}

static int32_t by_law(const struct advice_on *on)
{
    return by_use(on) > by_holds(on) ? by_use(on) : by_holds(on);
}

static int32_t computed(const struct advice_on *on)
{
    return by_law(on) > on->least ? by_law(on) : on->least;
}

static bool has_bursts(const struct advice_on *on)
{
    return on->wait_p95_us > 0 && computed(on) < on->max;
}

int32_t advice_max(const struct advice_on *on)
{
    if (on->is_fixed || on->leases < ADVICE_LEASES_LEAST)
        return 0;
    return has_bursts(on) ? on->max : computed(on);
}

static void put_sum(const struct advice_on *on, char *out, size_t size)
{
    char listening[32] = "";
    if (on->listening > 0)
        snprintf(listening, sizeof listening, " + %d listening", on->listening);
    if (by_use(on) > by_holds(on))
        snprintf(out, size, "%s in use x %g%s", show(rounded(on->in_use), "").text, HEADROOM,
                 listening);
    else
        snprintf(out, size, "%s arrivals/s x %s %s hold x %g%s",
                 show(rounded(on->arrivals_per_s), "").text, show_span(hold_us(on)).text,
                 is_by_mean(on) ? "mean" : "p95", HEADROOM, listening);
}

void advice_words(const struct advice_on *on, char *out, size_t size)
{
    char sum[256];
    if (on->is_fixed) {
        snprintf(out, size, "no advice: its kind says that max is %d", on->max);
        return;
    }
    if (on->leases < ADVICE_LEASES_LEAST) {
        snprintf(out, size, "no advice: %llu leases in the last %.1f s, at least %d are wanted",
                 (unsigned long long)on->leases, (double)on->window_us / 1e6, ADVICE_LEASES_LEAST);
        return;
    }
    put_sum(on, sum, sizeof sum);
    if (has_bursts(on))
        snprintf(out, size, "%d as it is: %s is %d, but the p95 of the waits is %s", on->max, sum,
                 by_law(on), show_span(on->wait_p95_us).text);
    else if (by_law(on) < on->least)
        snprintf(out, size, "%d would do, one for each endpoint in each worker: %s is %d",
                 on->least, sum, by_law(on));
    else
        snprintf(out, size, "%d would do: %s", computed(on), sum);
}
