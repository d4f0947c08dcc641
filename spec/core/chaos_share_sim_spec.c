/* Faults on purpose where calls share a connection, in virtual time: each is hit alone, and those behind it keep their order. */
#include <stdio.h>

#include "sim/shift.h"
#include "support/chaos.h"

static int32_t share(struct rig *r, int id)
{
    char text[16];
    snprintf(text, sizeof text, "put 1 %d", id);
    return rig_request(r, (struct nebula_request){.text = text, .is_idempotent = true});
}

/* So many are under way on one connection that each of them meets each of the faults; none overtakes another in the driver,
 * which would say so. */
static void calls_that_share_a_connection_are_hit_one_by_one(void **unused)
{
    (void)unused;
    static const struct nebula_chaos row[] = {
        {.fail = 0.3, .code = ERROR_SERVER},
        {.fail = 0.3, .code = ERROR_LOST},
        {.fail = 0.1, .code = ERROR_LOST, .is_cut = true},
        {.delay_share = 0.3, .delay_us = 2 * MS, .delay_quantile = 0.9},
        {.fail = 0.2, .code = ERROR_LOCKED, .delay_share = 0.5, .delay_us = MS},
        {.fail = 0.1, .code = ERROR_PROTOCOL, .delay_share = 0.5, .delay_us = MS},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        struct nebula_chaos said = row[i];
        int32_t ticket[32], answered = 0;
        rig_begin(&r);
        r.spec.pool.max = 2;
        r.spec.pool.pipeline = 8;
        rig_open(&r);
        rig_say(&r, 0, "get 1 1");
        said.during_us = 3600 * (int64_t)SECOND;
        say(&r, &said);
        for (int round = 0; round < 30; round++) {
            for (int n = 0; n < 32; n++)
                ticket[n] = share(&r, round * 32 + n);
            for (int n = 0; n < 32; n++) {
                struct nebula_reply reply;
                int32_t code = rig_await(&r, ticket[n], &reply);
                int applied = server_applied(r.server, round * 32 + n);
                assert_true(code == ERROR_OK || code == said.code || code == ERROR_LOST);
                if (reply.outcome != OUTCOME_IN_DOUBT)
                    assert_int_equal(applied, reply.outcome == OUTCOME_OK);
                answered += code == ERROR_OK;
            }
        }
        assert_in_range(answered, 60, 30 * 32);
        assert_true(counted(&r, COUNTER_CHAOS) > 15);
        rig_end(&r);
    }
}

static void begin_sharing(struct rig *r)
{
    rig_begin(r);
    r->spec.pool.max = 1;
    r->spec.pool.pipeline = 8;
    rig_open(r);
    assert_int_equal(rig_say(r, 0, "get 1 1"), ERROR_OK);
}

/* It neither hurries what is hit behind it nor ends with it. */
static void what_was_sent_before_is_answered(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    begin_sharing(&r);
    server_pace(r.server, 10 * MS);
    int64_t before_us = world_time_us();
    int32_t first = share(&r, 1);
    say(&r, &slow);
    int32_t second = share(&r, 2);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    assert_true(world_time_us() - before_us >= 100 * MS);
    said.code = ERROR_LOST;
    said.is_cut = true;
    for (int i = 0; i < 20; i++) {
        say_over(&r);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        first = share(&r, 1);
        say(&r, &said);
        second = share(&r, 2);
        assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
        assert_int_equal(rig_await(&r, second, NULL), ERROR_LOST);
    }
    rig_end(&r);
}

static void those_behind_what_fails_go_on_together(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    begin_sharing(&r);
    server_pace(r.server, 50 * MS);
    say(&r, &said);
    int32_t ticket[4] = {share(&r, 1)};
    said.fail = 0;
    said.connect = 0.1;
    say(&r, &said);
    for (int i = 1; i < 4; i++)
        ticket[i] = share(&r, i + 1);
    assert_int_equal(rig_await(&r, ticket[0], NULL), ERROR_SERVER);
    assert_int_equal(rig_pool(&r)->conns.first->lent, 3);
    for (int i = 1; i < 4; i++)
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_share_a_connection_are_hit_one_by_one),
        cmocka_unit_test(what_was_sent_before_is_answered),
        cmocka_unit_test(those_behind_what_fails_go_on_together),
    };
    return cmocka_run_group_tests_name("chaos where calls share", tests, NULL, NULL);
}
