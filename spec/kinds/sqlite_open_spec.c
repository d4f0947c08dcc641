/* SQLite files: opened, created, refused, deleted, damaged, closed in any state. */
#include "support/sqlite_place.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"

#define NEWS_MS 20000

/* --- opening -------------------------------------------------------------------------------- */

static void reader_first(struct place *p)
{
    struct lone reader, writer;
    place_open(p, &reader, READER);
    assert_int_equal(place_number(&reader, "select count(*) from sqlite_schema"), 0);
    place_open(p, &writer, WRITER);
    place_good(&writer, NEBULA_SCRIPT, "create table t(a); insert into t values (7)");
    assert_int_equal(place_number(&reader, "select a from t"), 7);
    assert_int_equal(
        place_number(&reader,
                     "select count(*) from pragma_journal_mode where journal_mode = 'wal'"),
        1);
    lone_close(&reader);
    lone_close(&writer);
}

static void many_at_once(struct place *p)
{
    const char *option[] = {"file",    p->file,     "page_size", "8192", "cache_size",
                            "1000000", "mmap_size", "65536",     NULL};
    struct lone l[8];
    for (size_t i = 0; i < COUNT(l); i++)
        lone_init(&l[i], p->loop, &driver_sqlite, option, i % 4 == 3);
    for (size_t i = 0; i < COUNT(l); i++)
        lone_begin_open(&l[i]);
    for (size_t i = 0; i < COUNT(l); i++)
        if (!lone_wait(&l[i], SAID_OPENED, 1))
            fail_msg("%s", l[i].error.text);
    assert_int_equal(place_number(&l[0], "pragma page_size"), 8192);
    assert_int_equal(place_number(&l[0], "pragma cache_size"), -977);
    assert_int_equal(place_number(&l[3], "pragma cache_size"), -977);
    assert_int_equal(place_number(&l[3], "pragma mmap_size"), 65536);
    assert_int_equal(place_number(&l[3], "pragma foreign_keys"), 1);
    assert_int_equal(place_number(&l[3], "pragma synchronous"), 2);
    for (size_t i = 0; i < COUNT(l); i++)
        lone_close(&l[i]);
}

/* An existing file in another mode, and readers that come first, one after the other. */
static void journal_follows(struct place *p)
{
    const char *delete[] = {"file", p->file,        "journal", "delete", "synchronous",
                            "off",  "foreign_keys", "off",     NULL};
    struct lone l;
    for (int round = 0; round < 2; round++) {
        lone_init(&l, p->loop, &driver_sqlite, delete, round);
        assert_int_equal(lone_open(&l), ERROR_OK);
        assert_int_equal(
            place_number(&l,
                         "select count(*) from pragma_journal_mode where journal_mode = 'delete'"),
            1);
        if (round == WRITER) {
            assert_int_equal(place_number(&l, "pragma synchronous"), 0);
            assert_int_equal(place_number(&l, "pragma foreign_keys"), 0);
        }
        lone_close(&l);
        place_open(p, &l, round);
        assert_int_equal(
            place_number(&l, "select count(*) from pragma_journal_mode where journal_mode = 'wal'"),
            1);
        lone_close(&l);
    }
}

static void opens(void **unused)
{
    (void)unused;
    place_run(reader_first);
    place_run(many_at_once);
    place_run(journal_follows);
}

static void refusals(struct place *p)
{
    char missing[100], rubbish[100];
    snprintf(missing, sizeof missing, "%s/no/such.db", p->folder);
    snprintf(rubbish, sizeof rubbish, "%s/rubbish.db", p->folder);
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
        {{"file", missing}, 0, ERROR_CONFIG, "its folder is not there"},
        {{"file", missing}, 1, ERROR_CONFIG, "its folder is not there"},
        {{"file", p->folder}, 0, ERROR_CONFIG, p->folder},
        {{"file", p->folder}, 1, ERROR_CONFIG, p->folder},
        {{"file", p->file, "create", "off"}, 0, ERROR_UNREACHABLE, "no such file"},
        {{"file", p->file, "create", "off"}, 1, ERROR_UNREACHABLE, "no such file"},
        {{"file", rubbish}, 0, ERROR_STORAGE, "file is not a database"},
        {{"file", rubbish}, 1, ERROR_STORAGE, "file is not a database"},
        {{"file", p->file, "journal", "off; drop"}, 1, ERROR_CONFIG, "journal = \"off; drop\""},
        {{"file", p->file, "synchronous", "maybe"}, 1, ERROR_CONFIG, "synchronous"},
        {{"file", p->file, "foreign_keys", "true"}, 1, ERROR_CONFIG, "on or off"},
        {{"file", p->file, "cache_size", "8MB"}, 1, ERROR_CONFIG, "number of bytes"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct lone l;
        lone_init(&l, p->loop, &driver_sqlite, row[i].option, row[i].role);
        enum error_code code = lone_open(&l);
        if (code != row[i].code || strstr(l.error.text, row[i].says) == NULL)
            fail_msg("row %zu: %s: %s", i, error_name(code), l.error.text);
        lone_close(&l);
    }
    assert_int_not_equal(access(p->file, F_OK), 0);
}

static void refuses(void **unused)
{
    (void)unused;
    place_run(refusals);
}

/* --- storage -------------------------------------------------------------------------------- */

static void full(struct place *p)
{
    struct lone l;
    place_open(p, &l, WRITER);
    place_good(&l, NEBULA_SCRIPT, "create table t(a); pragma max_page_count = 20");
    place_bad(&l, lone_request(NEBULA_RUN, "insert into t values (zeroblob(200000))"),
              ERROR_STORAGE, "make room");
    place_good(&l, NEBULA_RUN, "insert into t values (1)");
    assert_int_equal(place_number(&l, "select count(*) from t"), 1);
    lone_close(&l);
}

static void gone(struct place *p)
{
    struct lone l;
    place_open(p, &l, WRITER);
    place_good(&l, NEBULA_RUN, "create table t(a)");
    assert_int_equal(unlink(p->file), 0);
    struct request r = lone_request(NEBULA_RUN, "insert into t values (1)");
    assert_int_equal(lone_call(&l, &r), ERROR_LOST);
    assert_false(r.is_sent);
    assert_non_null(strstr(l.error.text, "deleted or replaced"));
    lone_close(&l);
}

static void damaged(struct place *p)
{
    struct lone l;
    place_open(p, &l, WRITER);
    place_good(
        &l, NEBULA_SCRIPT,
        "create table t(a); with recursive n(i) as (select 1 union all select i + 1 from n where "
        "i < 5000) "
        "insert into t select i from n; pragma wal_checkpoint(truncate)");
    lone_close(&l);
    int fd = open(p->file, O_WRONLY);
    char rubbish[4096 * 4];
    memset(rubbish, 0xa5, sizeof rubbish);
    assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, 4096), (ssize_t)sizeof rubbish);
    close(fd);
    place_open(p, &l, READER);
    place_bad(&l, lone_request(NEBULA_RUN, "select sum(a) from t"), ERROR_STORAGE, "damaged");
    assert_int_equal(place_number(&l, "select 1"), 1);
    lone_close(&l);
}

static void storage_fails(void **unused)
{
    (void)unused;
    place_run(full);
    place_run(gone);
    place_run(damaged);
}

/* --- memory databases, closing -------------------------------------------------------------- */

static void in_memory(struct place *p)
{
    const char *option[] = {"file", ":memory:", NULL};
    struct lone l;
    lone_init(&l, p->loop, &driver_sqlite, option, 0);
    assert_int_equal(lone_open(&l), ERROR_OK);
    place_good(&l, NEBULA_SCRIPT, "create table t(a); insert into t values (1)");
    assert_int_equal(place_number(&l, "select a from t"), 1);
    lone_close(&l);
}

static bool has_news(struct loop *loop, int within_ms)
{
    struct pollfd look = {.fd = loop_fd(loop), .events = POLLIN};
    return poll(&look, 1, within_ms) == 1;
}

static void come_to_rest(struct loop *loop)
{
    while (has_news(loop, 0))
        loop_step(loop);
}

/* Its rows are news, and that it was asked is none. */
static void tells_the_loop_of_rows(struct place *p)
{
    struct lone l;
    struct request r = lone_request(NEBULA_RUN, FOREVER);
    place_open(p, &l, READER);
    come_to_rest(p->loop);
    lone_begin_send(&l, &r);
    assert_false(has_news(p->loop, 50));
    lone_close(&l);
}

static void closes_in_any_state(struct place *p)
{
    const char *option[] = {"file", p->file, NULL};
    struct lone l;
    lone_init(&l, p->loop, &driver_sqlite, option, READER);
    lone_begin_open(&l);
    lone_close(&l); /* while it opens */
    const char *wrong[] = {"file", "", NULL};
    lone_init(&l, p->loop, &driver_sqlite, wrong, READER);
    lone_begin_open(&l);
    lone_close(&l); /* before it could say that it failed */
    assert_int_equal(l.said[SAID_FAILED], 0);
    struct request r = lone_request(NEBULA_RUN, FOREVER);
    place_open(p, &l, READER);
    lone_begin_send(&l, &r);
    lone_close(&l); /* while it runs */
    assert_true(lone_has_ended(&r));
    place_open(p, &l, READER);
    r = lone_request(NEBULA_RUN, FOREVER);
    lone_begin_send(&l, &r);
    lone_begin_cancel(&l);
    lone_close(&l); /* while it is being cancelled */
    assert_int_equal(l.said[SAID_CANCELLED], 0);
    place_open(p, &l, WRITER);
    place_good(&l, NEBULA_SCRIPT, "create table t(a); begin; insert into t values (1)");
    lone_close(&l); /* in a transaction */
    place_open(p, &l, READER);
    assert_int_equal(place_number(&l, "select count(*) from t"), 0);
    struct request rows = lone_request(NEBULA_RUN, "select 1");
    come_to_rest(p->loop);
    lone_begin_send(&l, &rows);
    assert_true(
        has_news(p->loop, NEWS_MS)); /* the rows are there, and nobody has turned the loop */
    lone_close(&l);
}

static void ends_well(void **unused)
{
    (void)unused;
    place_run(in_memory);
    place_run(tells_the_loop_of_rows);
    place_run(closes_in_any_state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens),
        cmocka_unit_test(refuses),
        cmocka_unit_test(storage_fails),
        cmocka_unit_test(ends_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
