/* postgres_stream_spec.c - rows by windows, and rows by the hundred thousand. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "support/pg_lone.h"

static const char wide[] = "select i, repeat('x', 1000) from generate_series(1, %d) i";

/* The verb's rows; the reply is the caller's. */
static struct request ask(struct lone *l, enum nebula_verb verb, const char *text, int32_t window)
{
    struct request r = lone_request(verb, text);
    r.window = window;
    lone_call(l, &r);
    return r;
}

static enum error_code code_of(struct lone *l, enum nebula_verb verb, const char *text)
{
    struct request r = ask(l, verb, text, 10);
    enum error_code code = r.reply.error.code;
    reply_fini(&r.reply);
    return code;
}

/* Rows are 1, 2, 3 ...; returns the last one. */
static int64_t check_rows(const struct request *r, int64_t last)
{
    assert_int_equal(r->reply.error.code, ERROR_OK);
    for (int32_t row = 0; row < r->reply.result->rows; row++)
        assert_int_equal(pg_lone_cell(r, row, 0).integer, ++last);
    return last;
}

static int64_t pull_all(struct lone *l, int32_t window, int64_t last)
{
    struct request r;
    do {
        assert_true(l->conn->session & SESSION_STREAMING);
        r = ask(l, NEBULA_PULL, "", window);
        last = check_rows(&r, last);
        assert_true(r.reply.more ? r.reply.result->rows == window : r.reply.result->rows < window);
        reply_fini(&r.reply);
    } while (r.reply.more);
    assert_false(l->conn->session & SESSION_STREAMING);
    return last;
}

static void windows_add_up(void **unused)
{
    (void)unused;
    static const int size[] = {0, 1, 9, 10, 11, 100, 5000};
    struct lone l;
    pg_lone_open(&l);
    for (size_t i = 0; i < 3 * COUNT(size); i++) { /* also when it is prepared */
        char sql[96];
        int count = size[i % COUNT(size)];
        snprintf(sql, sizeof sql, "select i from generate_series(1, %d) i", count);
        struct request r = ask(&l, NEBULA_STREAM, sql, 10);
        int64_t last = check_rows(&r, 0);
        assert_int_equal(r.reply.more, count >= 10);
        assert_int_equal(r.reply.result->columns, 1); /* known without rows too */
        reply_fini(&r.reply);
        if (r.reply.more)
            last = pull_all(&l, 10, last);
        assert_int_equal(last, count);
        assert_int_equal(l.conn->session, 0);
        if (i >= COUNT(size))
            assert_int_equal(code_of(&l, NEBULA_PREPARE, sql), ERROR_OK);
    }
    lone_close(&l);
}

static void nobody_pulls_and_nothing_is_read(void **unused)
{
    (void)unused;
    struct lone l;
    char sql[96];
    pg_lone_open(&l);
    int64_t pid = pg_lone_integer(&l, "select pg_backend_pid()");
    snprintf(sql, sizeof sql, wide, 100000);
    struct request r = ask(&l, NEBULA_STREAM, sql, 10);
    int64_t last = check_rows(&r, 0);
    reply_fini(&r.reply);
    /* 100 MB wait; the server is stuck in writing, and stays so however the loop turns. */
    pg_lone_turn_until(&l, "ClientWrite",
                       "select wait_event from pg_stat_activity where pid = %lld", (long long)pid);
    lone_turn(&l, 100 * MS);
    assert_string_equal(pg_server_ask(pg_lone_server(),
                                      "select wait_event from pg_stat_activity where pid = %lld",
                                      (long long)pid),
                        "ClientWrite");
    assert_int_equal(pull_all(&l, 1000, last), 100000);
    assert_int_equal(pg_lone_integer(&l, "select 1"), 1);
    lone_close(&l);
}

static void a_stream_is_stopped_and_the_session_stays(void **unused)
{
    (void)unused;
    struct lone l;
    char sql[96];
    pg_lone_open(&l);
    pg_lone_script(&l, "begin; create temp table s (a int)");
    snprintf(sql, sizeof sql, wide, 20000);
    struct request r = ask(&l, NEBULA_STREAM, sql, 10);
    assert_int_equal(l.conn->session, SESSION_STREAMING | SESSION_IN_TRANSACTION | SESSION_DIRTY);
    reply_fini(&r.reply);
    assert_int_equal(code_of(&l, NEBULA_STOP, ""), ERROR_OK);
    assert_int_equal(l.conn->session, SESSION_IN_TRANSACTION | SESSION_DIRTY);
    pg_lone_say(&l, "insert into s values (1)");
    pg_lone_script(&l, "commit");
    assert_int_equal(pg_lone_integer(&l, "select count(*) from s"), 1);
    lone_close(&l);
}

static void only_a_stream_answers_to_pull(void **unused)
{
    (void)unused;
    struct lone l;
    char sql[96];
    pg_lone_open(&l);
    assert_int_equal(code_of(&l, NEBULA_PULL, ""), ERROR_STALE);
    assert_int_equal(code_of(&l, NEBULA_STOP, ""), ERROR_OK);
    snprintf(sql, sizeof sql, wide, 1000);
    for (int i = 0; i < 2; i++) {
        struct request r = ask(&l, NEBULA_STREAM, sql, 10);
        int64_t last = check_rows(&r, 0);
        reply_fini(&r.reply);
        assert_int_equal(code_of(&l, NEBULA_RUN, "select 1"), ERROR_USAGE);
        assert_int_equal(code_of(&l, NEBULA_SCRIPT, "select 1"), ERROR_USAGE);
        assert_int_equal(code_of(&l, NEBULA_STREAM, "select 1"), ERROR_USAGE);
        assert_int_equal(code_of(&l, NEBULA_PREPARE, "select 1"), ERROR_USAGE);
        assert_int_equal(pull_all(&l, 10, last), 1000);
    }
    assert_int_equal(code_of(&l, NEBULA_PULL, ""), ERROR_STALE);
    lone_close(&l);
}

static void a_stream_may_fail_in_the_middle(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct request r =
        ask(&l, NEBULA_STREAM, "select i, 1 / (15 - i) from generate_series(1, 30) i", 10);
    assert_int_equal(r.reply.error.code, ERROR_OK);
    reply_fini(&r.reply);
    r = ask(&l, NEBULA_PULL, "", 10);
    assert_int_equal(r.reply.error.code, ERROR_QUERY);
    assert_string_equal(r.reply.error.state, "22012");
    assert_null(r.reply.result);
    assert_int_equal(l.conn->session, 0);
    assert_int_equal(code_of(&l, NEBULA_STREAM, "selekt"), ERROR_QUERY);
    assert_int_equal(pg_lone_integer(&l, "select 1"), 1);
    lone_close(&l);
}

static void a_stream_without_rows_is_a_statement(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct request r =
        ask(&l, NEBULA_STREAM, "create temp table w as select generate_series(1, 5)", 10);
    assert_int_equal(r.reply.error.code, ERROR_OK);
    assert_int_equal(r.reply.changed, 5);
    assert_null(r.reply.result);
    assert_int_equal(l.conn->session, SESSION_DIRTY);
    r = ask(&l, NEBULA_STREAM, "insert into w values (1), (2) returning 7", 10);
    assert_int_equal(r.reply.result->rows, 2);
    assert_int_equal(r.reply.changed, 2);
    assert_false(r.reply.more);
    reply_fini(&r.reply);
    lone_close(&l);
}

static void closing_leaves_an_open_stream(void **unused)
{
    (void)unused;
    struct lone l;
    char sql[96];
    pg_lone_open(&l);
    snprintf(sql, sizeof sql, wide, 100000);
    struct request r = ask(&l, NEBULA_STREAM, sql, 10);
    lone_close(&l);
    assert_int_equal(pg_lone_cell(&r, 9, 0).integer, 10); /* the reply outlives its connection */
    reply_fini(&r.reply);
}

static void big_replies_come_whole(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct request r =
        ask(&l, NEBULA_RUN, "select i, i::text from generate_series(1, 300000) i", 1);
    assert_int_equal(check_rows(&r, 0), 300000);
    pg_lone_is_text(pg_lone_cell(&r, 299999, 1), "300000");
    reply_fini(&r.reply);
    lone_close(&l);
}

/* Larger than any socket's buffer, both ways, so that writing has to wait for reading. */
static void big_values_go_and_come(void **unused)
{
    (void)unused;
    struct lone l;
    uint32_t size = 24 * 1024 * 1024;
    char *bytes = malloc(size);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 2654435761u >> 24);
    struct nebula_value v[2] = {{.type = NEBULA_BYTES, .size = size, .bytes = bytes},
                                {.type = NEBULA_TEXT, .size = 1, .bytes = "x"}};
    pg_lone_open(&l);
    for (int i = 0; i < 2; i++) {
        struct request r = pg_lone_run_values(&l, "select $1, $2", v, 2);
        assert_int_equal(r.reply.error.code, ERROR_OK);
        struct nebula_value got = pg_lone_cell(&r, 0, 0);
        assert_int_equal(got.size, size);
        assert_memory_equal(got.bytes, bytes, size);
        reply_fini(&r.reply);
    }
    free(bytes);
    lone_close(&l);
}

/* --- a server that ends the session between a row and its end --------------------------------- */

struct actor {
    int listener;
    char port[8];
    pthread_t thread;
};

static const char greeting[] = "R\0\0\0\010\0\0\0\0K\0\0\0\014\0\0\0\1\0\0\0\2Z\0\0\0\5I";
/* To a statement of whatever words: a row of a column n, and that the session ends. */
static const char answer[] = "1\0\0\0\4"
                             "2\0\0\0\4"
                             "T\0\0\0\032\0\1n\0\0\0\0\0\0\0\0\0\0\027\0\4\377\377\377\377\0\0"
                             "D\0\0\0\013\0\1\0\0\0\001"
                             "1"
                             "E\0\0\0\037SFATAL\0VFATAL\0C57P01\0Mbye\0";

static void *act(void *data)
{
    struct actor *a = data;
    char heard[512];
    int fd = accept(a->listener, NULL, NULL);
    CHECK(fd >= 0 && read(fd, heard, sizeof heard) > 0);
    CHECK(write(fd, greeting, sizeof greeting - 1) > 0);
    CHECK(read(fd, heard, sizeof heard) > 0 && write(fd, answer, sizeof answer) > 0);
    close(fd);
    return NULL;
}

static void actor_start(struct actor *a)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    a->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(a->listener, (struct sockaddr *)&at, size) == 0 && listen(a->listener, 1) == 0);
    CHECK(getsockname(a->listener, (struct sockaddr *)&at, &size) == 0);
    snprintf(a->port, sizeof a->port, "%d", ntohs(at.sin_port));
    CHECK(pthread_create(&a->thread, NULL, act, a) == 0);
}

static void actor_end(struct actor *a)
{
    pthread_join(a->thread, NULL);
    close(a->listener);
}

/* A select that was not complete has left nothing; a procedure may have committed before. */
static void a_session_that_ends_behind_a_row_proves_what_it_can(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool is_proof;
    } row[] = {{"select n from t", true}, {"call p(1)", false}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct actor a;
        struct lone l;
        actor_start(&a);
        pg_lone_init(&l, (const char *const[]){"host", "127.0.0.1", "port", a.port, "user", "app",
                                               "sslmode", "disable", NULL});
        assert_int_equal(lone_open(&l), ERROR_OK);
        struct request first = ask(&l, NEBULA_STREAM, row[i].text, 1);
        assert_true(first.reply.more);
        reply_fini(&first.reply);
        struct request r = lone_request(NEBULA_PULL, "");
        r.window = 1;
        lone_begin_send(&l, &r);
        assert_true(lone_wait(&l, SAID_FAILED, 1));
        assert_int_equal(l.said[SAID_REPLIED], 1 + row[i].is_proof);
        assert_int_equal(r.reply.error.code, ERROR_LOST);
        assert_string_equal(r.reply.error.state, "57P01");
        lone_close(&l);
        actor_end(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_add_up),
        cmocka_unit_test(nobody_pulls_and_nothing_is_read),
        cmocka_unit_test(a_stream_is_stopped_and_the_session_stays),
        cmocka_unit_test(only_a_stream_answers_to_pull),
        cmocka_unit_test(a_stream_may_fail_in_the_middle),
        cmocka_unit_test(a_stream_without_rows_is_a_statement),
        cmocka_unit_test(closing_leaves_an_open_stream),
        cmocka_unit_test(a_session_that_ends_behind_a_row_proves_what_it_can),
        cmocka_unit_test(big_replies_come_whole),
        cmocka_unit_test(big_values_go_and_come),
    };
    return pg_lone_run(tests, COUNT(tests));
}
