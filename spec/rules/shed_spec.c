#include "rules/shed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/aborts.h"

#define MS 1000
#define SECOND 1000000
#define BEGIN_US (1000 * (int64_t)SECOND)

static const struct shed_policy usual = {
    .interval_us = 100 * MS,
    .of = {[SHED_NORMAL] = {.target_us = 5 * MS},
           [SHED_CRITICAL] = {.target_us = 20 * MS, .most_us = 40 * MS},
           [SHED_BATCH] = {.target_us = 1 * MS, .most_us = 2 * MS}}};

static bool refuses(struct shed *s, int64_t waited_us, int64_t now_us)
{
    return shed_refuses(s, &usual, SHED_NORMAL, waited_us, 1, now_us);
}

/* One that was there all the time. */
static bool refuses_old(struct shed *s, int64_t now_us)
{
    return refuses(s, now_us, now_us);
}

/* --- the law ---------------------------------------------------------------------------------- */

/* RFC 8289, sections 5.5 and 5.6: after an interval above the target the first is lost, and the next
 * ones after 100 ms by the square root of how many those were. */
static const int64_t law_us[] = {100000, 70710, 57735, 50000, 44721, 40824,
                                 37796,  35355, 33333, 31622, 30151, 28867};

/* Above from then on: it refuses at those times, and not 1 us before. */
static int64_t follow_the_law(struct shed *s, int64_t from_us, size_t first, size_t count)
{
    int64_t at_us = from_us + 100 * MS;
    assert_false(refuses_old(s, from_us));
    assert_false(refuses_old(s, at_us - 1));
    assert_true(refuses_old(s, at_us));
    for (size_t i = first; i < first + count; i++) {
        at_us += law_us[i];
        assert_false(refuses_old(s, at_us - 1));
        assert_true(refuses_old(s, at_us));
        assert_false(refuses_old(s, at_us));
    }
    return at_us;
}

static void the_law_is_that_of_the_document(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    follow_the_law(&s, BEGIN_US, 0, COUNT(law_us));
}

/* One below ends it. Within 16 intervals it goes on with what the count grew by. */
static void who_begins_again_soon_begins_where_it_was(void **unused)
{
    (void)unused;
    static const struct {
        size_t refused;   /* by the law, after the first */
        int64_t pause_us; /* since the next one would have been */
        size_t then;      /* the place of its next pause */
    } row[] = {
        {0, 0, 0}, {1, 0, 0}, /* a growth of one is none */
        {2, 0, 1}, {9, 0, 8}, {9, 1599999, 8}, {9, 1600000, 0}, {9, 1600 * (int64_t)SECOND, 0},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct shed s = {.of = {{.count = 0}}};
        int64_t at_us = follow_the_law(&s, BEGIN_US, 0, row[i].refused);
        int64_t again_us = at_us + law_us[row[i].refused] + row[i].pause_us;
        assert_false(refuses(&s, 5 * MS - 1, again_us - 100 * MS));
        follow_the_law(&s, again_us - 100 * MS, row[i].then, 3);
    }
}

/* The third time with what it grew by in the second. */
static void it_goes_on_with_what_it_grew_by_the_last_time(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    int64_t at_us = follow_the_law(&s, BEGIN_US, 0, 6);
    assert_false(refuses(&s, 0, at_us));
    at_us = follow_the_law(&s, at_us, 5, 3);
    assert_int_equal(s.of[SHED_NORMAL].count, 9);
    assert_false(refuses(&s, 0, at_us));
    at_us = follow_the_law(&s, at_us, 2, 0);
    assert_int_equal(s.of[SHED_NORMAL].count, 3);
    assert_false(refuses(&s, 0, at_us));
    follow_the_law(&s, at_us, 0, 1);
}

/* Several that were due meanwhile, one after the other. */
static void what_was_due_while_none_came_out_is_made_up_for(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    int64_t at_us = follow_the_law(&s, BEGIN_US, 0, 0) + law_us[0] + law_us[1] + law_us[2];
    for (int i = 0; i < 3; i++)
        assert_true(refuses_old(&s, at_us));
    assert_false(refuses_old(&s, at_us));
    assert_false(refuses_old(&s, at_us + law_us[3] - 1));
    assert_true(refuses_old(&s, at_us + law_us[3]));
}

static void a_queue_that_stood_still_for_long_begins_anew(void **unused)
{
    (void)unused;
    static const struct {
        int64_t still_us;
        uint32_t count;
    } row[] = {{0, 7}, {1599999, 8}, {1600000, 1}, {3600 * (int64_t)SECOND, 1}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct shed s = {.of = {{.count = 0}}};
        int64_t now_us = follow_the_law(&s, BEGIN_US, 0, 5) + law_us[5] + row[i].still_us;
        assert_true(refuses_old(&s, now_us));
        refuses_old(&s, now_us);
        assert_int_equal(s.of[SHED_NORMAL].count, row[i].count);
    }
}

/* --- sentences -------------------------------------------------------------------------------- */

/* A letter for each that comes out of the queue: 's' came when the one before left, and waited for no
 * less than the target; 'n' came 1 us later; 't' waited just for the target, 'o' 1 us less, 'm' for
 * most and 'x' 1 us longer. With a capital nobody waits behind it. '.' is a tenth of the interval
 * that passes. Behind it: '-' served, '#' refused. */
static int64_t waited_us(char letter, const struct shed_bounds *of, int64_t since_us)
{
    switch (letter) {
    case 's':
        return since_us > of->target_us ? since_us : of->target_us;
    case 'n':
        return since_us - 1;
    case 'o':
        return of->target_us - 1;
    case 'm':
        return of->most_us;
    case 'x':
        return of->most_us + 1;
    default:
        return of->target_us;
    }
}

static void tell(enum shed_class class, const char *sentence, char *told)
{
    struct shed s = {.of = {{.count = 0}}};
    int64_t now_us = BEGIN_US, seen_us = BEGIN_US;
    for (const char *c = sentence; *c != '\0'; c++) {
        now_us += *c == '.' ? 10 * MS : 0;
        if (*c == '.')
            continue;
        int64_t us = waited_us((char)(*c | 32), &usual.of[class], now_us - seen_us);
        *told++ = "-#"[shed_refuses(&s, &usual, class, us, *c < 'a' ? 0 : 1, now_us)];
        seen_us = now_us;
    }
    *told = '\0';
}

static void a_queue_sheds_when_it_stood_for_an_interval(void **unused)
{
    (void)unused;
    static const struct {
        const char *sentence, *told;
        enum shed_class class;
    } row[] = {
        {"t", "-", SHED_NORMAL},
        {"tttt", "----", SHED_NORMAL},
        {"t.........s", "--", SHED_NORMAL},
        {"t..........s", "-#", SHED_NORMAL},
        {"t..........tt", "---", SHED_NORMAL}, /* nobody was there between */
        {"t..........n", "--", SHED_NORMAL},
        {"t..........n.........s", "---", SHED_NORMAL},
        {"t..........n..........s", "--#", SHED_NORMAL},
        {"t.....s.....s", "--#", SHED_NORMAL},
        {"t.....s.....st", "--#-", SHED_NORMAL},
        {"t.....s.....s..........st", "--##-", SHED_NORMAL},
        {"t.....o.....s", "---", SHED_NORMAL},
        {"t.....o.....s.........s", "----", SHED_NORMAL},
        {"t.....o.....s..........s", "---#", SHED_NORMAL},
        {"t.....S.....s", "---", SHED_NORMAL}, /* the last one leaves it empty */
        {"t.....s.....S", "---", SHED_NORMAL}, /* and is served */
        {"t.....s.....ss..........s", "--#-#", SHED_NORMAL},
        {"t.....s.....so..........s", "--#--", SHED_NORMAL}, /* one below ends it */
        {"t.....s.....sS..........s", "--#--", SHED_NORMAL},
        {"t.....s.....sn..........s", "--#--", SHED_NORMAL},
        {"t.....s.....sx", "--#-", SHED_NORMAL}, /* it has no most */
        {"t.....s.....sxxx", "--####", SHED_CRITICAL},
        {"t.....s.....smx", "--#-#", SHED_CRITICAL},
        {"t.....s.....sXx", "--#--", SHED_CRITICAL},
        {"t.....s.....sxox", "--##--", SHED_CRITICAL},
        {"x.x.x.x.x.x", "------", SHED_CRITICAL}, /* not before it sheds */
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        char told[50];
        tell(row[i].class, row[i].sentence, told);
        if (strcmp(told, row[i].told) != 0)
            fail_msg("%s: %s, not %s", row[i].sentence, told, row[i].told);
    }
}

static void the_shortest_most_is_one(void **unused)
{
    (void)unused;
    static const struct shed_policy p = {.interval_us = 100 * MS,
                                         .of = {[SHED_NORMAL] = {.target_us = 1, .most_us = 1}}};
    struct shed s = {.of = {{.count = 0}}};
    assert_false(shed_refuses(&s, &p, SHED_NORMAL, 100 * MS, 1, BEGIN_US));
    assert_true(shed_refuses(&s, &p, SHED_NORMAL, 100 * MS, 1, BEGIN_US + 100 * MS));
    assert_true(shed_refuses(&s, &p, SHED_NORMAL, 2, 1, BEGIN_US + 100 * MS));
    assert_false(shed_refuses(&s, &p, SHED_NORMAL, 1, 1, BEGIN_US + 100 * MS));
}

static void each_class_is_looked_at_by_itself(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    for (int64_t now_us = BEGIN_US; now_us < BEGIN_US + 100 * MS; now_us += MS) {
        assert_false(shed_refuses(&s, &usual, SHED_BATCH, 4 * MS, 9, now_us));
        assert_false(shed_refuses(&s, &usual, SHED_NORMAL, 4 * MS, 9, now_us));
        assert_false(shed_refuses(&s, &usual, SHED_CRITICAL, 4 * MS, 9, now_us));
    }
    for (int64_t now_us = BEGIN_US + 100 * MS; now_us < BEGIN_US + 300 * MS; now_us += MS) {
        assert_true(shed_refuses(&s, &usual, SHED_BATCH, 4 * MS, 9, now_us));
        assert_false(shed_refuses(&s, &usual, SHED_NORMAL, 4 * MS, 9, now_us));
        assert_false(shed_refuses(&s, &usual, SHED_CRITICAL, 4 * MS, 9, now_us));
    }
}

/* --- another policy, another time --------------------------------------------------------------- */

static void without_a_target_nobody_is_shed(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    static const struct shed_policy none = {.interval_us = 0};
    for (int64_t now_us = 0; now_us < SECOND; now_us += MS)
        assert_false(shed_refuses(&s, &none, SHED_NORMAL, now_us, 1, now_us));
    int64_t at_us = follow_the_law(&s, BEGIN_US, 0, 3);
    assert_false(shed_refuses(&s, &none, SHED_NORMAL, SECOND, 1, at_us + SECOND));
    follow_the_law(&s, at_us + SECOND, 2, 0); /* it stands anew */
}

static void an_interval_of_nothing_sheds_at_once(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    struct shed_policy p = usual;
    p.interval_us = 0;
    assert_false(shed_refuses(&s, &p, SHED_NORMAL, 5 * MS - 1, 1, BEGIN_US));
    for (int i = 0; i < 5; i++)
        assert_true(shed_refuses(&s, &p, SHED_NORMAL, 5 * MS, 1, BEGIN_US));
}

static void another_interval_holds_at_once(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    struct shed_policy p = usual;
    assert_false(refuses(&s, SECOND, BEGIN_US));
    p.interval_us = 10 * MS;
    assert_false(shed_refuses(&s, &p, SHED_NORMAL, SECOND, 1, BEGIN_US));
    assert_false(shed_refuses(&s, &p, SHED_NORMAL, SECOND, 1, BEGIN_US + 10 * MS - 1));
    assert_true(shed_refuses(&s, &p, SHED_NORMAL, SECOND, 1, BEGIN_US + 10 * MS));
    assert_true(refuses(&s, SECOND, BEGIN_US + 20 * MS));
    assert_false(refuses(&s, SECOND, BEGIN_US + 20 * MS + 70709)); /* it was its second */
    assert_true(refuses(&s, SECOND, BEGIN_US + 20 * MS + 70710));
    p.interval_us = MS; /* the next is too far away for that */
    assert_true(shed_refuses(&s, &p, SHED_NORMAL, SECOND, 1, BEGIN_US + 91 * MS));
    assert_true(shed_refuses(&s, &p, SHED_NORMAL, SECOND, 1, BEGIN_US + 92 * MS));
}

static void a_clock_that_goes_back_is_not_waited_for(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    assert_false(refuses(&s, SECOND, BEGIN_US));
    follow_the_law(&s, BEGIN_US / 2, 0, 5);
    follow_the_law(&s, BEGIN_US / 4, 0, 5); /* while it sheds: one for the new time */
}

static void the_end_of_time_is_no_other(void **unused)
{
    (void)unused;
    struct shed s = {.of = {{.count = 0}}};
    struct shed_policy p = usual;
    follow_the_law(&s, INT64_MAX - SECOND, 0, COUNT(law_us));
    p.interval_us = INT64_MAX;
    p.of[SHED_NORMAL].target_us = INT64_MAX;
    assert_false(shed_refuses(&s, &p, SHED_NORMAL, INT64_MAX - 1, INT32_MAX, INT64_MAX - 1));
    assert_false(shed_refuses(&s, &p, SHED_NORMAL, INT64_MAX, INT32_MAX, INT64_MAX - 1));
    assert_true(shed_refuses(&s, &p, SHED_NORMAL, INT64_MAX, INT32_MAX, INT64_MAX));
    s.of[SHED_NORMAL].count = UINT32_MAX;
    assert_true(shed_refuses(&s, &p, SHED_NORMAL, INT64_MAX, INT32_MAX, INT64_MAX));
    assert_int_equal(s.of[SHED_NORMAL].count, UINT32_MAX);
}

/* --- the order -------------------------------------------------------------------------------- */

/* 'a', 'b', or '=': neither goes before the other. */
static void who_is_due_first_goes_first(void **unused)
{
    (void)unused;
    static const struct shed_policy orderly = {.of = {[SHED_CRITICAL] = {.patience_us = 10},
                                                      [SHED_NORMAL] = {.patience_us = 100},
                                                      [SHED_BATCH] = {.patience_us = 1000}}};
    static const struct {
        struct shed_waiter a, b;
        char first;
    } row[] = {
        {{SHED_NORMAL, 0, 500}, {SHED_NORMAL, 0, 500}, '='},
        {{SHED_NORMAL, 0, 500}, {SHED_NORMAL, 1, 500}, 'a'},
        {{SHED_NORMAL, 0, 500}, {SHED_NORMAL, 1, 101}, 'a'}, /* both after its patience */
        {{SHED_NORMAL, 0, 500}, {SHED_NORMAL, 1, 100}, 'a'}, /* who came first */
        {{SHED_NORMAL, 0, 500}, {SHED_NORMAL, 1, 99}, 'b'},
        {{SHED_NORMAL, 0, 50}, {SHED_NORMAL, 40, 50}, 'a'},
        {{SHED_NORMAL, 0, 50}, {SHED_NORMAL, 40, 49}, 'b'},
        {{SHED_BATCH, 0, 5000}, {SHED_NORMAL, 899, 5000}, 'b'},
        {{SHED_BATCH, 0, 5000}, {SHED_NORMAL, 900, 5000}, 'a'},
        {{SHED_BATCH, 0, 5000}, {SHED_CRITICAL, 989, 5000}, 'b'},
        {{SHED_BATCH, 0, 5000}, {SHED_CRITICAL, 990, 5000}, 'a'},
        {{SHED_BATCH, 0, 50}, {SHED_CRITICAL, 39, 5000}, 'b'},
        {{SHED_BATCH, 0, 50}, {SHED_CRITICAL, 41, 5000}, 'a'},
        {{SHED_NORMAL, 0, INT64_MAX}, {SHED_CRITICAL, 89, INT64_MAX}, 'b'},
        {{SHED_NORMAL, INT64_MAX - 1, INT64_MAX}, {SHED_NORMAL, INT64_MAX, INT64_MAX}, 'a'},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        bool a = shed_goes_first(&orderly, &row[i].a, &row[i].b);
        bool b = shed_goes_first(&orderly, &row[i].b, &row[i].a);
        if (a != (row[i].first == 'a') || b != (row[i].first == 'b'))
            fail_msg("row %zu: %d %d, not %c", i, a, b, row[i].first);
    }
}

static void come_of_no_class(void)
{
    struct shed s = {.of = {{.count = 0}}};
    shed_refuses(&s, &usual, SHED_CLASSES, 0, 1, BEGIN_US);
}

static void there_is_no_other_class(void **unused)
{
    (void)unused;
    assert_true(aborts(come_of_no_class));
}

static void each_class_has_a_name(void **unused)
{
    (void)unused;
    assert_string_equal(shed_class_name(SHED_NORMAL), "normal");
    assert_string_equal(shed_class_name(SHED_CRITICAL), "critical");
    assert_string_equal(shed_class_name(SHED_BATCH), "batch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_law_is_that_of_the_document),
        cmocka_unit_test(who_begins_again_soon_begins_where_it_was),
        cmocka_unit_test(it_goes_on_with_what_it_grew_by_the_last_time),
        cmocka_unit_test(what_was_due_while_none_came_out_is_made_up_for),
        cmocka_unit_test(a_queue_that_stood_still_for_long_begins_anew),
        cmocka_unit_test(a_queue_sheds_when_it_stood_for_an_interval),
        cmocka_unit_test(the_shortest_most_is_one),
        cmocka_unit_test(each_class_is_looked_at_by_itself),
        cmocka_unit_test(without_a_target_nobody_is_shed),
        cmocka_unit_test(an_interval_of_nothing_sheds_at_once),
        cmocka_unit_test(another_interval_holds_at_once),
        cmocka_unit_test(a_clock_that_goes_back_is_not_waited_for),
        cmocka_unit_test(the_end_of_time_is_no_other),
        cmocka_unit_test(who_is_due_first_goes_first),
        cmocka_unit_test(there_is_no_other_class),
        cmocka_unit_test(each_class_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
