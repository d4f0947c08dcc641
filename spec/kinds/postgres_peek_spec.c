/* postgres_peek_spec.c - an error of the input of a COPY is told by the first push after the server
 * has said it, with TLS and without. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/pg_lone.h"

#define BIG (64 * 1024 * 1024)

static const char from_stdin[] = "copy taken from stdin";
static const char *const modes[] = {"disable", "require"};

static int64_t open_with_table(struct lone *l, const char *mode)
{
    pg_lone_init(l, (const char *const[]){"host", "127.0.0.1", "port", pg_lone_server()->port,
                                          "user", "app", "dbname", "app", "password", "sesame-open",
                                          "sslmode", mode, NULL});
    assert_int_equal(lone_open(l), ERROR_OK);
    pg_lone_script(l, "create temp table taken (a int primary key, b text)");
    return pg_lone_integer(l, "select pg_backend_pid()");
}

static void begin_in(struct lone *l, const char *text)
{
    pg_lone_expect(l, NEBULA_STREAM, text, ERROR_OK, "");
}

/* The session has said how it ended before it waits for the next statement. */
static void wait_until_idle(struct lone *l, int64_t pid, const char *state, bool is_turned)
{
    char text[80];
    snprintf(text, sizeof text, "select state from pg_stat_activity where pid = %lld",
             (long long)pid);
    if (is_turned)
        pg_lone_turn_until(l, state, "%s", text);
    else
        assert_true(pg_server_comes_to(pg_lone_server(), state, text));
}

/* The server is stopped: else it may be quick enough to say so before the push has ended. */
static void push_a_mistake(struct lone *l, int64_t pid)
{
    kill((pid_t)pid, SIGSTOP);
    pg_lone_expect(l, NEBULA_PUSH, "1\tx\nbad\tx\n", ERROR_OK, "");
}

static void is_wrong_in_line_2(struct lone *l)
{
    struct request r = lone_request(NEBULA_PUSH, "3\tx\n");
    assert_int_equal(lone_call(l, &r), ERROR_QUERY);
    assert_string_equal(r.reply.error.state, "22P02");
    assert_int_equal(r.reply.line, 2);
    assert_string_equal(r.reply.error.text + r.reply.column_at, "a");
    assert_false(r.reply.more || r.reply.wants_input);
    assert_false(l->conn->session & SESSION_STREAMING);
}

/* Turned: the error was taken by libpq, which keeps it to itself. Not turned: it waits outside. */
static void the_first_push_behind_an_error_is_answered_with_it(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2 * COUNT(modes); i++) {
        struct lone l;
        int64_t pid = open_with_table(&l, modes[i / 2]);
        for (int again = 0; again < 2; again++) {
            begin_in(&l, from_stdin);
            push_a_mistake(&l, pid);
            kill((pid_t)pid, SIGCONT);
            wait_until_idle(&l, pid, "idle", i % 2);
            is_wrong_in_line_2(&l);
            pg_lone_expect(&l, NEBULA_PUSH, "4\tx\n", ERROR_STALE, "");
            pg_lone_expect(&l, NEBULA_FINISH, "", ERROR_STALE, "");
            pg_lone_expect(&l, NEBULA_STOP, "", ERROR_OK, "");
            assert_int_equal(pg_lone_integer(&l, "select count(*) from taken"), 0);
        }
        assert_int_equal(l.said[SAID_FAILED], 0);
        lone_close(&l);
    }
}

static void it_is_so_in_a_transaction(void **unused)
{
    (void)unused;
    struct lone l;
    int64_t pid = open_with_table(&l, "require");
    pg_lone_say(&l, "begin");
    begin_in(&l, from_stdin);
    push_a_mistake(&l, pid);
    kill((pid_t)pid, SIGCONT);
    wait_until_idle(&l, pid, "idle in transaction (aborted)", true);
    is_wrong_in_line_2(&l);
    assert_true(l.conn->session & SESSION_IN_TRANSACTION);
    pg_lone_say(&l, "rollback");
    lone_close(&l);
}

/* The server says it while most of the push is still here, and throws that away. */
static void a_push_under_way_ends_with_the_error_of_the_one_before(void **unused)
{
    (void)unused;
    char *bytes = malloc(BIG);
    memset(bytes, 'x', BIG);
    memcpy(bytes, "3\t", 2);
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct lone l;
        int64_t pid = open_with_table(&l, modes[i]);
        begin_in(&l, from_stdin);
        struct request r = lone_request(NEBULA_PUSH, "");
        r.text = bytes;
        r.text_size = BIG;
        push_a_mistake(&l, pid);
        lone_begin_send(&l, &r);
        lone_turn(&l, 20 * MS);
        assert_false(lone_has_ended(&r));
        kill((pid_t)pid, SIGCONT);
        assert_true(lone_wait(&l, SAID_REPLIED, l.said[SAID_REPLIED] + 1));
        assert_int_equal(r.reply.error.code, ERROR_QUERY);
        assert_int_equal(r.reply.line, 2);
        assert_int_equal(pg_lone_integer(&l, "select count(*) from taken"), 0);
        lone_close(&l);
    }
    free(bytes);
}

/* It fails as soon as it has said that it wants input: both words may come at once. */
static void a_server_that_looks_for_no_input_tells_the_first_push(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2 * COUNT(modes); i++) {
        struct lone l;
        int64_t pid = open_with_table(&l, modes[i / 2]);
        pg_lone_script(&l, "create function pg_temp.refuse() returns trigger language plpgsql as "
                           "$$ begin raise 'not today'; end $$; create trigger t before insert on "
                           "taken for each statement execute function pg_temp.refuse()");
        begin_in(&l, from_stdin);
        wait_until_idle(&l, pid, "idle", i % 2);
        pg_lone_expect(&l, NEBULA_PUSH, "1\tx\n", ERROR_QUERY, "P0001");
        assert_int_equal(pg_lone_integer(&l, "select 7"), 7);
        lone_close(&l);
    }
}

/* Words that end like the two that are looked for begin, and many of them at once. */
static void no_notice_is_taken_for_an_end(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct lone l;
        open_with_table(&l, modes[i]);
        pg_lone_script(
            &l, "create function pg_temp.speak() returns trigger language plpgsql as $$ begin "
                "raise notice using message = 'E' || repeat('ZE', new.a % 3000), detail = 'Z', "
                "hint = 'E', column = 'E', table = 'Z', schema = 'E'; return new; end $$; "
                "create trigger t before insert on taken for each row execute function "
                "pg_temp.speak()");
        begin_in(&l, from_stdin);
        for (int at = 1; at <= 3000; at++) {
            char line[16];
            snprintf(line, sizeof line, "%d\tx\n", at);
            pg_lone_expect(&l, NEBULA_PUSH, line, ERROR_OK, "");
        }
        pg_lone_expect(&l, NEBULA_FINISH, "", ERROR_OK, "");
        assert_int_equal(pg_lone_integer(&l, "select count(*) from taken"), 3000);
        lone_close(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_push_behind_an_error_is_answered_with_it),
        cmocka_unit_test(it_is_so_in_a_transaction),
        cmocka_unit_test(a_push_under_way_ends_with_the_error_of_the_one_before),
        cmocka_unit_test(a_server_that_looks_for_no_input_tells_the_first_push),
        cmocka_unit_test(no_notice_is_taken_for_an_end),
    };
    return pg_lone_run(tests, COUNT(tests));
}
