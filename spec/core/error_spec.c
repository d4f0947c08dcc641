/* error_spec.c - a sentence is one, also when it is too long. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"

/* Are all bytes characters? */
static bool is_utf8(const char *text)
{
    uint32_t rune;
    for (size_t size = strlen(text), n; size > 0; text += n, size -= n)
        if ((n = utf8_read(text, size, &rune)) == 0)
            return false;
    return true;
}

static const char *const character[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x94\x91"};

/* What fits of a text whose characters have `count` bytes, when `before` bytes come first. */
static size_t most(size_t before, size_t count)
{
    return before + (ERROR_TEXT_SIZE - 1 - before) / count * count;
}

static void a_long_sentence_ends_behind_a_character(void **unused)
{
    (void)unused;
    for (size_t count = 1; count <= COUNT(character); count++) {
        char text[2 * ERROR_TEXT_SIZE] = "";
        while (strlen(text) < ERROR_TEXT_SIZE)
            strcat(text, character[count - 1]);
        for (size_t before = 0; before < 4; before++) {
            struct error e;
            error_set(&e, ERROR_QUERY, "%.*s%s", (int)before, "abc", text);
            assert_int_equal(strlen(e.text), most(before, count));
            assert_true(is_utf8(e.text));
            error_set(&e, ERROR_QUERY, "%.*s", (int)before, "abc");
            error_append(&e, "%s", text);
            assert_int_equal(strlen(e.text), most(before, count));
            assert_true(is_utf8(e.text));
        }
    }
}

static void a_sentence_that_fits_stays_as_it_is(void **unused)
{
    (void)unused;
    struct error e;
    error_set(&e, ERROR_QUERY, "not \xff%s", "\xc3"); /* nobody cut it */
    assert_string_equal(e.text, "not \xff\xc3");
    error_append(&e, " and %d more", 1);
    assert_string_equal(e.text, "not \xff\xc3 and 1 more");
    assert_int_equal(error_set(&e, ERROR_LOST, "again: %s", e.text), ERROR_LOST);
    assert_string_equal(e.text, "again: not \xff\xc3 and 1 more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_sentence_ends_behind_a_character),
        cmocka_unit_test(a_sentence_that_fits_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
