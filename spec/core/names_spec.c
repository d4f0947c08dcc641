/* names_spec.c - equal texts are kept once, and for as long as the collection. */
#include "base/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

static void equal_texts_are_one(void **state)
{
    struct names n;
    char mine[] = "reader";
    (void)state;
    names_init(&n);
    const char *kept = names_keep(&n, mine);
    assert_string_equal(kept, "reader");
    assert_ptr_not_equal(kept, mine);
    assert_ptr_equal(names_keep(&n, "reader"), kept);
    assert_ptr_not_equal(names_keep(&n, "writer"), kept);
    mine[0] = 'R';
    assert_string_equal(kept, "reader");
    names_fini(&n);
}

static void it_stays_where_it_is_among_many(void **state)
{
    struct names n;
    char text[16];
    (void)state;
    names_init(&n);
    const char *first = names_keep(&n, "first");
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof text, "name %d", i % 100);
        assert_string_equal(names_keep(&n, text), text);
    }
    assert_ptr_equal(names_keep(&n, "first"), first);
    assert_int_equal(n.known.used, 101);
    names_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_are_one),
        cmocka_unit_test(it_stays_where_it_is_among_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
