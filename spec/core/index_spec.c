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

/* Against a plain array, while the index is small and full, so that names stand in each other's places. */
static void what_is_dropped_is_gone_and_nothing_else(void **unused)
{
    (void)unused;
    static char name[40][24];
    bool is_there[40] = {false};
    uint64_t dice = 1;
    struct index x;
    index_init(&x);
    for (int i = 0; i < 40; i++)
        snprintf(name[i], sizeof name[i], "name %d", i);
    for (int step = 0; step < 100000; step++) {
        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
        int at = (int)(dice >> 33) % 40;
        if (is_there[at])
            index_drop(&x, name[at]);
        else
            assert_true(index_add(&x, name[at], name[at]));
        is_there[at] = !is_there[at];
        for (int i = 0; i < 40; i++)
            assert_ptr_equal(index_get(&x, name[i]), is_there[i] ? name[i] : NULL);
    }
    assert_true(x.size <= 64); /* the room of what left is used again */
    index_fini(&x);
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
        cmocka_unit_test(what_is_dropped_is_gone_and_nothing_else),
        cmocka_unit_test(an_empty_name_is_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
