/* ledger_spec.c - one cap for all workers: each rule by itself, on loops of one thread. On real threads:
 * ledger_threads_spec.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "support/stakes.h"

static void the_cap_is_one_for_all(void **unused)
{
    (void)unused;
    stakes_begin(2);
    assert_true(permits_take(stake(0)));
    assert_false(permits_is_full(stake(3)));
    assert_true(stake_ask(1, 10));
    assert_true(permits_is_full(stake(3)));
    assert_false(permits_take(stake(2)));
    assert_int_equal(permits_out(stake(3)), 2);
    permits_give(stake(0));
    assert_true(permits_take(stake(2)));
    permits_give(stake(1));
    permits_give(stake(2));
    assert_int_equal(permits_out(stake(0)), 0);
    stakes_end();
}

static void ignored(struct stake *s)
{
    (void)s;
}

static void another_identity_has_its_own(void **unused)
{
    (void)unused;
    struct stake other = {.worker = 0, .look = ignored};
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_true(permits_join(&other, stakes_ledger(), stake_loop(0), "shop, but another", 1));
    assert_true(permits_take(&other));
    permits_give(&other);
    permits_leave(&other);
    assert_true(permits_join(&other, stakes_ledger(), stake_loop(0), "sho", 1));
    assert_true(permits_take(&other));
    permits_give(&other);
    permits_leave(&other);
    permits_give(stake(0));
    stakes_end();
}

static void without_a_ledger_there_is_no_bound(void **unused)
{
    (void)unused;
    struct stake s = {.permits = NULL};
    assert_true(permits_take(&s) && permits_ask(&s, &(struct asks){.count = 0}));
    assert_true(permits_asked_us(&s) == LEDGER_NOBODY);
    permits_unask(&s);
    permits_give(&s);
    permits_resize(&s, 3);
    assert_int_equal(permits_out(&s), 0);
    permits_leave(&s);
}

static void who_asked_first_gets_what_is_given_back(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_false(stake_ask(1, 30));
    assert_false(stake_ask(2, 20));
    permits_give(stake(0));
    assert_int_equal(stake_looks(1), 0);
    assert_int_equal(stake_looks(2), 1);
    assert_int_equal(stake_granted(2), 1);
    assert_int_equal(stake_granted(2), 0);
    permits_give(stake(2));
    assert_int_equal(stake_looks(1), 1);
    assert_int_equal(stake_granted(1), 1);
    permits_give(stake(1));
    stakes_end();
}

static void who_holds_one_is_told_that_somebody_asks(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(3)));
    assert_false(stake_ask(0, 30));
    assert_false(stake_ask(0, 40)); /* asked before */
    assert_int_equal(stake_looks(3), 1);
    assert_int_equal(stake_looks(3), 0);
    assert_int_equal(stake_looks(1), 0);
    assert_true(permits_asked_us(stake(3)) == 40);
    assert_true(permits_asked_us(stake(0)) == LEDGER_NOBODY); /* of the others, none */
    permits_unask(stake(0));
    assert_true(permits_asked_us(stake(3)) == LEDGER_NOBODY);
    assert_false(stake_ask(3, 50));
    assert_int_equal(stake_looks(3), 0); /* he knows */
    permits_unask(stake(3));
    permits_wish(stake(0), &(struct asks){.arrived_us = {60}, .count = 1, .room = 0});
    assert_int_equal(stake_looks(3), 0); /* for nothing */
    permits_give(stake(3));
    assert_int_equal(permits_out(stake(0)), 0);
    stakes_end();
}

static bool ask_for_two(struct stake *s)
{
    return permits_ask(s, &(struct asks){.arrived_us = {30, 31}, .count = 2, .room = 2});
}

/* Who may be handed a connection is served by the first look; for each permit alone somebody closes one. */
static void who_holds_some_hears_of_each_permit_where_these_go_alone(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(3)));
    assert_false(stake_ask(0, 30) || stake_ask(1, 40));
    assert_int_equal(stake_looks(3), 1);
    assert_int_equal(permits_claims(stake(3)), 2);
    stake(1)->only_permits = true;
    assert_false(ask_for_two(stake(0)));
    assert_int_equal(stake_looks(3), 0);
    assert_false(ask_for_two(stake(1)));
    assert_int_equal(stake_looks(3), 1);
    assert_int_equal(permits_claims(stake(3)), 4);
    assert_int_equal(permits_claims(stake(0)), 2);           /* of others */
    assert_false(ask_for_two(stake(1)) || stake_ask(1, 30)); /* no more than before */
    assert_int_equal(stake_looks(3), 0);
    permits_unask(stake(0));
    permits_unask(stake(1));
    assert_int_equal(permits_claims(stake(3)), 0);
    permits_give(stake(3));
    stakes_end();
}

static void a_connection_goes_with_its_permit(void **unused)
{
    (void)unused;
    struct parcel one, two;
    stakes_begin(2);
    assert_true(permits_take(stake(0)) && permits_take(stake(0)));
    assert_false(permits_hand(stake(0), &one, LEDGER_NOBODY)); /* nobody asks: it stays */
    assert_false(stake_ask(1, 5));
    assert_false(permits_hand(stake(0), &one, 5)); /* one of ours came as early */
    assert_true(permits_hand(stake(0), &one, 6));
    assert_false(permits_hand(stake(0), &two, LEDGER_NOBODY)); /* he has not asked for another */
    assert_int_equal(stake_looks(1), 1);
    int32_t permits;
    struct parcel *p = permits_receive(stake(1), &permits);
    assert_ptr_equal(p, &one);
    assert_null(p->next);
    assert_int_equal(permits, 0);
    assert_int_equal(permits_out(stake(1)), 2);
    permits_give(stake(1));
    permits_give(stake(0));
    stakes_end();
}

static void who_has_not_received_what_came_gets_no_more(void **unused)
{
    (void)unused;
    struct parcel one, two;
    int32_t permits;
    stakes_begin(2);
    assert_true(permits_take(stake(0)) && permits_take(stake(1)));
    assert_false(stake_ask(2, 5));
    assert_true(permits_hand(stake(0), &one, LEDGER_NOBODY));
    assert_false(stake_ask(2, 6));
    assert_false(permits_hand(stake(1), &two, LEDGER_NOBODY));
    assert_ptr_equal(permits_receive(stake(2), &permits), &one);
    assert_int_equal(stake_looks(2), 1);
    assert_false(stake_ask(2, 6));
    assert_true(permits_hand(stake(1), &two, LEDGER_NOBODY));
    assert_ptr_equal(permits_receive(stake(2), &permits), &two);
    permits_give(stake(2));
    permits_give(stake(2));
    stakes_end();
}

static void whoever_leaves_passes_on_what_he_has(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_false(stake_ask(1, 5));
    permits_give(stake(0)); /* on its way to 1, who leaves */
    assert_false(stake_ask(2, 6));
    assert_true(permits_has_come(stake(1)));
    assert_int_equal(stake_granted(1), 1);
    assert_false(permits_has_come(stake(1)));
    permits_give(stake(1));
    permits_leave(stake(1));
    assert_int_equal(stake_looks(1), 0);
    assert_int_equal(stake_looks(2), 1);
    assert_int_equal(stake_granted(2), 1);
    assert_false(stake_ask(3, 7));
    permits_leave(stake(3)); /* asks no more */
    permits_give(stake(2));
    assert_int_equal(permits_out(stake(0)), 0);
    stakes_end();
}

static void bounds_change(void **unused)
{
    (void)unused;
    struct parcel one;
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_false(stake_ask(1, 5));
    assert_false(stake_ask(2, 6));
    permits_resize(stake(0), 2);
    assert_int_equal(stake_granted(1), 1);
    assert_int_equal(stake_granted(2), 0);
    permits_resize(stake(0), 1);
    assert_false(
        permits_hand(stake(0), &one, LEDGER_NOBODY)); /* one too many: it is to be closed */
    permits_give(stake(0));
    assert_int_equal(stake_granted(2), 0);
    assert_int_equal(permits_out(stake(0)), 1);
    permits_give(stake(1));
    assert_int_equal(stake_granted(2), 1);
    permits_give(stake(2));
    stakes_end();
}

static void who_does_not_wait_any_more_is_not_asked_for(void **unused)
{
    (void)unused;
    const struct asks a = {.arrived_us = {5, 6, 30}, .count = 3, .room = 3};
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_false(permits_ask(stake(1), &a));
    permits_forget(stake(1), 6);
    permits_forget(stake(1), 7); /* was never asked for */
    assert_true(permits_asked_us(stake(0)) == 5);
    permits_forget(stake(1), 5);
    assert_true(permits_asked_us(stake(0)) == 30);
    permits_forget(stake(1), 30);
    assert_true(permits_asked_us(stake(0)) == LEDGER_NOBODY);
    permits_give(stake(0));
    assert_int_equal(stake_granted(1), 0);
    stakes_end();
}

static void who_finds_none_hears_that_there_is_one(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_false(permits_take(stake(1)));
    assert_false(stake_ask(2, 10));
    permits_give(stake(0)); /* who asks comes first */
    assert_int_equal(stake_granted(2), 1);
    assert_int_equal(stake_looks(1), 0);
    permits_give(stake(2));
    assert_int_equal(stake_looks(1), 1);
    assert_true(permits_take(stake(1)));
    assert_false(permits_take(stake(0)));
    stake_looks(0); /* it was asked to give one back, when it had one */
    permits_resize(stake(2), 1);
    assert_int_equal(stake_looks(0), 0); /* there is no more than before */
    permits_resize(stake(2), 2);
    assert_int_equal(stake_looks(0), 1);
    assert_int_equal(stake_looks(1), 0); /* who has one */
    permits_give(stake(1));
    assert_int_equal(stake_looks(0), 0); /* once */
    stakes_end();
}

static void who_comes_again_has_forgotten_what_he_wanted(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    assert_false(permits_take(stake(1)));
    permits_leave(stake(1));
    stake_join(1, "shop", 1);
    permits_give(stake(0));
    assert_int_equal(stake_looks(1), 0);
    stakes_end();
}

static void what_is_to_close_counts_until_it_is_gone(void **unused)
{
    (void)unused;
    stakes_begin(2);
    assert_true(permits_take(stake(0)) && permits_take(stake(1)));
    assert_false(permits_is_over(stake(0)));
    permits_resize(stake(0), 1);
    assert_true(permits_has_excess(stake(0)) && permits_is_over(stake(0)));
    assert_true(permits_doom(stake(0)));
    assert_true(!permits_has_excess(stake(0)) && permits_is_over(stake(0)));
    permits_resize(stake(0), 1); /* as it is */
    assert_false(permits_has_excess(stake(0)));
    assert_false(stake_ask(2, 10));
    permits_give(stake(0));
    assert_int_equal(stake_granted(2), 0); /* nobody gets it */
    assert_false(permits_is_over(stake(0)));
    permits_give(stake(1));
    assert_int_equal(stake_granted(2), 1);
    permits_resize(stake(0), 0); /* and now it is another one that is too much */
    assert_true(permits_has_excess(stake(0)));
    permits_give(stake(2));
    stakes_end();
}

/* It closes all the same, and somebody else may open one then. */
static void what_was_to_close_makes_room_when_there_may_be_more_again(void **unused)
{
    (void)unused;
    stakes_begin(2);
    assert_true(permits_take(stake(0)) && permits_take(stake(1)));
    permits_resize(stake(0), 1);
    assert_true(permits_doom(stake(0)));
    permits_resize(stake(0), 2);
    assert_false(stake_ask(2, 10));
    permits_give(stake(0));
    assert_int_equal(stake_granted(2), 1);
    permits_give(stake(1));
    permits_give(stake(2));
    stakes_end();
}

/* The only one of those who do not leave. */
static int home(void)
{
    int found = -1;
    for (int i = 0; i < STAKES; i++)
        if (stake(i)->permits != NULL && permits_is_home(stake(i))) {
            assert_int_equal(found, -1);
            found = i;
        }
    return found;
}

static void who_leaves_or_is_about_to_is_home_no_more(void **unused)
{
    (void)unused;
    stakes_begin(1);
    int first = home();
    permits_stop(stake(first));
    int second = home();
    assert_true(second >= 0 && second != first);
    permits_leave(stake(second));
    int third = home();
    assert_true(third >= 0 && third != first && third != second);
    stake_join(second, "shop", 1);
    assert_int_equal(home(), second);
    permits_leave(stake(first));
    stake_join(first, "shop", 1);
    assert_int_equal(home(), first);
    stakes_end();
}

static void who_comes_when_all_leave_begins_anew(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_take(stake(0)));
    permits_leave(stake(3));
    stake_join(3, "shop", 2);
    assert_false(permits_take(stake(3))); /* it is as those know who are there */
    permits_leave(stake(3));
    permits_stop(stake(0));
    permits_leave(stake(1));
    permits_leave(stake(2));
    stake_join(3, "shop", 2);
    assert_true(permits_take(stake(3)));
    assert_false(permits_take(stake(3)));
    permits_give(stake(3));
    permits_give(stake(0));
    stake_join(1, "shop", 9);
    stake_join(2, "shop", 9);
    stakes_end();
}

static int settled;

static void settle(struct stake *s)
{
    (void)s;
    settled++;
}

static bool is_told_to_settle(int i)
{
    settled = 0;
    loop_turn(stake_loop(i), 0);
    return settled > 0;
}

static void who_is_home_hears_when_there_are_too_few(void **unused)
{
    (void)unused;
    stakes_begin(3);
    int at = home(), other = (at + 1) % STAKES;
    stake(at)->settle = settle;
    is_told_to_settle(at); /* that it is home */
    permits_least(stake(other), 1);
    assert_true(is_told_to_settle(at));
    assert_true(permits_take(stake(other)));
    permits_least(stake(other), 1);
    assert_false(is_told_to_settle(at)); /* there are as many */
    permits_give(stake(other));
    assert_true(is_told_to_settle(at));
    permits_leave(stake(other));
    assert_false(is_told_to_settle(at)); /* it is home as before */
    stake_join(other, "shop", 3);
    stakes_end();
}

static void what_was_renewed_is_known_to_who_comes_later(void **unused)
{
    (void)unused;
    stakes_begin(1);
    assert_true(permits_renewed_us(stake(0)) == 0);
    permits_renew(stake(0), 70);
    permits_leave(stake(1));
    stake_join(1, "shop", 1);
    assert_true(permits_renewed_us(stake(1)) == 70);
    stakes_end();
}

static void between_two_looks_several_are_served(void **unused)
{
    (void)unused;
    struct parcel one, two, three;
    const struct asks a = {.arrived_us = {5, 6, 30}, .count = 3, .room = 3};
    int32_t permits;
    stakes_begin(3);
    assert_true(permits_take(stake(0)) && permits_take(stake(0)) && permits_take(stake(1)));
    assert_false(permits_ask(stake(2), &a));
    assert_false(stake_ask(3, 20));
    assert_true(permits_hand(stake(0), &one, LEDGER_NOBODY) &&
                permits_hand(stake(0), &two, LEDGER_NOBODY));
    assert_true(permits_asked_us(stake(1)) == 20);
    permits_wish(stake(2), &a); /* what is on its way is for the first two */
    assert_true(permits_asked_us(stake(1)) == 20);
    assert_true(permits_hand(stake(1), &three, LEDGER_NOBODY));
    assert_true(permits_asked_us(stake(1)) == 30);
    assert_ptr_equal(permits_receive(stake(3), &permits), &three);
    assert_ptr_equal(permits_receive(stake(2), &permits), &one);
    assert_ptr_equal(one.next, &two);
    permits_wish(stake(2), &(struct asks){.arrived_us = {6}, .count = 1, .room = 0});
    assert_true(permits_asked_us(stake(1)) == LEDGER_NOBODY); /* there is no room for it */
    permits_give(stake(2));
    permits_give(stake(2));
    permits_give(stake(3));
    stakes_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cap_is_one_for_all),
        cmocka_unit_test(another_identity_has_its_own),
        cmocka_unit_test(without_a_ledger_there_is_no_bound),
        cmocka_unit_test(who_asked_first_gets_what_is_given_back),
        cmocka_unit_test(who_holds_one_is_told_that_somebody_asks),
        cmocka_unit_test(who_holds_some_hears_of_each_permit_where_these_go_alone),
        cmocka_unit_test(a_connection_goes_with_its_permit),
        cmocka_unit_test(who_has_not_received_what_came_gets_no_more),
        cmocka_unit_test(between_two_looks_several_are_served),
        cmocka_unit_test(whoever_leaves_passes_on_what_he_has),
        cmocka_unit_test(bounds_change),
        cmocka_unit_test(who_does_not_wait_any_more_is_not_asked_for),
        cmocka_unit_test(who_finds_none_hears_that_there_is_one),
        cmocka_unit_test(who_comes_again_has_forgotten_what_he_wanted),
        cmocka_unit_test(what_is_to_close_counts_until_it_is_gone),
        cmocka_unit_test(what_was_to_close_makes_room_when_there_may_be_more_again),
        cmocka_unit_test(who_leaves_or_is_about_to_is_home_no_more),
        cmocka_unit_test(who_is_home_hears_when_there_are_too_few),
        cmocka_unit_test(what_was_renewed_is_known_to_who_comes_later),
        cmocka_unit_test(who_comes_when_all_leave_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
