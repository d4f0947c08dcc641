/* Memory for calls: what is kept for the next one, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/rooms.h"

static void what_one_left_is_the_next_ones_and_begins_with_zeros(void **unused)
{
    (void)unused;
    struct rooms r = {.first = NULL};
    char *room = rooms_take(&r, 100, 10);
    assert_non_null(room);
    memset(room, 'x', ROOM_SIZE);
    rooms_give(&r, room, 100);
    char *again = rooms_take(&r, ROOM_SIZE, 90);
    assert_true(again == room || ROOMS_MOST == 0);
    assert_int_equal(r.count, 0);
    for (int i = 0; i < 90; i++)
        assert_int_equal(again[i], 0);
    assert_true(again[90] == 'x' || ROOMS_MOST == 0);
    rooms_give(&r, again, ROOM_SIZE);
    rooms_fini(&r);
    assert_null(r.first);
    assert_int_equal(r.count, 0);
}

static void what_is_too_large_is_not_kept(void **unused)
{
    (void)unused;
    struct rooms r = {.first = NULL};
    char *large = rooms_take(&r, ROOM_SIZE + 1, 8);
    assert_non_null(large);
    large[ROOM_SIZE] = 'x';
    rooms_give(&r, large, ROOM_SIZE + 1);
    assert_int_equal(r.count, 0);
    char *room = rooms_take(&r, ROOM_SIZE, 8);
    rooms_give(&r, room, ROOM_SIZE);
    large = rooms_take(&r, ROOM_SIZE + 1, ROOM_SIZE + 1); /* nor is it one that was kept */
    assert_true(large != room);
    assert_int_equal(r.count, ROOMS_MOST == 0 ? 0 : 1);
    rooms_give(&r, large, ROOM_SIZE + 1);
    rooms_fini(&r);
}

static void so_many_are_kept_and_no_more(void **unused)
{
    (void)unused;
    struct rooms r = {.first = NULL};
    void *room[ROOMS_MOST + 2];
    for (int i = 0; i < ROOMS_MOST + 2; i++)
        assert_non_null(room[i] = rooms_take(&r, 1, 1));
    for (int i = 0; i < ROOMS_MOST + 2; i++)
        rooms_give(&r, room[i], 1);
    assert_int_equal(r.count, ROOMS_MOST);
    rooms_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_left_is_the_next_ones_and_begins_with_zeros),
        cmocka_unit_test(what_is_too_large_is_not_kept),
        cmocka_unit_test(so_many_are_kept_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
