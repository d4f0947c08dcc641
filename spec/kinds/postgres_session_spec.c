/* postgres_session_spec.c - statements, transactions and what they leave behind in a session. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"
#include "support/pg_lone.h"

/* Asked unprepared, so that the question does not count itself. */
static int64_t prepared(struct lone *l)
{
    struct request r = lone_request(NEBULA_STREAM, "select count(*) from pg_prepared_statements");
    r.window = 2;
    assert_int_equal(lone_call(l, &r), ERROR_OK);
    int64_t count = pg_lone_cell(&r, 0, 0).integer;
    reply_fini(&r.reply);
    return count;
}

/* --- prepared statements ---------------------------------------------------------------------- */

static void what_runs_twice_is_prepared(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    int64_t before = prepared(&l);
    struct nebula_value v = {.type = NEBULA_INT};
    for (int i = 0; i < 10; i++) {
        v.integer = i;
        struct request r = pg_lone_run_values(&l, "select $1::int + 1", &v, 1);
        assert_int_equal(r.reply.error.code, ERROR_OK);
        assert_int_equal(pg_lone_cell(&r, 0, 0).integer, i + 1);
        reply_fini(&r.reply);
        assert_int_equal(prepared(&l), before + (i > 0));
    }
    pg_lone_expect(&l, NEBULA_PREPARE, "select 'ready'", ERROR_OK, "");
    assert_int_equal(prepared(&l), before + 2);
    pg_lone_expect(&l, NEBULA_PREPARE, "select 'ready'", ERROR_OK, "");
    pg_lone_say(&l, "select 'ready'");
    assert_int_equal(prepared(&l), before + 2);
    pg_lone_expect(&l, NEBULA_PREPARE, "selekt", ERROR_QUERY, "42601");
    pg_lone_expect(&l, NEBULA_PREPARE, "selekt", ERROR_QUERY, "42601");
    lone_close(&l);
}

static void bytes_make_another_statement_of_it(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct nebula_value v[2] = {{.type = NEBULA_TEXT, .size = 1, .bytes = "a"},
                                {.type = NEBULA_TEXT, .size = 1, .bytes = "b"}};
    for (int i = 0; i < 20; i++) {
        v[0].type = i & 1 ? NEBULA_BYTES : NEBULA_TEXT;
        v[1].type = i & 2 ? NEBULA_BYTES : NEBULA_TEXT;
        struct request r = pg_lone_run_values(&l, "select $1, $2", v, 2);
        assert_int_equal(r.reply.error.code, ERROR_OK);
        assert_int_equal(pg_lone_cell(&r, 0, 0).type, v[0].type);
        assert_int_equal(pg_lone_cell(&r, 0, 1).type, v[1].type);
        reply_fini(&r.reply);
    }
    lone_close(&l);
}

static void the_least_used_leave_and_the_server_hears_of_it(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    char sql[64];
    for (int i = 0; i < 3 * PG_STATEMENTS_MOST; i++) {
        snprintf(sql, sizeof sql, "select %d", i);
        pg_lone_say(&l, sql);
        pg_lone_say(&l, sql);
        pg_lone_say(&l, "select 'often'");
    }
    assert_in_range(prepared(&l), PG_STATEMENTS_MOST - 2, PG_STATEMENTS_MOST + 1);
    assert_int_equal(pg_lone_integer(&l, "select count(*) from pg_prepared_statements "
                                         "where statement = 'select ''often'''"),
                     1);
    /* Inside a transaction nothing is deallocated, and what cannot be replaced is not prepared. */
    pg_lone_script(&l, "begin");
    for (int i = 0; i < PG_STATEMENTS_MOST; i++) {
        snprintf(sql, sizeof sql, "select -%d", i);
        pg_lone_say(&l, sql);
        pg_lone_say(&l, sql);
    }
    assert_in_range(prepared(&l), PG_STATEMENTS_MOST, PG_STATEMENTS_MOST + PG_GONE_MOST + 2);
    pg_lone_script(&l, "commit");
    pg_lone_say(&l, "select 1");
    assert_in_range(prepared(&l), PG_STATEMENTS_MOST - PG_GONE_MOST - 2, PG_STATEMENTS_MOST + 1);
    lone_close(&l);
}

static void texts_are_bounded_in_bytes(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    size_t size = PG_STATEMENT_SIZE * 3 / 4;
    char *sql = malloc(size + 32);
    for (int i = 0; i < 12; i++) {
        memset(sql, ' ', size);
        snprintf(sql + size, 32, "select %d", i);
        pg_lone_say(&l, sql);
        pg_lone_say(&l, sql);
    }
    assert_in_range(prepared(&l), 4, 6);
    memset(sql, ' ', size);
    char *huge = malloc(PG_STATEMENT_SIZE + 64);
    memset(huge, ' ', PG_STATEMENT_SIZE);
    strcpy(huge + PG_STATEMENT_SIZE, "select 1");
    for (int i = 0; i < 3; i++)
        pg_lone_say(&l, huge);
    pg_lone_expect(&l, NEBULA_PREPARE, huge, ERROR_OK, "");
    free(sql);
    free(huge);
    lone_close(&l);
}

static void a_changed_plan_is_made_anew(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(
        &l, "drop table if exists plan; create table plan (a int); insert into plan values (1)");
    for (int i = 0; i < 3; i++)
        pg_lone_say(&l, "select * from plan");
    pg_lone_script(&l, "alter table plan add b text default 'new'");
    struct request r = lone_request(NEBULA_RUN, "select * from plan");
    assert_int_equal(lone_call(&l, &r), ERROR_OK);
    assert_int_equal(r.reply.result->columns, 2);
    pg_lone_is_text(pg_lone_cell(&r, 0, 1), "new");
    reply_fini(&r.reply);

    /* In a transaction it is the caller's to begin again. */
    pg_lone_say(&l, "select * from plan");
    pg_lone_script(&l, "alter table plan drop b");
    pg_lone_script(&l, "begin");
    pg_lone_expect(&l, NEBULA_RUN, "select * from plan", ERROR_CONFLICT, "0A000");
    pg_lone_script(&l, "rollback");
    for (int i = 0; i < 3; i++)
        pg_lone_say(&l, "select * from plan");

    struct request s = lone_request(NEBULA_STREAM, "select * from plan");
    s.window = 5;
    pg_lone_script(&l, "alter table plan add c int");
    assert_int_equal(lone_call(&l, &s), ERROR_OK);
    assert_int_equal(s.reply.result->columns, 2);
    assert_false(s.reply.more);
    reply_fini(&s.reply);
    lone_close(&l);
}

static void a_statement_the_server_lost_is_made_anew(void **unused)
{
    (void)unused;
    const char *const how[] = {"do $$ begin execute 'deallocate all'; end $$", "deallocate all",
                               "discard all"};
    struct lone l;
    pg_lone_open(&l);
    for (size_t i = 0; i < COUNT(how); i++) {
        for (int n = 0; n < 3; n++)
            pg_lone_say(&l, "select 1");
        pg_lone_expect(&l, NEBULA_RUN, how[i], ERROR_OK, "");
        assert_int_equal(prepared(&l), 0);
        for (int n = 0; n < 3; n++)
            pg_lone_say(&l, "select 1");
    }
    lone_close(&l);
}

/* --- transactions ----------------------------------------------------------------------------- */

static void session_tells_whether_a_transaction_is_open(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    assert_int_equal(l.conn->session, 0);
    pg_lone_script(&l, "begin");
    assert_int_equal(l.conn->session, SESSION_IN_TRANSACTION);
    pg_lone_expect(&l, NEBULA_RUN, "select 1/0", ERROR_QUERY, "22012");
    assert_int_equal(l.conn->session, SESSION_IN_TRANSACTION);
    pg_lone_expect(&l, NEBULA_RUN, "select 1", ERROR_QUERY, "25P02");
    pg_lone_script(&l, "rollback");
    assert_int_equal(l.conn->session, 0);
    lone_close(&l);
}

static void a_commit_that_rolls_back_is_no_success(void **unused)
{
    (void)unused;
    static const enum nebula_verb verb[] = {NEBULA_RUN, NEBULA_SCRIPT};
    static const char *const commit[] = {"commit", "/* now */ END;", "prepare transaction 'x'"};
    struct lone l;
    pg_lone_open(&l);
    for (size_t i = 0; i < COUNT(verb) * COUNT(commit); i++) {
        pg_lone_script(&l, "begin");
        pg_lone_expect(&l, NEBULA_RUN, "select 1/0", ERROR_QUERY, "22012");
        pg_lone_expect(&l, verb[i % 2], commit[i / 2], ERROR_QUERY, "25P02");
        assert_int_equal(l.conn->session, 0);
    }
    pg_lone_script(&l, "begin");
    pg_lone_say(&l, "rollback");
    pg_lone_script(&l, "begin");
    pg_lone_say(&l, "commit");
    lone_close(&l);
}

/* The server acknowledges the insert and fails at the commit that follows by itself. */
static void an_acknowledged_statement_may_still_fail(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "create temp table late (a int, unique (a) deferrable initially deferred);"
                       "insert into late values (1)");
    for (int i = 0; i < 4; i++) /* unprepared, in a pipeline, prepared */
        pg_lone_expect(&l, NEBULA_RUN, "insert into late values (1)", ERROR_CONSTRAINT, "23505");
    pg_lone_expect(&l, NEBULA_RUN, "insert into late values (1) returning a", ERROR_CONSTRAINT,
                   "23505");
    assert_int_equal(pg_lone_integer(&l, "select count(*) from late"), 1);
    lone_close(&l);
}

static void errors_have_the_servers_code_and_sense(void **unused)
{
    (void)unused;
    const struct {
        const char *sql;
        enum error_code code;
        const char *state, *text;
    } row[] = {
        {"selekt 1", ERROR_QUERY, "42601", "at character 1"},
        {"select * from nowhere", ERROR_QUERY, "42P01", "nowhere"},
        {"insert into good values (1)", ERROR_CONSTRAINT, "23505", "Key (a)=(1) already exists"},
        {"insert into good values (null)", ERROR_CONSTRAINT, "23502", "null"},
        {"insert into good values (-1)", ERROR_CONSTRAINT, "23514", "good_a_check"},
        {"do $$ begin raise exception 'no' using errcode = '54001'; end $$", ERROR_LIMIT, "54001",
         ""},
        {"select 'x'::int", ERROR_QUERY, "22P02", "x"},
        {"do $$ begin raise exception 'no' using errcode = '40001'; end $$", ERROR_CONFLICT,
         "40001", "no"},
        {"do $$ begin raise exception 'no' using errcode = '40P01'; end $$", ERROR_CONFLICT,
         "40P01", ""},
        {"do $$ begin raise exception 'no' using errcode = '53100'; end $$", ERROR_STORAGE, "53100",
         ""},
        {"do $$ begin raise exception 'no' using errcode = '53200'; end $$", ERROR_SERVER, "53200",
         ""},
        {"do $$ begin raise exception 'no' using errcode = 'XX000'; end $$", ERROR_SERVER, "XX000",
         ""},
        {"do $$ begin raise exception 'no' using errcode = '58030'; end $$", ERROR_STORAGE, "58030",
         ""},
        {"do $$ begin raise exception 'no' using hint = 'try again'; end $$", ERROR_QUERY, "P0001",
         "try again"},
    };
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(
        &l,
        "create temp table good (a int primary key check (a > 0)); insert into good values (1)");
    for (size_t i = 0; i < COUNT(row); i++) {
        struct request r = lone_request(NEBULA_RUN, row[i].sql);
        assert_int_equal(lone_call(&l, &r), row[i].code);
        assert_string_equal(r.reply.error.state, row[i].state);
        if (strstr(r.reply.error.text, row[i].text) == NULL)
            fail_msg("%s: %s", row[i].sql, r.reply.error.text);
        assert_int_equal(strncmp(r.reply.error.text, "lone: ", 6), 0);
    }
    pg_lone_script(&l, "set statement_timeout = '5ms'");
    pg_lone_expect(&l, NEBULA_RUN, "select pg_sleep(5)", ERROR_DEADLINE, "57014");
    pg_lone_expect(&l, NEBULA_RUN, /* in another language */
                   "do $$ begin raise 'Anweisung abgebrochen' using errcode = '57014'; end $$",
                   ERROR_DEADLINE, "57014");
    lone_close(&l);
}

static void every_sqlstate_has_a_code(void **unused)
{
    (void)unused;
    const struct {
        const char *state;
        enum error_code code;
    } row[] = {
        {"08006", ERROR_LOST},       {"0A000", ERROR_QUERY},     {"22003", ERROR_QUERY},
        {"23505", ERROR_CONSTRAINT}, {"25006", ERROR_READ_ONLY}, {"25P02", ERROR_QUERY},
        {"28000", ERROR_DENIED},     {"28P01", ERROR_DENIED},    {"3D000", ERROR_CONFIG},
        {"40001", ERROR_CONFLICT},   {"40P01", ERROR_CONFLICT},  {"42P01", ERROR_QUERY},
        {"53100", ERROR_STORAGE},    {"53200", ERROR_SERVER},    {"53300", ERROR_BUSY},
        {"54001", ERROR_LIMIT},      {"55P03", ERROR_LOCKED},    {"57014", ERROR_DEADLINE},
        {"57P01", ERROR_LOST},       {"57P03", ERROR_LOST},      {"58030", ERROR_STORAGE},
        {"P0001", ERROR_QUERY},      {"XX000", ERROR_SERVER},    {"ZZZZZ", ERROR_SERVER},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        assert_int_equal(pg_state_code(row[i].state), row[i].code);
}

static void a_lock_that_is_held_says_so(void **unused)
{
    (void)unused;
    struct lone a, b;
    pg_lone_open(&a);
    pg_lone_open(&b);
    pg_lone_script(&a, "drop table if exists held; create table held (a int)");
    pg_lone_script(&a, "begin; lock table held");
    pg_lone_expect(&b, NEBULA_RUN, "lock table held nowait", ERROR_QUERY, "25P01");
    pg_lone_expect(&b, NEBULA_SCRIPT, "begin; lock table held nowait", ERROR_LOCKED, "55P03");
    lone_close(&a);
    lone_close(&b);
}

static void a_read_only_server_is_left(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(
        &l, "create temp table if not exists x (a int); set default_transaction_read_only = on");
    pg_lone_expect(&l, NEBULA_RUN, "create table y (a int)", ERROR_READ_ONLY, "25006");
    assert_true(lone_wait(&l, SAID_FAILED, 1));
    assert_int_equal(l.error.code, ERROR_READ_ONLY);
    lone_close(&l);
}

/* --- traces ----------------------------------------------------------------------------------- */

static void traces_are_noticed(void **unused)
{
    (void)unused;
    const struct {
        const char *sql;
        bool is_dirty;
    } row[] = {
        {"select 1", false},
        {"insert into kept values (1)", false},
        {"with x as (insert into kept values (2) returning a) select * from x", false},
        {"create table if not exists kept (a int)", false},
        {"select nextval('counter')", false},
        {"explain select 1", false},
        {"notify news", false},
        {"reset all", false},
        {"vacuum kept", false},
        {"set local work_mem = '1MB'", false},
        {"/* a */ set -- b\n local work_mem = '1MB'", false},
        {"show work_mem", false},
        {"", false},
        {"select pg_advisory_unlock_all()", false},
        {"set work_mem = '1MB'", true},
        {"set session work_mem = '1MB'", true},
        {"listen news", true},
        {"create temp table t1 (a int)", true},
        {"create TEMPORARY table t2 (a int)", true},
        {"create table pg_temp.t3 (a int)", true},
        {"select 1 as a into temp t4", true},
        {"create temp table t5 as select 1 as a", true},
        {"declare c cursor with hold for select 1", true},
        {"do $$ begin end $$", true},
        {"select set_config('work_mem', '1MB', false)", true},
        {"select pg_advisory_lock(1)", true},
        {"select pg_try_advisory_lock(2)", true},
        {"select pg_advisory_lock(3), 1/0", true},
    };
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "drop table if exists kept; create table kept (a int);"
                       "drop sequence if exists counter; create sequence counter");
    assert_int_equal(l.conn->session, 0);
    for (size_t i = 0; i < 2 * COUNT(row); i++) {
        struct request r = lone_request(i % 2 ? NEBULA_SCRIPT : NEBULA_RUN, row[i / 2].sql);
        bool is_named = strcasestr(r.text, "temp") != NULL || r.text[0] == 'd';
        if (i % 2 != 0 && is_named)
            continue; /* it is there already */
        lone_call(&l, &r);
        reply_fini(&r.reply);
        if (l.conn->session != (row[i / 2].is_dirty ? SESSION_DIRTY : 0))
            fail_msg("%s: session %u", row[i / 2].sql, l.conn->session);
        l.conn->session = 0;
    }
    pg_lone_script(&l, "prepare p as select 1");
    assert_int_equal(l.conn->session,
                     SESSION_DIRTY | SESSION_SPOILED); /* the reset keeps statements */
    l.conn->session = 0;
    pg_lone_script(&l, "set work_mem = '1MB'");
    pg_lone_say(&l, "select 1");
    assert_int_equal(l.conn->session, SESSION_DIRTY); /* until the core says that it was reset */
    lone_close(&l);
}

static void the_kinds_words_leave_a_clean_session(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "reset all; close all; unlisten *; discard temp; discard sequences; "
                       "select pg_advisory_unlock_all()");
    assert_int_equal(l.conn->session, 0);
    lone_close(&l);
}

static void notices_reach_the_log(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "do $$ begin raise notice 'mind the gap'; end $$");
    assert_int_equal(l.said[SAID_NOTICE], 1);
    assert_string_equal(l.notice, "NOTICE: mind the gap");
    lone_close(&l);
}

static void changed_counts_rows_that_were_touched(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    const struct {
        const char *sql;
        int64_t changed;
    } row[] = {
        {"create temp table c (a int)", -1},
        {"insert into c select generate_series(1, 7)", 7},
        {"update c set a = a + 1 returning a", 7},
        {"select * from c", -1},
        {"create temp table d as select * from c", 7},
        {"delete from c where a > 5", 3},
        {"delete from c where a > 5", 0},
        {"", -1},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct request r = lone_request(NEBULA_RUN, row[i].sql);
        assert_int_equal(lone_call(&l, &r), ERROR_OK);
        assert_int_equal(r.reply.changed, row[i].changed);
        reply_fini(&r.reply);
    }
    lone_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_runs_twice_is_prepared),
        cmocka_unit_test(bytes_make_another_statement_of_it),
        cmocka_unit_test(the_least_used_leave_and_the_server_hears_of_it),
        cmocka_unit_test(texts_are_bounded_in_bytes),
        cmocka_unit_test(a_changed_plan_is_made_anew),
        cmocka_unit_test(a_statement_the_server_lost_is_made_anew),
        cmocka_unit_test(session_tells_whether_a_transaction_is_open),
        cmocka_unit_test(a_commit_that_rolls_back_is_no_success),
        cmocka_unit_test(an_acknowledged_statement_may_still_fail),
        cmocka_unit_test(errors_have_the_servers_code_and_sense),
        cmocka_unit_test(every_sqlstate_has_a_code),
        cmocka_unit_test(a_lock_that_is_held_says_so),
        cmocka_unit_test(a_read_only_server_is_left),
        cmocka_unit_test(traces_are_noticed),
        cmocka_unit_test(the_kinds_words_leave_a_clean_session),
        cmocka_unit_test(notices_reach_the_log),
        cmocka_unit_test(changed_counts_rows_that_were_touched),
    };
    return pg_lone_run(tests, COUNT(tests));
}
