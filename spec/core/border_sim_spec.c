/* What the border answers to numbers that mean nothing: an error, or nothing at all; never a crash,
 * and nobody else suffers. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/rig.h"

static const int32_t wrong[] = {-1, 0, 1, 77, 1 << 24, (1 << 30) + 1, INT_MAX, INT_MIN};

static void numbers_of_nothing_are_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    struct nebula *n = r.nebula;
    rig_release(&r, rig_lease(&r)); /* one is idle, and not to be had by another number */
    for (size_t i = 0; i < COUNT(wrong); i++) {
        int32_t number = wrong[i], resource = number == r.shop ? 0 : number;
        assert_int_equal(nebula_start(n, resource), -ERROR_USAGE);
        assert_int_equal(nebula_pause(n, resource), -ERROR_USAGE);
        assert_int_equal(nebula_resume(n, resource), -ERROR_USAGE);
        assert_int_equal(nebula_retry(n, resource, 1), -ERROR_USAGE);
        assert_int_equal(nebula_lease(n, resource, 0, 0, false), -ERROR_USAGE);
        assert_int_equal(nebula_release(n, number, NEBULA_GOOD), -ERROR_STALE);
        assert_int_equal(nebula_dirty(n, number), -ERROR_STALE);
        assert_int_equal(nebula_lease(n, r.shop, 9, 0, false), -ERROR_USAGE);
        assert_int_equal(nebula_in_transaction(n, number), -ERROR_STALE);
        assert_string_equal(nebula_error(n), "the lease has ended already");
        assert_int_equal(nebula_lease(n, r.shop, 9, 0, false), -ERROR_USAGE);
        assert_int_equal(nebula_lease_resource(n, number), -ERROR_STALE);
        assert_string_equal(nebula_error(n), "the lease has ended already");
        nebula_task_cancel(n, number);
        nebula_task_grace(n, number, 1);
        nebula_task_close(n, number);
        nebula_wake(n, number, 0);
        nebula_cancel(n, number);
        nebula_done(n, number);
        struct nebula_reply reply;
        assert_int_equal(nebula_reply(n, number, &reply), -ERROR_STALE);
        assert_int_equal(nebula_cell(n, number, 0, 0, &(struct nebula_value){0}), -ERROR_STALE);
        assert_int_equal(nebula_column(n, number, 0, &(struct nebula_column){0}), -ERROR_STALE);
        const struct nebula_channels channels = {.resource = resource};
        assert_int_equal(nebula_listen(n, &channels), -ERROR_USAGE);
        assert_int_equal(nebula_hear(n, number, 0), -ERROR_STALE);
        assert_int_equal(nebula_told(n, number, &(struct nebula_told){0}), -ERROR_STALE);
        assert_int_equal(nebula_unlisten(n, number), -ERROR_STALE);
    }
    assert_int_equal(nebula_lease(n, r.shop, -1, 0, false), -ERROR_USAGE);
    assert_int_equal(nebula_lease(n, r.shop, INT_MAX, 0, false), -ERROR_USAGE);
    assert_int_equal(rig_say(&r, 0, "check"), ERROR_OK); /* nobody was cancelled */
    rig_end(&r);
}

static void what_is_tried_again_is_within_the_policy(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.policy.tries = 3;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 40 * MS;
    r.spec.policy.budget = 0;
    r.spec.policy.budget_least = 2; /* a second, and as many to begin with */
    rig_open(&r);
    struct nebula *n = r.nebula;
    int32_t task = nebula_task_open(n, 0);
    nebula_task_enter(n, task);
    assert_int_equal(nebula_retry(n, r.shop, 0), -ERROR_USAGE);
    assert_in_range(nebula_retry(n, r.shop, 1), 0, 40 * MS);
    assert_int_equal(nebula_retry(n, r.shop, 3), -ERROR_LIMIT); /* which costs nothing */
    nebula_task_deadline(n, world_time_us() + 1);
    int64_t pause_us = nebula_retry(n, r.shop, 2);
    while (pause_us == 0) /* the dice may say so */
        pause_us = nebula_retry(n, r.shop, 2);
    assert_int_equal(pause_us, -ERROR_DEADLINE);
    nebula_task_deadline(n, 0);
    assert_in_range(nebula_retry(n, r.shop, 2), 0, 40 * MS);
    assert_int_equal(nebula_retry(n, r.shop, 1), -ERROR_FULL);
    assert_string_equal(nebula_error(n), "the budget for retries of the policy plain is spent");
    rig_pass(&r, SECOND);
    assert_in_range(nebula_retry(n, r.shop, 1), 0, 40 * MS);
    nebula_task_cancel(n, task);
    assert_int_equal(nebula_retry(n, r.shop, 1), -ERROR_CANCELLED);
    nebula_task_close(n, task);
    rig_end(&r);
}

static void each_ticket_keeps_its_own_sentence(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    server_order(r.server, FAULT_ERROR);
    int32_t first = rig_call(&r, 0, "add 1 1"), second = nebula_sleep(r.nebula, SECOND);
    while (!rig_is_answered(&r, first))
        rig_pass(&r, 1000);
    nebula_cancel(r.nebula, second);
    struct nebula_reply reply, other;
    assert_int_equal(nebula_reply(r.nebula, first, &reply), 0);
    char before[300];
    snprintf(before, sizeof before, "%s", reply.text);
    assert_string_not_equal(before, "");
    assert_int_equal(nebula_find(r.nebula, "nothing"), 0);
    assert_int_equal(nebula_reply(r.nebula, -1, &other), -ERROR_STALE);
    assert_string_equal(reply.text, before);
    rig_await(&r, second, &other);
    assert_string_equal(reply.text, before);
    nebula_done(r.nebula, first);
    r.is_answered[first] = false;
    rig_end(&r);
}

/* Whoever gives a ticket back before he has seen how it ended cannot know what it brought. */
static void a_lease_that_nobody_saw_comes_home(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t ticket = rig_ticket(&r);
    assert_int_equal(nebula_release(r.nebula, lease, NEBULA_GOOD), 0);
    struct nebula_reply reply;
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply),
                     0); /* it has ended, and waits to be taken */
    nebula_done(r.nebula, ticket);
    assert_int_equal(nebula_release(r.nebula, reply.lease, NEBULA_GOOD), -ERROR_STALE);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    assert_int_equal(rig_say(&r, 0, "check"), ERROR_OK);
    rig_end(&r);
}

static void a_lease_that_was_seen_stays(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t ticket = rig_ticket(&r);
    rig_release(&r, lease);
    lease = rig_lease_of(&r, ticket); /* which has given the ticket back */
    assert_int_equal(rig_say(&r, lease, "check"), ERROR_OK);
    rig_release(&r, lease);
    rig_end(&r);
}

static void a_reply_has_the_cells_that_it_has(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    struct nebula_reply reply;
    struct nebula_value v;
    struct nebula_column c;
    int32_t ticket = rig_call(&r, 0, "add 1 1");
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), -ERROR_STALE); /* not yet */
    assert_int_equal(nebula_cell(r.nebula, ticket, 0, 0, &v), -ERROR_STALE);
    while (!rig_is_answered(&r, ticket))
        rig_pass(&r, 1000);
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
    assert_int_equal(reply.rows, 1);
    assert_int_equal(reply.columns, 1);
    assert_int_equal(nebula_cell(r.nebula, ticket, 0, 0, &v), 0);
    assert_int_equal(v.type, NEBULA_INT);
    assert_int_equal(nebula_column(r.nebula, ticket, 0, &c), 0);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        int32_t number = wrong[i] == 0 ? 2 : wrong[i];
        assert_int_equal(nebula_cell(r.nebula, ticket, number, 0, &v), -ERROR_STALE);
        assert_int_equal(nebula_cell(r.nebula, ticket, 0, number, &v), -ERROR_STALE);
        assert_int_equal(nebula_column(r.nebula, ticket, number, &c), -ERROR_STALE);
    }
    nebula_done(r.nebula, ticket);
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), -ERROR_STALE);
    r.is_answered[ticket] = false;
    rig_end(&r);
}

static void a_task_is_closed_once(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    int32_t ticket = nebula_wait(r.nebula);
    nebula_task_close(r.nebula, task);
    nebula_task_close(r.nebula, task);
    nebula_task_enter(r.nebula, task);
    nebula_wake(r.nebula, ticket, 0);
    nebula_done(r.nebula, ticket);
    assert_int_equal(rig_say(&r, 0, "check"), ERROR_OK);
    rig_end(&r);
}

static void a_request_that_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    const struct nebula_value none = {.type = 77}, hollow = {.type = NEBULA_TEXT, .size = 5};
    int64_t lease = rig_lease(&r);
    const struct nebula_request request[] = {
        {.verb = 0},
        {.verb = 99},
        {.verb = NEBULA_RUN, .count = -1},
        {.verb = NEBULA_RUN, .count = 1},
        {.verb = NEBULA_RUN, .count = 1, .value = &none},
        {.verb = NEBULA_RUN, .count = 1, .value = &hollow},
        {.verb = NEBULA_RUN, .role = -1},
        {.verb = NEBULA_RUN, .role = 4},
        {.verb = NEBULA_STREAM, .window = 1},
        {.verb = NEBULA_STREAM, .lease = lease, .window = 0},
        {.verb = NEBULA_PULL, .lease = lease, .window = -7},
    };
    for (size_t i = 0; i < COUNT(request); i++) {
        struct nebula_request one = request[i];
        one.resource = r.shop;
        one.text = "check";
        one.text_size = 5;
        assert_int_equal(nebula_call(r.nebula, &one), -ERROR_USAGE);
    }
    assert_int_equal(rig_say(&r, lease, "check"), ERROR_OK);
    rig_release(&r, lease);
    rig_end(&r);
}

static void refuses(struct rig *r, const struct nebula_spec *spec)
{
    assert_int_equal(nebula_declare(r->nebula, spec), -ERROR_CONFIG);
}

static void a_declaration_that_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    struct nebula_spec good = r.spec;
    good.name = "other";
    struct nebula_spec bad[10];
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = good;
    const struct nebula_option nameless = {.value = "x"};
    bad[0].options = -1;
    bad[1].options = 1;
    bad[1].option = NULL;
    bad[2].options = 1;
    bad[2].option = &nameless;
    bad[3].role_name[0] = NULL;
    bad[4].role_max[0] = -1;
    bad[5].pool.connect_us = INT64_MAX;
    bad[6].pool.life_us = INT64_MAX;
    bad[7].policy.deadline_us = INT64_MAX;
    bad[8].kind = NULL;
    bad[9].policy_name = NULL;
    for (size_t i = 0; i < COUNT(bad); i++)
        refuses(&r, &bad[i]);
    assert_true(nebula_declare(r.nebula, &good) > 0);
    rig_end(&r);
}

static void so_are_endpoints_that_are_not_there(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    static const char *const name[] = {"a", NULL, "c"};
    const struct nebula_option of_endpoint = {.name = "server", .value = "shop", .endpoint = 2};
    const struct nebula_option of_role = {.name = "server", .value = "shop", .role = 2};
    struct nebula_spec bad[6];
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = r.spec;
    bad[0].endpoints = 17;
    bad[1].endpoints = 1;
    bad[2].endpoints = 3;
    bad[2].endpoint_name = name;
    bad[3].endpoints = 1;
    bad[3].endpoint_name = name;
    bad[3].option = &of_endpoint;
    bad[4].option = &of_role;
    bad[5].writer = 1;
    for (size_t i = 0; i < COUNT(bad); i++) {
        bad[i].name = "other";
        refuses(&r, &bad[i]);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_nothing_are_refused),
        cmocka_unit_test(what_is_tried_again_is_within_the_policy),
        cmocka_unit_test(each_ticket_keeps_its_own_sentence),
        cmocka_unit_test(a_lease_that_nobody_saw_comes_home),
        cmocka_unit_test(a_lease_that_was_seen_stays),
        cmocka_unit_test(a_reply_has_the_cells_that_it_has),
        cmocka_unit_test(a_task_is_closed_once),
        cmocka_unit_test(a_request_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_declaration_that_makes_no_sense_is_refused),
        cmocka_unit_test(so_are_endpoints_that_are_not_there),
    };
    return cmocka_run_group_tests_name("border", tests, NULL, NULL);
}
