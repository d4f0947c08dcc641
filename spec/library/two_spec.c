/* two_spec.c - two engines in one process do not know of each other: on one thread, and on two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nebula.h"

#define CALLS 1000

static void must(bool is_so, const char *what)
{
    if (is_so)
        return;
    fprintf(stderr, "%s does not hold\n", what);
    abort();
}
#define MUST(cond) must(cond, #cond)

static struct nebula *open_engine(const char *name)
{
    const struct nebula_options options = {.name = name, .log_level = 4, .log_fd = 2};
    struct nebula *n = nebula_open(&options, NULL, 0);
    char *why;
    MUST(n != NULL);
    MUST(nebula_declare_source(
             n,
             &(struct nebula_source){.text =
                                         "sqlite 'shop' { file = ':memory:', pool = { max = 1 } }"},
             &why) == 1);
    return n;
}

static int32_t begin(struct nebula *n, const char *text)
{
    const struct nebula_request r = {.resource = nebula_find(n, "shop"),
                                     .verb = NEBULA_RUN,
                                     .text = text,
                                     .text_size = (uint32_t)strlen(text)};
    int32_t ticket = nebula_call(n, &r);
    MUST(ticket > 0);
    return ticket;
}

/* The first cell of the event there is. */
static int64_t take(struct nebula *n, const struct nebula_event *event)
{
    struct nebula_value value = {.integer = -1};
    MUST(event->code == 0);
    nebula_cell(n, event->ticket, 0, 0, &value);
    nebula_done(n, event->ticket);
    return value.integer;
}

static int64_t ask(struct nebula *n, const char *text)
{
    struct nebula_event event;
    begin(n, text);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    return take(n, &event);
}

/* Both in the loop of one thread, by turns. */
static void on_one_thread_each_has_its_own(void **state)
{
    (void)state;
    struct nebula *n[2] = {open_engine("one"), open_engine("two")};
    struct pollfd fd[2];
    ask(n[0], "create table t (x)");
    assert_int_equal(ask(n[1], "select count(*) from sqlite_master"), 0);
    int ended[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        fd[i] = (struct pollfd){.fd = nebula_fd(n[i]), .events = POLLIN};
        begin(n[i], i == 0 ? "select 10" : "select 20");
    }
    while (ended[0] + ended[1] < 2 * CALLS) {
        assert_true(poll(fd, 2, 20000) > 0);
        for (int i = 0; i < 2; i++) {
            struct nebula_event event;
            if (fd[i].revents == 0)
                continue;
            nebula_step(n[i]);
            while (nebula_next(n[i], &event)) {
                assert_int_equal(take(n[i], &event), i == 0 ? 10 : 20);
                if (++ended[i] < CALLS)
                    begin(n[i], i == 0 ? "select 10" : "select 20");
            }
        }
    }
    nebula_close(&n[0]);
    assert_int_equal(ask(n[1], "select 20"), 20);
    nebula_close(&n[1]);
}

static void *work(void *given)
{
    const char *name = given;
    for (int round = 0; round < 3; round++) {
        struct nebula *n = open_engine(name);
        ask(n, "create table t (x)");
        for (int i = 0; i < CALLS / 3; i++) {
            ask(n, "insert into t values (1)");
            int32_t shop = nebula_find(n, "shop");
            int64_t lease = nebula_lease(n, shop, 0, 0, false);
            MUST(lease > 0 && nebula_release(n, lease, NEBULA_GOOD) == 0);
        }
        MUST(ask(n, "select count(*) from t") == CALLS / 3);
        MUST(strstr(nebula_ask(n, "{\"verb\":\"ls\"}"), "shop") != NULL);
        nebula_close(&n);
    }
    return NULL;
}

static void on_two_threads_too(void **state)
{
    (void)state;
    pthread_t thread[2];
    assert_int_equal(pthread_create(&thread[0], NULL, work, (void *)(uintptr_t) "first of two"), 0);
    assert_int_equal(pthread_create(&thread[1], NULL, work, (void *)(uintptr_t) "second of two"),
                     0);
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_one_thread_each_has_its_own),
        cmocka_unit_test(on_two_threads_too),
    };
    return cmocka_run_group_tests_name("two engines", tests, NULL, NULL);
}
