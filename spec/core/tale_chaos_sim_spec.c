/* tale_chaos_sim_spec.c - what was done to a call on purpose is told as that, with the line that says so, and never as
 * something that the server or the way to it has done. */
#include <inttypes.h>
#include <stdio.h>

#include "sim/tales.h"
#include "support/chaos.h"

static const struct nebula_place places[NEBULA_SETTINGS] = {
    [NEBULA_SETTING_DEADLINE] = {"db.lua", 5},
    [NEBULA_SETTING_CHAOS] = {"chaos.lua", 3},
};

static void begin_told(struct rig *r, int32_t max, int32_t pipeline)
{
    rig_begin(r);
    r->spec.pool.max = max;
    r->spec.pool.pipeline = pipeline;
    rig_open(r);
    assert_int_equal(nebula_places(r->nebula, r->shop, places, NEBULA_SETTINGS), 0);
    rig_hold_for(r, MS);
    tales_forget(r);
}

/* The last tale, good until the next one. */
static const char *tale(struct rig *r)
{
    json_t *answer = tales_ask(r), *calls = told_at(answer, "calls");
    const char *text =
        tales_text(told_at(json_array_get(calls, json_array_size(calls) - 1), "records"));
    json_decref(answer);
    return text;
}

static const char *events(struct rig *r)
{
    json_t *answer = tales_ask(r);
    const char *text = tales_text(told_at(answer, "events"));
    json_decref(answer);
    return text;
}

/* --- one call ------------------------------------------------------------------------------------ */

static void each_fault_is_told(void **unused)
{
    (void)unused;
    static const struct {
        struct nebula_chaos said;
        int32_t code;
        const char *tale;
    } row[] = {
        {{.fail = 1, .code = ERROR_SERVER},
         ERROR_SERVER,
         "chaos 1. fail server 0ms (chaos.lua:3), failed_by_chaos 1. server 0ms failed "
         "(chaos.lua:3), not_again 1. hopeless, ended 1. server 0ms failed"},
        {{.fail = 1, .code = ERROR_LOST},
         ERROR_LOST,
         "chaos 1. fail lost 0ms (chaos.lua:3), failed_by_chaos 1. lost 0ms failed (chaos.lua:3), "
         "not_again 1. tries, ended 1. lost 0ms failed"},
        {{.fail = 1, .code = ERROR_LOCKED, .delay_share = 1, .delay_us = 100 * MS},
         ERROR_LOCKED,
         "chaos 1. fail locked 100ms (chaos.lua:3), failed_by_chaos 1. locked 100ms failed "
         "(chaos.lua:3), not_again 1. tries, ended 1. locked 100ms failed"},
        {{.delay_share = 1, .delay_us = 100 * MS},
         ERROR_OK,
         "chaos 1. held ok 100ms (chaos.lua:3), ended 1. ok 100ms ok"},
        {{.delay_share = 1, .delay_us = 5 * (int64_t)SECOND},
         ERROR_DEADLINE,
         "chaos 1. held ok 5000ms (chaos.lua:3), failed_by_chaos 1. deadline 1000ms failed "
         "(chaos.lua:3), ended 1. deadline 1000ms failed"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        struct nebula_chaos said = row[i].said;
        begin_told(&r, 1, 0);
        said.during_us = 3600 * (int64_t)SECOND;
        say(&r, &said);
        assert_int_equal(rig_say(&r, 0, "add 1 1"), row[i].code);
        assert_string_equal(tale(&r), row[i].tale);
        rig_end(&r);
    }
}

/* Chaos knows which way it was, and nobody else. */
static void a_cut_says_which_way_it_was(void **unused)
{
    (void)unused;
    static const char *const way[] = {"cut_there", "cut_back"};
    struct nebula_chaos said = failing;
    int seen[] = {0, 0};
    said.code = ERROR_LOST;
    said.is_cut = true;
    for (int n = 0; n < 40; n++) {
        struct rig r;
        begin_told(&r, 1, 0);
        for (int i = 0; i < n; i++) /* other dice */
            r.engine->world->random(r.engine->world);
        say(&r, &said);
        assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_LOST);
        bool is_done = server_applied(r.server, 1) == 1;
        char text[200];
        snprintf(text, sizeof text,
                 "chaos 1. %s lost 0ms (chaos.lua:3), failed_by_chaos 1. lost 0ms in_doubt "
                 "(chaos.lua:3), not_again 1. in_doubt, ended 1. lost 0ms in_doubt",
                 way[is_done]);
        assert_string_equal(tale(&r), text);
        seen[is_done]++;
        rig_end(&r);
    }
    assert_true(seen[0] > 5 && seen[1] > 5);
}

/* What was held for a while, and then fails by itself, fails by itself. */
static void a_real_fault_behind_a_delay_is_a_real_one(void **unused)
{
    (void)unused;
    struct rig r;
    begin_told(&r, 1, 0);
    say(&r, &slow);
    assert_int_equal(rig_say(&r, 0, "fail 1 1"), ERROR_QUERY);
    assert_string_equal(tale(&r), "chaos 1. held ok 100ms (chaos.lua:3), failed 1. query 100ms "
                                  "failed, not_again 1. hopeless, ended 1. query 100ms failed");
    server_odds(r.server, FAULT_STUCK, 1000);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_DEADLINE);
    assert_non_null(strstr(tale(&r), ", failed 1. deadline 1000ms in_doubt (db.lua:5), "));
    server_calm(r.server);
    rig_pass(&r, 10 * SECOND);
    say_over(&r);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_LOST);
    assert_non_null(strstr(tale(&r), "failed 1. lost "));
    assert_null(strstr(tale(&r), "chaos"));
    server_calm(r.server);
    rig_end(&r);
}

/* A call that chaos fails, or cuts off, and then the server. */
static void try_again_after(bool is_cut, int dice)
{
    struct rig r;
    struct nebula_chaos said = failing;
    said.code = ERROR_LOST;
    said.is_cut = is_cut;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.policy.tries = 3;
    r.spec.policy.budget = 100;
    r.spec.policy.budget_least = 10;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 400 * MS;
    rig_open(&r);
    assert_int_equal(nebula_places(r.nebula, r.shop, places, NEBULA_SETTINGS), 0);
    rig_hold_for(&r, MS);
    while (dice-- > 0)
        r.engine->world->random(r.engine->world);
    say(&r, &said);
    int32_t ticket = rig_request(
        &r,
        (struct nebula_request){.text = "get 1 1", .is_idempotent = true, .within_us = 5000000});
    while (tales_number(&r, "again", "pause_us") < 0)
        rig_pass(&r, MS / 10);
    say_over(&r);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_LOST);
    const char *text = tale(&r);
    assert_non_null(strstr(text, "failed_by_chaos 1. lost "));
    assert_non_null(strstr(text, "failed 2. lost "));
    assert_null(strstr(text, "failed_by_chaos 2."));
    server_calm(r.server);
    rig_end(&r);
}

/* The second attempt is not hit, and nothing of the first one sticks to it. */
static void an_attempt_that_was_hit_leaves_nothing_to_the_next(void **unused)
{
    (void)unused;
    try_again_after(false, 0);
    for (int dice = 0; dice < 8; dice++) /* on either way */
        try_again_after(true, dice);
}

/* --- connections ---------------------------------------------------------------------------------- */

static void who_gets_no_connection_by_chaos_is_told_so(void **unused)
{
    (void)unused;
    struct nebula_chaos said = {.during_us = 3600 * (int64_t)SECOND, .connect = 1};
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(nebula_places(r.nebula, r.shop, places, NEBULA_SETTINGS), 0);
    say(&r, &said);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_UNREACHABLE);
    assert_string_equal(tale(&r), "refused_by_chaos 1. unreachable 500ms 2 (chaos.lua:3), "
                                  "ended 1. unreachable 500ms failed");
    assert_int_equal(
        rig_await(&r,
                  rig_request(&r, (struct nebula_request){.text = "get 1 1", .is_fail_fast = true}),
                  NULL),
        ERROR_UNREACHABLE);
    assert_non_null(strstr(tale(&r), "refused_by_chaos 1. unreachable "));
    assert_int_equal(rig_ask(&r), 0);
    assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), ERROR_UNREACHABLE);
    assert_string_equal(tale(&r), "refused_by_chaos unreachable 500ms 2 (chaos.lua:3)");
    say_over(&r);
    server_odds(r.server, FAULT_REFUSED, 1000);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_UNREACHABLE);
    assert_non_null(strstr(tale(&r), "refused 1. unreachable 500ms 2, ended"));
    server_calm(r.server);
    rig_end(&r);
}

/* Of several endpoints the sentence is another one, and who it was the same. */
static void so_it_is_where_there_are_several_to_go_to(void **unused)
{
    (void)unused;
    static const char *const endpoint[] = {"shop", "beta"};
    static const struct nebula_option option[] = {
        {.name = "server", .value = "shop", .endpoint = 1},
        {.name = "server", .value = "beta", .endpoint = 2}};
    const struct nebula_chaos said = {.during_us = 3600 * (int64_t)SECOND, .connect = 1};
    for (int is_by_chaos = 0; is_by_chaos < 2; is_by_chaos++) {
        struct rig r;
        struct server *beta;
        rig_begin(&r);
        beta = server_new("beta", 2);
        r.spec.endpoint_name = endpoint;
        r.spec.endpoints = 2;
        r.spec.option = option;
        r.spec.options = 2;
        rig_open(&r);
        if (is_by_chaos) {
            say(&r, &said);
        } else {
            server_odds(r.server, FAULT_REFUSED, 1000);
            server_odds(beta, FAULT_REFUSED, 1000);
        }
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_UNREACHABLE);
        assert_non_null(strstr(tale(&r), is_by_chaos ? "refused_by_chaos 1. unreachable"
                                                     : "refused 1. unreachable"));
        rig_end(&r);
        server_free(&beta);
    }
}

/* --- where calls share one ------------------------------------------------------------------------- */

static int32_t share(struct rig *r, int id)
{
    char text[16];
    snprintf(text, sizeof text, "put 1 %d", id);
    return rig_request(r, (struct nebula_request){.text = text, .is_idempotent = true});
}

/* On a lease, where they go one by one anyway. */
static void who_only_waits_for_his_own_call_is_not_held_by_chaos(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = slow;
    begin_told(&r, 1, 0);
    said.delay_share = 0;
    said.connect = 0.5;
    say(&r, &said);
    int64_t lease = rig_lease(&r);
    server_pace(r.server, 500 * MS);
    int32_t first = rig_call(&r, lease, "get 1 1");
    int32_t second = rig_request(
        &r, (struct nebula_request){.text = "get 1 1", .lease = lease, .within_us = 100 * MS});
    assert_int_equal(rig_await(&r, second, NULL), ERROR_DEADLINE);
    assert_non_null(strstr(tale(&r), "failed 1. deadline 100ms failed"));
    assert_null(strstr(tale(&r), "chaos"));
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    rig_release(&r, lease);
    rig_end(&r);
}

static void whoever_is_behind_one_that_is_held_is_told_so(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = slow;
    int32_t ticket[3];
    begin_told(&r, 1, 8);
    said.delay_us = 300 * MS;
    say(&r, &said);
    ticket[0] = share(&r, 1);
    said.delay_share = 0;
    say(&r, &said);
    ticket[1] = share(&r, 2);
    ticket[2] = rig_request(
        &r,
        (struct nebula_request){.text = "put 1 3", .is_idempotent = true, .within_us = 100 * MS});
    assert_int_equal(rig_await(&r, ticket[2], NULL), ERROR_DEADLINE);
    assert_string_equal(tale(&r), "chaos 1. behind ok 0ms (chaos.lua:3), failed_by_chaos 1. "
                                  "deadline 100ms failed (chaos.lua:3), ended 1. deadline 100ms "
                                  "failed");
    assert_int_equal(rig_await(&r, ticket[0], NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, ticket[1], NULL), ERROR_OK);
    assert_string_equal(tale(&r), "chaos 1. behind ok 0ms (chaos.lua:3), ended 1. ok 300ms ok");
    rig_end(&r);
}

/* Those on the connection too that were not hit: the ones that the driver has, and the ones that it has not. */
static void whoever_loses_his_connection_to_chaos_is_told_so(void **unused)
{
    (void)unused;
    int hit = 0, others = 0; /* those that were hit among them */
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        struct rig r;
        struct nebula_chaos said = failing;
        said.fail = 0.2;
        said.code = ERROR_LOST;
        said.is_cut = is_cut;
        begin_told(&r, 1, 8);
        for (int round = 0; round < 40; round++) {
            int32_t ticket[8];
            say(&r, &said);
            for (int n = 0; n < 8; n++)
                ticket[n] = share(&r, n);
            for (int n = 0; n < 8; n++)
                rig_await(&r, ticket[n], NULL);
        }
        const struct records *all = tales_records(&r);
        for (uint32_t i = 0; i < records_of_calls(all); i++) {
            const struct record *one = records_call(all, i);
            assert_true(one->what != RECORD_FAILED);
            hit += one->what == RECORD_CHAOS;
            others += one->what == RECORD_FAILED_BY_CHAOS;
        }
        rig_end(&r);
    }
    assert_true(hit > 10 && others > hit + 20);
}

/* --- all of it -------------------------------------------------------------------------------------- */

static double share_of(uint64_t *dice)
{
    return (double)(world_of_seed(dice) % 100) / 100;
}

/* Whatever chaos does where the server is well, nothing is told as a fault of the server; and whatever the server does
 * where chaos only holds back for a moment, nothing is told as a fault of chaos. */
static void it_is_always_known_who_it_was(void **unused)
{
    (void)unused;
    static const int32_t code[] = {ERROR_LOST, ERROR_SERVER, ERROR_PROTOCOL, ERROR_LOCKED};
    static const enum fault fault[] = {FAULT_LOST_BEFORE, FAULT_LOST_AFTER, FAULT_REFUSED};
    int64_t planted = 0, real = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig r;
        uint64_t dice = seed;
        bool is_by_chaos = seed % 2 == 0;
        struct nebula_chaos said = {.during_us = 3600 * (int64_t)SECOND,
                                    .delay_share = share_of(&dice),
                                    .delay_us = MS,
                                    .seed = seed};
        if (is_by_chaos) {
            said.fail = share_of(&dice);
            said.code = code[world_of_seed(&dice) % COUNT(code)];
            said.is_cut = said.code == ERROR_LOST && share_of(&dice) < 0.5;
            said.connect = share_of(&dice) / 2;
        }
        begin_told(&r, 3, world_of_seed(&dice) % 2 == 0 ? 0 : 4);
        say(&r, &said);
        for (int round = 0; round < 10; round++) {
            int32_t ticket[6];
            server_odds(r.server, fault[seed / 2 % COUNT(fault)],
                        is_by_chaos || round % 2 == 0 ? 0 : 1000);
            for (int n = 0; n < 6; n++)
                ticket[n] = share(&r, n);
            for (int n = 0; n < 6; n++)
                rig_await(&r, ticket[n], NULL);
        }
        const struct records *all = tales_records(&r);
        for (uint32_t i = 0; all != NULL && i < records_of_calls(all); i++) {
            const struct record *one = records_call(all, i);
            bool is_real = (one->what == RECORD_FAILED || one->what == RECORD_REFUSED) &&
                           (one->number[0] != ERROR_WAIT && one->number[0] != ERROR_DEADLINE);
            bool is_planted =
                one->what == RECORD_FAILED_BY_CHAOS || one->what == RECORD_REFUSED_BY_CHAOS;
            if (is_by_chaos ? is_real : is_planted)
                fail_msg("seed %" PRIu64 ": %s %s", seed, record_row(one->what)->name,
                         error_name((enum error_code)one->number[0]));
            real += is_real;
            planted += is_planted;
        }
        server_calm(r.server);
        rig_end(&r);
    }
    assert_true(real > 100 && planted > 100);
}

/* --- its beginning and its end ---------------------------------------------------------------------- */

static void its_beginning_and_its_end_stand_among_what_the_resource_did(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    begin_told(&r, 1, 0);
    said.during_us = 2 * SECOND;
    say(&r, &said);
    assert_string_equal(events(&r), "chaos_began 2000ms (chaos.lua:3)");
    rig_say(&r, 0, "get 1 1");
    rig_pass(&r, 3 * SECOND);
    assert_string_equal(events(&r), "chaos_began 2000ms (chaos.lua:3), chaos_over 1 (chaos.lua:3)");
    say(&r, &said);
    say_over(&r);
    say_over(&r); /* nothing is over then */
    assert_string_equal(events(&r), "chaos_began 2000ms (chaos.lua:3), chaos_over 1 (chaos.lua:3), "
                                    "chaos_began 2000ms (chaos.lua:3), chaos_over 1 (chaos.lua:3)");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_told),
        cmocka_unit_test(a_cut_says_which_way_it_was),
        cmocka_unit_test(a_real_fault_behind_a_delay_is_a_real_one),
        cmocka_unit_test(an_attempt_that_was_hit_leaves_nothing_to_the_next),
        cmocka_unit_test(who_gets_no_connection_by_chaos_is_told_so),
        cmocka_unit_test(so_it_is_where_there_are_several_to_go_to),
        cmocka_unit_test(who_only_waits_for_his_own_call_is_not_held_by_chaos),
        cmocka_unit_test(whoever_is_behind_one_that_is_held_is_told_so),
        cmocka_unit_test(whoever_loses_his_connection_to_chaos_is_told_so),
        cmocka_unit_test(it_is_always_known_who_it_was),
        cmocka_unit_test(its_beginning_and_its_end_stand_among_what_the_resource_did),
    };
    return cmocka_run_group_tests_name("tale of chaos", tests, NULL, NULL);
}
