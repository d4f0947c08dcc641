#include "rules/fault.h"

#include <math.h>

/* 0 to 1, and never 1. */
static double even(uint64_t dice)
{
    return (double)(dice >> 11) * 0x1p-53;
}

bool fault_hits(double share, uint64_t dice)
{
    return even(dice) < share;
}

int64_t fault_delay_us(const struct fault_delay *d, uint64_t dice)
{
    if (d->quantile > 0)
        return (int64_t)((double)d->delay_us * log1p(-even(dice)) / log1p(-d->quantile) + 0.5);
    if (d->most_us <= d->delay_us)
        return d->delay_us;
    uint64_t values = (uint64_t)(d->most_us - d->delay_us) + 1;
    return d->delay_us + (int64_t)((__uint128_t)dice * values >> 64);
}
