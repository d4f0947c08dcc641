/* eject_fleet.h - the usual policy, and who is out. */
#ifndef SPEC_EJECT_FLEET_H
#define SPEC_EJECT_FLEET_H

#include "rules/eject.h"

#define SECOND 1000000
#define MOST 16

static const struct eject_policy usual = {.consecutive = 5,
                                          .factor = 1.9,
                                          .least_calls = 10,
                                          .least_endpoints = 5,
                                          .window_us = 10 * SECOND,
                                          .most = 0.5,
                                          .time_us = 30 * SECOND,
                                          .time_most_us = 300 * SECOND,
                                          .panic = 0.5};

static inline void name_those_out(const struct eject_fleet *f, int64_t now_us, char *out)
{
    for (int32_t at = 0; at < f->count; at++)
        if (eject_is_out(&f->of[at], now_us))
            *out++ = (char)('a' + at);
    *out = '\0';
}

#endif
