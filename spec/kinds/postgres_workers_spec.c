/* postgres_workers_spec.c - engines on threads of their own listen to one PostgreSQL: it sees one session that listens, all
 * hear all of it in order, and each loss is a gap for each, whether the session is lost or the worker that had it leaves.
 */
#include "nebula.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "support/pg.h"

#define THREADS 3
#define NOTES 2000
#define LISTENING "select count(*) from pg_stat_activity where usename = 'app'"

struct worker {
    pthread_t thread;
    struct nebula_ledger *ledger;
    int number;
    _Atomic int64_t last; /* heard; 0: it listens, and heard nothing */
    atomic_int gaps;
    atomic_bool has_left;
    int64_t twice, skipped; /* without a gap before */
};

static struct pg server;

static int32_t declare(struct nebula *n)
{
    const struct nebula_option option[] = {
        {.name = "host", .value = "127.0.0.1"},       {.name = "port", .value = server.port},
        {.name = "dbname", .value = "app"},           {.name = "user", .value = "app"},
        {.name = "password", .value = "sesame-open"}, {.name = "sslmode", .value = "disable"}};
    const struct nebula_spec spec = {
        .name = "shop",
        .kind = "postgres",
        .driver = "postgres",
        .policy_name = "plain",
        .file = __FILE__,
        .line = __LINE__,
        .roles = 1,
        .role_name = {"primary"},
        .check = "select 1",
        .rollback = "rollback",
        .reset = "unlisten *",
        .listen = "listen \"%s\";",
        .unlisten = "unlisten \"%s\";",
        .channel_most = 63,
        .option = option,
        .options = COUNT(option),
        .pool = {.max = 1,
                 .queue = 100,
                 .connecting = 2,
                 .check_us = 30000000,
                 .connect_us = 20000000,
                 .start_us = 20000000},
        .policy = {.deadline_us = 60000000, .wait_us = 60000000, .tries = 1},
    };
    int32_t resource = nebula_declare(n, &spec);
    CHECK(resource > 0);
    return resource;
}

static void await(struct nebula *n, int32_t ticket)
{
    struct nebula_event event;
    CHECK(ticket > 0);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    CHECK(event.ticket == ticket);
}

static int64_t listen_to(struct nebula *n, const char *channel)
{
    const struct nebula_channels all = {
        .resource = declare(n), .count = 1, .name = &channel, .queue = 2 * NOTES, .bytes = 1000000};
    struct nebula_reply reply;
    int32_t ticket = nebula_listen(n, &all);
    await(n, ticket);
    nebula_reply(n, ticket, &reply);
    CHECK(reply.code == 0);
    nebula_done(n, ticket);
    return reply.listener;
}

static void note(struct worker *w, const struct nebula_told *t, bool *may_skip)
{
    int64_t number = atol(t->bytes);
    if (t->gap != 0) {
        *may_skip = true;
        atomic_fetch_add(&w->gaps, 1);
        return;
    }
    w->twice += number <= w->last;
    w->skipped += !*may_skip && number != w->last + 1;
    *may_skip = false;
    atomic_store(&w->last, number);
}

/* Hears until it is told "end", or its own number. */
static void *work(void *data)
{
    struct worker *w = data;
    bool may_skip = false, is_over = false;
    const struct nebula_options options = {.name = "worker", .log_level = 4, .log_fd = 2};
    struct nebula *n = nebula_open_worker(w->ledger, w->number, &options, NULL, 0);
    CHECK(n != NULL);
    int64_t listener = listen_to(n, "tally");
    atomic_store(&w->last, 0);
    while (!is_over) {
        struct nebula_told told;
        int32_t ticket = nebula_hear(n, listener, 0);
        await(n, ticket);
        CHECK(nebula_told(n, ticket, &told) == 0);
        is_over = told.gap == 0 && (strcmp(told.bytes, "end") == 0 ||
                                    (told.bytes[0] == 'w' && atol(told.bytes + 1) == w->number));
        if (!is_over && (told.gap != 0 || told.bytes[0] != 'w'))
            note(w, &told, &may_skip);
        nebula_done(n, ticket);
    }
    nebula_close(&n);
    atomic_store(&w->has_left, true);
    return NULL;
}

static bool comes_to(struct worker *w, int64_t last, int gaps)
{
    for (int i = 0; i < 20000 && (w->last != last || w->gaps != gaps); i++)
        usleep(1000);
    if (w->last != last || w->gaps != gaps)
        print_message("# worker %d heard %lld and of %d gaps\n", w->number, (long long)w->last,
                      w->gaps);
    return w->last == last && w->gaps == gaps;
}

static void tell(int64_t from, int64_t to)
{
    pg_server_ask(&server,
                  "select count(pg_notify('tally', n::text)) from generate_series(%lld, %lld) n",
                  (long long)from, (long long)to);
}

/* Whoever listens again hears what is told from then on, so one more number is told until all have heard it. */
static int64_t tell_until_heard(const struct worker *w, int64_t next)
{
    bool is_heard = false;
    for (int n = 0; n < 200 && !is_heard; n++, next++) {
        tell(next, next);
        usleep(100000);
        is_heard = true;
        for (int i = 0; i < THREADS; i++)
            is_heard = is_heard && (w[i].has_left || w[i].last == next);
    }
    assert_true(is_heard);
    return next;
}

static void all_hear_by_one_session(void **unused)
{
    (void)unused;
    struct worker w[THREADS];
    struct nebula_ledger *ledger = nebula_ledger_new(THREADS);
    assert_non_null(ledger);
    for (int i = 0; i < THREADS; i++) { /* one after the other: the first is home */
        w[i] = (struct worker){.ledger = ledger, .number = i, .last = -1};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
        assert_true(comes_to(&w[i], 0, 0));
    }
    assert_string_equal(pg_server_ask(&server, LISTENING), "1");
    for (int64_t n = 1; n < NOTES; n += 100)
        tell(n, n + 99);
    for (int i = 0; i < THREADS; i++)
        assert_true(comes_to(&w[i], NOTES, 0));

    pg_server_ask(&server, "select pg_terminate_backend(pid) from pg_stat_activity "
                           "where usename = 'app'");
    int64_t next = tell_until_heard(w, NOTES + 1);
    assert_string_equal(pg_server_ask(&server, LISTENING), "1");
    for (int i = 0; i < THREADS; i++)
        assert_true(comes_to(&w[i], next - 1, 1));

    pg_server_ask(&server, "notify tally, 'w0'");
    assert_int_equal(pthread_join(w[0].thread, NULL), 0);
    next = tell_until_heard(w, next);
    assert_string_equal(pg_server_ask(&server, LISTENING), "1");
    for (int i = 1; i < THREADS; i++)
        assert_true(comes_to(&w[i], next - 1, 2));

    pg_server_ask(&server, "notify tally, 'end'");
    for (int i = 1; i < THREADS; i++)
        assert_int_equal(pthread_join(w[i].thread, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_true(w[i].twice == 0 && w[i].skipped == 0);
    assert_true(pg_server_comes_to(&server, "0", LISTENING));
    nebula_ledger_free(&ledger);
}

static int set_up(void **unused)
{
    (void)unused;
    pg_server_start(&server);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    pg_server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_hear_by_one_session),
    };
    return cmocka_run_group_tests_name("listeners on threads", tests, set_up, tear_down);
}
