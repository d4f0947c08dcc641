/* handover_spec.c - engines on threads of their own under one cap, on real databases: nobody is refused, nothing is done
 * twice or not at all, the server never sees more than max, each thread has its share, and one that does nothing
 * but hit lets others have theirs. limit: 300 s
 */
#include "nebula.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "support/pg.h"
#include "support/unserved.h"

#define THREADS 4
#define ROUNDS 400

/* Sessions are counted from beside; who is through before one was seen keeps what he has until then. */
static atomic_bool is_counting;
static atomic_llong most_sessions;

struct database {
    const char *driver;
    const struct nebula_option *option;
    int32_t options, max;
};

struct worker {
    pthread_t thread;
    const struct database *database;
    struct nebula_ledger *ledger;
    int number;
    uint32_t dice;
    int64_t done, refused, slowest_us;
};

static int32_t declare(struct worker *w, struct nebula *n)
{
    bool is_sqlite = w->database->driver[0] == 's';
    const struct nebula_spec spec = {
        .name = "shop",
        .kind = w->database->driver,
        .driver = w->database->driver,
        .policy_name = "plain",
        .file = __FILE__,
        .line = __LINE__,
        .roles = is_sqlite ? 2 : 1,
        .role_name = {is_sqlite ? "reader" : "primary", "writer"},
        .role_max = {0, 1},
        .writer = is_sqlite ? 1 : 0,
        .check = "select 1",
        .rollback = "rollback",
        .reset = is_sqlite ? NULL : "discard temp",
        .option = w->database->option,
        .options = w->database->options,
        .pool = {.max = w->database->max,
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

static int32_t await(struct nebula *n, int32_t ticket, struct nebula_reply *reply)
{
    struct nebula_event event;
    CHECK(ticket > 0);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    CHECK(event.ticket == ticket);
    nebula_reply(n, ticket, reply);
    int32_t code = reply->code;
    if (code != 0)
        fprintf(stderr, "# %s\n", reply->text);
    nebula_done(n, ticket);
    return code;
}

static uint32_t roll(struct worker *w, uint32_t below)
{
    w->dice = w->dice * 1664525u + 1013904223u;
    return (w->dice >> 12) % below;
}

static bool add_one(struct worker *w, struct nebula *n, int32_t resource, int64_t lease)
{
    static const char text[] = "update tally set n = n + 1";
    const struct nebula_request request = {.lease = lease,
                                           .resource = resource,
                                           .role = w->database->driver[0] == 's' ? 1 : 0,
                                           .verb = NEBULA_RUN,
                                           .text = text,
                                           .text_size = sizeof text - 1};
    struct nebula_reply reply;
    return await(n, nebula_call(n, &request), &reply) == 0;
}

static void lease_and_add(struct worker *w, struct nebula *n, int32_t resource)
{
    int32_t role = w->database->driver[0] == 's' ? 1 : 0;
    struct nebula_reply reply;
    int64_t lease = nebula_lease(n, resource, role, 0, false);
    if (lease == 0 && await(n, nebula_ticket(n), &reply) == 0)
        lease = reply.lease;
    if (lease <= 0) {
        w->refused++;
        return;
    }
    w->done += add_one(w, n, resource, lease);
    /* A server goes on counting a session that was closed, for a moment. */
    bool is_spoiled = w->database->driver[0] == 's' && roll(w, 50) == 0;
    CHECK(nebula_release(n, lease, is_spoiled ? NEBULA_SPOILED : NEBULA_GOOD) == 0);
}

static void *work(void *data)
{
    struct worker *w = data;
    char text[200] = "";
    const struct nebula_options options = {.name = "worker", .log_level = 3, .log_fd = 2};
    struct nebula *n = nebula_open_worker(w->ledger, w->number, &options, text, sizeof text);
    CHECK(n != NULL);
    int32_t resource = declare(w, n);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t begun_us = nebula_now_us(n);
        if (roll(w, 4) == 0)
            w->done += add_one(w, n, resource, 0);
        else
            lease_and_add(w, n, resource);
        int64_t took_us = nebula_now_us(n) - begun_us;
        w->slowest_us = took_us > w->slowest_us ? took_us : w->slowest_us;
        if (roll(w, 100) == 0)
            nebula_turn(n, nebula_now_us(n) + 2000); /* does something else for a while */
    }
    while (atomic_load(&is_counting) && atomic_load(&most_sessions) == 0)
        nebula_turn(n, nebula_now_us(n) + 1000);
    nebula_close(&n);
    return NULL;
}

static void run(struct worker *w, const struct database *d, int threads)
{
    struct nebula_ledger *ledger = nebula_ledger_new(THREADS);
    assert_non_null(ledger);
    for (int i = 0; i < threads; i++) {
        w[i] = (struct worker){
            .database = d, .ledger = ledger, .number = i, .dice = (uint32_t)i * 77 + 1};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
}

static void end(struct worker *w, int threads)
{
    struct nebula_ledger *ledger = w[0].ledger;
    for (int i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(w[i].thread, NULL), 0);
        assert_int_equal(w[i].refused, 0);
        assert_int_equal(w[i].done, ROUNDS);
        print_message("# worker %d: the slowest took %lld us\n", i, (long long)w[i].slowest_us);
    }
    nebula_ledger_free(&ledger);
}

/* --- one engine alone, before and after ------------------------------------------------------- */

static int64_t ask(const struct database *d, int32_t verb, const char *text)
{
    struct worker w = {.database = d};
    const struct nebula_options options = {.name = "alone", .log_level = 3, .log_fd = 2};
    struct nebula *n = nebula_open(&options, NULL, 0);
    struct nebula_reply reply;
    struct nebula_value value = {.integer = 0};
    const struct nebula_request request = {.resource = declare(&w, n),
                                           .role = d->driver[0] == 's' ? 1 : 0,
                                           .verb = verb,
                                           .text = text,
                                           .text_size = (uint32_t)strlen(text)};
    int32_t ticket = nebula_call(n, &request);
    struct nebula_event event;
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    nebula_reply(n, ticket, &reply);
    assert_int_equal(reply.code, 0);
    if (reply.rows > 0)
        nebula_cell(n, ticket, 0, 0, &value);
    nebula_done(n, ticket);
    nebula_close(&n);
    return value.integer;
}

static void begin(const struct database *d)
{
    ask(d, NEBULA_SCRIPT, "create table tally (n bigint); insert into tally values (0)");
}

static void run_all(const struct database *d)
{
    struct worker w[THREADS];
    run(w, d, THREADS);
    end(w, THREADS);
}

static void compare(const struct database *d, int threads)
{
    assert_int_equal(ask(d, NEBULA_RUN, "select n from tally"), threads * ROUNDS);
    ask(d, NEBULA_SCRIPT, "drop table tally");
}

/* --- PostgreSQL ------------------------------------------------------------------------------- */

#define SESSIONS "select count(*) from pg_stat_activity where usename in ('app', 'narrow')"

static struct pg server;
static const char *watched = SESSIONS; /* whose sessions are counted */

static void *count_sessions(void *unused)
{
    (void)unused;
    while (atomic_load(&is_counting)) {
        long long now = atoll(pg_server_ask(&server, "%s", watched));
        if (now > atomic_load(&most_sessions))
            atomic_store(&most_sessions, now);
    }
    return NULL;
}

static pthread_t begin_counting(void)
{
    pthread_t counter;
    atomic_store(&most_sessions, 0);
    atomic_store(&is_counting, true);
    assert_int_equal(pthread_create(&counter, NULL, count_sessions, NULL), 0);
    return counter;
}

static void end_counting(pthread_t counter, int32_t max)
{
    atomic_store(&is_counting, false);
    assert_int_equal(pthread_join(counter, NULL), 0);
    assert_in_range(atomic_load(&most_sessions), 1, max);
}

static void on_postgres(int32_t max)
{
    const struct nebula_option option[] = {
        {.name = "host", .value = "127.0.0.1"},       {.name = "port", .value = server.port},
        {.name = "dbname", .value = "app"},           {.name = "user", .value = "app"},
        {.name = "password", .value = "sesame-open"}, {.name = "sslmode", .value = "disable"}};
    const struct database d = {
        .driver = "postgres", .option = option, .options = COUNT(option), .max = max};
    begin(&d);
    assert_true(pg_server_comes_to(&server, "0", SESSIONS));
    pthread_t counter = begin_counting();
    run_all(&d);
    end_counting(counter, max);
    compare(&d, THREADS);
}

static void one_connection_to_postgres_goes_round(void **unused)
{
    (void)unused;
    on_postgres(1);
}

static void so_do_three(void **unused)
{
    (void)unused;
    on_postgres(3);
}

/* How many the server refused because it had no room for them. */
static int refused_by_server(void)
{
    char path[96], line[512];
    int count = 0;
    snprintf(path, sizeof path, "%s/log", server.folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        count += strstr(line, "too many connections for role") != NULL;
    fclose(f);
    return count;
}

/* The server has no room for anybody, for so long; then for two. How many attempts it refused meanwhile. */
static int outage_with(int threads)
{
    const struct nebula_option option[] = {
        {.name = "host", .value = "127.0.0.1"},       {.name = "port", .value = server.port},
        {.name = "dbname", .value = "app"},           {.name = "user", .value = "app"},
        {.name = "password", .value = "sesame-open"}, {.name = "sslmode", .value = "disable"}};
    struct nebula_option narrow[COUNT(option)];
    const struct database d = {
        .driver = "postgres", .option = option, .options = COUNT(option), .max = 2};
    const struct database refusing = {
        .driver = "postgres", .option = narrow, .options = COUNT(narrow), .max = 2};
    struct worker w[THREADS];
    memcpy(narrow, option, sizeof narrow);
    narrow[3].value = "narrow";
    ask(&d, NEBULA_SCRIPT,
        "create table tally (n bigint); insert into tally values (0); grant all on tally to "
        "narrow");
    assert_true(pg_server_comes_to(&server, "0", SESSIONS));
    pg_server_ask(&server, "alter role narrow connection limit 0");
    int before = refused_by_server();
    watched = "select count(*) from pg_stat_activity where usename = 'narrow'";
    pthread_t counter = begin_counting();
    run(w, &refusing, threads);
    usleep(2000000);
    ask(&d, NEBULA_SCRIPT, "alter role narrow connection limit 2");
    int during = refused_by_server() - before;
    end(w, threads);
    end_counting(counter, 2);
    watched = SESSIONS;
    assert_in_range(refused_by_server() - before - during, 0, 1);
    compare(&d, threads);
    return during;
}

static void one_of_all_threads_probes_a_server_without_room(void **unused)
{
    (void)unused;
    int alone = outage_with(1), together = outage_with(THREADS);
    print_message("# refused in two seconds: %d attempts of one, %d of %d\n", alone, together,
                  THREADS);
    assert_in_range(alone, 3, 40);
    assert_in_range(together, 3, alone * 2 + 4);
}

/* --- SQLite ----------------------------------------------------------------------------------- */

static void on_sqlite(int32_t max, void (*story)(const struct database *d))
{
    char folder[] = "/tmp/nebula-spec-XXXXXX", file[64];
    static const char *const left[] = {"", "-wal", "-shm"};
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/shop.db", folder);
    const struct nebula_option option[] = {{.name = "file", .value = file}};
    const struct database d = {.driver = "sqlite", .option = option, .options = 1, .max = max};
    story(&d);
    for (size_t i = 0; i < COUNT(left); i++) {
        char path[80];
        snprintf(path, sizeof path, "%s%s", file, left[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void go_round(const struct database *d)
{
    begin(d);
    run_all(d);
    compare(d, THREADS);
}

static void the_writer_of_sqlite_goes_round(void **unused)
{
    (void)unused;
    on_sqlite(2, go_round);
}

/* --- one that only hits ----------------------------------------------------------------------- */

#define ASKS 41
#define LEAD_US 2000 /* of whoever has it before whoever asks from elsewhere */

static void take_and_give(struct nebula *n, int32_t resource)
{
    struct nebula_reply reply;
    int64_t lease = nebula_lease(n, resource, 0, 0, false);
    if (lease == 0 && await(n, nebula_ticket(n), &reply) == 0)
        lease = reply.lease;
    CHECK(nebula_release(n, lease, NEBULA_GOOD) == 0);
}

static struct nebula *open_one(struct worker *w, int32_t *resource_out)
{
    const struct nebula_options options = {.name = "worker", .log_level = 3, .log_fd = 2};
    struct nebula *n = nebula_open_worker(w->ledger, w->number, &options, NULL, 0);
    CHECK(n != NULL);
    *resource_out = declare(w, n);
    return n;
}

static atomic_bool is_over;
static atomic_int hitting; /* the thread that does */

/* Turns for no other reason than that a lease says so. */
static void *only_hit(void *data)
{
    struct worker *w = data;
    int32_t resource;
    atomic_store(&hitting, gettid());
    struct nebula *n = open_one(w, &resource);
    for (; !atomic_load(&is_over); w->done++)
        take_and_give(n, resource);
    nebula_close(&n);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int64_t median(int64_t *list)
{
    qsort(list, ASKS, sizeof *list, by_size);
    return list[ASKS / 2];
}

/* For how long neither whoever asks nor whoever hits could go on, because others had the processor. */
static int64_t kept_us(void)
{
    return unserved_us(gettid()) + unserved_us(atomic_load(&hitting));
}

/* How long it waits for the connection, and how long for a timer of what that may take at most. */
static void ask_now_and_then(struct worker *w, int64_t *waited_us, int64_t *slept_us)
{
    int32_t resource;
    struct nebula *n = open_one(w, &resource);
    for (int i = 0; i < ASKS; i++) {
        struct nebula_reply reply;
        int64_t begun_us = nebula_now_us(n);
        CHECK(await(n, nebula_sleep(n, LEAD_US), &reply) == 0);
        int64_t middle_us = nebula_now_us(n), before_us = kept_us();
        take_and_give(n, resource);
        slept_us[i] = middle_us - begun_us;
        waited_us[i] = nebula_now_us(n) - middle_us - (kept_us() - before_us);
    }
    nebula_close(&n);
}

static void have_one_hit(const struct database *d)
{
    struct nebula_ledger *ledger = nebula_ledger_new(2);
    struct worker hitter = {.database = d, .ledger = ledger, .number = 0};
    struct worker asker = {.database = d, .ledger = ledger, .number = 1};
    int64_t waited_us[ASKS], slept_us[ASKS];
    assert_non_null(ledger);
    atomic_store(&is_over, false);
    atomic_store(&hitting, 0);
    assert_int_equal(pthread_create(&hitter.thread, NULL, only_hit, &hitter), 0);
    while (atomic_load(&hitting) == 0)
        sched_yield();
    ask_now_and_then(&asker, waited_us, slept_us);
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(hitter.thread, NULL), 0);
    nebula_ledger_free(&ledger);
    int64_t waited = median(waited_us), slept = median(slept_us);
    print_message("# %lld hits; waited %lld us, where a timer took %lld\n", (long long)hitter.done,
                  (long long)waited, (long long)slept);
    assert_true(hitter.done > 64 * ASKS);
    assert_true(waited < slept + LEAD_US);
}

static void one_that_only_hits_hands_over_in_time(void **unused)
{
    (void)unused;
    on_sqlite(1, have_one_hit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_to_postgres_goes_round),
        cmocka_unit_test(so_do_three),
        cmocka_unit_test(one_of_all_threads_probes_a_server_without_room),
        cmocka_unit_test(the_writer_of_sqlite_goes_round),
        cmocka_unit_test(one_that_only_hits_hands_over_in_time),
    };
    pg_server_start(&server);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_server_stop(&server);
    return failed;
}
