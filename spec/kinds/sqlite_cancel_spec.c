/* SQLite statements that are cancelled, and that wait for locks. */
#include "support/sqlite_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"

#define MS INT64_C(1000)

/* --- cancel --------------------------------------------------------------------------------- */

/* Cancels r after delay_us and waits for both ends. */
static void cancel_after(struct lone *l, struct request *r, int64_t delay_us)
{
    uint32_t cancelled = l->said[SAID_CANCELLED];
    lone_begin_send(l, r);
    int64_t until_us = loop_refresh(l->loop) + delay_us;
    while (delay_us > 0 && loop_refresh(l->loop) < until_us)
        loop_turn(l->loop, 0);
    if (!lone_has_ended(r)) {
        lone_begin_cancel(l);
        assert_true(lone_wait(l, SAID_CANCELLED, cancelled + 1));
    }
    assert_true(lone_has_ended(r));
}

static void cancels(struct place *p)
{
    struct lone l;
    place_open(p, &l, READER);
    for (int i = 0; i < 20; i++) {
        struct request r = lone_request(NEBULA_RUN, FOREVER);
        r.deadline_us = i % 2 == 0 ? INT64_MAX : loop_refresh(p->loop);
        int64_t began_us = loop_refresh(p->loop);
        cancel_after(&l, &r, i * MS / 4);
        assert_int_equal(r.reply.error.code, i % 2 == 0 ? ERROR_CANCELLED : ERROR_DEADLINE);
        assert_true(loop_refresh(p->loop) - began_us < 1000 * MS);
        assert_int_equal(place_number(&l, "select 1"), 1);
    }
    lone_close(&l);
}

static void cancels_a_stream(struct place *p)
{
    struct lone l;
    place_open(p, &l, READER);
    place_stream(&l, NUMBERS " where i < 5", 4, 4); /* it looks for a fifth for ever */
    struct request r = lone_request(NEBULA_PULL, "");
    cancel_after(&l, &r, 2 * MS);
    assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
    assert_int_equal(l.conn->session, 0);
    assert_int_equal(place_number(&l, "select 1"), 1);
    /* A cancel that comes when the rows are there already ends the stream too. */
    for (int i = 0; i < 200; i++) {
        place_stream(&l, TEN_NUMBERS, 2, 2);
        struct request late = lone_request(NEBULA_PULL, "");
        lone_begin_send(&l, &late);
        usleep((useconds_t)i);
        lone_begin_cancel(&l);
        assert_true(lone_wait(&l, SAID_CANCELLED, (uint32_t)i + 2));
        assert_true(lone_has_ended(&late));
        reply_fini(&late.reply);
        assert_int_equal(l.conn->session, 0);
        assert_int_equal(place_number(&l, "select 1"), 1);
    }
    lone_close(&l);
}

/* The race: the pause before each cancel follows the statements, so that about half of them have
 * just ended. The next statement must never be hit, and what was not cancelled is there. */
static void races(struct place *p)
{
    struct lone l;
    int hit = 0, late = 0, pause_us = 100;
    place_open(p, &l, WRITER);
    place_good(&l, NEBULA_RUN, "create table tally(id integer primary key)");
    for (int i = 0; i < 2000; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "insert into tally select %d from (" NUMBERS " limit 3000) where i = 1", i);
        struct request r = lone_request(NEBULA_RUN, text);
        lone_begin_send(&l, &r);
        usleep((useconds_t)(pause_us + i % 40));
        lone_begin_cancel(&l);
        assert_true(lone_wait(&l, SAID_CANCELLED, (uint32_t)i + 1));
        assert_true(lone_has_ended(&r));
        bool is_done = r.reply.error.code == ERROR_OK;
        assert_true(is_done || r.reply.error.code == ERROR_CANCELLED);
        late += is_done;
        hit += !is_done;
        pause_us += is_done ? pause_us > 9 ? -10 : 0 : 10;
        snprintf(text, sizeof text, "select count(*) from tally where id = %d", i);
        assert_int_equal(place_number(&l, text), is_done);
        assert_int_equal(l.conn->session, 0);
        reply_fini(&r.reply);
    }
    print_message("%d cancels came in time, %d after the end\n", hit, late);
    assert_true(hit > 200 && late > 200);
    lone_close(&l);
}

static void cancels_hit_their_own(void **unused)
{
    (void)unused;
    place_run(cancels);
    place_run(cancels_a_stream);
    place_run(races);
}

/* --- locks ---------------------------------------------------------------------------------- */

static void waits_for_locks(struct place *p)
{
    struct lone l, other;
    place_open(p, &l, WRITER);
    place_open(p, &other, WRITER);
    place_good(&other, NEBULA_SCRIPT,
               "create table t(a); begin immediate; insert into t values (1)");
    /* To the deadline: the answer comes just before it. */
    struct request r = lone_request(NEBULA_RUN, "insert into t values (2)");
    int64_t began_us = loop_refresh(p->loop);
    r.deadline_us = began_us + 100 * MS;
    assert_int_equal(lone_call(&l, &r), ERROR_LOCKED);
    assert_non_null(strstr(r.reply.error.text, p->file));
    assert_string_equal(r.reply.error.state, "5");
    assert_true(loop_refresh(p->loop) >= began_us + 90 * MS);
    assert_true(loop_now_us(p->loop) < r.deadline_us + 50 * MS);
    /* Cancelled while it waits. */
    r = lone_request(NEBULA_RUN, "insert into t values (3)");
    cancel_after(&l, &r, 30 * MS);
    assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
    /* Until the other is done. */
    r = lone_request(NEBULA_RUN, "insert into t values (4)");
    lone_begin_send(&l, &r);
    lone_turn(&l, 30 * MS);
    assert_false(lone_has_ended(&r));
    place_good(&other, NEBULA_RUN, "commit");
    while (!lone_has_ended(&r))
        loop_turn(p->loop, INT64_MAX);
    assert_int_equal(r.reply.error.code, ERROR_OK);
    assert_int_equal(place_number(&l, "select sum(a) from t"), 5);
    /* A reader that turns writer too late has lost. */
    place_good(&l, NEBULA_RUN, "begin");
    assert_int_equal(place_number(&l, "select sum(a) from t"), 5);
    place_good(&other, NEBULA_RUN, "insert into t values (6)");
    place_bad(&l, lone_request(NEBULA_RUN, "insert into t values (7)"), ERROR_CONFLICT,
              "begin it again");
    place_good(&l, NEBULA_RUN, "rollback");
    lone_close(&l);
    lone_close(&other);
}

static void locked_at_open(struct place *p)
{
    struct lone l, other;
    const char *option[] = {"file", p->file, "journal", "delete", NULL};
    lone_init(&other, p->loop, &driver_sqlite, option, WRITER);
    assert_int_equal(lone_open(&other), ERROR_OK);
    place_good(&other, NEBULA_SCRIPT,
               "create table t(a); begin exclusive; insert into t values (1)");
    const char *wal[] = {"file", p->file, NULL};
    lone_init(&l, p->loop, &driver_sqlite, wal, READER); /* has to change the journal, and waits */
    lone_begin_open(&l);
    lone_turn(&l, 30 * MS);
    assert_int_equal(l.said[SAID_OPENED], 0);
    place_good(&other, NEBULA_RUN, "commit");
    assert_true(lone_wait(&l, SAID_OPENED, 1));
    assert_int_equal(place_number(&l, "select a from t"), 1);
    lone_close(&l);
    place_good(&other, NEBULA_RUN, "begin exclusive");
    lone_init(&l, p->loop, &driver_sqlite, option, WRITER);
    lone_begin_open(&l);
    lone_turn(&l, 10 * MS);
    lone_close(&l); /* while it waits */
    lone_close(&other);
}

static void respects_locks(void **unused)
{
    (void)unused;
    place_run(waits_for_locks);
    place_run(locked_at_open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancels_hit_their_own),
        cmocka_unit_test(respects_locks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
