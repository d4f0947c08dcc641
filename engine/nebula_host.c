/* nebula_host.c - what the program alone asks of its engine. */
#include "nebula_host.h"

#include "core/instances.h"
#include "nebula_border.h"
#include "rules/retry.h"

int64_t nebula_backoff(struct nebula *n, int64_t pause_us, int64_t pause_max_us, int32_t failures)
{
    struct engine *e = border_enter(n);
    CHECK(failures >= 1);
    const struct retry_policy policy = {.pause_us = pause_us, .pause_max_us = pause_max_us};
    return retry_pause_us(&policy, failures + 1, e->world->random(e->world));
}

bool nebula_tell_instance(struct nebula *n, const struct nebula_instance *told)
{
    return instances_tell(border_enter(n), told);
}
