/* ruled.h - a rig whose resource goes by rules of nebula_policy.h. */
#ifndef SIM_RULED_H
#define SIM_RULED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/guards.h"
#include "core/limits.h"
#include "core/operation.h"
#include "shift.h"

static const struct nebula_request get = {.text = "get 1 1"};

static inline void ruled_say(struct rig *r, struct nebula_rules rules)
{
    assert_int_equal(nebula_rules(r->nebula, r->shop, &rules), 0);
}

static inline void ruled_begin(struct rig *r, int32_t max, struct nebula_rules rules)
{
    rig_open_warm(r, max);
    ruled_say(r, rules);
}

/* A call that changes nothing; the ticket. */
static inline int32_t ruled_ask(struct rig *r, struct nebula_request request)
{
    request.text = "get 1 1";
    return rig_request(r, request);
}

/* Its code, and that its sentence is this. */
static inline int32_t ruled_says(struct rig *r, int32_t ticket, const char *text)
{
    struct nebula_reply reply;
    rig_come(r, ticket);
    assert_int_equal(nebula_reply(r->nebula, ticket, &reply), 0);
    assert_string_equal(reply.text, text);
    return rig_await(r, ticket, NULL);
}

static inline struct guards *ruled_guards(struct rig *r)
{
    return operation_find(table_get(&r->engine->resources, r->shop), 0)->guards;
}

static inline struct limits_view ruled_limit(struct rig *r)
{
    struct limits_view v = {.under = -1};
    limits_view(ruled_guards(r), &v);
    return v;
}

#endif
