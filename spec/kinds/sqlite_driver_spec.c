/* The SQLite driver alone, on a real loop and real files. */
#include "support/lone_conn.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"
#include "drivers/drivers.h"

#define MS INT64_C(1000)
enum { READER = 0, WRITER = 1 };

static const char forever[] =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";

/* --- a folder, a loop, connections ---------------------------------------------------------------
 */

struct home {
    struct world *world;
    struct loop *loop;
    char folder[64], file[80];
};

static void home_init(struct home *h)
{
    h->world = world_real();
    h->loop = loop_new(h->world);
    assert_non_null(h->loop);
    strcpy(h->folder, "/tmp/nebula-sqlite-XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    snprintf(h->file, sizeof h->file, "%s/some.db", h->folder);
}

static void home_fini(struct home *h)
{
    char command[100];
    loop_free(&h->loop);
    free(h->world);
    snprintf(command, sizeof command, "rm -rf %s", h->folder);
    assert_int_equal(system(command), 0);
}

static void open_as(struct home *h, struct lone *l, int32_t role)
{
    const char *option[] = {"file", h->file, NULL};
    lone_init(l, h->loop, &driver_sqlite, option, role);
    assert_int_equal(lone_open(l), ERROR_OK);
}

static void good(struct lone *l, enum nebula_verb verb, const char *text)
{
    struct request r = lone_request(verb, text);
    if (lone_call(l, &r) != ERROR_OK)
        fail_msg("%s: %s", text, r.reply.error.text);
    reply_fini(&r.reply);
}

/* The request fails so, in words that contain `says`. */
static void bad(struct lone *l, struct request r, enum error_code code, const char *says)
{
    assert_int_equal(lone_call(l, &r), code);
    if (strstr(r.reply.error.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", r.reply.error.text, says);
    assert_null(r.reply.result);
}

static int64_t number(struct lone *l, const char *text)
{
    struct request r = lone_request(NEBULA_RUN, text);
    if (lone_call(l, &r) != ERROR_OK)
        fail_msg("%s: %s", text, r.reply.error.text);
    struct nebula_value v;
    assert_int_equal(r.reply.result->rows, 1);
    r.reply.result->type->cell(r.reply.result, 0, 0, &v);
    assert_int_equal(v.type, NEBULA_INT);
    reply_fini(&r.reply);
    return v.integer;
}

static void turn_until_ended(struct lone *l, const struct request *r)
{
    while (!lone_has_ended(r))
        loop_turn(l->loop, INT64_MAX);
}

static void in_a_home(void (*test)(struct home *h))
{
    struct home h;
    home_init(&h);
    test(&h);
    home_fini(&h);
}

/* --- opening -------------------------------------------------------------------------------------
 */

static void reader_first(struct home *h)
{
    struct lone reader, writer;
    open_as(h, &reader, READER);
    assert_int_equal(number(&reader, "select count(*) from sqlite_schema"), 0);
    open_as(h, &writer, WRITER);
    good(&writer, NEBULA_SCRIPT, "create table t(a); insert into t values (7)");
    assert_int_equal(number(&reader, "select a from t"), 7);
    assert_int_equal(
        number(&reader, "select count(*) from pragma_journal_mode where journal_mode = 'wal'"), 1);
    lone_close(&reader);
    lone_close(&writer);
}

static void many_at_once(struct home *h)
{
    const char *option[] = {"file",    h->file,     "page_size", "8192", "cache_size",
                            "1000000", "mmap_size", "65536",     NULL};
    struct lone l[8];
    for (size_t i = 0; i < COUNT(l); i++)
        lone_init(&l[i], h->loop, &driver_sqlite, option, i % 4 == 3);
    for (size_t i = 0; i < COUNT(l); i++)
        lone_begin_open(&l[i]);
    for (size_t i = 0; i < COUNT(l); i++)
        if (!lone_wait(&l[i], SAID_OPENED, 1))
            fail_msg("%s", l[i].error.text);
    assert_int_equal(number(&l[0], "pragma page_size"), 8192);
    assert_int_equal(number(&l[0], "pragma cache_size"), -977);
    assert_int_equal(number(&l[3], "pragma cache_size"), -977);
    assert_int_equal(number(&l[3], "pragma mmap_size"), 65536);
    assert_int_equal(number(&l[3], "pragma foreign_keys"), 1);
    assert_int_equal(number(&l[3], "pragma synchronous"), 2);
    for (size_t i = 0; i < COUNT(l); i++)
        lone_close(&l[i]);
}

/* An existing file in another mode, and readers that come first, one after the other. */
static void journal_follows(struct home *h)
{
    const char *delete[] = {"file", h->file,        "journal", "delete", "synchronous",
                            "off",  "foreign_keys", "off",     NULL};
    struct lone l;
    for (int round = 0; round < 2; round++) {
        lone_init(&l, h->loop, &driver_sqlite, delete, round);
        assert_int_equal(lone_open(&l), ERROR_OK);
        assert_int_equal(
            number(&l, "select count(*) from pragma_journal_mode where journal_mode = 'delete'"),
            1);
        if (round == WRITER) {
            assert_int_equal(number(&l, "pragma synchronous"), 0);
            assert_int_equal(number(&l, "pragma foreign_keys"), 0);
        }
        lone_close(&l);
        open_as(h, &l, round);
        assert_int_equal(
            number(&l, "select count(*) from pragma_journal_mode where journal_mode = 'wal'"), 1);
        lone_close(&l);
    }
}

static void opens(void **unused)
{
    (void)unused;
    in_a_home(reader_first);
    in_a_home(many_at_once);
    in_a_home(journal_follows);
}

static void refusals(struct home *h)
{
    char missing[100], rubbish[100];
    snprintf(missing, sizeof missing, "%s/no/such.db", h->folder);
    snprintf(rubbish, sizeof rubbish, "%s/rubbish.db", h->folder);
    FILE *f = fopen(rubbish, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database. ", f);
    fclose(f);
    const struct {
        const char *option[7];
        int32_t role;
        enum error_code code;
        const char *says;
    } row[] = {
        {{NULL}, 0, ERROR_CONFIG, "name a file"},
        {{"file", "file:x.db"}, 0, ERROR_CONFIG, "path alone"},
        {{"file", ":memory:"}, 1, ERROR_CONFIG, "pool = { max = 1 }"},
        {{"file", missing}, 0, ERROR_CONFIG, "no such folder"},
        {{"file", missing}, 1, ERROR_CONFIG, "no such folder"},
        {{"file", h->folder}, 0, ERROR_CONFIG, h->folder},
        {{"file", h->folder}, 1, ERROR_CONFIG, h->folder},
        {{"file", h->file, "create", "off"}, 0, ERROR_UNREACHABLE, "no such file"},
        {{"file", h->file, "create", "off"}, 1, ERROR_UNREACHABLE, "no such file"},
        {{"file", rubbish}, 0, ERROR_STORAGE, "file is not a database"},
        {{"file", rubbish}, 1, ERROR_STORAGE, "file is not a database"},
        {{"file", h->file, "journal", "off; drop"}, 1, ERROR_CONFIG, "journal = \"off; drop\""},
        {{"file", h->file, "synchronous", "maybe"}, 1, ERROR_CONFIG, "synchronous"},
        {{"file", h->file, "foreign_keys", "true"}, 1, ERROR_CONFIG, "on or off"},
        {{"file", h->file, "cache_size", "8MB"}, 1, ERROR_CONFIG, "number of bytes"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct lone l;
        lone_init(&l, h->loop, &driver_sqlite, row[i].option, row[i].role);
        enum error_code code = lone_open(&l);
        if (code != row[i].code || strstr(l.error.text, row[i].says) == NULL)
            fail_msg("row %zu: %s: %s", i, error_name(code), l.error.text);
        lone_close(&l);
    }
    assert_int_not_equal(access(h->file, F_OK), 0);
}

static void refuses(void **unused)
{
    (void)unused;
    in_a_home(refusals);
}

/* --- values --------------------------------------------------------------------------------------
 */

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

static void values(struct home *h)
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
    open_as(h, &l, READER);
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
    bad(&l, r, ERROR_QUERY, "parameter 1 is not a number");
    r.count = 0;
    bad(&l, r, ERROR_QUERY, "has 1 parameter and was given 0");
    lone_close(&l);
}

static void large_rows(struct home *h)
{
    struct lone l;
    open_as(h, &l, READER);
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
    in_a_home(values);
    in_a_home(large_rows);
}

/* --- statements ----------------------------------------------------------------------------------
 */

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

static void statements(struct home *h)
{
    struct lone l;
    open_as(h, &l, WRITER);
    expect_changed(&l, "create table t(id integer primary key, a text unique)", 0, 0);
    expect_changed(&l, "insert into t(a) values ('x'), ('y')", 2, 2);
    expect_changed(&l, "update t set a = a || '!' where id = 99", 0, 2);
    expect_changed(&l, "create index i on t(a)", 0, 2);
    expect_changed(&l, "insert into t(a) values ('z') returning id", 1, 3);
    expect_changed(&l, "select * from t", -1, 0);
    expect_changed(&l, "select 1; -- and a comment", -1, 0);
    bad(&l, lone_request(NEBULA_RUN, "select 1; select 2"), ERROR_QUERY, "more than one");
    bad(&l, lone_request(NEBULA_RUN, " -- nothing"), ERROR_QUERY, "no statement");
    bad(&l, lone_request(NEBULA_RUN, "select * form t"), ERROR_QUERY,
        "near \"form\": syntax error, at byte 10");
    bad(&l, lone_request(NEBULA_RUN, "insert into t(a) values ('x')"), ERROR_CONSTRAINT, "t.a");
    bad(&l, lone_request(NEBULA_RUN, "select * from u"), ERROR_QUERY, "no such table: u");
    struct request r = lone_request(NEBULA_RUN, "select 1");
    r.text = "select\0 1";
    r.text_size = 9;
    bad(&l, r, ERROR_QUERY, "NUL");
    bad(&l, lone_request(NEBULA_SCRIPT, "insert into t(a) values ('s'); nonsense"), ERROR_QUERY,
        "statement 2 of the script");
    assert_int_equal(number(&l, "select count(*) from t"), 4);
    good(&l, NEBULA_SCRIPT, "; /* nothing */ ;");
    good(&l, NEBULA_SCRIPT, "");
    good(&l, NEBULA_PREPARE, "delete from t");
    assert_int_equal(number(&l, "select count(*) from t"), 4);
    bad(&l, lone_request(NEBULA_PREPARE, "delete from nowhere"), ERROR_QUERY, "no such table");
    /* More texts than are kept, twice, and one that is too long to be kept. */
    for (int i = 0; i < 400; i++) {
        char text[40];
        snprintf(text, sizeof text, "select %d", i % 200);
        assert_int_equal(number(&l, text), i % 200);
    }
    char *text = malloc(100001);
    memset(text, ' ', 100000);
    memcpy(text, "select 5", 8);
    text[100000] = '\0';
    assert_int_equal(number(&l, text), 5);
    assert_int_equal(number(&l, text), 5);
    free(text);
    /* A kept statement follows the schema. */
    good(&l, NEBULA_RUN, "select * from t");
    good(&l, NEBULA_RUN, "alter table t add column b");
    struct request all = lone_request(NEBULA_RUN, "select * from t");
    assert_int_equal(lone_call(&l, &all), ERROR_OK);
    assert_int_equal(all.reply.result->columns, 3);
    reply_fini(&all.reply);
    lone_close(&l);
}

static void sessions(struct home *h)
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
    open_as(h, &l, WRITER);
    for (size_t i = 0; i < COUNT(row); i++) {
        good(&l, NEBULA_RUN, row[i].text);
        if (l.conn->session != row[i].session)
            fail_msg("after %s: %u", row[i].text, l.conn->session);
    }
    lone_close(&l);
    for (size_t i = 0; i < COUNT(dirt); i++) {
        open_as(h, &l, WRITER);
        good(&l, NEBULA_SCRIPT, dirt[i]);
        assert_int_equal(l.conn->session, SESSION_DIRTY);
        lone_close(&l);
    }
}

static void runs_statements(void **unused)
{
    (void)unused;
    in_a_home(statements);
    in_a_home(sessions);
}

/* --- readers and the writer ----------------------------------------------------------------------
 */

static void wants_writer(struct home *h)
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
    open_as(h, &writer, WRITER);
    good(&writer, NEBULA_RUN, "create table t(a unique)");
    open_as(h, &reader, READER);
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
    assert_int_equal(number(&reader, "select count(*) from t"), 0);
    lone_close(&reader);
    lone_close(&writer);
}

static void readers_only_read(void **unused)
{
    (void)unused;
    in_a_home(wants_writer);
}

/* --- streams -------------------------------------------------------------------------------------
 */

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

static void begin_stream(struct lone *l, const char *text, int32_t window, int32_t rows)
{
    struct request r = lone_request(NEBULA_STREAM, text);
    char bytes[] = "gone when the request is";
    const struct nebula_value v = {.type = NEBULA_TEXT, .size = sizeof bytes - 1, .bytes = bytes};
    r.value = &v;
    r.count = strstr(text, "?1") != NULL;
    r.window = window;
    if (lone_call(l, &r) != ERROR_OK)
        fail_msg("%s", r.reply.error.text);
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(r.reply.result->rows, rows);
    assert_int_equal(r.reply.more, rows == window);
    reply_fini(&r.reply);
}

static const char numbers[] = "with recursive n(i) as (select 1 union all select i + 1 from n "
                              "where i < 10) select i, ?1 from n";

static void streams_in_windows(struct home *h)
{
    struct lone l;
    bool more;
    open_as(h, &l, READER);
    bad(&l, lone_request(NEBULA_PULL, ""), ERROR_STALE, "no stream");
    good(&l, NEBULA_STOP, "");
    begin_stream(&l, numbers, 4, 4);
    assert_int_equal(l.conn->session, SESSION_STREAMING);
    struct request again = lone_request(NEBULA_STREAM, "select 1");
    bad(&l, again, ERROR_USAGE, "a stream is open");
    assert_int_equal(number(&l, "select 42"), 42); /* beside it */
    assert_int_equal(pull(&l, 5, &more), 5);
    assert_true(more);
    struct request r = lone_request(NEBULA_PULL, "");
    r.window = 5;
    assert_int_equal(lone_call(&l, &r), ERROR_OK);
    struct nebula_value v;
    r.reply.result->type->cell(r.reply.result, 0, 1, &v);
    assert_memory_equal(v.bytes, "gone when the request is", v.size);
    assert_int_equal(r.reply.result->rows, 1);
    assert_false(r.reply.more);
    reply_fini(&r.reply);
    assert_int_equal(l.conn->session, 0);
    begin_stream(&l, "select 1 where false", 4, 0);
    assert_int_equal(l.conn->session, 0);
    begin_stream(&l, numbers, 10, 10);
    assert_int_equal(pull(&l, 1, &more), 0);
    assert_false(more);
    /* Stopped early; and one that would go on for ever steps no further than it is pulled. */
    begin_stream(&l,
                 "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
                 2, 2);
    assert_int_equal(pull(&l, 100, &more), 100);
    good(&l, NEBULA_STOP, "");
    assert_int_equal(l.conn->session, 0);
    bad(&l, lone_request(NEBULA_PULL, ""), ERROR_STALE, "no stream");
    /* The same text twice at once. */
    begin_stream(&l, "select 3", 1, 1);
    assert_int_equal(number(&l, "select 3"), 3);
    lone_close(&l); /* with the stream open */
}

static void rolled_back_under_a_stream(struct home *h)
{
    struct lone l;
    open_as(h, &l, WRITER);
    good(&l, NEBULA_SCRIPT,
         "create table t(a); insert into t values (1), (2), (3); begin; delete from t where a = 9");
    begin_stream(&l, "select a from t", 1, 1);
    bad(&l, lone_request(NEBULA_RUN, "drop table t"), ERROR_QUERY, "end the stream first");
    good(&l, NEBULA_RUN, "create table other(a)"); /* a rollback of the schema ends who reads */
    good(&l, NEBULA_RUN, "rollback");
    bad(&l, lone_request(NEBULA_PULL, ""), ERROR_STALE, "rollback ended the stream");
    assert_int_equal(l.conn->session, 0);
    /* What writes and returns has written all of it with the first row. */
    begin_stream(&l, "insert into t values (4), (5) returning a", 1, 1);
    good(&l, NEBULA_STOP, "");
    assert_int_equal(number(&l, "select count(*) from t"), 5);
    lone_close(&l);
}

static void streams(void **unused)
{
    (void)unused;
    in_a_home(streams_in_windows);
    in_a_home(rolled_back_under_a_stream);
}

/* --- cancel --------------------------------------------------------------------------------------
 */

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

static void cancels(struct home *h)
{
    struct lone l;
    open_as(h, &l, READER);
    for (int i = 0; i < 20; i++) {
        struct request r = lone_request(NEBULA_RUN, forever);
        r.deadline_us = i % 2 == 0 ? INT64_MAX : loop_refresh(h->loop);
        int64_t began_us = loop_refresh(h->loop);
        cancel_after(&l, &r, i * MS / 4);
        assert_int_equal(r.reply.error.code, i % 2 == 0 ? ERROR_CANCELLED : ERROR_DEADLINE);
        assert_true(loop_refresh(h->loop) - began_us < 1000 * MS);
        assert_int_equal(number(&l, "select 1"), 1);
    }
    lone_close(&l);
}

static void cancels_a_stream(struct home *h)
{
    struct lone l;
    open_as(h, &l, READER);
    begin_stream(&l,
                 "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n "
                 "where i < 5",
                 4, 4);
    struct request r = lone_request(NEBULA_PULL, "");
    cancel_after(&l, &r, 2 * MS);
    assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
    assert_int_equal(l.conn->session, 0);
    assert_int_equal(number(&l, "select 1"), 1);
    /* A cancel that comes when the rows are there already ends the stream too. */
    for (int i = 0; i < 200; i++) {
        begin_stream(&l, numbers, 2, 2);
        struct request p = lone_request(NEBULA_PULL, "");
        lone_begin_send(&l, &p);
        usleep((useconds_t)i);
        lone_begin_cancel(&l);
        assert_true(lone_wait(&l, SAID_CANCELLED, (uint32_t)i + 2));
        assert_true(lone_has_ended(&p));
        reply_fini(&p.reply);
        assert_int_equal(l.conn->session, 0);
        assert_int_equal(number(&l, "select 1"), 1);
    }
    lone_close(&l);
}

/* The race: each cancel comes about when its statement ends. The next one must never be hit. */
static void races(struct home *h)
{
    struct lone l;
    int hit = 0, late = 0;
    open_as(h, &l, WRITER);
    good(&l, NEBULA_RUN, "create table tally(id integer primary key)");
    for (int i = 0; i < 2000; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "with recursive n(i) as (select 1 union all select i + 1 from n where i < %d) "
                 "insert into tally select %d from n where i = 1",
                 2000 + i % 50 * 20, i);
        struct request r = lone_request(NEBULA_RUN, text);
        lone_begin_send(&l, &r);
        usleep((useconds_t)(i % 400));
        lone_begin_cancel(&l);
        assert_true(lone_wait(&l, SAID_CANCELLED, (uint32_t)i + 1));
        assert_true(lone_has_ended(&r));
        hit += r.reply.error.code == ERROR_CANCELLED;
        late += r.reply.error.code == ERROR_OK;
        snprintf(text, sizeof text, "select count(*) from tally where id = %d", i);
        assert_int_equal(number(&l, text), r.reply.error.code == ERROR_OK);
        assert_int_equal(l.conn->session, 0);
        reply_fini(&r.reply);
    }
    assert_int_equal(hit + late, 2000);
    print_message("%d cancels came in time, %d after the end\n", hit, late);
    assert_true(hit > 50 && late > 50);
    lone_close(&l);
}

static void cancels_hit_their_own(void **unused)
{
    (void)unused;
    in_a_home(cancels);
    in_a_home(cancels_a_stream);
    in_a_home(races);
}

/* --- locks ---------------------------------------------------------------------------------------
 */

static void waits_for_locks(struct home *h)
{
    struct lone l, other;
    open_as(h, &l, WRITER);
    open_as(h, &other, WRITER);
    good(&other, NEBULA_SCRIPT, "create table t(a); begin immediate; insert into t values (1)");
    /* To the deadline: the answer comes just before it. */
    struct request r = lone_request(NEBULA_RUN, "insert into t values (2)");
    int64_t began_us = loop_refresh(h->loop);
    r.deadline_us = began_us + 100 * MS;
    assert_int_equal(lone_call(&l, &r), ERROR_LOCKED);
    assert_non_null(strstr(r.reply.error.text, h->file));
    assert_string_equal(r.reply.error.state, "5");
    assert_true(loop_refresh(h->loop) >= began_us + 90 * MS);
    assert_true(loop_now_us(h->loop) < r.deadline_us + 50 * MS);
    /* Cancelled while it waits. */
    r = lone_request(NEBULA_RUN, "insert into t values (3)");
    cancel_after(&l, &r, 30 * MS);
    assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
    /* Until the other is done. */
    r = lone_request(NEBULA_RUN, "insert into t values (4)");
    lone_begin_send(&l, &r);
    lone_turn(&l, 30 * MS);
    assert_false(lone_has_ended(&r));
    good(&other, NEBULA_RUN, "commit");
    turn_until_ended(&l, &r);
    assert_int_equal(r.reply.error.code, ERROR_OK);
    assert_int_equal(number(&l, "select sum(a) from t"), 5);
    /* A reader that turns writer too late has lost. */
    good(&l, NEBULA_RUN, "begin");
    assert_int_equal(number(&l, "select sum(a) from t"), 5);
    good(&other, NEBULA_RUN, "insert into t values (6)");
    bad(&l, lone_request(NEBULA_RUN, "insert into t values (7)"), ERROR_CONFLICT, "begin it again");
    good(&l, NEBULA_RUN, "rollback");
    lone_close(&l);
    lone_close(&other);
}

static void locked_at_open(struct home *h)
{
    struct lone l, other;
    const char *option[] = {"file", h->file, "journal", "delete", NULL};
    lone_init(&other, h->loop, &driver_sqlite, option, WRITER);
    assert_int_equal(lone_open(&other), ERROR_OK);
    good(&other, NEBULA_SCRIPT, "create table t(a); begin exclusive; insert into t values (1)");
    const char *wal[] = {"file", h->file, NULL};
    lone_init(&l, h->loop, &driver_sqlite, wal, READER); /* has to change the journal, and waits */
    lone_begin_open(&l);
    lone_turn(&l, 30 * MS);
    assert_int_equal(l.said[SAID_OPENED], 0);
    good(&other, NEBULA_RUN, "commit");
    assert_true(lone_wait(&l, SAID_OPENED, 1));
    assert_int_equal(number(&l, "select a from t"), 1);
    lone_close(&l);
    good(&other, NEBULA_RUN, "begin exclusive");
    lone_init(&l, h->loop, &driver_sqlite, option, WRITER);
    lone_begin_open(&l);
    lone_turn(&l, 10 * MS);
    lone_close(&l); /* while it waits */
    lone_close(&other);
}

static void respects_locks(void **unused)
{
    (void)unused;
    in_a_home(waits_for_locks);
    in_a_home(locked_at_open);
}

/* --- storage -------------------------------------------------------------------------------------
 */

static void full(struct home *h)
{
    struct lone l;
    open_as(h, &l, WRITER);
    good(&l, NEBULA_SCRIPT, "create table t(a); pragma max_page_count = 20");
    bad(&l, lone_request(NEBULA_RUN, "insert into t values (zeroblob(200000))"), ERROR_STORAGE,
        "make room");
    good(&l, NEBULA_RUN, "insert into t values (1)");
    assert_int_equal(number(&l, "select count(*) from t"), 1);
    lone_close(&l);
}

static void gone(struct home *h)
{
    struct lone l;
    open_as(h, &l, WRITER);
    good(&l, NEBULA_RUN, "create table t(a)");
    assert_int_equal(unlink(h->file), 0);
    struct request r = lone_request(NEBULA_RUN, "insert into t values (1)");
    assert_int_equal(lone_call(&l, &r), ERROR_LOST);
    assert_false(r.is_sent);
    assert_non_null(strstr(l.error.text, "deleted or replaced"));
    lone_close(&l);
}

static void damaged(struct home *h)
{
    struct lone l;
    open_as(h, &l, WRITER);
    good(&l, NEBULA_SCRIPT,
         "create table t(a); with recursive n(i) as (select 1 union all select i + 1 from n where "
         "i < 5000) "
         "insert into t select i from n; pragma wal_checkpoint(truncate)");
    lone_close(&l);
    int fd = open(h->file, O_WRONLY);
    char rubbish[4096 * 4];
    memset(rubbish, 0xa5, sizeof rubbish);
    assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, 4096), (ssize_t)sizeof rubbish);
    close(fd);
    open_as(h, &l, READER);
    bad(&l, lone_request(NEBULA_RUN, "select sum(a) from t"), ERROR_STORAGE, "damaged");
    assert_int_equal(number(&l, "select 1"), 1);
    lone_close(&l);
}

static void storage_fails(void **unused)
{
    (void)unused;
    in_a_home(full);
    in_a_home(gone);
    in_a_home(damaged);
}

/* --- memory databases, closing -------------------------------------------------------------------
 */

static void in_memory(struct home *h)
{
    const char *option[] = {"file", ":memory:", NULL};
    struct lone l;
    lone_init(&l, h->loop, &driver_sqlite, option, 0);
    assert_int_equal(lone_open(&l), ERROR_OK);
    good(&l, NEBULA_SCRIPT, "create table t(a); insert into t values (1)");
    assert_int_equal(number(&l, "select a from t"), 1);
    lone_close(&l);
}

static void closes_in_any_state(struct home *h)
{
    const char *option[] = {"file", h->file, NULL};
    struct lone l;
    lone_init(&l, h->loop, &driver_sqlite, option, READER);
    lone_begin_open(&l);
    lone_close(&l); /* while it opens */
    const char *wrong[] = {"file", "", NULL};
    lone_init(&l, h->loop, &driver_sqlite, wrong, READER);
    lone_begin_open(&l);
    lone_close(&l); /* before it could say that it failed */
    assert_int_equal(l.said[SAID_FAILED], 0);
    struct request r = lone_request(NEBULA_RUN, forever);
    open_as(h, &l, READER);
    lone_begin_send(&l, &r);
    lone_close(&l); /* while it runs */
    assert_true(lone_has_ended(&r));
    open_as(h, &l, READER);
    r = lone_request(NEBULA_RUN, forever);
    lone_begin_send(&l, &r);
    lone_begin_cancel(&l);
    lone_close(&l); /* while it is being cancelled */
    assert_int_equal(l.said[SAID_CANCELLED], 0);
    open_as(h, &l, WRITER);
    good(&l, NEBULA_SCRIPT, "create table t(a); begin; insert into t values (1)");
    lone_close(&l); /* in a transaction */
    open_as(h, &l, READER);
    assert_int_equal(number(&l, "select count(*) from t"), 0);
    struct request rows = lone_request(NEBULA_RUN, "select 1");
    lone_begin_send(&l, &rows);
    usleep(20000); /* the rows are there, and nobody has turned the loop */
    lone_close(&l);
}

static void ends_well(void **unused)
{
    (void)unused;
    in_a_home(in_memory);
    in_a_home(closes_in_any_state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens),
        cmocka_unit_test(refuses),
        cmocka_unit_test(carries_values),
        cmocka_unit_test(runs_statements),
        cmocka_unit_test(readers_only_read),
        cmocka_unit_test(streams),
        cmocka_unit_test(cancels_hit_their_own),
        cmocka_unit_test(respects_locks),
        cmocka_unit_test(storage_fails),
        cmocka_unit_test(ends_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
