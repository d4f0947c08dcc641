/* postgres_handshake_spec.c - what computes in a handshake holds nobody up: it is done beside the
 * loop.
 */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "drivers/drivers.h"
#include "support/pg_lone.h"

static double cpu_ms(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void init_with(struct lone *l, const char *sslmode)
{
    pg_lone_init(l,
                 (const char *const[]){"host", "127.0.0.1", "port", pg_lone_server()->port, "user",
                                       "app", "password", "sesame-open", "sslmode", sslmode, NULL});
}

/* Its certificates and its password cost milliseconds each; the loop's part are some system calls.
 */
static void the_loop_computes_next_to_nothing(void **unused)
{
    (void)unused;
    const char *const mode[] = {"disable", "require"};
    for (size_t i = 0; i < COUNT(mode); i++) {
        double loop_ms = 0, all_ms = 0;
        for (int n = 0; n < 20; n++) {
            struct lone l;
            init_with(&l, mode[i]);
            loop_ms -= cpu_ms(CLOCK_THREAD_CPUTIME_ID);
            all_ms -= cpu_ms(CLOCK_PROCESS_CPUTIME_ID);
            assert_int_equal(lone_open(&l), ERROR_OK);
            loop_ms += cpu_ms(CLOCK_THREAD_CPUTIME_ID);
            all_ms += cpu_ms(CLOCK_PROCESS_CPUTIME_ID);
            lone_close(&l);
        }
        print_message("sslmode=%s: %.1f of %.1f ms on the loop\n", mode[i], loop_ms, all_ms);
        assert_true(loop_ms < all_ms / 2);
    }
}

static void many_handshakes_share_the_thread(void **unused)
{
    (void)unused;
    enum { MANY = 16 };
    struct lone l[MANY];
    for (int i = 0; i < MANY; i++) {
        init_with(&l[i], i % 2 == 0 ? "disable" : "require");
        lone_begin_open(&l[i]);
    }
    for (int i = 0; i < MANY; i++)
        assert_true(lone_wait(&l[i], SAID_OPENED, 1));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(pg_lone_integer(&l[i], "select 7"), 7);
        lone_close(&l[i]);
    }
}

static void it_is_closed_at_any_moment(void **unused)
{
    (void)unused;
    int opened = 0, not_opened = 0;
    for (int64_t span_us = 0; opened < 5; span_us += 250) {
        struct lone l;
        pg_lone_init_app(&l);
        lone_begin_open(&l);
        lone_turn(&l, span_us);
        *(l.said[SAID_OPENED] > 0 ? &opened : &not_opened) += 1;
        lone_close(&l);
        assert_int_equal(l.said[SAID_CLOSED], 1);
        assert_true(span_us < SECOND);
    }
    assert_true(not_opened > 5);
}

static void what_the_server_says_meanwhile_is_heard(void **unused)
{
    (void)unused;
    pg_server_ask(pg_lone_server(),
                  "update pg_database set datcollversion = 'old' where datname = 'app'");
    struct lone l;
    pg_lone_open(&l);
    assert_int_equal(l.said[SAID_NOTICE], 1);
    assert_non_null(strstr(l.notice, "WARNING: database \"app\""));
    lone_close(&l);
    pg_server_ask(pg_lone_server(),
                  "update pg_database set datcollversion = null where datname = 'app'");
}

/* A sanitizer reserves more addresses than there is memory. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WITH_BOUND

static rlim_t addresses(void)
{
    unsigned long pages;
    FILE *f = fopen("/proc/self/statm", "re");
    CHECK(f != NULL && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* In a process that has not proved a password before: libcrypto starts in the child. */
static enum error_code open_with(rlim_t more)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct lone l;
        init_with(&l, "disable");
        l.loop = loop_new(world_real());
        CHECK(l.loop != NULL);
        const struct rlimit limit = {.rlim_cur = addresses() + more, .rlim_max = RLIM_INFINITY};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        enum error_code code = lone_open(&l);
        lone_close(&l);
        _exit((int)code);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status))
        fail_msg("with %lu kB more: signal %d", (unsigned long)(more >> 10), WTERMSIG(status));
    return (enum error_code)WEXITSTATUS(status);
}

static void without_addresses_it_says_so(void **unused)
{
    (void)unused;
    assert_int_equal(open_with(0), ERROR_MEMORY);
    for (rlim_t more = 48 << 10; more < 6 << 20; more += 48 << 10) {
        enum error_code code = open_with(more);
        assert_true(code == ERROR_MEMORY || code == ERROR_OK);
    }
    assert_int_equal(open_with(256 << 20), ERROR_OK);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef WITH_BOUND
        cmocka_unit_test(without_addresses_it_says_so), /* first: libcrypto has not started yet */
#endif
        cmocka_unit_test(the_loop_computes_next_to_nothing),
        cmocka_unit_test(many_handshakes_share_the_thread),
        cmocka_unit_test(it_is_closed_at_any_moment),
        cmocka_unit_test(what_the_server_says_meanwhile_is_heard),
    };
    return pg_lone_run(tests, COUNT(tests));
}
