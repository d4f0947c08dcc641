/* postgres_memory_spec.c - the n-th allocation fails, ours or libpq's, for n from 1 until the
 * scenario passes.
 *
 * malloc() and its family stand before the C library's (or the sanitizer's) in this program, for
 * libraries too. Whatever fails, every begin has its one end, nothing leaks and nothing hangs.
 */
#include "core/blocking.h"
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/pg_lone.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *block, size_t size);

/* Others are left alone: the loop's own, the cancel's. */
static _Thread_local bool is_ours;

static struct {
    atomic_bool is_on;
    atomic_int left;
    atomic_int failed;
} fault;

static void fail_at(int n)
{
    fault.failed = 0;
    fault.left = n;
    fault.is_on = true;
}

/* Called before the sanitizer is ready to look. */
#define UNSEEN __attribute__((no_sanitize("address", "thread")))

UNSEEN static bool fails(void)
{
    if (!is_ours || !fault.is_on || --fault.left != 0)
        return false;
    fault.failed++;
    errno = ENOMEM;
    return true;
}

UNSEEN void *malloc(size_t size)
{
    return fails() ? NULL : REAL(malloc)(size);
}

UNSEEN void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : REAL(calloc)(count, size);
}

UNSEEN void *realloc(void *block, size_t size)
{
    return fails() ? NULL : REAL(realloc)(block, size);
}

/* --- the scenario ----------------------------------------------------------------------------- */

/* Turns until is_over(); false when libpq waits for what never comes. */
static bool turn_until(struct lone *l, const struct request *r)
{
    int64_t until_us = loop_refresh(l->loop) + (fault.failed > 0 ? 200 * MS : 20 * SECOND);
    for (;;) {
        bool is_over = r == NULL ? l->said[SAID_OPENED] != 0 : lone_has_ended(r);
        if ((is_over && !l->is_cancelling) || l->said[SAID_FAILED] != 0)
            return true;
        if (loop_refresh(l->loop) >= until_us)
            break;
        if (fault.failed > 0 && until_us - loop_now_us(l->loop) > SECOND)
            until_us = loop_now_us(l->loop) + 200 * MS;
        loop_turn(l->loop, until_us);
    }
    assert_true(fault.failed > 0);
    return false;
}

static bool ask(struct lone *l, enum nebula_verb verb, const char *text, const char *parameter)
{
    struct nebula_value v = {.type = NEBULA_BYTES, .size = 3, .bytes = parameter};
    struct request r = lone_request(verb, text);
    r.window = 2;
    if (parameter != NULL) {
        r.value = &v;
        r.count = 1;
    }
    if (l->said[SAID_FAILED] != 0 || l->conn == NULL)
        return false;
    lone_begin_send(l, &r);
    if (strstr(text, "pg_sleep") != NULL)
        lone_begin_cancel(l);
    if (!turn_until(l, &r)) {
        lone_close(l);
        return false;
    }
    bool ok = r.reply.error.code == ERROR_OK;
    assert_true(ok || r.reply.error.text[0] != '\0');
    if (ok && r.reply.result != NULL)
        assert_int_not_equal(pg_lone_cell(&r, 0, 0).type, NEBULA_NULL);
    reply_fini(&r.reply);
    return ok;
}

static bool ask_batch(struct lone *l, bool is_each)
{
    struct nebula_value v = {.type = NEBULA_BYTES, .size = 3, .bytes = "abc"};
    struct part part[3];
    struct request r = lone_request(NEBULA_BATCH, "");
    for (int i = 0; i < 3; i++) {
        part[i] = (struct part){.request = lone_request(NEBULA_RUN, "select $1::bytea, 8")};
        part[i].request.value = &v;
        part[i].request.count = 1;
    }
    r.part = part;
    r.parts = 3;
    r.is_each = is_each;
    if (l->said[SAID_FAILED] != 0 || l->conn == NULL)
        return false;
    lone_begin_send(l, &r);
    bool is_over = turn_until(l, &r);
    if (!is_over)
        lone_close(l);
    bool ok = is_over && r.reply.error.code == ERROR_OK;
    for (int i = 0; i < 3; i++) {
        if (ok && part[i].request.reply.error.code == ERROR_OK)
            assert_int_equal(pg_lone_cell(&part[i].request, 0, 0).type, NEBULA_BYTES);
        ok &= part[i].request.reply.error.code == ERROR_OK;
        reply_fini(&part[i].request.reply);
    }
    return ok;
}

/* Opened by the socket's path: without TLS, whose library is not ours to prove. */
static bool scenario(struct lone *l)
{
    bool ok = true;
    lone_begin_open(l);
    if (!turn_until(l, NULL) || l->said[SAID_FAILED] != 0)
        return false;
    for (int i = 0; i < 3; i++)
        ok &= ask(l, NEBULA_RUN, "select $1::bytea, 7", "abc");
    ok &= ask(l, NEBULA_SCRIPT, "set bytea_output = escape", NULL);
    ok &= ask(l, NEBULA_RUN, "select $1::bytea, 7", "a\\c");
    ok &= ask_batch(l, false);
    ok &= ask_batch(l, true);
    ok &= ask(l, NEBULA_PREPARE, "select 1", NULL);
    ok &= ask(l, NEBULA_STREAM, "select generate_series(1, 5)", NULL);
    ok &= ask(l, NEBULA_PULL, "", NULL);
    ok &= ask(l, NEBULA_STOP, "", NULL);
    ok &= ask(l, NEBULA_STREAM, "copy (select generate_series(1, 5)) to stdout", NULL);
    ok &= ask(l, NEBULA_PULL, "", NULL);
    ok &= ask(l, NEBULA_SCRIPT, "create temp table taken (a int)", NULL);
    ok &= ask(l, NEBULA_STREAM, "copy taken from stdin", NULL);
    ok &= ask(l, NEBULA_PUSH, "1\n2\n", NULL);
    ok &= ask(l, NEBULA_FINISH, "", NULL);
    /* Short, because a cancel that is there before the statement hits nothing. */
    ask(l, NEBULA_RUN, "select pg_sleep(0.05)", NULL);
    return ok && l->conn != NULL && l->said[SAID_FAILED] == 0;
}

static void whatever_allocation_fails(void **unused)
{
    (void)unused;
    int n = 1;
    for (bool passed = false; !passed; n++) {
        struct lone l;
        pg_lone_init(&l, (const char *const[]){"host", pg_lone_server()->folder, "port",
                                               pg_lone_server()->port, "user", "app", NULL});
        fail_at(n);
        bool ok = scenario(&l);
        passed = ok && fault.failed == 0;
        lone_close(&l);
        fault.is_on = false;
        assert_true(n < 5000);
    }
    print_message("%d allocations failed in turn\n", n - 2);
    assert_true(n > 50);
}

/* These are tens of thousands, so n grows faster. That libcrypto could start is seen to by
 * has_room() in postgres_open.c, here by choose_threads(). Without TLS, too. */
static void whatever_allocation_fails_while_a_password_is_proved(void **unused)
{
    (void)unused;
    struct lone l;
    int runs = 0, refused = 0;
    for (int n = 1; fault.failed > 0 || runs == 0; n += 1 + n / 50, runs++) {
        pg_lone_init(&l, (const char *const[]){"host", "127.0.0.1", "port", pg_lone_server()->port,
                                               "user", "app", "password", "sesame-open", "sslmode",
                                               "disable", NULL});
        fail_at(n);
        lone_begin_open(&l);
        turn_until(&l, NULL);
        fault.is_on = false;
        if (l.said[SAID_FAILED] != 0 && l.error.code != ERROR_MEMORY)
            fail_msg("%s: %s", error_name(l.error.code), l.error.text);
        refused += l.said[SAID_FAILED] != 0;
        lone_close(&l);
    }
    print_message("%d of %d handshakes had no memory\n", refused, runs);
    assert_true(refused > 20);
}

struct joining {
    struct job job;
    bool has_joined;
};

static void join_us(struct job *j)
{
    (void)j;
    is_ours = true;
}

static void joined(struct job *j)
{
    container_of(j, struct joining, job)->has_joined = true;
}

/* A handshake allocates on this thread and on the one that computes. */
static void choose_threads(void **unused)
{
    (void)unused;
    struct lone l;
    struct joining j = {.job = {.run = join_us, .done = joined}};
    is_ours = true;
    pg_lone_open(&l);
    struct blocking *computer = loop_computer(l.loop);
    assert_non_null(computer);
    blocking_run(computer, &j.job);
    while (!j.has_joined)
        loop_turn(l.loop, INT64_MAX);
    lone_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choose_threads),
        cmocka_unit_test(whatever_allocation_fails),
        cmocka_unit_test(whatever_allocation_fails_while_a_password_is_proved),
    };
    return pg_lone_run(tests, COUNT(tests));
}
