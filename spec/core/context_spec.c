#include "core/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void knows_a_traceparent(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool is_one;
    } known[] = {
        {"00-" TRACE "-" PARENT "-01", true},
        {"00-" TRACE "-" PARENT "-00", true},
        {"00-" TRACE "-" PARENT "-ff", true},
        {"", false},
        {"00-" TRACE "-" PARENT "-1", false},
        {"00-" TRACE "-" PARENT "-011", false},
        {"00-" TRACE "-" PARENT "-0g", false},
        {"00-" TRACE "-" PARENT "_01", false},
        {"00_" TRACE "-" PARENT "-01", false},
        {"01-" TRACE "-" PARENT "-01", false},
        {"00-" TRACE PARENT "--01", false},
        {"00-4BF92f3577b34da6a3ce929d0e0e4736-" PARENT "-01", false},
        {"00-00000000000000000000000000000000-" PARENT "-01", false},
        {"00-" TRACE "-0000000000000000-01", false},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        if (context_is_traceparent(known[i].text) != known[i].is_one)
            fail_msg("%s", known[i].text);
}

static void is_sampled_by_the_last_bit(void **unused)
{
    (void)unused;
    assert_false(context_is_sampled(NULL));
    for (int flags = 0; flags < 256; flags++) {
        char text[TRACEPARENT_SIZE + 1];
        snprintf(text, sizeof text, "00-" TRACE "-" PARENT "-%02x", (unsigned)flags);
        struct context *c = context_new(text);
        assert_int_equal(context_is_sampled(c), flags & 1);
        context_unref(&c);
    }
}

static void lives_as_long_as_somebody_has_it(void **unused)
{
    (void)unused;
    struct context *mine = context_new("00-" TRACE "-" PARENT "-01");
    struct context *theirs = context_ref(mine);
    context_unref(&mine);
    assert_null(mine);
    assert_string_equal(theirs->traceparent, "00-" TRACE "-" PARENT "-01");
    context_unref(&theirs);
    assert_null(context_ref(NULL));
    context_unref(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_traceparent),
        cmocka_unit_test(is_sampled_by_the_last_bit),
        cmocka_unit_test(lives_as_long_as_somebody_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
