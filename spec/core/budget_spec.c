/* budget_spec.c - tokens of all workers: on loops of one thread, then on real threads, where none is lost and none is
 * made. limit: 120 s */
#include "core/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "rules/slice.h"

#define CREW 4
#define MS 1000
#define SECOND 1000000

static struct {
    struct world *world;
    struct ledger *ledger;
    struct loop *loop[CREW];
    struct budget *of[CREW];
    struct rate_policy policy;
    int64_t begun_us;
} crew;

static void join(int i, int64_t first)
{
    crew.of[i] = budget_new(crew.ledger, i, crew.loop[i], "tokens", &crew.policy, first);
    assert_non_null(crew.of[i]);
}

static void begin(int64_t tokens, int64_t burst, int64_t first)
{
    crew.world = world_real();
    crew.ledger = ledger_new(CREW);
    crew.policy = (struct rate_policy){.tokens = tokens, .span_us = SECOND, .burst = burst};
    for (int i = 0; i < CREW; i++) {
        crew.loop[i] = loop_new(crew.world);
        join(i, first);
    }
    crew.begun_us = loop_now_us(crew.loop[0]);
}

static void end(void)
{
    for (int i = 0; i < CREW; i++) {
        budget_free(&crew.of[i]);
        loop_free(&crew.loop[i]);
    }
    ledger_free(&crew.ledger);
    free(crew.world);
}

static int64_t take_all(int i, int64_t now_us)
{
    int64_t taken = 0;
    while (budget_take(crew.of[i], now_us))
        taken++;
    return taken;
}

static void turn_for(int64_t span_us)
{
    int64_t until_us = loop_now_us(crew.loop[0]) + span_us;
    while (loop_now_us(crew.loop[0]) < until_us)
        loop_turn(crew.loop[0], until_us);
}

static void all_take_from_the_same(void **unused)
{
    (void)unused;
    begin(0, 10, 10);
    int64_t taken = 0;
    for (int i = 0; i < 100; i++)
        taken += budget_take(crew.of[i % CREW], crew.begun_us);
    assert_int_equal(taken, 10);
    end();
}

static void another_identity_has_its_own(void **unused)
{
    (void)unused;
    begin(0, 10, 2);
    struct budget *other = budget_new(crew.ledger, 0, crew.loop[0], "others", &crew.policy, 1);
    assert_int_equal(take_all(0, crew.begun_us), 2);
    assert_true(budget_take(other, crew.begun_us));
    assert_false(budget_take(other, crew.begun_us));
    budget_free(&other);
    end();
}

static void who_is_alone_needs_no_ledger(void **unused)
{
    (void)unused;
    begin(3, 30, 0);
    struct budget *alone = budget_new(NULL, 0, crew.loop[0], "tokens", &crew.policy, 3);
    int taken = 0;
    while (budget_take(alone, crew.begun_us))
        taken++;
    assert_int_equal(taken, 3);
    budget_put(alone, 3 * RATE_TOKEN, crew.begun_us); /* those were there before they were earned */
    budget_put(alone, 1500000, crew.begun_us);
    assert_true(budget_take(alone, crew.begun_us));
    assert_false(budget_take(alone, crew.begun_us));
    budget_put(alone, 500000, crew.begun_us);
    assert_true(budget_take(alone, crew.begun_us));
    budget_free(&alone);
    end();
}

/* Neither of the two loses anything of what time brings, however much was used before. */
static void time_fills_what_was_used_up(void **unused)
{
    (void)unused;
    begin(3, 30, 30);
    struct budget *alone = budget_new(NULL, 0, crew.loop[0], "tokens", &crew.policy, 30);
    for (int i = 0; i < 3; i++) {
        int64_t now_us = crew.begun_us + i * 100 * (int64_t)SECOND;
        int taken = 0;
        while (budget_take(alone, now_us))
            taken++;
        assert_int_equal(taken, 30);
        assert_int_equal(take_all(0, now_us), 30);
    }
    budget_free(&alone);
    end();
}

static void who_is_alone_takes_nothing_ahead(void **unused)
{
    (void)unused;
    begin(10000, 150, 0);
    struct budget *alone = budget_new(NULL, 0, crew.loop[0], "tokens", &crew.policy, 150);
    int taken = 0;
    while (budget_take(alone, crew.begun_us))
        taken++;
    assert_int_equal(taken, 150);
    budget_free(&alone);
    end();
}

static void no_more_is_put_in_than_there_is_room_for(void **unused)
{
    (void)unused;
    begin(0, 30, 0);
    struct budget *alone = budget_new(NULL, 0, crew.loop[0], "tokens", &crew.policy, 0);
    for (int i = 0; i < 3; i++)
        budget_put(alone, INT64_MAX / 2, crew.begun_us);
    int taken = 0;
    while (budget_take(alone, crew.begun_us))
        taken++;
    assert_int_equal(taken, 30);
    budget_free(&alone);
    end();
}

/* Whatever those believe who come later. */
static void all_go_by_the_policy_of_the_first(void **unused)
{
    (void)unused;
    begin(0, 100, 0);
    budget_free(&crew.of[3]);
    crew.policy.burst = 1;
    join(3, 0);
    budget_put(crew.of[3], 50 * RATE_TOKEN, crew.begun_us);
    budget_free(&crew.of[3]);
    assert_int_equal(take_all(1, crew.begun_us), 50);
    join(3, 0);
    end();
}

/* A slice is 100 here: others find nothing as long as it is kept. */
static void what_one_took_ahead_the_others_have_soon(void **unused)
{
    (void)unused;
    begin(10000, 150, 150);
    assert_true(budget_take(crew.of[0], crew.begun_us));
    assert_in_range(take_all(1, crew.begun_us), 50, 50);
    turn_for(12 * MS);
    assert_in_range(take_all(1, crew.begun_us), 99, 99 + 150);
    end();
}

static void the_last_one_of_a_slice_is_given_back_too(void **unused)
{
    (void)unused;
    begin(200, 2, 2);
    assert_true(budget_take(crew.of[0], crew.begun_us));
    turn_for(12 * MS);
    assert_int_equal(take_all(1, crew.begun_us), 2);
    end();
}

/* Before it is used any further, by whoever comes to its end before his timer does. */
static void a_slice_that_is_too_old_is_settled_first(void **unused)
{
    (void)unused;
    begin(10000, 150, 150);
    assert_true(budget_take(crew.of[0], crew.begun_us)); /* of 100, which leaves 50 */
    assert_true(budget_take(crew.of[0], crew.begun_us + SLICE_SPAN_US)); /* of 150 another 100 */
    assert_int_equal(take_all(1, crew.begun_us + SLICE_SPAN_US), 50);
    end();
    begin(10000, 150, 150);
    for (int i = 0; i < 2; i++)
        assert_true(budget_take(crew.of[0], crew.begun_us));
    assert_int_equal(take_all(1, crew.begun_us), 50); /* and not before */
    end();
}

static void who_leaves_gives_back_what_he_has(void **unused)
{
    (void)unused;
    begin(10000, 150, 150);
    assert_true(budget_take(crew.of[0], crew.begun_us));
    budget_put(crew.of[0], 7 * RATE_TOKEN, crew.begun_us);
    budget_free(&crew.of[0]);
    assert_true(take_all(1, crew.begun_us) >= 149);
    join(0, 0);
    end();
}

static void who_puts_in_puts_in_for_all(void **unused)
{
    (void)unused;
    begin(0, 100, 0);
    for (int i = 0; i < 50; i++)
        budget_put(crew.of[0], RATE_TOKEN / 5, crew.begun_us);
    assert_false(budget_take(crew.of[1], crew.begun_us));
    turn_for(12 * MS);
    assert_int_equal(take_all(1, crew.begun_us), 10);
    end();
}

static void who_puts_in_again_and_again_keeps_nobody_waiting(void **unused)
{
    (void)unused;
    begin(0, 100, 0);
    for (int i = 0; i < 30; i++) {
        budget_put(crew.of[0], RATE_TOKEN, loop_now_us(crew.loop[0]));
        turn_for(MS);
    }
    assert_true(take_all(1, crew.begun_us) > 0);
    end();
}

/* --- the same on threads ---------------------------------------------------------------------- */

#define ROUNDS 20000

struct thread {
    pthread_t thread;
    int number;
    uint32_t dice;
    int64_t taken, put;
};

static uint32_t roll(struct thread *t, uint32_t below)
{
    t->dice = t->dice * 1664525u + 1013904223u;
    if (t->dice >> 28 == 0)
        sched_yield();
    return (t->dice >> 12) % below;
}

/* Takes as fast as it can, puts in now and then, leaves with a part of a slice and comes again. */
static void *work(void *data)
{
    struct thread *t = data;
    struct loop *loop = loop_new(crew.world);
    struct budget *b = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        if (b == NULL)
            b = budget_new(crew.ledger, t->number, loop, "tokens", &crew.policy, 0);
        CHECK(b != NULL);
        t->taken += budget_take(b, loop_now_us(loop));
        if (roll(t, 100) == 0) {
            budget_put(b, RATE_TOKEN / 4, loop_now_us(loop));
            t->put++;
        }
        if (roll(t, 20) == 0)
            loop_turn(loop, 0);
        if (roll(t, 1000) == 0)
            budget_free(&b);
    }
    budget_free(&b);
    loop_free(&loop);
    return NULL;
}

static void count_all(int64_t rate)
{
    struct thread t[CREW - 1];
    begin(rate, 1000000000, 0);
    for (int i = 1; i < CREW; i++)
        budget_free(&crew.of[i]); /* the threads' from here on */
    for (int i = 0; i < CREW - 1; i++) {
        t[i] = (struct thread){.number = i + 1, .dice = (uint32_t)i + 7};
        assert_int_equal(pthread_create(&t[i].thread, NULL, work, &t[i]), 0);
    }
    int64_t taken = 0, put = 0;
    for (int i = 0; i < CREW - 1; i++) {
        assert_int_equal(pthread_join(t[i].thread, NULL), 0);
        assert_true(t[i].taken > 0);
        taken += t[i].taken;
        put += t[i].put;
    }
    int64_t end_us = loop_refresh(crew.loop[0]), in_threads = taken;
    taken += take_all(0, end_us);
    int64_t brought = rate > 0 ? (end_us - crew.begun_us) * rate / SECOND : put / 4;
    print_message("# %lld taken by threads, %lld were there\n", (long long)in_threads,
                  (long long)brought);
    assert_in_range(taken, brought - 1, brought + 1);
    for (int i = 1; i < CREW; i++)
        join(i, 0);
    end();
}

/* By time, which brings more than is put in; and by what is put in alone. */
static void none_is_lost_and_none_is_made(void **unused)
{
    (void)unused;
    count_all(200000);
    count_all(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_take_from_the_same),
        cmocka_unit_test(another_identity_has_its_own),
        cmocka_unit_test(who_is_alone_needs_no_ledger),
        cmocka_unit_test(time_fills_what_was_used_up),
        cmocka_unit_test(who_is_alone_takes_nothing_ahead),
        cmocka_unit_test(no_more_is_put_in_than_there_is_room_for),
        cmocka_unit_test(all_go_by_the_policy_of_the_first),
        cmocka_unit_test(what_one_took_ahead_the_others_have_soon),
        cmocka_unit_test(the_last_one_of_a_slice_is_given_back_too),
        cmocka_unit_test(a_slice_that_is_too_old_is_settled_first),
        cmocka_unit_test(who_leaves_gives_back_what_he_has),
        cmocka_unit_test(who_puts_in_puts_in_for_all),
        cmocka_unit_test(who_puts_in_again_and_again_keeps_nobody_waiting),
        cmocka_unit_test(none_is_lost_and_none_is_made),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
