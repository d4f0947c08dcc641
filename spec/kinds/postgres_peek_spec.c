/* postgres_peek_spec.c - an error of the input of a COPY is told by the first push after the server
 * has said it, with TLS and without. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "drivers/postgres.h"
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

/* What a server says, as it comes to a client of ours that has only begun to connect. */
struct wire {
    int listener, server;
    PGconn *pg;
};

static void open_wire(struct wire *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char port[8];
    w->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(w->listener, 1), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &size), 0);
    snprintf(port, sizeof port, "%d", ntohs(at.sin_port));
    w->pg = PQconnectStartParams((const char *const[]){"hostaddr", "port", "sslmode", NULL},
                                 (const char *const[]){"127.0.0.1", port, "disable", NULL}, 0);
    w->server = accept(w->listener, NULL, NULL);
    assert_true(w->server >= 0);
}

static void close_wire(struct wire *w)
{
    PQfinish(w->pg);
    close(w->server);
    close(w->listener);
}

static bool is_seen_in(const void *bytes, size_t size, size_t before)
{
    struct wire w;
    open_wire(&w);
    char *filled = calloc(1, before + size);
    memset(filled, 'x', before);
    memcpy(filled + before, bytes, size);
    assert_int_equal(send(w.server, filled, before + size, 0), before + size);
    struct pollfd come = {.fd = PQsocket(w.pg), .events = POLLIN};
    int ready = 0;
    while (ready < (int)(before + size)) {
        assert_int_equal(poll(&come, 1, 5000), 1);
        assert_int_equal(ioctl(come.fd, FIONREAD, &ready), 0);
    }
    bool is_seen = pg_peek_end(w.pg);
    free(filled);
    close_wire(&w);
    return is_seen;
}

#define SEEN(text) is_seen_in(text, sizeof(text) - 1, 0)

/* The length of a notification is 'E', its process has a small number, its channel begins with S. */
static void what_looks_like_an_error_is_none(void **unused)
{
    (void)unused;
    assert_false(SEEN("A\0\0\0E\0\0\x36\x12Shop\0payload that goes on and on\0"));
    assert_false(SEEN("A\0\0\0Z\0\0\0\5shop\0payload\0"));
    assert_true(SEEN("E\0\0\0\x30SFEHLER\0VERROR\0C22P02\0Mso nicht\0\0"));
    assert_true(SEEN("E\0\0\0\x30SFATAL\0VFATAL\0C57P01\0Mende\0\0"));
    assert_false(SEEN("E\0\0\0\x30SFEHLER\0VERR")); /* the rest is on its way */
    assert_true(SEEN("Z\0\0\0\5I"));
}

static void an_error_is_seen_behind_whatever_came_before_it(void **unused)
{
    (void)unused;
    static const char error[] = "E\0\0\0\x30SERROR\0VERROR\0C22P02\0Mno\0";
    for (size_t before = 1; before < 200000; before = before * 3 + 1)
        assert_true(is_seen_in(error, sizeof error, before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_push_behind_an_error_is_answered_with_it),
        cmocka_unit_test(it_is_so_in_a_transaction),
        cmocka_unit_test(a_push_under_way_ends_with_the_error_of_the_one_before),
        cmocka_unit_test(a_server_that_looks_for_no_input_tells_the_first_push),
        cmocka_unit_test(no_notice_is_taken_for_an_end),
        cmocka_unit_test(what_looks_like_an_error_is_none),
        cmocka_unit_test(an_error_is_seen_behind_whatever_came_before_it),
    };
    return pg_lone_run(tests, COUNT(tests));
}
