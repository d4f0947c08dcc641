/* postgres_copy_spec.c - COPY from the client, pushed; as a statement it is refused by name, at
 * as little cost as can be. */
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

#define BIG (32 * 1024 * 1024)

static const char from_stdin[] = "copy taken from stdin";

/* The verb's reply is the caller's. */
static struct request ask(struct lone *l, enum nebula_verb verb, const char *text)
{
    struct request r = lone_request(verb, text);
    lone_call(l, &r);
    return r;
}

static void is_ok(struct lone *l, enum nebula_verb verb, const char *text)
{
    pg_lone_expect(l, verb, text, ERROR_OK, "");
}

static void begin_in(struct lone *l, const char *text)
{
    struct request r = ask(l, NEBULA_STREAM, text);
    if (r.reply.error.code != ERROR_OK)
        fail_msg("%s: %s", text, r.reply.error.text);
    assert_true(r.reply.more && r.reply.wants_input);
    assert_null(r.reply.result);
    assert_true(l->conn->session & SESSION_STREAMING);
}

static int64_t finish(struct lone *l)
{
    struct request r = ask(l, NEBULA_FINISH, "");
    if (r.reply.error.code != ERROR_OK)
        fail_msg("%s", r.reply.error.text);
    assert_false(r.reply.more || r.reply.wants_input);
    assert_false(l->conn->session & SESSION_STREAMING);
    return r.reply.changed;
}

static int64_t count_taken(struct lone *l)
{
    return pg_lone_integer(l, "select count(*) from taken");
}

static void open_with_table(struct lone *l)
{
    pg_lone_open(l);
    pg_lone_script(l, "create temp table taken (a int primary key, b text)");
}

/* --- as a statement --------------------------------------------------------------------------- */

static void copy_as_a_statement_is_refused_by_name(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct lone l;
        pg_lone_open(&l);
        struct request r = ask(&l, i ? NEBULA_SCRIPT : NEBULA_RUN, "copy (select 1) to stdout");
        assert_int_equal(r.reply.error.code, ERROR_USAGE);
        assert_non_null(strstr(r.reply.error.text, "copy_out()"));
        assert_true(lone_wait(&l, SAID_FAILED, 1));
        lone_close(&l);
    }
}

/* The server waits for input, so it can be told that there is none. */
static void a_refused_copy_from_the_client_keeps_the_session(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    for (int i = 0; i < 6; i++) { /* prepared anew, prepared, and as a script */
        struct request r = ask(&l, i < 4 ? NEBULA_RUN : NEBULA_SCRIPT,
                               i % 2 ? from_stdin : "copy taken from stdin csv");
        assert_int_equal(r.reply.error.code, ERROR_USAGE);
        assert_non_null(strstr(r.reply.error.text, "copy_in()"));
        assert_int_equal(count_taken(&l), 0);
    }
    pg_lone_expect(&l, NEBULA_SCRIPT, "insert into taken values (1); copy taken from stdin",
                   ERROR_USAGE, "");
    assert_int_equal(count_taken(&l), 0);
    pg_lone_say(&l, "begin");
    pg_lone_expect(&l, NEBULA_RUN, from_stdin, ERROR_USAGE, "");
    pg_lone_expect(&l, NEBULA_RUN, "select 1", ERROR_QUERY, "25P02");
    pg_lone_say(&l, "rollback");
    assert_int_equal(l.said[SAID_FAILED], 0);
    lone_close(&l);
}

/* --- to the server ---------------------------------------------------------------------------- */

static void what_is_pushed_and_finished_is_there(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    begin_in(&l, from_stdin);
    struct request r = ask(&l, NEBULA_PUSH, "1\tone\n2\t");
    assert_int_equal(r.reply.changed, 1);
    assert_true(r.reply.more && r.reply.wants_input);
    is_ok(&l, NEBULA_PUSH, "");
    r = ask(&l, NEBULA_PUSH, "two\n3\t\\N\n");
    assert_int_equal(r.reply.changed, 3);
    assert_int_equal(finish(&l), 3);
    assert_int_equal(pg_lone_integer(&l, "select count(*) from taken where a < 3 and b <> ''"), 2);
    for (int i = 0; i < 2; i++) { /* nothing at all, and a statement that is prepared by then */
        begin_in(&l, from_stdin);
        assert_int_equal(finish(&l), 0);
        is_ok(&l, NEBULA_PREPARE, from_stdin);
    }
    assert_int_equal(l.conn->session & ~(uint32_t)SESSION_DIRTY, 0);
    lone_close(&l);
}

static void binary_input_has_no_lines(void **unused)
{
    (void)unused;
    static const char bytes[] =
        "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\2\0\0\0\4\0\0\0\12\0\0\0\1x\377\377";
    struct lone l;
    open_with_table(&l);
    begin_in(&l, "copy taken from stdin binary");
    struct request r = lone_request(NEBULA_PUSH, "");
    r.text = bytes;
    r.text_size = sizeof bytes - 1;
    assert_int_equal(lone_call(&l, &r), ERROR_OK);
    assert_int_equal(r.reply.changed, -1);
    assert_int_equal(finish(&l), 1);
    assert_int_equal(pg_lone_integer(&l, "select a from taken where b = 'x'"), 10);
    lone_close(&l);
}

static void what_is_given_up_was_never_done(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    for (int i = 0; i < 2; i++) {
        begin_in(&l, from_stdin);
        struct request r = ask(&l, NEBULA_PUSH, i ? "1\tone\n" : "no row at all\n");
        assert_true(i == 0 || r.reply.error.code == ERROR_OK); /* a quick server says so already */
        is_ok(&l, NEBULA_STOP, "");
        assert_int_equal(l.conn->session & SESSION_STREAMING, 0);
        assert_int_equal(count_taken(&l), 0);
    }
    pg_lone_say(&l, "begin");
    begin_in(&l, from_stdin);
    is_ok(&l, NEBULA_STOP, "");
    assert_true(l.conn->session & SESSION_IN_TRANSACTION);
    pg_lone_expect(&l, NEBULA_RUN, "select 1", ERROR_QUERY, "25P02");
    pg_lone_say(&l, "rollback");
    lone_close(&l);
}

static const char *column_of(const struct request *r)
{
    return r->reply.column_at == 0 ? "" : r->reply.error.text + r->reply.column_at;
}

static void an_error_names_the_line_of_the_input(void **unused)
{
    (void)unused;
    static const struct {
        const char *input, *state, *column;
        int64_t line;
        enum error_code code;
    } row[] = {
        {"1\tx\n2\ty\nz\tz\n", "22P02", "a", 3, ERROR_QUERY},
        {"1\tx\n2\ty\tz\n", "22P04", "", 2, ERROR_QUERY},
        {"1\n", "22P04", "", 1, ERROR_QUERY},
        {"1\tx\n2\ty\n1\tz\n", "23505", "", 3, ERROR_CONSTRAINT},
        {"\\N\tx\n", "23502", "", 1, ERROR_CONSTRAINT},
    };
    struct lone l;
    open_with_table(&l);
    for (size_t i = 0; i < COUNT(row); i++) {
        begin_in(&l, "copy taken (a, b) from stdin");
        struct request r = ask(&l, NEBULA_PUSH, row[i].input);
        if (r.reply.error.code == ERROR_OK) {          /* else the server was quick */
            lone_turn(&l, (int64_t)(i % 2) * 20 * MS); /* what it says may be here by then */
            r = ask(&l, NEBULA_FINISH, "");
        }
        assert_int_equal(r.reply.error.code, row[i].code);
        assert_string_equal(r.reply.error.state, row[i].state);
        assert_int_equal(r.reply.line, row[i].line);
        assert_string_equal(column_of(&r), row[i].column);
        assert_non_null(strstr(r.reply.error.text, " of the input"));
        assert_int_equal(l.conn->session & ~(uint32_t)SESSION_DIRTY, 0);
        assert_int_equal(count_taken(&l), 0);
    }
    struct request r = ask(&l, NEBULA_STREAM, "copy nothing from stdin");
    assert_string_equal(r.reply.error.state, "42P01");
    assert_int_equal(r.reply.line, 0);
    assert_string_equal(column_of(&r), "");
    lone_close(&l);
}

/* It has said that it wants input, and looks for none. */
static void a_server_that_fails_before_it_reads_is_understood(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    pg_lone_script(&l, "create function pg_temp.refuse() returns trigger language plpgsql as "
                       "$$ begin raise 'not today'; end $$; create trigger t before insert on "
                       "taken for each statement execute function pg_temp.refuse()");
    for (int i = 0; i < 3; i++) {
        begin_in(&l, from_stdin);
        lone_turn(&l, i * 10 * MS);
        pg_lone_expect(&l, i ? NEBULA_FINISH : NEBULA_STOP, "", i ? ERROR_QUERY : ERROR_OK,
                       i ? "P0001" : "");
        assert_int_equal(pg_lone_integer(&l, "select 7"), 7);
        pg_lone_expect(&l, NEBULA_RUN, from_stdin, ERROR_USAGE, "");
        assert_int_equal(pg_lone_integer(&l, "select 8"), 8);
    }
    lone_close(&l);
}

/* More than all buffers of the way hold, of one row. */
static struct request big_push(void)
{
    struct request r = lone_request(NEBULA_PUSH, "");
    char *bytes = malloc(BIG);
    memset(bytes, 'x', BIG);
    memcpy(bytes, "1\t", 2);
    bytes[BIG - 1] = '\n';
    r.text = bytes;
    r.text_size = BIG;
    return r;
}

static void who_pushes_waits_for_the_server(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    pid_t pid = (pid_t)pg_lone_integer(&l, "select pg_backend_pid()");
    begin_in(&l, from_stdin);
    struct request r = big_push();
    kill(pid, SIGSTOP);
    lone_begin_send(&l, &r);
    lone_turn(&l, 200 * MS);
    assert_false(lone_has_ended(&r));
    kill(pid, SIGCONT);
    assert_true(lone_wait(&l, SAID_REPLIED, l.said[SAID_REPLIED] + 1));
    assert_int_equal(r.reply.error.code, ERROR_OK);
    assert_int_equal(finish(&l), 1);
    assert_int_equal(pg_lone_integer(&l, "select length(b) from taken"), BIG - 3);
    free((void *)(uintptr_t)r.text);
    lone_close(&l);
}

static void a_push_is_cancelled_and_the_session_stays(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    pid_t pid = (pid_t)pg_lone_integer(&l, "select pg_backend_pid()");
    for (uint32_t i = 1; i <= 2; i++) {
        begin_in(&l, from_stdin);
        struct request r = big_push();
        kill(pid, SIGSTOP);
        lone_begin_send(&l, &r);
        lone_turn(&l, 50 * MS);
        lone_begin_cancel(&l);
        kill(pid, SIGCONT);
        assert_true(lone_wait(&l, SAID_CANCELLED, i));
        assert_true(lone_has_ended(&r));
        assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
        assert_int_equal(l.conn->session & ~(uint32_t)SESSION_DIRTY, 0);
        assert_int_equal(count_taken(&l), 0);
        free((void *)(uintptr_t)r.text);
    }
    lone_close(&l);
}

/* As the core does with a stream that nobody has any more. */
static void what_nobody_has_any_more_is_given_up_and_cancelled(void **unused)
{
    (void)unused;
    static const char *const text[] = {from_stdin, "copy (select generate_series(1, 100000000)) "
                                                   "to stdout"};
    struct lone l;
    open_with_table(&l);
    for (uint32_t i = 0; i < 4; i++) {
        struct request r = ask(&l, NEBULA_STREAM, text[i % 2]);
        assert_int_equal(r.reply.error.code, ERROR_OK);
        if (i % 2 == 0)
            is_ok(&l, NEBULA_PUSH, "1\tone\n");
        r = lone_request(NEBULA_STOP, "");
        lone_begin_send(&l, &r);
        lone_begin_cancel(&l);
        assert_true(lone_wait(&l, SAID_CANCELLED, i + 1));
        assert_true(lone_has_ended(&r));
        reply_fini(&r.reply);
        assert_int_equal(l.conn->session & ~(uint32_t)SESSION_DIRTY, 0);
        assert_int_equal(count_taken(&l), 0);
    }
    lone_close(&l);
}

static void a_lost_server_is_noticed_while_nobody_pushes(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    int64_t pid = pg_lone_integer(&l, "select pg_backend_pid()");
    begin_in(&l, from_stdin);
    pg_server_ask(pg_lone_server(), "select pg_terminate_backend(%lld)", (long long)pid);
    assert_true(lone_wait(&l, SAID_FAILED, 1));
    assert_int_equal(l.error.code, ERROR_LOST);
    lone_close(&l);
}

static void notices_are_heard_while_nobody_pushes(void **unused)
{
    (void)unused;
    struct lone l;
    open_with_table(&l);
    pg_lone_script(&l, "create function pg_temp.speak() returns trigger language plpgsql as "
                       "$$ begin raise notice 'row %', new.a; return new; end $$; "
                       "create trigger t before insert on taken for each row execute function "
                       "pg_temp.speak()");
    begin_in(&l, from_stdin);
    is_ok(&l, NEBULA_PUSH, "1\tone\n2\ttwo\n");
    assert_true(lone_wait(&l, SAID_NOTICE, 2));
    assert_string_equal(l.notice, "NOTICE: row 2");
    for (int i = 3; i <= 500; i++) { /* a push and a notice may be told by one turn of the loop */
        char line[16];
        snprintf(line, sizeof line, "%d\tx\n", i);
        is_ok(&l, NEBULA_PUSH, line);
    }
    assert_int_equal(finish(&l), 500);
    lone_close(&l);
}

/* --- order ------------------------------------------------------------------------------------ */

static void a_copy_takes_no_values(void **unused)
{
    (void)unused;
    struct lone l;
    struct nebula_value v = {.type = NEBULA_INT, .integer = 1};
    pg_lone_open(&l);
    for (int i = 0; i < 2; i++) {
        struct request r =
            lone_request(i ? NEBULA_STREAM : NEBULA_RUN, "copy (select 1) to stdout");
        r.value = &v;
        r.count = 1;
        assert_int_equal(lone_call(&l, &r), ERROR_QUERY);
    }
    assert_int_equal(pg_lone_integer(&l, "select 1"), 1);
    lone_close(&l);
}

static void each_verb_at_its_time(void **unused)
{
    (void)unused;
    static const enum nebula_verb no_stream[] = {NEBULA_PULL, NEBULA_PUSH, NEBULA_FINISH};
    struct lone l;
    open_with_table(&l);
    for (size_t i = 0; i < COUNT(no_stream); i++)
        pg_lone_expect(&l, no_stream[i], "", ERROR_STALE, "");
    begin_in(&l, from_stdin);
    pg_lone_expect(&l, NEBULA_PULL, "", ERROR_USAGE, "");
    pg_lone_expect(&l, NEBULA_RUN, "select 1", ERROR_USAGE, "");
    pg_lone_expect(&l, NEBULA_STREAM, from_stdin, ERROR_USAGE, "");
    is_ok(&l, NEBULA_PUSH, "1\tone\n");
    assert_int_equal(finish(&l), 1);
    static const char *const out[] = {"copy (select 1) to stdout",
                                      "select generate_series(1, 100)"};
    for (size_t i = 0; i < COUNT(out); i++) {
        struct request r = ask(&l, NEBULA_STREAM, out[i]);
        reply_fini(&r.reply);
        assert_true(r.reply.more);
        pg_lone_expect(&l, NEBULA_PUSH, "x", ERROR_USAGE, "");
        pg_lone_expect(&l, NEBULA_FINISH, "", ERROR_USAGE, "");
        is_ok(&l, NEBULA_STOP, "");
    }
    assert_int_equal(l.said[SAID_FAILED], 0);
    lone_close(&l);
}

static void closing_leaves_an_open_copy_undone(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "drop table if exists left_open; create table left_open (a int)");
    begin_in(&l, "copy left_open from stdin");
    is_ok(&l, NEBULA_PUSH, "1\n2\n");
    lone_close(&l);
    assert_true(pg_server_comes_to(
        pg_lone_server(), "0",
        "select count(*) from pg_stat_activity where query like 'copy left_open%'"));
    assert_string_equal(pg_server_ask(pg_lone_server(), "select count(*) from left_open"), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_as_a_statement_is_refused_by_name),
        cmocka_unit_test(a_refused_copy_from_the_client_keeps_the_session),
        cmocka_unit_test(what_is_pushed_and_finished_is_there),
        cmocka_unit_test(binary_input_has_no_lines),
        cmocka_unit_test(what_is_given_up_was_never_done),
        cmocka_unit_test(an_error_names_the_line_of_the_input),
        cmocka_unit_test(a_server_that_fails_before_it_reads_is_understood),
        cmocka_unit_test(who_pushes_waits_for_the_server),
        cmocka_unit_test(a_push_is_cancelled_and_the_session_stays),
        cmocka_unit_test(what_nobody_has_any_more_is_given_up_and_cancelled),
        cmocka_unit_test(a_lost_server_is_noticed_while_nobody_pushes),
        cmocka_unit_test(notices_are_heard_while_nobody_pushes),
        cmocka_unit_test(a_copy_takes_no_values),
        cmocka_unit_test(each_verb_at_its_time),
        cmocka_unit_test(closing_leaves_an_open_copy_undone),
    };
    return pg_lone_run(tests, COUNT(tests));
}
