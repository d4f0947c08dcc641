/* SQLite statements: values in and out, the session after them, who may write, streams. */
#include "support/sqlite_place.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

/* --- values --------------------------------------------------------------------------------- */

static const char nul_text[] = "a\0b\0";

static void round_trip(struct lone *l, struct nebula_value in, const char *type,
                       struct nebula_value *out)
{
    struct request r = lone_request(NEBULA_RUN, "select ?1, typeof(?1)");
    r.value = &in;
    r.count = 1;
    if (lone_call(l, &r) != ERROR_OK)
        fail_msg("%s: %s", type, r.reply.error.text);
    struct nebula_value told;
    r.reply.result->type->cell(r.reply.result, 0, 1, &told);
    assert_int_equal(told.size, strlen(type));
    assert_memory_equal(told.bytes, type, told.size);
    r.reply.result->type->cell(r.reply.result, 0, 0, out);
    if (out->type == NEBULA_TEXT || out->type == NEBULA_BYTES) {
        assert_int_equal(out->size, in.size);
        assert_memory_equal(out->bytes, in.size == 0 ? "" : in.bytes, in.size);
        out->bytes = NULL;
    }
    reply_fini(&r.reply);
}

static void values(struct place *p)
{
    static const struct {
        struct nebula_value in;
        const char *type;
        int32_t out;
    } row[] = {
        {{.type = NEBULA_NULL}, "null", NEBULA_NULL},
        {{.type = NEBULA_BOOL, .integer = 1}, "integer", NEBULA_INT},
        {{.type = NEBULA_INT, .integer = INT64_MAX}, "integer", NEBULA_INT},
        {{.type = NEBULA_INT, .integer = INT64_MIN}, "integer", NEBULA_INT},
        {{.type = NEBULA_INT, .integer = (INT64_C(1) << 53) + 1}, "integer", NEBULA_INT},
        {{.type = NEBULA_FLOAT, .number = 0.1}, "real", NEBULA_FLOAT},
        {{.type = NEBULA_FLOAT, .number = -INFINITY}, "real", NEBULA_FLOAT},
        {{.type = NEBULA_FLOAT, .number = 5e-324}, "real", NEBULA_FLOAT},
        {{.type = NEBULA_TEXT, .size = 4, .bytes = nul_text}, "text", NEBULA_TEXT},
        {{.type = NEBULA_TEXT, .size = 0, .bytes = NULL}, "text", NEBULA_TEXT},
        {{.type = NEBULA_BYTES, .size = 4, .bytes = nul_text}, "blob", NEBULA_BYTES},
        {{.type = NEBULA_BYTES, .size = 0, .bytes = NULL}, "blob", NEBULA_BYTES},
    };
    struct lone l;
    place_open(p, &l, READER);
    for (size_t i = 0; i < COUNT(row); i++) {
        struct nebula_value out;
        round_trip(&l, row[i].in, row[i].type, &out);
        assert_int_equal(out.type, row[i].out);
        if (out.type == NEBULA_INT)
            assert_true(out.integer == row[i].in.integer);
        if (out.type == NEBULA_FLOAT)
            assert_memory_equal(&out.number, &row[i].in.number, sizeof out.number);
    }
    const struct nebula_value nan = {.type = NEBULA_FLOAT, .number = NAN};
    struct request r = lone_request(NEBULA_RUN, "select ?1");
    r.value = &nan;
    r.count = 1;
    place_bad(&l, r, ERROR_QUERY, "parameter 1 is not a number");
    r.count = 0;
    place_bad(&l, r, ERROR_QUERY, "has 1 parameter and was given 0");
    lone_close(&l);
}

static void large_rows(struct place *p)
{
    struct lone l;
    place_open(p, &l, READER);
    struct request r = lone_request(
        NEBULA_RUN,
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) "
        "select i, hex(i) as \"in hex\", zeroblob(i) from n");
    assert_int_equal(lone_call(&l, &r), ERROR_OK);
    const struct result *all = r.reply.result;
    assert_int_equal(all->rows, 20000);
    assert_int_equal(all->columns, 3);
    assert_int_equal(r.reply.changed, -1);
    struct nebula_column column;
    all->type->column(all, 1, &column);
    assert_string_equal(column.name, "in hex");
    assert_int_equal(column.size, 6);
    for (int32_t i = 0; i < all->rows; i += 777) {
        struct nebula_value v;
        all->type->cell(all, i, 0, &v);
        assert_int_equal(v.integer, i + 1);
        all->type->cell(all, i, 2, &v);
        assert_int_equal(v.size, i + 1);
        assert_int_equal(v.bytes[i], 0);
    }
    reply_fini(&r.reply);
    lone_close(&l);
}

static void carries_values(void **unused)
{
    (void)unused;
    place_run(values);
    place_run(large_rows);
}

/* --- statements ----------------------------------------------------------------------------- */

static void expect_changed(struct lone *l, const char *text, int64_t changed, int64_t last_id)
{
    struct request r = lone_request(NEBULA_RUN, text);
    if (lone_call(l, &r) != ERROR_OK)
        fail_msg("%s: %s", text, r.reply.error.text);
    assert_int_equal(r.reply.changed, changed);
    if (last_id >= 0)
        assert_int_equal(r.reply.last_id, last_id);
    reply_fini(&r.reply);
}

static void statements(struct place *p)
{
    struct lone l;
    place_open(p, &l, WRITER);
    expect_changed(&l, "create table t(id integer primary key, a text unique)", 0, 0);
    expect_changed(&l, "insert into t(a) values ('x'), ('y')", 2, 2);
    expect_changed(&l, "update t set a = a || '!' where id = 99", 0, 2);
    expect_changed(&l, "create index i on t(a)", 0, 2);
    expect_changed(&l, "insert into t(a) values ('z') returning id", 1, 3);
    expect_changed(&l, "select * from t", -1, 0);
    expect_changed(&l, "select 1; -- and a comment", -1, 0);
    place_bad(&l, lone_request(NEBULA_RUN, "select 1; select 2"), ERROR_QUERY, "more than one");
    place_bad(&l, lone_request(NEBULA_RUN, " -- nothing"), ERROR_QUERY, "no statement");
    place_bad(&l, lone_request(NEBULA_RUN, "select * form t"), ERROR_QUERY,
              "near \"form\": syntax error, at byte 10");
    place_bad(&l, lone_request(NEBULA_RUN, "insert into t(a) values ('x')"), ERROR_CONSTRAINT,
              "t.a");
    place_bad(&l, lone_request(NEBULA_RUN, "select * from u"), ERROR_QUERY, "no such table: u");
    struct request r = lone_request(NEBULA_RUN, "select 1");
    r.text = "select\0 1";
    r.text_size = 9;
    place_bad(&l, r, ERROR_QUERY, "NUL");
    place_bad(&l, lone_request(NEBULA_SCRIPT, "insert into t(a) values ('s'); nonsense"),
              ERROR_QUERY, "statement 2 of the script");
    assert_int_equal(place_number(&l, "select count(*) from t"), 4);
    place_good(&l, NEBULA_SCRIPT, "; /* nothing */ ;");
    place_good(&l, NEBULA_SCRIPT, "");
    place_good(&l, NEBULA_PREPARE, "delete from t");
    assert_int_equal(place_number(&l, "select count(*) from t"), 4);
    place_bad(&l, lone_request(NEBULA_PREPARE, "delete from nowhere"), ERROR_QUERY,
              "no such table");
    /* More texts than are kept, twice, and one that is too long to be kept. */
    for (int i = 0; i < 400; i++) {
        char text[40];
        snprintf(text, sizeof text, "select %d", i % 200);
        assert_int_equal(place_number(&l, text), i % 200);
    }
    char *text = malloc(100001);
    memset(text, ' ', 100000);
    memcpy(text, "select 5", 8);
    text[100000] = '\0';
    assert_int_equal(place_number(&l, text), 5);
    assert_int_equal(place_number(&l, text), 5);
    free(text);
    /* A kept statement follows the schema. */
    place_good(&l, NEBULA_RUN, "select * from t");
    place_good(&l, NEBULA_RUN, "alter table t add column b");
    struct request all = lone_request(NEBULA_RUN, "select * from t");
    assert_int_equal(lone_call(&l, &all), ERROR_OK);
    assert_int_equal(all.reply.result->columns, 3);
    reply_fini(&all.reply);
    lone_close(&l);
}

static void sessions(struct place *p)
{
    static const struct {
        const char *text;
        uint32_t session;
    } row[] = {
        {"select 1", 0},
        {"pragma user_version", 0},
        {"pragma table_info(t)", 0},
        {"pragma foreign_keys", 0},
        {"begin", SESSION_IN_TRANSACTION},
        {"savepoint s", SESSION_IN_TRANSACTION},
        {"commit", 0},
        {"savepoint s", SESSION_IN_TRANSACTION},
        {"release s", 0},
        {"pragma foreign_keys = off", SESSION_DIRTY},
        {"select 1", SESSION_DIRTY},
    };
    static const char *const dirt[] = {"attach ':memory:' as other", "create temp table x(a)",
                                       "pragma case_sensitive_like = on"};
    struct lone l;
    place_open(p, &l, WRITER);
    for (size_t i = 0; i < COUNT(row); i++) {
        place_good(&l, NEBULA_RUN, row[i].text);
        if (l.conn->session != row[i].session)
            fail_msg("after %s: %u", row[i].text, l.conn->session);
    }
    lone_close(&l);
    for (size_t i = 0; i < COUNT(dirt); i++) {
        place_open(p, &l, WRITER);
        place_good(&l, NEBULA_SCRIPT, dirt[i]);
        assert_int_equal(l.conn->session, SESSION_DIRTY);
        lone_close(&l);
    }
}

static void runs_statements(void **unused)
{
    (void)unused;
    place_run(statements);
    place_run(sessions);
}

/* --- readers and the writer ----------------------------------------------------------------- */

static void wants_writer(struct place *p)
{
    static const struct {
        enum nebula_verb verb;
        const char *text;
        bool wants;
    } row[] = {
        {NEBULA_RUN, "select * from t", false},
        {NEBULA_RUN, "insert into t values (1)", true},
        {NEBULA_RUN, "insert into t values (1) returning a", true},
        {NEBULA_STREAM, "insert into t values (1) returning a", true},
        {NEBULA_PREPARE, "insert into t values (1)", true},
        {NEBULA_RUN, "with x as (select 1) delete from t", true},
        {NEBULA_RUN, "create temp table x(a)", true},
        {NEBULA_RUN, "begin", false},
        {NEBULA_RUN, "select count(*) from t", false},
        {NEBULA_RUN, "commit", false},
        {NEBULA_RUN, "begin immediate", true},
        {NEBULA_RUN, "begin exclusive", true},
        {NEBULA_RUN, "vacuum", true},
        {NEBULA_RUN, "reindex t", true},
        {NEBULA_RUN, "pragma user_version = 4", true},
        {NEBULA_RUN, "pragma journal_mode = delete", true},
        {NEBULA_RUN, "pragma wal_checkpoint", true},
        {NEBULA_SCRIPT, "select 1; select 2", false},
        {NEBULA_SCRIPT, "begin; insert into t values (1); commit", true},
    };
    struct lone reader, writer;
    place_open(p, &writer, WRITER);
    place_good(&writer, NEBULA_RUN, "create table t(a unique)");
    place_open(p, &reader, READER);
    for (size_t i = 0; i < COUNT(row); i++) {
        struct request r = lone_request(row[i].verb, row[i].text);
        enum error_code code = lone_call(&reader, &r);
        if (r.reply.wants_writer != row[i].wants ||
            code != (row[i].wants ? ERROR_READ_ONLY : ERROR_OK))
            fail_msg("%s: %d %s", row[i].text, r.reply.wants_writer, r.reply.error.text);
        assert_false(r.is_sent);
        reply_fini(&r.reply);
        assert_int_equal(reader.conn->session & SESSION_IN_TRANSACTION,
                         strcmp(row[i].text, "begin") == 0 ||
                             (i > 0 && strcmp(row[i - 1].text, "begin") == 0));
    }
    assert_int_equal(place_number(&reader, "select count(*) from t"), 0);
    lone_close(&reader);
    lone_close(&writer);
}

static void readers_only_read(void **unused)
{
    (void)unused;
    place_run(wants_writer);
}

/* --- streams -------------------------------------------------------------------------------- */

static int32_t pull(struct lone *l, int32_t window, bool *more)
{
    struct request r = lone_request(NEBULA_PULL, "");
    r.window = window;
    if (lone_call(l, &r) != ERROR_OK)
        fail_msg("%s", r.reply.error.text);
    int32_t rows = r.reply.result->rows;
    *more = r.reply.more;
    reply_fini(&r.reply);
    return rows;
}

static void in_windows(struct place *p)
{
    struct lone l;
    bool more;
    place_open(p, &l, READER);
    place_bad(&l, lone_request(NEBULA_PULL, ""), ERROR_STALE, "no stream");
    place_good(&l, NEBULA_STOP, "");
    place_stream(&l, TEN_NUMBERS, 4, 4);
    assert_int_equal(l.conn->session, SESSION_STREAMING);
    place_bad(&l, lone_request(NEBULA_STREAM, "select 1"), ERROR_USAGE, "a stream is open");
    assert_int_equal(place_number(&l, "select 42"), 42); /* beside it */
    assert_int_equal(pull(&l, 5, &more), 5);
    assert_true(more);
    assert_int_equal(pull(&l, 5, &more), 1);
    assert_false(more);
    assert_int_equal(l.conn->session, 0);
    place_stream(&l, "select 1 where false", 4, 0);
    assert_int_equal(l.conn->session, 0);
    place_stream(&l, TEN_NUMBERS, 10, 10);
    assert_int_equal(pull(&l, 1, &more), 0);
    assert_false(more);
    lone_close(&l);
}

static void stopped(struct place *p)
{
    struct lone l;
    bool more;
    place_open(p, &l, READER);
    place_stream(&l, NUMBERS, 2, 2); /* for ever, and no further than it is pulled */
    assert_int_equal(pull(&l, 100, &more), 100);
    place_good(&l, NEBULA_STOP, "");
    assert_int_equal(l.conn->session, 0);
    place_bad(&l, lone_request(NEBULA_PULL, ""), ERROR_STALE, "no stream");
    place_stream(&l, "select 3", 1, 1);
    assert_int_equal(place_number(&l, "select 3"), 3); /* the same text, twice at once */
    lone_close(&l);                                    /* with the stream open */
}

/* The first request, and with it what its parameters point to, is gone when the second row is made.
 */
static void outlives_its_parameters(struct place *p)
{
    struct lone l;
    char bytes[] = "kept";
    const struct nebula_value given = {.type = NEBULA_TEXT, .size = 4, .bytes = bytes};
    struct request r = lone_request(NEBULA_STREAM, "select ?1 union all select ?1 || '!'");
    r.value = &given;
    r.count = 1;
    place_open(p, &l, READER);
    assert_int_equal(lone_call(&l, &r), ERROR_OK);
    reply_fini(&r.reply);
    memset(bytes, 'x', sizeof bytes);
    struct request next = lone_request(NEBULA_PULL, "");
    struct nebula_value v;
    assert_int_equal(lone_call(&l, &next), ERROR_OK);
    next.reply.result->type->cell(next.reply.result, 0, 0, &v);
    assert_int_equal(v.size, 5);
    assert_memory_equal(v.bytes, "kept!", v.size);
    reply_fini(&next.reply);
    lone_close(&l);
}

static void rolled_back_under_a_stream(struct place *p)
{
    struct lone l;
    place_open(p, &l, WRITER);
    place_good(
        &l, NEBULA_SCRIPT,
        "create table t(a); insert into t values (1), (2), (3); begin; delete from t where a = 9");
    place_stream(&l, "select a from t", 1, 1);
    place_bad(&l, lone_request(NEBULA_RUN, "drop table t"), ERROR_QUERY, "end the stream first");
    place_good(&l, NEBULA_RUN,
               "create table other(a)"); /* a rollback of the schema ends who reads */
    place_good(&l, NEBULA_RUN, "rollback");
    place_bad(&l, lone_request(NEBULA_PULL, ""), ERROR_STALE, "rollback ended the stream");
    assert_int_equal(l.conn->session, 0);
    /* What writes and returns has written all of it with the first row. */
    place_stream(&l, "insert into t values (4), (5) returning a", 1, 1);
    place_good(&l, NEBULA_STOP, "");
    assert_int_equal(place_number(&l, "select count(*) from t"), 5);
    lone_close(&l);
}

static void streams(void **unused)
{
    (void)unused;
    place_run(in_windows);
    place_run(stopped);
    place_run(outlives_its_parameters);
    place_run(rolled_back_under_a_stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_values),
        cmocka_unit_test(runs_statements),
        cmocka_unit_test(readers_only_read),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
