/* Whoever does not turn: what is on its way to it goes to those who ask, and it asks for nothing until it turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/stakes.h"

static void two_ask_and_one_does_not_turn(struct parcel *one)
{
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_false(stake_ask(1, 10));
    assert_false(stake_ask(2, 20));
    assert_true(permits_hand(stake(0), one, LEDGER_NOBODY)); /* to 1, who does not turn */
    stake_looks(2);
}

static void what_is_on_its_way_to_who_does_not_turn_is_taken_back(void **unused)
{
    (void)unused;
    struct parcel one;
    int32_t permits;
    two_ask_and_one_does_not_turn(&one);
    assert_int_equal(permits_take_back(stake(2), 1000), -1); /* seen, and told a moment ago */
    assert_int_equal(permits_take_back(stake(2), 1000 + LEDGER_LATE_US - 1), -1);
    assert_int_equal(stake_looks(2), 0);
    assert_int_equal(permits_take_back(stake(2), 1000 + LEDGER_LATE_US), 1);
    assert_int_equal(permits_take_back(stake(2), 1000 + LEDGER_LATE_US), -1);
    assert_int_equal(stake_looks(2), 1);
    assert_ptr_equal(permits_receive(stake(2), &permits), &one);
    assert_int_equal(permits_out(stake(0)), 1);
    assert_int_equal(stake_looks(1), 1); /* it turns, and nothing has come */
    assert_null(permits_receive(stake(1), &permits));
    assert_int_equal(permits, 0);
    permits_give(stake(2));
    stakes_end();
}

static void who_turned_meanwhile_is_not_late(void **unused)
{
    (void)unused;
    struct parcel one;
    int32_t permits;
    two_ask_and_one_does_not_turn(&one);
    assert_int_equal(permits_take_back(stake(2), 0), -1);
    assert_int_equal(stake_looks(1), 1);
    assert_int_equal(permits_take_back(stake(2), 10 * LEDGER_LATE_US), -1);
    assert_ptr_equal(permits_receive(stake(1), &permits), &one);
    permits_give(stake(1)); /* goes to 2; and 1 asks again, and is told of something new */
    assert_false(stake_ask(1, 30));
    assert_true(permits_take_back(stake(3), 20 * LEDGER_LATE_US) == -1);
    stake_looks(2);
    assert_int_equal(stake_granted(2), 1);
    permits_give(stake(2));
    assert_int_equal(permits_take_back(stake(3), 30 * LEDGER_LATE_US), -1);
    assert_int_equal(stake_looks(1), 1);
    assert_int_equal(stake_granted(1), 1);
    permits_give(stake(1));
    stakes_end();
}

static void who_does_not_turn_asks_for_nothing_until_it_asks_again(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_true(permits_take(stake(0)) == false);
    assert_false(stake_ask(1, 10));
    permits_resize(stake(0), 2); /* one for 1, who is told and does not turn */
    assert_false(stake_ask(1, 10));
    assert_false(stake_ask(1, 11));
    assert_int_equal(permits_take_back(stake(2), 0), -1);
    assert_int_equal(permits_take_back(stake(2), LEDGER_LATE_US), -1); /* for whom? */
    assert_false(stake_ask(2, 20));
    assert_int_equal(permits_take_back(stake(2), LEDGER_LATE_US), 1);
    stake_looks(2);
    assert_int_equal(stake_granted(2), 1);
    assert_true(permits_asked_us(stake(0)) == LEDGER_NOBODY);
    stake_looks(0);
    assert_false(stake_ask(1, 11));
    assert_int_equal(stake_looks(0), 1);
    assert_true(permits_asked_us(stake(0)) == 11);
    permits_unask(stake(1));
    permits_give(stake(0));
    permits_give(stake(2));
    stakes_end();
}

static void what_is_too_much_stays_where_it_is(void **unused)
{
    (void)unused;
    struct parcel one;
    int32_t permits;
    two_ask_and_one_does_not_turn(&one);
    permits_resize(stake(0), 2);
    stake_looks(2);
    assert_int_equal(stake_granted(2), 1);
    assert_false(stake_ask(2, 20));
    permits_resize(stake(0), 1);
    assert_int_equal(permits_take_back(stake(2), 0), -1);
    assert_int_equal(permits_take_back(stake(2), LEDGER_LATE_US), -1);
    assert_ptr_equal(permits_receive(stake(1), &permits), &one);
    permits_unask(stake(2));
    permits_give(stake(1));
    permits_give(stake(2));
    stakes_end();
}

static void what_is_to_close_stays_where_it_is(void **unused)
{
    (void)unused;
    struct parcel one;
    int32_t permits;
    stakes_begin(2);
    assert_true(permits_take(stake(0)) && permits_take(stake(3)));
    assert_false(stake_ask(1, 10) || stake_ask(2, 20));
    assert_true(permits_hand(stake(0), &one, LEDGER_NOBODY)); /* to 1, who does not turn */
    stake_looks(2);
    permits_resize(stake(0), 1);
    assert_true(permits_doom(stake(3)));
    assert_int_equal(permits_take_back(stake(2), 0), -1);
    assert_int_equal(permits_take_back(stake(2), LEDGER_LATE_US), -1);
    permits_give(stake(3)); /* now it is gone */
    assert_int_equal(permits_take_back(stake(2), LEDGER_LATE_US), 1);
    assert_ptr_equal(permits_receive(stake(2), &permits), &one);
    permits_give(stake(2));
    stakes_end();
}

/* It was told that somebody asks; and nothing is taken from it, so it is none the slower. */
static void who_only_asks_and_does_not_turn_asks_no_more(void **unused)
{
    (void)unused;
    struct parcel one;
    int32_t permits;
    stakes_begin(2);
    assert_true(permits_take(stake(1)) && permits_take(stake(0)));
    assert_false(stake_ask(1, 10) || stake_ask(2, 20));
    assert_int_equal(permits_take_back(stake(2), 0), -1);
    assert_int_equal(permits_take_back(stake(2), LEDGER_LATE_US), 1);
    assert_true(permits_asked_us(stake(0)) == 20 && permits_claims(stake(0)) == 1);
    stake_looks(1);
    assert_false(stake_ask(1, 10));
    assert_true(permits_hand(stake(0), &one, LEDGER_NOBODY));
    assert_int_equal(permits_take_back(stake(2), 0), -1);
    assert_int_equal(permits_take_back(stake(2), LEDGER_LATE_US), 1);
    assert_ptr_equal(permits_receive(stake(2), &permits), &one);
    permits_give(stake(1));
    permits_give(stake(2));
    stakes_end();
}

/* Else one that is slow, and turns, would never get anything. */
static void who_is_slow_has_longer_each_time(void **unused)
{
    (void)unused;
    struct parcel one;
    int32_t permits;
    int64_t now_us = 0;
    two_ask_and_one_does_not_turn(&one);
    for (int times = 0; times < 8; times++) {
        assert_int_equal(permits_take_back(stake(2), now_us), -1);
        now_us += (int64_t)LEDGER_LATE_US << (times < 5 ? times : 5);
        assert_int_equal(permits_take_back(stake(2), now_us - 1), -1);
        assert_int_equal(permits_take_back(stake(2), now_us), 1);
        stake_looks(1);
        assert_null(permits_receive(stake(1), &permits)); /* it is as slow as before */
        stake_looks(2);
        assert_ptr_equal(permits_receive(stake(2), &permits), &one);
        assert_false(stake_ask(1, 10));
        assert_false(stake_ask(2, 20));
        assert_true(permits_hand(stake(2), &one, LEDGER_NOBODY));
    }
    stake_looks(1);
    assert_ptr_equal(permits_receive(stake(1), &permits), &one); /* and now less so */
    assert_true(permits_hand(stake(1), &one, LEDGER_NOBODY));
    stake_looks(2);
    assert_ptr_equal(permits_receive(stake(2), &permits), &one);
    assert_false(stake_ask(1, 10) || stake_ask(2, 20));
    assert_true(permits_hand(stake(2), &one, LEDGER_NOBODY));
    assert_int_equal(permits_take_back(stake(2), now_us), -1);
    now_us += (int64_t)LEDGER_LATE_US << 4;
    assert_int_equal(permits_take_back(stake(2), now_us - 1), -1);
    assert_int_equal(permits_take_back(stake(2), now_us), 1);
    assert_ptr_equal(permits_receive(stake(2), &permits), &one);
    permits_unask(stake(2));
    permits_give(stake(2));
    stakes_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_on_its_way_to_who_does_not_turn_is_taken_back),
        cmocka_unit_test(who_turned_meanwhile_is_not_late),
        cmocka_unit_test(who_does_not_turn_asks_for_nothing_until_it_asks_again),
        cmocka_unit_test(what_is_too_much_stays_where_it_is),
        cmocka_unit_test(what_is_to_close_stays_where_it_is),
        cmocka_unit_test(who_only_asks_and_does_not_turn_asks_no_more),
        cmocka_unit_test(who_is_slow_has_longer_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
