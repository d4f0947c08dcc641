#include "base/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NAMES 20000

static void finds_each_of_many_names_and_no_other(void **unused)
{
    (void)unused;
    static char name[NAMES][24];
    struct index x;
    index_init(&x);
    assert_null(index_get(&x, "nobody"));
    for (int i = 0; i < NAMES; i++) {
        snprintf(name[i], sizeof name[i], "name %d", i);
        assert_null(index_get(&x, name[i]));
        assert_true(index_add(&x, name[i], &name[i]));
    }
    for (int i = 0; i < NAMES; i++) {
        char other[24];
        snprintf(other, sizeof other, "name %d", i);
        assert_ptr_equal(index_get(&x, other), &name[i]);
    }
    assert_null(index_get(&x, "name 20000"));
    assert_null(index_get(&x, ""));
    assert_int_equal(x.used, NAMES);
    index_fini(&x);
    assert_null(index_get(&x, "name 0"));
}

static void an_empty_name_is_a_name(void **unused)
{
    (void)unused;
    struct index x;
    index_init(&x);
    assert_true(index_add(&x, "", &x));
    assert_ptr_equal(index_get(&x, ""), &x);
    index_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_of_many_names_and_no_other),
        cmocka_unit_test(an_empty_name_is_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
