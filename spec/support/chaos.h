/* chaos.h - a rig of one connection with chaos, and short words for what is told of it. */
#ifndef SUPPORT_CHAOS_H
#define SUPPORT_CHAOS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/counters.h"
#include "nebula_chaos.h"
#include "sim/rig.h"

static const struct nebula_chaos failing = {
    .during_us = 3600 * (int64_t)SECOND, .fail = 1, .code = ERROR_SERVER};

static inline void say(struct rig *r, const struct nebula_chaos *said)
{
    assert_int_equal(nebula_chaos(r->nebula, r->shop, said), 0);
}

static inline void say_over(struct rig *r)
{
    say(r, &(struct nebula_chaos){.during_us = 0});
}

/* One connection, and this chaos from when it is there. */
static inline void begin(struct rig *r, const struct nebula_chaos *said)
{
    rig_open_warm(r, 1);
    say(r, said);
}

static inline int64_t counted(struct rig *r, enum counter what)
{
    int64_t number[COUNTERS];
    assert_int_equal(nebula_stats(r->nebula, r->shop, -1, number, COUNTERS), COUNTERS);
    return number[what];
}

static inline bool is_told(struct rig *r, const char *request, const char *text)
{
    return strstr(nebula_ask(r->nebula, request), text) != NULL;
}

static const struct nebula_chaos slow = {
    .during_us = 3600 * (int64_t)SECOND, .delay_share = 1, .delay_us = 100 * MS};

static inline int64_t took_us(struct rig *r, int32_t code)
{
    int64_t before_us = world_time_us();
    assert_int_equal(rig_say(r, 0, "add 1 1"), code);
    return world_time_us() - before_us;
}

#endif
