/* postgres_copy_out_spec.c - COPY to the client, pulled chunk by chunk. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/pg_lone.h"

#define CHUNK 65536

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

static void begin_out(struct lone *l, const char *text)
{
    struct request r = ask(l, NEBULA_STREAM, text);
    if (r.reply.error.code != ERROR_OK)
        fail_msg("%s: %s", text, r.reply.error.text);
    assert_true(r.reply.more);
    assert_false(r.reply.wants_input);
    assert_null(r.reply.result);
}

static char *larger(char *bytes, size_t size)
{
    char *p = realloc(bytes, size);
    assert_non_null(p);
    return p;
}

/* The whole, and how many chunks; free() is the caller's. The room doubles: a sanitizer's realloc() always copies. */
static char *pull_all(struct lone *l, size_t *size_out, int *chunks_out, int64_t *lines_out)
{
    size_t room = CHUNK;
    char *all = malloc(room);
    bool more = true;
    *size_out = 0;
    for (*chunks_out = 0; more; (*chunks_out)++) {
        struct request r = ask(l, NEBULA_PULL, "");
        if (r.reply.error.code != ERROR_OK)
            fail_msg("%s", r.reply.error.text);
        more = r.reply.more;
        *lines_out = r.reply.changed;
        if (r.reply.result == NULL) {
            assert_false(more);
            break;
        }
        assert_int_equal(r.reply.result->rows, 1);
        assert_int_equal(r.reply.result->columns, 1);
        struct nebula_value v = pg_lone_cell(&r, 0, 0);
        assert_true(v.size > 0 && (!more || v.size >= CHUNK));
        while (room <= *size_out + v.size)
            all = larger(all, room *= 2);
        memcpy(all + *size_out, v.bytes, v.size);
        *size_out += v.size;
        all[*size_out] = '\0';
        reply_fini(&r.reply);
    }
    return all;
}

/* Six digits. atoi() would have a sanitizer look for the end of the whole text, each time. */
static int number_at(const char *digits)
{
    int number = 0;
    for (int i = 0; i < 6; i++)
        number = number * 10 + digits[i] - '0';
    return number;
}

static void chunks_add_up(void **unused)
{
    (void)unused;
    static const int size[] = {0, 1, 1000, 9362, 9363, 300000}; /* 9362 lines of 7 bytes: a chunk */
    struct lone l;
    pg_lone_open(&l);
    for (size_t i = 0; i < COUNT(size); i++) {
        char sql[128];
        size_t bytes;
        int chunks;
        int64_t lines;
        snprintf(sql, sizeof sql,
                 "copy (select 100000 + i from generate_series(0, %d - 1) i) to stdout", size[i]);
        begin_out(&l, sql);
        char *all = pull_all(&l, &bytes, &chunks, &lines);
        assert_int_equal(lines, size[i]);
        assert_int_equal(bytes, 7 * size[i]);
        for (int n = 0; n < size[i]; n++)
            assert_int_equal(number_at(all + n * 7), 100000 + n);
        assert_true(chunks <= (int)(bytes / CHUNK) + 1);
        free(all);
        assert_int_equal(l.conn->session, 0);
    }
    lone_close(&l);
}

static void a_line_may_be_longer_than_a_chunk(void **unused)
{
    (void)unused;
    struct lone l;
    size_t bytes;
    int chunks;
    int64_t lines;
    pg_lone_open(&l);
    begin_out(&l, "copy (select repeat('y', 5000000) from generate_series(1, 3)) to stdout");
    char *all = pull_all(&l, &bytes, &chunks, &lines);
    assert_int_equal(bytes, 3 * 5000001);
    assert_int_equal(lines, 3);
    assert_int_equal(all[5000000], '\n');
    free(all);
    begin_out(&l, "copy (select 1::int) to stdout binary");
    all = pull_all(&l, &bytes, &chunks, &lines);
    assert_memory_equal(all, "PGCOPY\n\377\r\n", 11);
    free(all);
    lone_close(&l);
}

static void nobody_pulls_and_nothing_is_read(void **unused)
{
    (void)unused;
    struct lone l;
    size_t bytes;
    int chunks;
    int64_t lines;
    pg_lone_open(&l);
    int64_t pid = pg_lone_integer(&l, "select pg_backend_pid()");
    begin_out(&l, "copy (select repeat('x', 999) from generate_series(1, 60000)) to stdout");
    pg_lone_turn_until(&l, "ClientWrite",
                       "select wait_event from pg_stat_activity where pid = %lld", (long long)pid);
    lone_turn(&l, 100 * MS);
    assert_string_equal(pg_server_ask(pg_lone_server(),
                                      "select wait_event from pg_stat_activity where pid = %lld",
                                      (long long)pid),
                        "ClientWrite");
    free(pull_all(&l, &bytes, &chunks, &lines));
    assert_int_equal(bytes, 60000000);
    lone_close(&l);
}

static void what_is_stopped_is_read_to_its_end_and_the_session_stays(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_say(&l, "begin");
    for (int i = 0; i < 2; i++) {
        begin_out(&l, "copy (select repeat('x', 999) from generate_series(1, 10000)) to stdout");
        if (i == 1) {
            struct request r = ask(&l, NEBULA_PULL, "");
            reply_fini(&r.reply);
        }
        is_ok(&l, NEBULA_STOP, "");
        assert_int_equal(l.conn->session, SESSION_IN_TRANSACTION);
        assert_int_equal(pg_lone_integer(&l, "select 1"), 1);
    }
    lone_close(&l);
}

static void an_error_in_the_middle_ends_it(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    begin_out(&l, "copy (select 1 / (100000 - i) from generate_series(1, 200000) i) to stdout");
    struct request r;
    do {
        r = ask(&l, NEBULA_PULL, "");
        reply_fini(&r.reply);
    } while (r.reply.error.code == ERROR_OK && r.reply.more);
    assert_int_equal(r.reply.error.code, ERROR_QUERY);
    assert_string_equal(r.reply.error.state, "22012");
    assert_int_equal(l.conn->session, 0);
    assert_int_equal(pg_lone_integer(&l, "select 1"), 1);
    lone_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_add_up),
        cmocka_unit_test(a_line_may_be_longer_than_a_chunk),
        cmocka_unit_test(nobody_pulls_and_nothing_is_read),
        cmocka_unit_test(what_is_stopped_is_read_to_its_end_and_the_session_stays),
        cmocka_unit_test(an_error_in_the_middle_ends_it),
    };
    return pg_lone_run(tests, COUNT(tests));
}
