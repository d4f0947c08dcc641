/* Calls that share a connection, in virtual time: who may, for how long one has room for more, and what becomes of those
 * whom nobody waits for any more. On a real server: kinds/postgres_sharing_spec.lua. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/share.h"
#include "sim/fleet.h"

static struct waiter anybody;

static void begin(struct rig *r, int32_t max, int32_t pipeline)
{
    rig_begin(r);
    r->spec.pool.max = max;
    r->spec.pool.pipeline = pipeline;
    r->spec.policy.deadline_us = 60 * (int64_t)SECOND;
    r->spec.policy.wait_us = 60 * (int64_t)SECOND;
    rig_open(r);
    rig_say(r, 0, "get 1 1");
}

static int32_t share(struct rig *r)
{
    return rig_request(r, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
}

static void await_all(struct rig *r, const int32_t *ticket, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(rig_await(r, ticket[i], NULL), ERROR_OK);
}

/* --- who may ----------------------------------------------------------------------------------- */

static void those_alone_that_may_be_repeated_and_leave_nothing(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int32_t pipeline;
        enum nebula_verb verb;
        bool is_idempotent, may;
    } row[] = {
        {"get 1 1", 4, NEBULA_RUN, true, true},     {"get 1 1", 0, NEBULA_RUN, true, false},
        {"get 1 1", 1, NEBULA_RUN, true, false},    {"get 1 1", 4, NEBULA_RUN, false, false},
        {"get 1 1", 4, NEBULA_STREAM, true, false}, {"set 1 1", 4, NEBULA_RUN, true, false},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        begin(&r, 1, row[i].pipeline);
        const struct request request = {
            .text = row[i].text, .verb = row[i].verb, .is_idempotent = row[i].is_idempotent};
        assert_int_equal(share_may(rig_pool(&r), &request), row[i].may);
        rig_end(&r);
    }
}

/* Though there is one that has room: each has its words, or what is said of it, against it. */
static void the_others_wait_for_one_of_their_own(void **unused)
{
    (void)unused;
    static const struct nebula_request request[] = {
        {.text = "get 1 1", .is_idempotent = true, .is_dirty = true},
        {.text = "get 1 1"},
        {.text = "add 1 1", .is_idempotent = true}};
    struct rig r;
    int32_t ticket[COUNT(request) + 1];
    begin(&r, 1, 8);
    server_pace(r.server, 100 * MS);
    ticket[COUNT(request)] = share(&r);
    for (size_t i = 0; i < COUNT(request); i++)
        ticket[i] = rig_request(&r, request[i]);
    assert_int_equal(rig_pool(&r)->conns.first->sharers, 1);
    assert_int_equal(rig_pool(&r)->waiters.count, COUNT(request));
    assert_int_equal(rig_await(&r, ticket[COUNT(request)], NULL), ERROR_OK);
    for (size_t i = 0; i < COUNT(request); i++) { /* nor does anybody share with them */
        assert_int_equal(rig_pool(&r)->conns.first->sharers, 0);
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    }
    rig_end(&r);
}

/* --- as long as it has room --------------------------------------------------------------------- */

static void as_many_as_were_said_and_one_more_as_each_ends(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[4];
    begin(&r, 1, 2);
    server_pace(r.server, 100 * MS);
    int64_t heard = server_heard(r.server);
    for (int i = 0; i < 4; i++)
        ticket[i] = share(&r);
    struct conn *c = rig_pool(&r)->conns.first;
    assert_int_equal(c->sharers, 2);
    assert_null(share_find(rig_pool(&r), &anybody));
    assert_int_equal(rig_await(&r, ticket[0], NULL), ERROR_OK);
    assert_int_equal(c->sharers, 2); /* the third, at once */
    await_all(&r, ticket + 1, 3);
    assert_int_equal(server_heard(r.server), heard + 4);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_end(&r);
}

static void one_that_ended_makes_room_though_nobody_waits_for_it(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[3];
    begin(&r, 1, 2);
    server_pace(r.server, 100 * MS);
    for (int i = 0; i < 2; i++)
        ticket[i] = share(&r);
    assert_false(share_is_offered(rig_pool(&r)->conns.first));
    assert_int_equal(rig_await(&r, ticket[0], NULL), ERROR_OK);
    assert_true(share_is_offered(rig_pool(&r)->conns.first));
    ticket[2] = share(&r);
    assert_int_equal(rig_pool(&r)->conns.first->sharers, 2);
    assert_int_equal(rig_pool(&r)->waiters.count, 0);
    await_all(&r, ticket + 1, 2);
    rig_end(&r);
}

/* What it has left in the session, and one whose life is over. */
static void one_that_is_not_clean_or_leaves_takes_no_more(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1, 4);
    int32_t ticket = share(&r);
    struct pool *p = rig_pool(&r);
    struct conn *c = p->conns.first;
    assert_ptr_equal(share_find(p, &anybody), c);
    c->session = SESSION_DIRTY;
    assert_null(share_find(p, &anybody));
    assert_false(share_is_offered(c));
    c->session = 0;
    int32_t other = share(&r); /* waits */
    assert_int_equal(p->waiters.count, 1);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    conn_retire(c);
    assert_null(share_find(p, &anybody));
    assert_int_equal(rig_await(&r, other, NULL), ERROR_OK);
    rig_end(&r);
}

static void where_calls_are_balanced_those_that_have_room_are_chosen_from(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct fleet p;
        int32_t ticket[4];
        fleet_begin(&p, 2, (enum nebula_rule)rule);
        p.rig.spec.pool.max = 2;
        p.rig.spec.pool.pipeline = 8;
        fleet_open(&p);
        fleet_work(&p, 10, 2);
        for (int i = 0; i < 4; i++)
            ticket[i] = share(&p.rig);
        struct pool *pool = rig_pool(&p.rig);
        struct conn *c = pool->conns.first;
        assert_true(c->sharers > 0 && c->next->sharers > 0);
        conn_retire(c);
        for (int i = 0; i < 10; i++)
            assert_ptr_equal(share_find(pool, &anybody), c->next);
        await_all(&p.rig, ticket, 4);
        fleet_end(&p);
    }
}

static void another_is_opened_beside_as_long_as_there_may_be_more(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[3];
    begin(&r, 2, 8);
    server_pace(r.server, 200 * MS);
    ticket[0] = share(&r);
    rig_pass(&r, 50 * MS);
    assert_int_equal(server_wires(r.server, 0), 1); /* it is alone */
    ticket[1] = share(&r);
    rig_pass(&r, 50 * MS);
    assert_int_equal(server_wires(r.server, 0), 2);
    ticket[2] = share(&r);
    assert_int_equal(rig_pool(&r)->shared, 2);
    await_all(&r, ticket, 3);
    rig_end(&r);
}

/* --- who is late -------------------------------------------------------------------------------- */

static void with_a_connection_all_are_lost_that_shared_it(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[3];
    begin(&r, 1, 4);
    server_order(r.server, FAULT_LOST_BEFORE);
    for (int i = 0; i < 3; i++)
        ticket[i] = share(&r);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_LOST);
    assert_int_equal(rig_pool(&r)->sharers, 0);
    assert_int_equal(rig_pool(&r)->shared, 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

/* One that is never answered, behind another one: when it is the first it has 10 ms. */
static void who_is_late_is_cancelled_soon_after_he_is_the_first(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1, 4);
    server_pace(r.server, 300 * MS);
    int32_t first = share(&r);
    int32_t late = rig_request(
        &r,
        (struct nebula_request){.text = "get 1 1", .is_idempotent = true, .within_us = 50 * MS});
    assert_int_equal(rig_await(&r, late, NULL), ERROR_DEADLINE);
    assert_int_equal(rig_pool(&r)->stats.cancels, 0); /* which would hit the first */
    server_order(r.server, FAULT_STUCK);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    rig_pass(&r, 8 * MS);
    assert_int_equal(rig_pool(&r)->stats.cancels, 0);
    rig_pass(&r, 4 * MS);
    assert_int_equal(rig_pool(&r)->stats.cancels, 1);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_pool(&r)->sharers, 0); /* nor is he counted any more */
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

static void who_is_late_and_is_the_first_is_cancelled_at_once(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1, 4);
    server_order(r.server, FAULT_STUCK);
    int32_t late = rig_request(
        &r,
        (struct nebula_request){.text = "get 1 1", .is_idempotent = true, .within_us = 50 * MS});
    int32_t behind = share(&r);
    assert_int_equal(rig_await(&r, late, NULL), ERROR_DEADLINE);
    assert_int_equal(rig_pool(&r)->stats.cancels, 1);
    rig_await(&r, behind, NULL);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_pool(&r)->sharers, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_alone_that_may_be_repeated_and_leave_nothing),
        cmocka_unit_test(the_others_wait_for_one_of_their_own),
        cmocka_unit_test(as_many_as_were_said_and_one_more_as_each_ends),
        cmocka_unit_test(one_that_ended_makes_room_though_nobody_waits_for_it),
        cmocka_unit_test(one_that_is_not_clean_or_leaves_takes_no_more),
        cmocka_unit_test(where_calls_are_balanced_those_that_have_room_are_chosen_from),
        cmocka_unit_test(another_is_opened_beside_as_long_as_there_may_be_more),
        cmocka_unit_test(with_a_connection_all_are_lost_that_shared_it),
        cmocka_unit_test(who_is_late_is_cancelled_soon_after_he_is_the_first),
        cmocka_unit_test(who_is_late_and_is_the_first_is_cancelled_at_once),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
