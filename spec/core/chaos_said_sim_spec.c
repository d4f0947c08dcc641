/* What is said of chaos, in virtual time: when it begins and when it is over, how listings show it, what its dice and its
 * claims are worth, what cannot be said, and who has it. */
#include "core/chaos.h"

#include <stdio.h>

#include "sim/memory.h"
#include "sim/ruled.h"
#include "support/chaos.h"

/* --- its beginning and its end ------------------------------------------------------------------ */

static void it_is_over_by_itself_and_all_is_as_before(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = slow;
    said.during_us = SECOND;
    said.delay_us = 600 * MS;
    begin(&r, &said);
    assert_true(is_told(&r, "{\"verb\":\"ls\"}", "all requests are held back for 600 ms"));
    assert_true(is_told(&r, "{\"verb\":\"ls\"}", "\"left\":1.0"));
    assert_in_range(took_us(&r, ERROR_OK), 600 * MS, 610 * MS);
    assert_in_range(took_us(&r, ERROR_OK), 390 * MS,
                    410 * MS); /* what it holds back then goes on */
    assert_true(took_us(&r, ERROR_OK) < 10 * MS);
    assert_false(is_told(&r, "{\"verb\":\"ls\"}", "faults"));
    assert_false(is_told(&r, "{\"verb\":\"inspect\",\"name\":\"shop\"}", "faults"));
    rig_end(&r);
}

static void it_may_be_said_again_with_other_numbers(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    said.during_us = 2 * SECOND;
    begin(&r, &said);
    rig_pass(&r, 1500 * MS);
    said.fail = 0.000001;
    said.connect = 0.000001;
    say(&r, &said);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_pass(&r, 1500 * MS);
    assert_true(is_told(&r, "{\"verb\":\"ls\"}", "faults")); /* from when it was said last */
    rig_pass(&r, SECOND);
    assert_false(is_told(&r, "{\"verb\":\"ls\"}", "faults"));
    rig_end(&r);
}

/* What it had already done to a request stays done, or does not happen; either way it ends once. */
static void it_ends_in_the_middle_of_each_fault(void **unused)
{
    (void)unused;
    static const struct {
        struct nebula_chaos said;
        int32_t code;
    } row[] = {
        {{.delay_share = 1, .delay_us = 100 * MS}, ERROR_OK},
        {{.fail = 1, .code = ERROR_SERVER, .delay_share = 1, .delay_us = 100 * MS}, ERROR_OK},
        {{.fail = 1, .code = ERROR_SERVER}, ERROR_OK},
        {{.fail = 1, .code = ERROR_LOST, .is_cut = true}, ERROR_OK},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        for (int again = 0; again < 2; again++) {
            struct rig r;
            struct nebula_chaos said = row[i].said;
            said.during_us = SECOND;
            begin(&r, &said);
            int32_t ticket = rig_call(&r, 0, "add 1 1");
            if (again)
                say(&r, &said);
            say_over(&r);
            assert_int_equal(rig_await(&r, ticket, NULL), row[i].code);
            assert_int_equal(server_applied(r.server, 1), 1);
            rig_end(&r);
        }
}

static void it_ends_with_its_engine(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &slow);
    int32_t ticket = rig_call(&r, 0, "add 1 1");
    nebula_stop(r.nebula, world_time_us());
    rig_await(&r, ticket, NULL);
    rig_end(&r);
}

static void it_shows_in_listings_what_it_is(void **unused)
{
    (void)unused;
    static const struct {
        struct nebula_chaos said;
        const char *text;
    } row[] = {
        {{.fail = 0.1, .code = ERROR_LOST}, "10 % of the requests fail with lost"},
        {{.fail = 0.125, .code = ERROR_LOST, .is_cut = true},
         "12.5 % of the requests are cut off under way"},
        {{.delay_share = 1, .delay_us = 50 * MS, .delay_quantile = 0.95},
         "all requests are held back for 50 ms at p95"},
        {{.fail = 0.1,
          .code = ERROR_READ_ONLY,
          .delay_share = 0.5,
          .delay_us = 1500,
          .delay_most_us = 20 * MS,
          .connect = 0.01},
         "10 % of the requests fail with read_only, 50 % of the requests are held back for 1.5 to "
         "20 ms, 1 % of the connects fail"},
        {{.delay_share = 0.001, .delay_us = 0, .delay_most_us = MS},
         "0.1 % of the requests are held back for 0 to 1 ms"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        char text[CHAOS_TEXT_SIZE], quoted[CHAOS_TEXT_SIZE + 20];
        struct nebula_chaos said = row[i].said;
        chaos_explain(&said, text);
        assert_string_equal(text, row[i].text);
        said.during_us = SECOND;
        rig_begin(&r);
        rig_open(&r);
        say(&r, &said);
        snprintf(quoted, sizeof quoted, "\"text\":\"%s\"", text);
        assert_true(is_told(&r, "{\"verb\":\"ls\"}", quoted)); /* though nobody has used it */
        assert_true(is_told(&r, "{\"verb\":\"inspect\",\"name\":\"shop\"}", quoted));
        rig_end(&r);
    }
}

/* What stands above the driver knows no better: the circuit of a resource opens, and closes when it is over. */
static void circuits_open_because_of_it(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    said.during_us = 5 * (int64_t)SECOND;
    begin(&r, &said);
    ruled_say(&r, (struct nebula_rules){.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                                    .window = 10,
                                                    .least = 10,
                                                    .consecutive = 3,
                                                    .probes = 1,
                                                    .probe_us = SECOND,
                                                    .pause_us = 10 * (int64_t)SECOND,
                                                    .pause_max_us = 10 * (int64_t)SECOND}});
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_SERVER);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    assert_int_equal(counted(&r, COUNTER_CHAOS), 3);
    rig_pass(&r, 11 * SECOND);
    for (int i = 0; i < 5; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

/* --- dice --------------------------------------------------------------------------------------- */

#define CALLS 1000

static void play(uint64_t seed, double share, bool hit_out[CALLS])
{
    struct rig r;
    struct nebula_chaos said = failing;
    said.fail = share;
    said.seed = seed;
    begin(&r, &said);
    for (int i = 0; i < CALLS; i++)
        hit_out[i] = rig_say(&r, 0, "get 1 1") != ERROR_OK;
    rig_end(&r);
}

static int count_of(const bool hit[CALLS])
{
    int count = 0;
    for (int i = 0; i < CALLS; i++)
        count += hit[i];
    return count;
}

static void so_large_a_share_is_hit_with_each_seed(void **unused)
{
    (void)unused;
    bool first[CALLS], again[CALLS], other[CALLS];
    for (uint64_t seed = 0; seed < 20; seed++) {
        play(seed, 0.1, first);
        assert_in_range(count_of(first), 60, 145);
        play(seed, 0.1, again);
        assert_memory_equal(first, again, sizeof first); /* this world has a seed of its own */
        play(seed + 1, 0.1, other);
        assert_true(memcmp(first, other, sizeof first) != 0);
    }
    play(1, 0, first);
    assert_int_equal(count_of(first), 0);
    play(1, 1, first);
    assert_int_equal(count_of(first), CALLS);
}

/* --- what it is true of: the tally -------------------------------------------------------------- */

static void claims_agree_with_the_server(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct rig r;
        int tally[3] = {0}, id = 0;
        struct nebula_chaos said = {.during_us = 3600 * (int64_t)SECOND,
                                    .fail = 0.2,
                                    .code = seed % 3 == 0 ? ERROR_SERVER : ERROR_LOST,
                                    .is_cut = seed % 3 == 1,
                                    .delay_share = 0.3,
                                    .delay_us = 20 * MS,
                                    .delay_quantile = 0.5,
                                    .connect = 0.2,
                                    .seed = seed};
        rig_begin(&r);
        r.spec.pool.max = 4;
        r.spec.policy.deadline_us = 50 * MS;
        r.spec.policy.tries = 3;
        r.spec.policy.budget = 100;
        rig_open(&r);
        say(&r, &said);
        for (int round = 0; round < 60; round++) {
            int32_t ticket[16];
            for (int n = 0; n < 16; n++) {
                char text[16];
                snprintf(text, sizeof text, "add 1 %d", ++id);
                ticket[n] = rig_call(&r, 0, text);
            }
            int answered[16];
            for (int n = 0; n < 16; n++) {
                struct nebula_reply reply;
                rig_await(&r, ticket[n], &reply);
                answered[n] = reply.outcome;
                tally[reply.outcome]++;
            }
            rig_pass(&r, 100 * MS); /* what nobody waits for any more may still come */
            for (int n = 0; n < 16; n++) {
                int applied = server_applied(r.server, id - 15 + n);
                assert_true(answered[n] == OUTCOME_IN_DOUBT
                                ? applied <= 1
                                : applied == (answered[n] == OUTCOME_OK));
            }
        }
        assert_true(tally[OUTCOME_OK] > 300 && tally[OUTCOME_FAILED] > 0);
        assert_int_equal(tally[OUTCOME_IN_DOUBT] > 20, seed % 3 == 1);
        rig_end(&r);
    }
}

/* --- what is refused ---------------------------------------------------------------------------- */

static void what_cannot_be_is_refused_with_its_name(void **unused)
{
    (void)unused;
    static const int64_t day_us = 24 * 3600 * (int64_t)SECOND;
    const struct {
        struct nebula_chaos said;
        const char *why;
    } row[] = {
        {{.during_us = -1}, "shop: chaos: a time is negative, or above 24 h"},
        {{.during_us = day_us + 1}, "shop: chaos: a time is negative, or above 24 h"},
        {{.during_us = day_us}, NULL},
        {{.during_us = 1, .delay_us = -1}, "shop: chaos: a time is negative, or above 24 h"},
        {{.during_us = 1, .delay_us = day_us + 1},
         "shop: chaos: a time is negative, or above 24 h"},
        {{.during_us = 1, .delay_most_us = day_us + 1},
         "shop: chaos: a time is negative, or above 24 h"},
        {{.during_us = 1, .fail = 1.01, .code = ERROR_LOST}, "shop: chaos: shares are 0 to 1"},
        {{.during_us = 1, .fail = -0.01, .code = ERROR_LOST}, "shop: chaos: shares are 0 to 1"},
        {{.during_us = 1, .fail = __builtin_nan("")}, "shop: chaos: shares are 0 to 1"},
        {{.during_us = 1, .delay_share = 2}, "shop: chaos: shares are 0 to 1"},
        {{.during_us = 1, .connect = 2}, "shop: chaos: shares are 0 to 1"},
        {{.during_us = 1, .delay_us = 2, .delay_most_us = 1},
         "shop: chaos: the most of a delay is less than its least"},
        {{.during_us = 1, .delay_us = 2, .delay_most_us = 2}, NULL},
        {{.during_us = 1, .delay_us = 2, .delay_quantile = 0.49},
         "shop: chaos: a delay has a quantile of 0.5 to below 1, or a most"},
        {{.during_us = 1, .delay_us = 2, .delay_quantile = 1},
         "shop: chaos: a delay has a quantile of 0.5 to below 1, or a most"},
        {{.during_us = 1, .delay_us = 2, .delay_quantile = __builtin_nan("")},
         "shop: chaos: a delay has a quantile of 0.5 to below 1, or a most"},
        {{.during_us = 1, .delay_us = 2, .delay_most_us = 3, .delay_quantile = 0.5},
         "shop: chaos: a delay has a quantile of 0.5 to below 1, or a most"},
        {{.during_us = 1, .delay_us = 2, .delay_quantile = 0.5}, NULL},
        {{.during_us = 1, .fail = 0.1}, "shop: chaos: requests cannot fail with error number 0"},
        {{.during_us = 1, .fail = 0.1, .code = ERROR_DEADLINE},
         "shop: chaos: requests cannot fail with error number 2"},
        {{.during_us = 1, .fail = 0.1, .code = -1},
         "shop: chaos: requests cannot fail with error number -1"},
        {{.during_us = 1, .is_cut = true}, "shop: chaos: what is cut off fails, with lost"},
        {{.during_us = 1, .is_cut = true, .code = ERROR_LOST},
         "shop: chaos: what is cut off fails, with lost"},
        {{.during_us = 1, .fail = 0.1, .code = ERROR_SERVER, .is_cut = true},
         "shop: chaos: what is cut off fails, with lost"},
        {{.during_us = 0, .fail = 9, .delay_us = -1}, NULL}, /* not looked at */
    };
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    for (size_t i = 0; i < COUNT(row); i++) {
        int32_t code = nebula_chaos(r.nebula, r.shop, &row[i].said);
        if (code != (row[i].why == NULL ? 0 : -ERROR_CONFIG))
            fail_msg("row %zu: %d", i, code);
        if (row[i].why != NULL)
            assert_string_equal(nebula_error(r.nebula), row[i].why);
    }
    assert_int_equal(nebula_chaos(r.nebula, 99, &failing), -ERROR_USAGE);
    rig_end(&r);
}

static void data_is_not_to_be_lost(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    rig_begin(&r);
    r.spec.is_data = true;
    rig_open(&r);
    say(&r, &said);
    said.code = ERROR_LOST;
    assert_int_equal(nebula_chaos(r.nebula, r.shop, &said), -ERROR_CONFIG);
    assert_string_equal(nebula_error(r.nebula),
                        "shop: chaos: its session is the data, which would be lost with it");
    rig_end(&r);
}

static void an_engine_that_was_not_opened_to_allow_it_refuses_it(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    r.engine->allows_chaos = false;
    assert_int_equal(nebula_chaos(r.nebula, r.shop, &failing), -ERROR_USAGE);
    assert_string_equal(nebula_error(r.nebula),
                        "shop: chaos: the engine was not opened to allow it");
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

/* --- memory, tenants, workers ------------------------------------------------------------------- */

static void without_memory_nothing_happens(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 1);
    memory_fail(1);
    assert_int_equal(nebula_chaos(r.nebula, r.shop, &failing), -ERROR_MEMORY);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    say(&r, &failing);
    int64_t lease = rig_lease(&r), begun = 0;
    for (int64_t nth = 1; nth < 10; nth++) { /* one of these is that of the fault */
        memory_fail(nth);
        int32_t ticket = rig_call(&r, lease, "get 1 1");
        begun += ticket > 0;
        int32_t code = ticket < 0 ? -ticket : rig_await(&r, ticket, NULL);
        assert_true(code == ERROR_OK || code == ERROR_SERVER || code == ERROR_MEMORY);
    }
    memory_fail(0);
    assert_int_equal(counted(&r, COUNTER_CHAOS) + server_heard(r.server) - 1, begun);
    rig_release(&r, lease);
    rig_end(&r);
}

static void each_tenant_has_it_whenever_he_comes(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    rig_begin(&r);
    r.option.value = "{tenant}";
    r.option.has_tenant = true;
    r.spec.tenants = 2;
    struct server *other = server_new("other", 2);
    rig_open(&r);
    said.during_us = SECOND;
    assert_int_equal(nebula_task_tenant(r.nebula, "other"), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    say(&r, &said);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_SERVER);
    rig_pass(&r, 500 * MS);
    assert_int_equal(nebula_task_tenant(r.nebula, "shop"), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_SERVER);
    rig_pass(&r, 510 * MS); /* from when it was said */
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(nebula_task_tenant(r.nebula, "other"), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(counted(&r, COUNTER_CHAOS), 2);
    rig_end(&r);
    server_free(&other);
}

static void each_worker_has_it_with_dice_of_its_own(void **unused)
{
    (void)unused;
    struct shift w;
    struct nebula_chaos said = failing;
    bool hit[2][40];
    said.fail = 0.5;
    said.seed = 3;
    shift_begin(&w, 2);
    w.spec->pool.max = 2;
    shift_open_all(&w);
    for (int i = 0; i < 2; i++)
        assert_int_equal(nebula_chaos(w.of[i].nebula, w.of[i].shop, &said), 0);
    for (int n = 0; n < 40; n++)
        for (int i = 0; i < 2; i++)
            hit[i][n] = shift_await(&w, i, rig_call(&w.of[i], 0, "get 1 1")) != ERROR_OK;
    assert_true(memcmp(hit[0], hit[1], sizeof hit[0]) != 0);
    assert_true(is_told(&w.of[1], "{\"verb\":\"ls\"}", "50 % of the requests fail with server"));
    shift_end(&w);
}

/* Nobody there has used it, and worker 0 has none. */
static void all_workers_tell_of_it_where_one_has_it(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, 3);
    shift_open_all(&w);
    assert_int_equal(nebula_chaos(w.of[1].nebula, w.of[1].shop, &failing), 0);
    int32_t ticket = nebula_ask_all(w.of[0].nebula, "{\"verb\":\"ls\"}");
    shift_come(&w, 0, ticket);
    const char *told = nebula_asked(w.of[0].nebula, ticket);
    assert_non_null(told);
    assert_non_null(strstr(told, "all requests fail with server"));
    shift_await(&w, 0, ticket);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_over_by_itself_and_all_is_as_before),
        cmocka_unit_test(it_may_be_said_again_with_other_numbers),
        cmocka_unit_test(it_ends_in_the_middle_of_each_fault),
        cmocka_unit_test(it_ends_with_its_engine),
        cmocka_unit_test(it_shows_in_listings_what_it_is),
        cmocka_unit_test(circuits_open_because_of_it),
        cmocka_unit_test(so_large_a_share_is_hit_with_each_seed),
        cmocka_unit_test(claims_agree_with_the_server),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_name),
        cmocka_unit_test(data_is_not_to_be_lost),
        cmocka_unit_test(an_engine_that_was_not_opened_to_allow_it_refuses_it),
        cmocka_unit_test(without_memory_nothing_happens),
        cmocka_unit_test(each_tenant_has_it_whenever_he_comes),
        cmocka_unit_test(each_worker_has_it_with_dice_of_its_own),
        cmocka_unit_test(all_workers_tell_of_it_where_one_has_it),
    };
    return cmocka_run_group_tests_name("what is said of chaos", tests, NULL, NULL);
}
