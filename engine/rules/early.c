#include "rules/early.h"

bool early_refuses(const struct early_policy *p, int64_t left_us, int64_t median_us, uint64_t calls,
                   uint64_t dice)
{
    if (left_us >= median_us || p->least == 0 || calls < (uint64_t)p->least)
        return false;
    return (double)(dice >> 11) * 0x1p-53 >= p->share;
}
