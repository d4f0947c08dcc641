/* postgres_told_spec.c - notifications: told at once, whatever else is under way on the connection. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "support/pg_lone.h"

static void is_told(struct lone *l, uint32_t count, const char *last)
{
    assert_true(lone_wait(l, SAID_TOLD, count));
    assert_string_equal(l->told, last);
}

static void notify(const char *payload)
{
    pg_server_ask(pg_lone_server(), "select pg_notify('jobs', '%s')", payload);
}

static void on_a_connection_with_nothing_under_way(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "listen jobs");
    assert_true(l.conn->session & SESSION_DIRTY);
    notify("one");
    is_told(&l, 1, "jobs: one");
    notify("");
    is_told(&l, 2, "jobs: ");
    lone_close(&l);
}

/* What comes with the last bytes of an answer makes nothing readable any more. */
static void with_the_answer_to_whatever_was_asked(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "listen jobs; notify jobs, 'script'");
    is_told(&l, 1, "jobs: script");
    assert_true(l.told_by > 0);
    for (uint32_t i = 0; i < 3; i++) { /* unprepared, prepared with it in one trip, prepared */
        pg_lone_say(&l, "select pg_notify('jobs', 'own')");
        is_told(&l, 2 + i, "jobs: own");
    }
    pg_lone_expect(&l, NEBULA_RUN, "select 1 / 0", ERROR_QUERY, "22012");
    pg_lone_script(&l, "unlisten *");
    notify("unheard");
    lone_turn(&l, 50 * MS);
    assert_int_equal(l.said[SAID_TOLD], 4);
    lone_close(&l);
}

static void while_an_answer_takes_its_time(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "listen jobs");
    struct request r = lone_request(NEBULA_RUN, "select pg_sleep(0.3)");
    lone_begin_send(&l, &r);
    lone_turn(&l, 20 * MS);
    notify("between"); /* the server keeps it until the session is idle */
    assert_true(lone_wait(&l, SAID_REPLIED, 2));
    reply_fini(&r.reply);
    is_told(&l, 1, "jobs: between");
    lone_close(&l);
}

static void before_the_farewell_of_the_server(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "listen jobs");
    pg_server_ask(pg_lone_server(),
                  "select pg_notify('jobs', i::text) from generate_series(1, 100) i");
    pg_server_ask(pg_lone_server(), "select pg_sleep(0.1), pg_terminate_backend(pid) "
                                    "from pg_stat_activity where application_name = 'nebula lone'");
    assert_true(lone_wait(&l, SAID_FAILED, 1)); /* both had come when the loop looked again */
    assert_int_equal(l.said[SAID_TOLD], 100);
    assert_string_equal(l.told, "jobs: 100");
    lone_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_connection_with_nothing_under_way),
        cmocka_unit_test(with_the_answer_to_whatever_was_asked),
        cmocka_unit_test(while_an_answer_takes_its_time),
        cmocka_unit_test(before_the_farewell_of_the_server),
    };
    return pg_lone_run(tests, COUNT(tests));
}
