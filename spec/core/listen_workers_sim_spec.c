/* What those who listen in several workers are promised, in virtual time: one connection of the process, one gap for each
 * loss, whoever has the connection, and nothing twice. With dice: spec/sim/hearers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ear.h"
#include "sim/listening.h"
#include "sim/memory.h"
#include "sim/told.h"

#define CREW 3

static const char *const five[] = {"5"}, *const six[] = {"6"};

static void begin(struct shift *w, int32_t max)
{
    shift_begin(w, CREW);
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
    shift_open_all(w);
}

static int64_t listener_of(struct shift *w, int i, int32_t ticket)
{
    shift_come(w, i, ticket);
    return listening_of(&w->of[i], ticket);
}

static int64_t listener_at(struct shift *w, int i, const char *const *channel)
{
    return listener_of(w, i, listening_ask(&w->of[i], 100, 1, channel));
}

static void hears(struct shift *w, int i, int64_t listener, const char *expected)
{
    int32_t ticket = nebula_hear(w->of[i].nebula, listener, 10 * SECOND);
    shift_come(w, i, ticket);
    assert_string_equal(listening_word(&w->of[i], ticket), expected);
}

static void hears_nothing(struct shift *w, int i, int64_t listener)
{
    int32_t ticket = nebula_hear(w->of[i].nebula, listener, 100 * MS);
    shift_come(w, i, ticket);
    assert_string_equal(listening_word(&w->of[i], ticket), "deadline");
}

static int32_t tell(struct shift *w, int64_t channel)
{
    return (int32_t)server_tell(w->of[0].server, channel);
}

static int32_t conns_of(struct shift *w)
{
    int32_t count = 0;
    for (int i = 0; i < w->count; i++)
        count += shift_is_open(w, i) ? rig_count(&w->of[i], CONN_LISTENING) : 0;
    return count;
}

/* --- one connection --------------------------------------------------------------------------- */

static void all_workers_hear_by_one_connection(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    int64_t a = listener_at(&w, 1, five), heard = server_heard(w.of[0].server);
    int64_t b = listener_at(&w, 0, five), c = listener_at(&w, 2, five);
    assert_int_equal(server_heard(w.of[0].server), heard); /* it is asked for once */
    int64_t d = listener_at(&w, 2, six);
    assert_int_equal(server_heard(w.of[0].server), heard + 1);
    assert_int_equal(conns_of(&w), 1);
    assert_int_equal(rig_count(&w.of[1], CONN_LISTENING), 1);
    assert_int_equal(server_opened(w.of[0].server), 1);
    tell(&w, 5);
    tell(&w, 6);
    tell(&w, 7);
    tell(&w, 5);
    for (int i = 0; i < 3; i++) {
        int64_t l = i == 0 ? b : i == 1 ? a : c;
        hears(&w, i, l, "5:1");
        hears(&w, i, l, "5:4");
        hears_nothing(&w, i, l);
    }
    hears(&w, 2, d, "6:2");
    hears_nothing(&w, 2, d);
    int32_t late = shift_ask(&w, 2);
    struct nebula_reply reply;
    shift_come(&w, 2, late);
    nebula_reply(w.of[2].nebula, late, &reply);
    assert_non_null(strstr(reply.text, "the only one listens"));
    assert_int_equal(shift_await(&w, 2, late), ERROR_WAIT);
    shift_end(&w);
}

static void they_are_shown_as_one(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    listener_at(&w, 1, five);
    listener_at(&w, 0, five);
    listener_at(&w, 2, six);
    json_t *answer = told_in(&w, 0, TOLD_INSPECT), *shop = told_at(answer, "resource");
    assert_int_equal(told_number(shop, "listening"), 1);
    assert_int_equal(told_number(shop, "listeners"), 3);
    json_t *ears = told_at(shop, "ears");
    assert_int_equal(json_array_size(ears), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *ear = json_array_get(ears, i);
        bool is_home = told_number(ear, "worker") == 1;
        assert_string_equal(told_text(ear, "state"), is_home ? "open" : "by another worker");
        assert_int_equal(told_number(ear, "connection") != 0, is_home);
        if (!is_home)
            assert_int_equal(told_number(ear, "home"), 1);
        const json_t *listeners = told_at(ear, "listeners");
        assert_int_equal(json_array_size(listeners), 1);
        assert_int_equal(told_number(json_array_get(listeners, 0), "worker"),
                         told_number(ear, "worker"));
    }
    json_decref(answer);
    shift_end(&w);
}

static void a_refusal_travels_and_is_one_listeners_alone(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    int64_t a = listener_at(&w, 0, five), b = listener_at(&w, 1, five);
    server_order(w.of[0].server, FAULT_OWN_FAILS);
    assert_int_equal(listener_at(&w, 1, six), -ERROR_SERVER);
    int64_t c = listener_at(&w, 1, six);
    tell(&w, 5);
    tell(&w, 6);
    hears(&w, 0, a, "5:1");
    hears(&w, 1, b, "5:1");
    hears(&w, 1, c, "6:2");
    shift_end(&w);
}

static void what_nobody_hears_any_more_is_left_and_the_last_one_gives_it_back(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    int64_t a = listener_at(&w, 0, five), b = listener_at(&w, 1, six);
    nebula_unlisten(w.of[1].nebula, b);
    shift_pass(&w, 100 * MS);
    struct ear *home = listening_ear(&w.of[0]);
    uint64_t told = home->told;
    tell(&w, 6);
    shift_pass(&w, 10 * MS);
    assert_int_equal(home->told, told); /* the server was told, too */
    int64_t c = listener_at(&w, 2, six);
    nebula_unlisten(w.of[0].nebula, a); /* home stays for the others, and there is no gap */
    shift_pass(&w, 100 * MS);
    assert_int_equal(rig_count(&w.of[0], CONN_LISTENING), 1);
    tell(&w, 6);
    hears(&w, 2, c, "6:2");
    nebula_unlisten(w.of[2].nebula, c);
    int64_t lease = shift_lease(&w, 1, 100 * MS);
    assert_true(lease > 0);
    rig_release(&w.of[1], lease);
    assert_true(list_is_empty(&home->channels.all));
    assert_int_equal(server_opened(w.of[0].server), 1);
    shift_end(&w);
}

/* --- losses ----------------------------------------------------------------------------------- */

static void each_loss_is_one_gap_for_each(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    int64_t l[CREW];
    for (int i = 0; i < CREW; i++)
        l[i] = listener_at(&w, i, five);
    for (int n = 0; n < 3; n++) {
        server_crash(w.of[0].server, world_time_us() + 300 * MS);
        tell(&w, 5); /* nobody hears */
        shift_pass(&w, 3 * SECOND);
        char next[20];
        snprintf(next, sizeof next, "5:%d", tell(&w, 5));
        for (int i = 0; i < CREW; i++) {
            hears(&w, i, l[i], "gap lost 0");
            hears(&w, i, l[i], next);
            hears_nothing(&w, i, l[i]);
        }
    }
    shift_end(&w);
}

static void when_home_goes_another_one_listens_and_it_is_a_gap(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    int64_t a = listener_at(&w, 2, five), b = listener_at(&w, 0, five),
            c = listener_at(&w, 1, five);
    assert_true(a > 0);
    tell(&w, 5);
    shift_pass(&w, MS);
    shift_close(&w, 2);
    shift_pass(&w, SECOND);
    tell(&w, 5);
    assert_int_equal(conns_of(&w), 1);
    hears(&w, 0, b, "5:1");
    hears(&w, 1, c, "5:1");
    hears(&w, 0, b, "gap closed 0");
    hears(&w, 1, c, "gap closed 0");
    hears(&w, 0, b, "5:2");
    hears(&w, 1, c, "5:2");
    shift_open(&w, 2); /* who comes back hears by the new one, which stays */
    a = listener_at(&w, 2, five);
    tell(&w, 5);
    hears(&w, 2, a, "5:3");
    hears(&w, 0, b, "5:3");
    hears(&w, 1, c, "5:3");
    hears_nothing(&w, 0, b);
    shift_end(&w);
}

/* Whoever goes, and in whatever moment: who stays listens in the end, and nothing is left. */
static void at_each_moment_of_an_opening(int gone, int stays)
{
    for (int moment = 0; moment < 40; moment++) {
        struct shift w;
        begin(&w, 1);
        int64_t a = listener_at(&w, 0, five);
        int32_t one = listening_ask(&w.of[1], 100, 1, six),
                two = listening_ask(&w.of[2], 100, 1, six);
        shift_pass(&w, moment * 50);
        shift_close(&w, gone);
        int64_t l = stays == 0 ? a : listener_of(&w, stays, stays == 1 ? one : two);
        assert_true(l > 0);
        shift_pass(&w, SECOND);
        int32_t number = tell(&w, stays == 0 ? 5 : 6);
        char next[20];
        snprintf(next, sizeof next, "%d:%d", stays == 0 ? 5 : 6, number);
        int32_t ticket = nebula_hear(w.of[stays].nebula, l, SECOND);
        shift_come(&w, stays, ticket);
        const char *word = listening_word(&w.of[stays], ticket);
        if (gone == 0 && strcmp(word, "gap closed 0") == 0)
            hears(&w, stays, l, next);
        else
            assert_string_equal(word, next);
        hears_nothing(&w, stays, l);
        shift_end(&w);
    }
}

static void home_may_go_at_any_moment(void **unused)
{
    (void)unused;
    at_each_moment_of_an_opening(0, 1);
}

static void another_one_may_go_at_any_moment(void **unused)
{
    (void)unused;
    at_each_moment_of_an_opening(1, 2);
    at_each_moment_of_an_opening(2, 0);
}

/* --- who does not turn ------------------------------------------------------------------------ */

static void for_who_does_not_turn_so_much_is_kept_and_the_rest_is_a_gap(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    int64_t a = listener_at(&w, 0, five);
    const struct nebula_channels much = {.resource = w.of[1].shop,
                                         .count = 1,
                                         .name = five,
                                         .queue = 2 * RELAY_MOST,
                                         .bytes = 2 * RELAY_BYTES_MOST};
    int64_t b = listener_of(&w, 1, nebula_listen(w.of[1].nebula, &much));
    const struct nebula_channels more = {.resource = w.of[1].shop,
                                         .count = 1,
                                         .name = six,
                                         .queue = 1,
                                         .bytes = 100,
                                         .within_us = 60 * SECOND};
    int32_t ticket = nebula_listen(w.of[1].nebula, &more); /* answered before all that is told */
    shift_pass(&w, 0);
    w.is_stuck[1] = true;
    shift_pass(&w, 100 * MS);
    for (int i = 0; i < RELAY_MOST + 1000; i++) {
        tell(&w, 5);
        shift_pass(&w, 0);
        char text[20];
        snprintf(text, sizeof text, "5:%d", i + 1);
        hears(&w, 0, a, text); /* home is not held up */
    }
    w.is_stuck[1] = false;
    shift_pass(&w, MS);
    int64_t c = listener_of(&w, 1, ticket);
    assert_true(c > 0);
    hears(&w, 1, b, "gap full 1000");
    for (int i = 0; i < RELAY_MOST; i++) {
        char text[20];
        snprintf(text, sizeof text, "5:%d", 1001 + i);
        hears(&w, 1, b, text);
    }
    hears_nothing(&w, 1, b);
    shift_end(&w);
}

static void text_of(struct shift *w, int i, int32_t ticket, char *text, size_t size)
{
    struct nebula_reply reply;
    shift_come(w, i, ticket);
    nebula_reply(w->of[i].nebula, ticket, &reply);
    snprintf(text, size, "%s", reply.text);
}

static void a_home_that_does_not_turn_is_named(void **unused)
{
    (void)unused;
    struct shift w;
    char text[300];
    shift_begin(&w, CREW);
    w.spec->pool.max = 1;
    w.spec->pool.connect_us = 300 * MS;
    shift_open_all(&w);
    int64_t a = listener_at(&w, 0, five), b = listener_at(&w, 1, five);
    assert_true(a > 0);
    w.is_stuck[0] = true;
    int32_t ticket = listening_ask(&w.of[1], 100, 1, six);
    text_of(&w, 1, ticket, text, sizeof text);
    assert_non_null(strstr(text, "worker 0, by which all listen, has not turned for 300 ms"));
    assert_int_equal(listener_of(&w, 1, ticket), -ERROR_LOST);
    const struct nebula_channels soon = {.resource = w.of[2].shop,
                                         .count = 1,
                                         .name = six,
                                         .queue = 10,
                                         .bytes = 1000,
                                         .within_us = 100 * MS};
    ticket = nebula_listen(w.of[2].nebula, &soon);
    text_of(&w, 2, ticket, text, sizeof text);
    assert_non_null(strstr(text, "no answer from worker 0, by which all listen, after 100 ms"));
    assert_int_equal(listener_of(&w, 2, ticket), -ERROR_DEADLINE);
    tell(&w, 5);
    w.is_stuck[0] = false;
    hears(&w, 1, b, "5:1"); /* late, and nothing is missed */
    int64_t c = listener_at(&w, 1, six);
    tell(&w, 6);
    hears(&w, 1, c, "6:2");
    hears_nothing(&w, 1, b);
    shift_end(&w);
}

/* --- as a whole ------------------------------------------------------------------------------- */

static void what_is_ordered_in_one_worker_is_a_gap_in_all(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    int64_t l[CREW];
    for (int i = 0; i < CREW; i++)
        l[i] = listener_at(&w, i, five);
    int32_t ticket = nebula_drain(w.of[1].nebula, w.of[1].shop, 10 * SECOND);
    assert_int_equal(shift_await(&w, 1, ticket), ERROR_OK);
    assert_int_equal(listener_at(&w, 2, six), -ERROR_PAUSED);
    shift_pass(&w, 10 * SECOND);
    assert_int_equal(server_wires(w.of[0].server, 0), 0);
    nebula_resume(w.of[2].nebula, w.of[2].shop);
    for (int i = 0; i < CREW; i++)
        hears(&w, i, l[i], "gap closed 0");
    ticket = nebula_reconnect(w.of[1].nebula, w.of[1].shop, 100, 10 * SECOND);
    assert_int_equal(shift_await(&w, 1, ticket), ERROR_OK);
    for (int i = 0; i < CREW; i++) {
        hears(&w, i, l[i], "gap closed 0");
        hears_nothing(&w, i, l[i]);
    }
    assert_int_equal(conns_of(&w), 1);
    shift_end(&w);
}

/* All that is there, in order and with a gap before what comes next but is not the next one. The last one's number. */
static int64_t hear_all(struct shift *w, int i, int64_t listener)
{
    int64_t last = 0;
    bool may_skip = true;
    for (;;) {
        int32_t ticket = nebula_hear(w->of[i].nebula, listener, 100 * MS);
        shift_come(w, i, ticket);
        const char *word = listening_word(&w->of[i], ticket);
        if (strcmp(word, "deadline") == 0)
            return last;
        bool is_gap = strncmp(word, "gap", 3) == 0;
        int64_t number = is_gap ? last : atol(word + 2);
        assert_true(is_gap || (number > last && (may_skip || number == last + 1)));
        may_skip = is_gap;
        last = number;
    }
}

/* False when nothing failed. */
static bool with_an_allocation_that_fails(int64_t nth)
{
    struct shift w;
    begin(&w, 1);
    int64_t a = listener_at(&w, 0, five);
    assert_true(a > 0);
    memory_fail(nth);
    int32_t ticket = listening_ask(&w.of[1], 100, 1, five);
    int64_t b = ticket < 0 ? ticket : listener_of(&w, 1, ticket);
    for (int i = 0; i < 3; i++) {
        tell(&w, 5);
        shift_pass(&w, 10 * MS);
    }
    server_crash(w.of[0].server, world_time_us() + 100 * MS);
    shift_pass(&w, SECOND);
    shift_close(&w, 0);
    shift_pass(&w, SECOND);
    bool has_failed = memory_failed() > 0;
    memory_fail(0);
    shift_pass(&w, 10 * SECOND);
    int32_t last = tell(&w, 5);
    if (b > 0)
        assert_int_equal(hear_all(&w, 1, b), last);
    else
        assert_int_equal(b, -ERROR_MEMORY);
    shift_end(&w);
    return has_failed;
}

static void any_allocation_may_fail(void **unused)
{
    (void)unused;
    int64_t nth = 1;
    while (with_an_allocation_that_fails(nth))
        nth++;
    assert_true(nth > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_workers_hear_by_one_connection),
        cmocka_unit_test(they_are_shown_as_one),
        cmocka_unit_test(a_refusal_travels_and_is_one_listeners_alone),
        cmocka_unit_test(what_nobody_hears_any_more_is_left_and_the_last_one_gives_it_back),
        cmocka_unit_test(each_loss_is_one_gap_for_each),
        cmocka_unit_test(when_home_goes_another_one_listens_and_it_is_a_gap),
        cmocka_unit_test(home_may_go_at_any_moment),
        cmocka_unit_test(another_one_may_go_at_any_moment),
        cmocka_unit_test(for_who_does_not_turn_so_much_is_kept_and_the_rest_is_a_gap),
        cmocka_unit_test(a_home_that_does_not_turn_is_named),
        cmocka_unit_test(what_is_ordered_in_one_worker_is_a_gap_in_all),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("listeners in several workers", tests, NULL, NULL);
}
