/* postgres_cancel_spec.c - cancels, losses, and closing in the middle of anything. limit: 400 s
 *
 * CANCELS=n is how many cancels race their replies (600; NEBULA_PROVE: 10000). When a connection is used before
 * its cancel has returned, about two in a hundred hit the next statement, so 600 find that all but surely.
 */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "support/pg_lone.h"

static int64_t backend_of(struct lone *l)
{
    return pg_lone_integer(l, "select pg_backend_pid()");
}

/* Sends it and returns when the server is at it. */
static void begin(struct lone *l, struct request *r, int64_t pid)
{
    lone_begin_send(l, r);
    pg_lone_turn_until(l, "active", "select state from pg_stat_activity where pid = %lld",
                       (long long)pid);
}

/* Both ends of a cancel, in whichever order. */
static void wait_cancelled(struct lone *l, const struct request *r, uint32_t count)
{
    assert_true(lone_wait(l, SAID_CANCELLED, count));
    assert_true(lone_has_ended(r)); /* never said before the reply was read */
}

/* --- cancels ---------------------------------------------------------------------------------- */

static void a_cancel_ends_the_statement_and_keeps_the_session(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    int64_t pid = backend_of(&l);
    for (uint32_t i = 1; i <= 3; i++) {
        struct request r = lone_request(NEBULA_RUN, "select pg_sleep(60)");
        begin(&l, &r, pid);
        lone_begin_cancel(&l);
        wait_cancelled(&l, &r, i);
        assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
        assert_string_equal(r.reply.error.state, "57014");
        assert_int_equal(backend_of(&l), pid);
    }
    lone_close(&l);
}

/* What the server says of it may be in any language, and have any word in it. */
static void a_cancel_is_one_in_any_words(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct request r = lone_request(
        NEBULA_RUN, "do $$ begin perform pg_sleep(60); exception when query_canceled then "
                    "raise 'timeout' using errcode = '57014'; end $$");
    begin(&l, &r, backend_of(&l));
    lone_begin_cancel(&l);
    wait_cancelled(&l, &r, 1);
    assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
    lone_close(&l);
}

static void a_cancel_reads_a_stream_to_its_end(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    for (uint32_t i = 1; i <= 3; i++) {
        struct request r =
            lone_request(NEBULA_STREAM, "select generate_series(1, 100000000), repeat('x', 1000)");
        r.window = 10;
        assert_int_equal(lone_call(&l, &r), ERROR_OK);
        reply_fini(&r.reply);
        r = lone_request(i == 3 ? NEBULA_STOP : NEBULA_PULL, "");
        r.window = 1000000000 / 100;
        lone_begin_send(&l, &r);
        lone_turn(&l, 20 * MS);
        lone_begin_cancel(&l);
        wait_cancelled(&l, &r, i);
        reply_fini(&r.reply);
        assert_int_equal(l.conn->session, 0);
        assert_int_equal(pg_lone_integer(&l, "select 1"), 1);
    }
    lone_close(&l);
}

/* The cancel and the reply are under way at the same time, in every proportion. Where a machine computes much
 * else few cancels come in time; it goes on until enough have, at most five times as long. */
static void no_cancel_hits_the_next_statement(void **unused)
{
    (void)unused;
    const char *wanted = getenv("CANCELS");
    int usual = getenv("NEBULA_PROVE") != NULL ? 10000 : 600;
    int count = wanted != NULL ? atoi(wanted) : usual, hits = 0, misses = 0;
    struct lone l;
    pg_lone_open(&l);
    srand(11);
    int least = count / 20; /* else nothing raced */
    for (int i = 0; i < count || (i < 5 * count && (hits <= least || misses <= least)); i++) {
        char sql[64];
        struct request r = lone_request(NEBULA_RUN, sql);
        snprintf(sql, sizeof sql, "select %d, pg_sleep(%g)", i % 100, rand() % 4 * 0.001);
        r.text_size = (uint32_t)strlen(sql);
        lone_begin_send(&l, &r);
        for (int64_t us = rand() % 4 * 500; us > 0 && !lone_has_ended(&r); us -= 500)
            lone_turn(&l, 500);
        if (lone_has_ended(&r)) {
            reply_fini(&r.reply);
            misses++;
            continue;
        }
        uint32_t said = l.said[SAID_CANCELLED];
        lone_begin_cancel(&l);
        wait_cancelled(&l, &r, said + 1);
        if (r.reply.error.code == ERROR_OK)
            misses++;
        else
            assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
        hits += r.reply.error.code != ERROR_OK;
        reply_fini(&r.reply);
        struct request next = lone_request(NEBULA_RUN, "select pg_sleep(0.0005)");
        if (lone_call(&l, &next) != ERROR_OK)
            fail_msg("cancel %d of %d hit the next statement: %s", i, count, next.reply.error.text);
        reply_fini(&next.reply);
    }
    lone_close(&l);
    assert_true(hits > least && misses > least);
}

/* A signal that waits until its process goes on: bit 1 is SIGINT, by which one session is
 * cancelled. */
static bool is_interrupted(int64_t pid)
{
    char path[64], line[128];
    unsigned long long pending = 0;
    snprintf(path, sizeof path, "/proc/%lld/status", (long long)pid);
    FILE *status = fopen(path, "re");
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL)
        sscanf(line, "ShdPnd: %llx", &pending);
    fclose(status);
    return (pending & (1ull << (SIGINT - 1))) != 0;
}

/* The session stands still, so the cancel is there before the statement is read. */
static void a_cancel_that_overtook_its_statement_is_sent_again(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    int64_t pid = backend_of(&l);
    for (uint32_t i = 1; i <= 2; i++) {
        struct request r = lone_request(NEBULA_RUN, "select pg_sleep(60)");
        assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
        lone_begin_send(&l, &r);
        lone_begin_cancel(&l);
        for (int turns = 0; !is_interrupted(pid); turns++) {
            assert_true(turns < 10000);
            lone_turn(&l, MS);
        }
        assert_int_equal(kill((pid_t)pid, SIGCONT), 0);
        wait_cancelled(&l, &r, i);
        assert_int_equal(r.reply.error.code, ERROR_CANCELLED);
        pg_lone_say(&l, "select pg_sleep(0.3)"); /* longer than what is left of any pause */
    }
    assert_int_equal(backend_of(&l), pid);
    lone_close(&l);
}

/* --- losses ----------------------------------------------------------------------------------- */

static void an_idle_session_that_ends_is_noticed(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_server_ask(pg_lone_server(), "select pg_terminate_backend(%lld)", (long long)backend_of(&l));
    assert_true(lone_wait(&l, SAID_FAILED, 1));
    assert_int_equal(l.error.code, ERROR_LOST);
    assert_string_equal(l.error.state, "57P01");
    assert_non_null(strstr(l.error.text, "administrator command"));
    lone_close(&l);
}

/* A statement that the server rolled back has failed; one that may have committed is in doubt. */
static void the_servers_last_words_prove_what_they_can(void **unused)
{
    (void)unused;
    const struct {
        const char *sql;
        enum nebula_verb verb;
        bool is_proof;
    } row[] = {
        {"select pg_sleep(60)", NEBULA_RUN, true},
        {"with x as (select pg_sleep(60)) select * from x", NEBULA_STREAM, true},
        {"do $$ begin perform pg_sleep(60); end $$", NEBULA_RUN, false},
        {"select pg_sleep(60)", NEBULA_SCRIPT, false},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct lone l;
        pg_lone_open(&l);
        int64_t pid = backend_of(&l);
        uint32_t before = l.said[SAID_REPLIED];
        struct request r = lone_request(row[i].verb, row[i].sql);
        begin(&l, &r, pid);
        pg_server_ask(pg_lone_server(), "select pg_terminate_backend(%lld)", (long long)pid);
        assert_true(lone_wait(&l, SAID_FAILED, 1));
        assert_true(lone_has_ended(&r) && r.is_sent);
        assert_int_equal(l.said[SAID_REPLIED], before + row[i].is_proof);
        assert_int_equal(r.reply.error.code, ERROR_LOST);
        assert_string_equal(r.reply.error.state, "57P01");
        assert_int_equal(l.error.code, ERROR_LOST);
        lone_close(&l);
    }
}

static void nothing_is_sent_on_a_lost_connection(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    int64_t pid = backend_of(&l);
    struct request r = lone_request(NEBULA_RUN, "select pg_sleep(60)");
    begin(&l, &r, pid);
    pg_server_ask(pg_lone_server(), "select pg_terminate_backend(%lld)", (long long)pid);
    uint32_t before = l.said[SAID_REPLIED];
    assert_true(lone_wait(&l, SAID_REPLIED, before + 1) || l.said[SAID_FAILED] == 1);
    if (l.said[SAID_FAILED] == 0) { /* the loop stands between the reply and the loss */
        struct request next = lone_request(NEBULA_RUN, "select 1");
        lone_begin_send(&l, &next);
        assert_true(lone_wait(&l, SAID_FAILED, 1));
        assert_true(lone_has_ended(&next));
        assert_false(next.is_sent);
    }
    lone_close(&l);
}

/* After a crash, by itself. What it says while it recovers is no refusal for good. */
static void comes_back(void)
{
    for (int i = 0;; i++) {
        struct lone l;
        pg_lone_init_app(&l);
        enum error_code code = lone_open(&l);
        lone_close(&l);
        if (code == ERROR_OK)
            break;
        assert_int_equal(code, ERROR_UNREACHABLE);
        assert_true(i < 2000);
        lone_turn(&l, 10 * MS);
    }
}

/* In clear text, where each of libpq's sentences is known; a statement has failed before. */
static int64_t open_and_fail(struct lone *l)
{
    const char *port = pg_lone_server()->port;
    pg_lone_init(l, (const char *const[]){"host", "127.0.0.1", "port", port, "user", "app",
                                          "dbname", "app", "password", "sesame-open", "sslmode",
                                          "disable", NULL});
    assert_int_equal(lone_open(l), ERROR_OK);
    int64_t pid = backend_of(l);
    pg_lone_expect(l, NEBULA_RUN, "select 1 / 0", ERROR_QUERY, "22012");
    return pid;
}

static void is_told(struct lone *l, const char *text)
{
    assert_true(lone_wait(l, SAID_FAILED, 1));
    assert_int_equal(l->error.code, ERROR_LOST);
    assert_string_equal(l->error.text, text);
    lone_close(l);
}

/* libpq keeps what it said of the last statement, adds what it says of the end, and then that it has
 * no socket any more. The server ends one session, and crashes under the others. */
static void a_loss_is_told_in_its_own_words(void **unused)
{
    (void)unused;
    static const char closed[] = "lone: server closed the connection unexpectedly";
    struct lone ended, idle, busy, last;
    int64_t pid = open_and_fail(&ended);
    pg_server_ask(pg_lone_server(), "select pg_terminate_backend(%lld)", (long long)pid);
    is_told(&ended, "lone: terminating connection due to administrator command");
    pg_lone_open(&last);
    int64_t idle_pid = open_and_fail(&idle), busy_pid = open_and_fail(&busy);
    struct request r = lone_request(NEBULA_RUN, "select pg_sleep(60)");
    begin(&busy, &r, busy_pid);
    pg_server_signal_all(pg_lone_server(), SIGSTOP);
    kill((pid_t)idle_pid, SIGKILL);
    kill((pid_t)busy_pid, SIGKILL);
    is_told(&idle, closed);
    is_told(&busy, closed);
    assert_string_equal(r.reply.error.text, closed);
    pg_server_signal_all(pg_lone_server(), SIGCONT);
    assert_true(lone_wait(&last, SAID_FAILED, 1)); /* the server has noticed it */
    lone_close(&last);
    comes_back();
}

/* Killed without a word: nobody knows. */
static void a_killed_backend_leaves_the_statement_in_doubt(void **unused)
{
    (void)unused;
    struct lone l, other;
    pg_lone_open(&l);
    pg_lone_open(&other);
    int64_t pid = backend_of(&l);
    struct request r = lone_request(NEBULA_RUN, "select pg_sleep(60)");
    begin(&l, &r, pid);
    kill((pid_t)pid, SIGKILL);
    assert_true(lone_wait(&l, SAID_FAILED, 1));
    assert_true(lone_has_ended(&r) && r.is_sent);
    assert_int_equal(l.error.code, ERROR_LOST);
    assert_true(lone_wait(&other, SAID_FAILED, 1));
    assert_string_equal(other.error.state, "57P02"); /* crash of another server process */
    lone_close(&l);
    lone_close(&other);
    comes_back();
}

/* --- closing ---------------------------------------------------------------------------------- */

static int black_hole(char *port, size_t size)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 8) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
    snprintf(port, size, "%d", ntohs(a.sin_port));
    return fd;
}

static void closes_while_it_opens(void **unused)
{
    (void)unused;
    struct lone l;
    char port[8];
    int fd = black_hole(port, sizeof port);
    const char *const host[] = {"127.0.0.1", "localhost", "no-such-host.invalid"};
    for (size_t i = 0; i < 4 * COUNT(host); i++) {
        pg_lone_init(&l, (const char *const[]){"host", host[i % 3], "port", port, NULL});
        lone_begin_open(&l);
        if (i / 3 > 0)
            lone_turn(&l, (int64_t)(i / 3) * 300);
        lone_close(&l);
    }
    close(fd);
    for (int i = 0; i < 40; i++) { /* at each step of a handshake that goes well */
        pg_lone_init_app(&l);
        lone_begin_open(&l);
        for (int turn = 0; turn < i && l.said[SAID_OPENED] == 0; turn++)
            loop_turn(l.loop, loop_now_us(l.loop) + SECOND);
        lone_close(&l);
    }
}

static void closes_while_a_statement_runs(void **unused)
{
    (void)unused;
    static const char *const sql[] = {"select 1", "select pg_sleep(60)"};
    for (int i = 0; i < 8; i++) {
        struct lone l;
        pg_lone_open(&l);
        struct request r = lone_request(i & 4 ? NEBULA_STREAM : NEBULA_RUN, sql[i & 1]);
        lone_begin_send(&l, &r);
        if (i & 2)
            lone_turn(&l, MS);
        lone_close(&l);
        reply_fini(&r.reply);
    }
}

static void closes_while_a_cancel_is_under_way(void **unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        struct lone l;
        pg_lone_open(&l);
        struct request r = lone_request(NEBULA_RUN, "select pg_sleep(60)");
        begin(&l, &r, backend_of(&l));
        lone_begin_cancel(&l);
        if (i >= 10)
            lone_turn(&l, i * 200);
        int64_t from_us = loop_refresh(l.loop);
        lone_close(&l);
        assert_true(loop_refresh(l.loop) - from_us <
                    900 * MS); /* it came back, it was not given up */
    }
}

/* PQcancel() waits for a server that is stopped for as long as that is; close does not. */
static void a_stopped_server_holds_up_nobody(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct request r = lone_request(NEBULA_RUN, "select pg_sleep(60)");
    begin(&l, &r, backend_of(&l));
    pg_server_signal_all(pg_lone_server(), SIGSTOP);
    lone_begin_cancel(&l);
    lone_turn(&l, 100 * MS);
    assert_int_equal(l.said[SAID_CANCELLED], 0);
    assert_false(lone_has_ended(&r));
    int64_t from_us = loop_refresh(l.loop);
    lone_close(&l);
    assert_in_range(loop_refresh(l.loop) - from_us, 0, 3 * SECOND);
    pg_server_signal_all(pg_lone_server(), SIGCONT);
    pg_lone_open(&l);
    pg_lone_say(&l, "select 1");
    lone_close(&l);
}

static void no_backend_is_left_behind(void **unused)
{
    (void)unused;
    assert_true(pg_server_comes_to(pg_lone_server(), "0",
                                   "select count(*) from pg_stat_activity where usename = 'app'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancel_ends_the_statement_and_keeps_the_session),
        cmocka_unit_test(a_cancel_is_one_in_any_words),
        cmocka_unit_test(a_cancel_reads_a_stream_to_its_end),
        cmocka_unit_test(no_cancel_hits_the_next_statement),
        cmocka_unit_test(a_cancel_that_overtook_its_statement_is_sent_again),
        cmocka_unit_test(an_idle_session_that_ends_is_noticed),
        cmocka_unit_test(the_servers_last_words_prove_what_they_can),
        cmocka_unit_test(nothing_is_sent_on_a_lost_connection),
        cmocka_unit_test(closes_while_it_opens),
        cmocka_unit_test(closes_while_a_statement_runs),
        cmocka_unit_test(closes_while_a_cancel_is_under_way),
        cmocka_unit_test(a_stopped_server_holds_up_nobody),
        cmocka_unit_test(a_killed_backend_leaves_the_statement_in_doubt),
        cmocka_unit_test(a_loss_is_told_in_its_own_words),
        cmocka_unit_test(no_backend_is_left_behind),
    };
    return pg_lone_run(tests, COUNT(tests));
}
