#include "listening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

int32_t listening_ask(struct rig *r, int32_t queue, int32_t count, const char *const *name)
{
    const struct nebula_channels c = {
        .resource = r->shop, .count = count, .name = name, .queue = queue, .bytes = 1000};
    return nebula_listen(r->nebula, &c);
}

int64_t listening_of(struct rig *r, int32_t ticket)
{
    struct nebula_reply reply;
    assert_true(ticket > 0);
    int32_t code = rig_await(r, ticket, &reply);
    return code == ERROR_OK ? reply.listener : -code;
}

int64_t listening_to(struct rig *r, const char *channel)
{
    return listening_of(r, listening_ask(r, 100, 1, &channel));
}

const char *listening_word(struct rig *r, int32_t ticket)
{
    static char text[300];
    struct nebula_told told;
    int64_t until_us = world_time_us() + 20 * SECOND;
    if (ticket < 0)
        return nebula_error_name(-ticket);
    while (!rig_is_answered(r, ticket)) {
        assert_true(world_time_us() < until_us);
        rig_pass(r, MS);
    }
    if (nebula_told(r->nebula, ticket, &told) != 0)
        snprintf(text, sizeof text, "%s", nebula_error_name(r->code[ticket]));
    else if (told.gap != 0)
        snprintf(text, sizeof text, "gap %s %lld", nebula_error_name(told.gap),
                 (long long)told.missed);
    else
        snprintf(text, sizeof text, "%s:%s", told.channel, told.bytes);
    rig_await(r, ticket, NULL);
    return text;
}

void listening_hears(struct rig *r, int64_t listener, const char *expected)
{
    assert_string_equal(listening_word(r, nebula_hear(r->nebula, listener, 10 * SECOND)), expected);
}

void listening_hears_nothing(struct rig *r, int64_t listener)
{
    assert_string_equal(listening_word(r, nebula_hear(r->nebula, listener, 100 * MS)), "deadline");
}

struct ear *listening_ear(const struct rig *r)
{
    return rig_pool(r)->ear;
}

void listening_begin(struct rig *r, int32_t max)
{
    rig_begin(r);
    r->spec.pool.max = max;
    rig_open(r);
}
