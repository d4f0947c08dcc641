/* slots_spec.c - a handle names its thing for as long as it is there, and nothing afterwards. */
#include "base/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

static void a_handle_is_worth_nothing_once_its_thing_has_left(void **unused)
{
    (void)unused;
    struct slots s;
    int thing[2];
    slots_init(&s, 8);
    int64_t first = slots_add(&s, &thing[0]);
    assert_true(first > 0);
    assert_ptr_equal(slots_get(&s, first), &thing[0]);
    slots_drop(&s, first);
    assert_null(slots_get(&s, first));
    int64_t second = slots_add(&s, &thing[1]);
    assert_int_not_equal(first, second);
    assert_int_equal(first & UINT32_MAX, second & UINT32_MAX); /* the same slot */
    assert_null(slots_get(&s, first));
    assert_ptr_equal(slots_get(&s, second), &thing[1]);
    slots_fini(&s);
}

static void what_was_never_given_is_nothing(void **unused)
{
    (void)unused;
    struct slots s;
    int thing;
    slots_init(&s, 8);
    assert_null(slots_get(&s, 1));
    int64_t handle = slots_add(&s, &thing);
    const int64_t wrong[] = {0, -1, handle + 1, handle + 1000, -handle, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(slots_get(&s, wrong[i]));
    slots_fini(&s);
}

static void holds_its_most_and_one_more_is_refused(void **unused)
{
    (void)unused;
    enum { MOST = 100 };
    struct slots s;
    char thing[MOST + 1];
    int64_t handle[MOST];
    slots_init(&s, MOST);
    for (int i = 0; i < MOST; i++)
        handle[i] = slots_add(&s, &thing[i]);
    assert_int_equal(slots_add(&s, &thing[MOST]), 0);
    assert_int_equal(s.used, MOST);
    for (int i = 0; i < MOST; i++)
        assert_ptr_equal(slots_get(&s, handle[i]), &thing[i]);
    slots_drop(&s, handle[7]);
    assert_true(slots_add(&s, &thing[MOST]) > 0);
    assert_null(slots_get(&s, handle[7]));
    slots_fini(&s);
}

static void the_last_slot_to_leave_is_the_next_to_be_used(void **unused)
{
    (void)unused;
    struct slots s;
    char thing[3];
    slots_init(&s, 8);
    int64_t handle[3];
    for (int i = 0; i < 3; i++) {
        handle[i] = slots_add(&s, &thing[i]);
        assert_int_equal(handle[i] & UINT32_MAX, i);
    }
    slots_drop(&s, handle[2]);
    slots_drop(&s, handle[0]);
    assert_int_equal(slots_add(&s, &thing[0]) & UINT32_MAX, 0);
    assert_int_equal(slots_add(&s, &thing[2]) & UINT32_MAX, 2);
    slots_fini(&s);
}

static void a_worn_slot_begins_again_and_stays_positive(void **unused)
{
    (void)unused;
    struct slots s;
    int thing;
    slots_init(&s, 1);
    slots_drop(&s, slots_add(&s, &thing));
    s.slot[0].generation = INT32_MAX; /* two thousand million uses later */
    int64_t last = slots_add(&s, &thing);
    assert_true(last > 0);
    slots_drop(&s, last);
    int64_t next = slots_add(&s, &thing);
    assert_true(next > 0);
    assert_int_not_equal(last, next);
    slots_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_is_worth_nothing_once_its_thing_has_left),
        cmocka_unit_test(what_was_never_given_is_nothing),
        cmocka_unit_test(holds_its_most_and_one_more_is_refused),
        cmocka_unit_test(the_last_slot_to_leave_is_the_next_to_be_used),
        cmocka_unit_test(a_worn_slot_begins_again_and_stays_positive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
