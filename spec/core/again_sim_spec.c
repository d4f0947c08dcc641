/* again_sim_spec.c - what each end of an attempt costs, and whether there is another one: number by number, of one resource. */
#include "core/again.h"

#include "sim/ruled.h"

#define FAR INT64_MAX

static const struct nebula_rules quota = {
    .again = {.budget = NEBULA_BUDGET_QUOTA, .capacity = 100000, .cost = 5000, .cost_lost = 10000}};
/* As long as there are more than 5 of 10 tokens, of which each failure takes one. */
static const struct nebula_rules ratio = {
    .again = {.budget = NEBULA_BUDGET_RATIO, .capacity = 10000, .success = 1000}};

struct ground {
    struct rig rig;
    struct resource *shop;
    const struct operation *all; /* its calls */
};

static void begin(struct ground *g, struct nebula_rules rules)
{
    rig_begin(&g->rig);
    g->rig.spec.policy.tries = 4;
    g->rig.spec.policy.pause_us = 20 * MS;
    g->rig.spec.policy.pause_max_us = SECOND;
    rig_open(&g->rig);
    ruled_say(&g->rig, rules);
    g->shop = table_get(&g->rig.engine->resources, g->rig.shop);
    g->all = operation_find(g->shop, 0);
}

static int64_t pause_after(struct ground *g, struct again *a, struct error ended)
{
    return again_pause(g->shop, g->all, a, &ended, FAR, NULL);
}

static void a_retry_costs_by_how_the_attempt_before_it_failed(void **unused)
{
    (void)unused;
    static const struct {
        enum error_code code;
        int32_t paid;
    } row[] = {{ERROR_LOST, 10000},       {ERROR_DEADLINE, 10000}, {ERROR_CANCELLED, 5000},
               {ERROR_WAIT, 5000},        {ERROR_FULL, 5000},      {ERROR_CLOSED, 5000},
               {ERROR_UNREACHABLE, 5000}, {ERROR_CONFLICT, 5000}};
    struct ground g;
    begin(&g, quota);
    for (size_t i = 0; i < COUNT(row); i++) {
        struct again a = {.attempts = 1};
        assert_true(pause_after(&g, &a, (struct error){.code = row[i].code}) >= 0);
        assert_int_equal(a.paid, row[i].paid);
    }
    rig_end(&g.rig);
}

/* Whether a token is left for a retry when it has ended so four times. */
static void what_may_be_tried_again_is_a_failure_and_nothing_else(void **unused)
{
    (void)unused;
    static const struct {
        enum error_code code;
        bool is_failure;
    } row[] = {
        {ERROR_LOST, true},        {ERROR_DEADLINE, true},  {ERROR_CONFLICT, true},
        {ERROR_WAIT, true},        {ERROR_FULL, true},      {ERROR_BUSY, true},
        {ERROR_UNREACHABLE, true}, {ERROR_DENIED, false},   {ERROR_QUERY, false},
        {ERROR_SERVER, false},     {ERROR_PROTOCOL, false}, {ERROR_CLOSED, false},
        {ERROR_CANCELLED, false},  {ERROR_OK, false},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct ground g;
        struct again a = {.attempts = 1};
        begin(&g, ratio);
        for (int n = 0; n < 4; n++)
            again_over(g.all, &a, row[i].code);
        int64_t pause_us = pause_after(&g, &a, (struct error){.code = ERROR_LOST});
        if (row[i].is_failure ? pause_us != -ERROR_FULL : pause_us < 0)
            fail_msg("row %zu: %lld", i, (long long)pause_us);
        rig_end(&g.rig);
    }
}

/* Also where the attempts are over, the deadline comes first or the server wants no more. */
static void an_attempt_that_is_the_last_one_fails_as_well(void **unused)
{
    (void)unused;
    static const struct {
        int32_t attempts;
        int64_t retry_after_us;
        bool is_late;
        enum error_code why;
    } row[] = {
        {4, 0, false, ERROR_LIMIT}, {1, -1, false, ERROR_CLOSED}, {1, 0, true, ERROR_DEADLINE}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct ground g;
        const struct error ended = {.code = ERROR_LOST, .retry_after_us = row[i].retry_after_us};
        begin(&g, ratio);
        for (int n = 0; n < 4; n++) {
            struct again a = {.attempts = row[i].attempts};
            int64_t deadline_us = row[i].is_late ? engine_now(g.rig.engine) : FAR;
            assert_int_equal(again_pause(g.shop, g.all, &a, &ended, deadline_us, NULL),
                             -(int64_t)row[i].why);
        }
        struct again a = {.attempts = 1};
        assert_int_equal(pause_after(&g, &a, (struct error){.code = ERROR_LOST}), -ERROR_FULL);
        rig_end(&g.rig);
    }
}

static void it_pauses_by_its_shape_and_as_the_server_says(void **unused)
{
    (void)unused;
    static const struct {
        int32_t attempts;
        int64_t retry_after_us, pause_us;
    } row[] = {{1, 0, 20 * MS},
               {2, 0, 40 * MS},
               {3, 0, 60 * MS},
               {3, 60 * MS, 60 * MS},
               {3, 60 * MS + 1, 60 * MS + 1},
               {1, 9 * (int64_t)SECOND, 9 * (int64_t)SECOND},
               {1, -1, -ERROR_CLOSED},
               {4, 0, -ERROR_LIMIT}};
    struct ground g;
    struct nebula_rules rules = quota;
    rules.again.shape = NEBULA_RETRY_LINEAR;
    rules.again.jitter = NEBULA_JITTER_NONE;
    begin(&g, rules);
    for (size_t i = 0; i < COUNT(row); i++) {
        struct again a = {.attempts = row[i].attempts};
        int64_t pause_us = pause_after(
            &g, &a, (struct error){.code = ERROR_LOST, .retry_after_us = row[i].retry_after_us});
        if (pause_us != row[i].pause_us)
            fail_msg("row %zu: %lld", i, (long long)pause_us);
    }
    rig_end(&g.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_costs_by_how_the_attempt_before_it_failed),
        cmocka_unit_test(what_may_be_tried_again_is_a_failure_and_nothing_else),
        cmocka_unit_test(an_attempt_that_is_the_last_one_fails_as_well),
        cmocka_unit_test(it_pauses_by_its_shape_and_as_the_server_says),
    };
    return cmocka_run_group_tests_name("again", tests, NULL, NULL);
}
