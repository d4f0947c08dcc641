#include "core/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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

static void knows_what_a_tenant_may_be_called(void **unused)
{
    (void)unused;
    char longest[TENANT_SIZE + 2];
    memset(longest, 'x', sizeof longest);
    longest[TENANT_SIZE + 1] = '\0';
    assert_false(context_is_tenant(longest));
    assert_true(context_is_tenant(longest + 1));
    assert_true(context_is_tenant("Zoë & sons"));
    assert_false(context_is_tenant(""));
    assert_false(context_is_tenant("a\nb"));
    assert_false(context_is_tenant("a\x7f"));
}

static void is_sampled_by_the_last_bit(void **unused)
{
    (void)unused;
    assert_false(context_is_sampled(NULL));
    for (int flags = 0; flags < 256; flags++) {
        char text[TRACEPARENT_SIZE + 1];
        snprintf(text, sizeof text, "00-" TRACE "-" PARENT "-%02x", (unsigned)flags);
        struct context *c = context_new(text, "");
        assert_int_equal(context_is_sampled(c), flags & 1);
        context_unref(&c);
    }
}

static void knows_its_trace_as_bytes(void **unused)
{
    (void)unused;
    static const struct {
        const char *digits;
        uint8_t first, last;
        bool is_one;
    } row[] = {
        {"0af7651916cd43dd8448eb211c80319c", 0x0a, 0x9c, true},
        {"0af7651916cd43dd8448eb211c80319c-b7ad", 0x0a, 0x9c, true},
        {"00000000000000000000000000000001", 0x00, 0x01, true},
        {"f0000000000000000000000000000000", 0xf0, 0x00, true},
        {"00000000000000000000000000000000", 0, 0, false},
        {"0af7651916cd43dd8448eb211c80319", 0, 0, false},
        {"0af7651916cd43dd8448eb211c80319C", 0, 0, false},
        {"0af7651916cd43dd8448eb211c80319g", 0, 0, false},
        {"", 0, 0, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t trace[TRACE_ID_SIZE];
        assert_int_equal(context_trace(row[i].digits, trace), row[i].is_one);
        assert_true(!row[i].is_one || trace[0] == row[i].first);
        assert_true(!row[i].is_one || trace[TRACE_ID_SIZE - 1] == row[i].last);
    }
    struct context *traced = context_new("00-" TRACE "-" PARENT "-01", "");
    uint8_t trace[TRACE_ID_SIZE];
    assert_true(context_trace(TRACE, trace));
    assert_memory_equal(traced->trace, trace, sizeof trace);
    context_unref(&traced);
    struct context *other = context_new("", "acme"); /* where that one was, maybe */
    memset(trace, 0, sizeof trace);
    assert_memory_equal(other->trace, trace, sizeof trace);
    context_unref(&other);
}

static void lives_as_long_as_somebody_has_it(void **unused)
{
    (void)unused;
    struct context *mine = context_new("00-" TRACE "-" PARENT "-01", "acme");
    struct context *theirs = context_ref(mine);
    context_unref(&mine);
    assert_null(mine);
    assert_string_equal(context_traceparent(theirs), "00-" TRACE "-" PARENT "-01");
    assert_string_equal(context_tenant(theirs), "acme");
    context_unref(&theirs);
    assert_null(context_ref(NULL));
    assert_string_equal(context_tenant(NULL), "");
    context_unref(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_traceparent),
        cmocka_unit_test(knows_what_a_tenant_may_be_called),
        cmocka_unit_test(is_sampled_by_the_last_bit),
        cmocka_unit_test(knows_its_trace_as_bytes),
        cmocka_unit_test(lives_as_long_as_somebody_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
