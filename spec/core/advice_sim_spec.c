/* Which max would do is told by what there was, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/fleet.h"
#include "sim/listening.h"
#include "sim/rig.h"

static int32_t advised(struct rig *r)
{
    double number[FIGURES];
    assert_int_equal(nebula_figures(r->nebula, r->shop, 0, number, FIGURES), FIGURES);
    return (int32_t)number[FIGURE_ADVISED_MAX];
}

static void expect_advice(struct rig *r, const char *advice)
{
    const char *answer = nebula_ask(r->nebula, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    if (strstr(answer, advice) == NULL)
        fail_msg("no \"%s\" in %s", advice, answer);
}

static void the_max_that_would_do_is_told_with_its_arithmetic(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 20);
    for (int i = 0; i < 99; i++)
        rig_hold_for(&r, 25 * MS);
    expect_advice(&r, "\"advised_max\":0,\"advice\":\"no advice: 99 leases in the last 2.");
    for (int i = 0; i < 15; i++) { /* at a time, 10 times a second */
        int64_t lease[10];
        for (size_t k = 0; k < COUNT(lease); k++)
            lease[k] = rig_lease(&r);
        rig_pass(&r, 100 * MS);
        for (size_t k = 0; k < COUNT(lease); k++)
            rig_release(&r, lease[k]);
    }
    assert_in_range(advised(&r), 7, 8); /* 249 leases in 4 s, 100 ms each */
    expect_advice(&r, " would do: 6");
    expect_advice(&r, " arrivals/s x 99.9 ms p95 hold x 1.25\""); /* 100 ms less 0.1 % */
    rig_end(&r);
}

static void those_that_are_not_given_back_are_needed_too(void **unused)
{
    (void)unused;
    struct rig r;
    int64_t lease[10];
    rig_open_warm(&r, 12);
    for (size_t k = 0; k < COUNT(lease); k++)
        lease[k] = rig_lease(&r);
    for (int i = 0; i < 200; i++)
        rig_hold_for(&r, 20 * MS);
    /* These, and the one that was held again and again */
    assert_int_equal(advised(&r), 14);
    expect_advice(&r, "14 would do: 11 in use x 1.25\"");
    for (size_t k = 0; k < COUNT(lease); k++)
        rig_release(&r, lease[k]);
    rig_end(&r);
}

static void who_listens_needs_one_more(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 3);
    listening_to(&r, "5");
    for (int i = 0; i < 120; i++)
        rig_hold_for(&r, 20 * MS);
    assert_int_equal(advised(&r), 3); /* 1.25, and the one by which it hears */
    expect_advice(&r, " p95 hold x 1.25 + 1 listening\"");
    rig_end(&r);
}

static void each_endpoint_needs_one_where_calls_are_balanced(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    fleet_open(&p);
    for (int i = 0; i < 150; i++) {
        fleet_work(&p, 1, 1);
        rig_pass(&p.rig, 20 * MS);
    }
    assert_int_equal(advised(&p.rig), 3);
    assert_non_null(strstr(fleet_inspect(&p), "\"advice\":\"3 would do, one for each endpoint"));
    fleet_end(&p);
}

static void of_several_endpoints_that_stand_in_for_each_other_one_is_enough(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    rig_open(&p.rig);
    for (int i = 0; i < 150; i++) {
        fleet_work(&p, 1, 1);
        rig_pass(&p.rig, 20 * MS);
    }
    assert_int_equal(advised(&p.rig), 1);
    fleet_end(&p);
}

static void where_the_kind_says_max_nothing_is_advised(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.role_is_fixed[0] = true;
    r.spec.role_max[0] = 2;
    rig_open(&r);
    for (int i = 0; i < 150; i++)
        rig_hold_for(&r, 20 * MS);
    assert_int_equal(advised(&r), 0);
    expect_advice(&r, "\"advice\":\"no advice: its kind says that max is 2\"");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_max_that_would_do_is_told_with_its_arithmetic),
        cmocka_unit_test(those_that_are_not_given_back_are_needed_too),
        cmocka_unit_test(who_listens_needs_one_more),
        cmocka_unit_test(each_endpoint_needs_one_where_calls_are_balanced),
        cmocka_unit_test(of_several_endpoints_that_stand_in_for_each_other_one_is_enough),
        cmocka_unit_test(where_the_kind_says_max_nothing_is_advised),
    };
    return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
