/* settings.h - what was declared of a resource, as JSON; NULL when out of memory. */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

struct resource;

json_t *settings_pool(const struct resource *r);
json_t *settings_policy(const struct resource *r);
json_t *settings_balance(const struct resource *r); /* one was said */
json_t *settings_rules(const struct resource *r);   /* some were said */

static inline double settings_seconds(int64_t span_us)
{
    return (double)span_us / 1e6;
}

#endif
