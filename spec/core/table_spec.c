/* table_spec.c - a number names its thing for as long as it is there, and is used again afterwards.
 */
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

static void a_number_names_its_thing_until_it_leaves(void **unused)
{
    (void)unused;
    struct table t;
    int thing[2];
    table_init(&t, 8);
    int32_t first = table_add(&t, &thing[0]);
    assert_int_equal(first, 1);
    assert_ptr_equal(table_get(&t, first), &thing[0]);
    table_drop(&t, first);
    assert_null(table_get(&t, first));
    assert_int_equal(table_add(&t, &thing[1]), first);
    assert_ptr_equal(table_get(&t, first), &thing[1]);
    table_drop(&t, first);
    table_fini(&t);
}

static void what_was_never_given_is_nothing(void **unused)
{
    (void)unused;
    struct table t;
    int thing;
    table_init(&t, 8);
    assert_null(table_get(&t, 1));
    int32_t number = table_add(&t, &thing);
    const int32_t wrong[] = {0, -1, number + 1, number + 1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(table_get(&t, wrong[i]));
    table_drop(&t, number);
    table_fini(&t);
}

static void holds_its_most_and_one_more_is_refused(void **unused)
{
    (void)unused;
    enum { MOST = 100 };
    struct table t;
    char thing[MOST + 1];
    table_init(&t, MOST);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(table_add(&t, &thing[i]), i + 1);
    assert_int_equal(table_add(&t, &thing[MOST]), 0);
    for (int i = 0; i < MOST; i++)
        assert_ptr_equal(table_get(&t, i + 1), &thing[i]);
    table_drop(&t, 8);
    assert_int_equal(table_add(&t, &thing[MOST]), 8);
    for (int32_t i = 1; i <= MOST; i++)
        table_drop(&t, i);
    assert_int_equal(t.used, 0);
    table_fini(&t);
}

static void the_last_number_to_leave_is_the_next_to_be_given(void **unused)
{
    (void)unused;
    struct table t;
    char thing[3];
    table_init(&t, 8);
    for (int i = 0; i < 3; i++)
        table_add(&t, &thing[i]);
    table_drop(&t, 3);
    table_drop(&t, 1);
    assert_int_equal(table_add(&t, &thing[0]), 1);
    assert_int_equal(table_add(&t, &thing[2]), 3);
    for (int32_t i = 1; i <= 3; i++)
        table_drop(&t, i);
    table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_names_its_thing_until_it_leaves),
        cmocka_unit_test(what_was_never_given_is_nothing),
        cmocka_unit_test(holds_its_most_and_one_more_is_refused),
        cmocka_unit_test(the_last_number_to_leave_is_the_next_to_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
