/* gather_threads_spec.c - engines on threads of their own ask and order each other at random, come and go meanwhile, and
 * one computes while it is asked: every ticket is answered in time, and at the end all agree. limit: 300 s
 */
#include "nebula.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "core/counters.h"
#include "support/unserved.h"

#define MOST 8
#define SECOND INT64_C(1000000)
#define RUNS_US (2 * SECOND) /* and until there are more than these, of all together */
#define ANSWERS 50
#define ORDERS 20

struct worker {
    pthread_t thread;
    struct nebula_ledger *ledger;
    const char *file;
    int number, count;
    uint32_t dice;
    int64_t answered, incomplete, slowest_us, orders, comings;
    int64_t slowest_own_us; /* without the time in which others had the processor */
    char last[4096];        /* of worker 0: what all say at the end */
};

static uint32_t roll(struct worker *w, uint32_t below)
{
    w->dice = w->dice * 1664525 + 1013904223;
    return (w->dice >> 8) % below;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec / 1000;
}

static struct nebula *open_one(struct worker *w, int32_t *shop)
{
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .name = "threads"};
    const struct nebula_option option = {.name = "file", .value = w->file};
    const struct nebula_spec spec = {
        .name = "shop",
        .kind = "sqlite",
        .driver = "sqlite",
        .policy_name = "plain",
        .roles = 2,
        .role_name = {"reader", "writer"},
        .role_max = {0, 1},
        .role_is_fixed = {false, true},
        .writer = 1,
        .check = "select 1",
        .rollback = "rollback",
        .option = &option,
        .options = 1,
        .pool = {.max = 4,
                 .queue = 100,
                 .connecting = 2,
                 .check_us = 30 * SECOND,
                 .connect_us = 20 * SECOND,
                 .start_us = 20 * SECOND},
        .policy = {.deadline_us = 20 * SECOND, .wait_us = SECOND / 100, .tries = 1},
    };
    struct nebula *n = nebula_open_worker(w->ledger, w->number, &options, NULL, 0);
    CHECK(n != NULL);
    *shop = nebula_declare(n, &spec);
    CHECK(*shop > 0);
    w->comings++;
    return n;
}

/* --- what it asks and orders ------------------------------------------------------------------ */

static int32_t await(struct nebula *n, int32_t ticket)
{
    struct nebula_event event;
    CHECK(ticket > 0);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    CHECK(event.ticket == ticket);
    return event.code;
}

/* Whoever is missing in it computed for a second, or the machine did. */
static void ask(struct worker *w, struct nebula *n, const char *request)
{
    int64_t begun_us = now_us(), before_us = unserved_us(gettid());
    int32_t ticket = nebula_ask_all(n, request);
    CHECK(await(n, ticket) == 0);
    const char *line = nebula_asked(n, ticket);
    CHECK(line != NULL && line[0] == '{' && line[strlen(line) - 1] == '\n');
    w->answered++;
    w->incomplete += strstr(line, "\"silent\"") != NULL;
    int64_t took_us = now_us() - begun_us, own_us = took_us - (unserved_us(gettid()) - before_us);
    w->slowest_us = took_us > w->slowest_us ? took_us : w->slowest_us;
    w->slowest_own_us = own_us > w->slowest_own_us ? own_us : w->slowest_own_us;
    nebula_done(n, ticket);
}

static void lend(struct worker *w, struct nebula *n, int32_t shop)
{
    int64_t lease = nebula_lease(n, shop, 0, 0, roll(w, 2) == 0);
    if (lease == 0) {
        struct nebula_reply reply;
        int32_t ticket = nebula_ticket(n);
        await(n, ticket);
        nebula_reply(n, ticket, &reply);
        lease = reply.code == 0 ? reply.lease : -reply.code;
        nebula_done(n, ticket);
    }
    if (lease > 0)
        nebula_release(n, lease, NEBULA_GOOD);
}

static void order(struct worker *w, struct nebula *n, int32_t shop)
{
    static const char *const request[] = {"{\"verb\":\"pause\",\"name\":\"shop\"}",
                                          "{\"verb\":\"drain\",\"name\":\"shop\"}",
                                          "{\"verb\":\"resume\",\"name\":\"shop\"}"};
    w->orders++;
    switch (roll(w, 6)) {
    case 0:
        CHECK(nebula_pause(n, shop) == 0);
        break;
    case 1:
    case 2:
        CHECK(nebula_resume(n, shop) == 0);
        break;
    case 3:
        CHECK(nebula_resize(n, shop, -1, 0, 1 + (int32_t)roll(w, 4)) == 0);
        break;
    case 4: {
        int32_t ticket =
            roll(w, 2) == 0 ? nebula_reconnect(n, shop, 50, 1000) : nebula_drain(n, shop, 10000);
        if (roll(w, 2) == 0)
            nebula_resume(n, shop);
        else
            nebula_cancel(n, ticket);
        await(n, ticket);
        nebula_done(n, ticket);
        break;
    }
    default:
        ask(w, n, request[roll(w, 3)]);
    }
}

static void compute(int64_t span_us)
{
    int64_t until_us = now_us() + span_us;
    while (now_us() < until_us)
        continue;
}

static void act(struct worker *w, struct nebula **n, int32_t *shop)
{
    static const char *const request[] = {"{\"verb\":\"ls\"}",
                                          "{\"verb\":\"inspect\",\"name\":\"shop\"}",
                                          "{\"verb\":\"stats\",\"name\":\"shop\"}"};
    uint32_t what = roll(w, 100);
    if (what < 50)
        lend(w, *n, *shop);
    else if (what < 75)
        ask(w, *n, request[roll(w, 3)]);
    else if (what < 95)
        order(w, *n, *shop);
    else if (what < 97)
        compute(2000);
    else if (roll(w, 4) == 0) {
        if (roll(w, 2) == 0)
            CHECK(nebula_ask_all(*n, request[roll(w, 3)]) > 0); /* and does not hear of it */
        nebula_close(n);
        *n = open_one(w, shop);
    }
}

/* Turns for the others until they are where it is. */
static void meet(struct worker *w, struct nebula *n, atomic_int *here, int all)
{
    (void)w;
    atomic_fetch_add(here, 1);
    while (atomic_load(here) < all)
        nebula_turn(n, nebula_now_us(n) + 1000);
}

static atomic_int at_end[3];

static void *work(void *data)
{
    struct worker *w = data;
    int32_t shop;
    struct nebula *n = open_one(w, &shop);
    int64_t until_us = now_us() + RUNS_US;
    while (now_us() < until_us || w->answered * w->count <= ANSWERS ||
           w->orders * w->count <= ORDERS)
        act(w, &n, &shop);
    meet(w, n, &at_end[0], w->count);
    if (w->number == 0) {
        CHECK(nebula_resume(n, shop) == 0 && nebula_resize(n, shop, -1, 0, 3) == 0);
        int32_t ticket = nebula_ask_all(n, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
        CHECK(await(n, ticket) == 0);
        snprintf(w->last, sizeof w->last, "%s", nebula_asked(n, ticket));
        nebula_done(n, ticket);
    }
    meet(w, n, &at_end[1], w->count);
    int64_t number[COUNTERS];
    nebula_stats(n, shop, 0, number, COUNTERS_OF_ROLE);
    CHECK(number[COUNTER_MAX] == 3); /* whatever was ordered before, and by whom */
    lend(w, n, shop);
    meet(w, n, &at_end[2], w->count);
    nebula_close(&n);
    return NULL;
}

static void run(int count)
{
    static struct worker worker[MOST];
    char folder[] = "/tmp/nebula-gather-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/shop.db", folder);
    struct nebula_ledger *ledger = nebula_ledger_new(count);
    for (int i = 0; i < 3; i++)
        atomic_store(&at_end[i], 0);
    for (int i = 0; i < count; i++) {
        worker[i] = (struct worker){
            .ledger = ledger, .file = file, .number = i, .count = count, .dice = (uint32_t)i + 1};
        assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
    }
    int64_t answered = 0, orders = 0, comings = 0, slowest_us = 0, own_us = 0, incomplete = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(worker[i].thread, NULL);
        answered += worker[i].answered;
        orders += worker[i].orders;
        comings += worker[i].comings;
        incomplete += worker[i].incomplete;
        slowest_us = worker[i].slowest_us > slowest_us ? worker[i].slowest_us : slowest_us;
        own_us = worker[i].slowest_own_us > own_us ? worker[i].slowest_own_us : own_us;
    }
    nebula_ledger_free(&ledger);
    assert_null(strstr(worker[0].last, "\"state\":\"paused\""));
    assert_null(strstr(worker[0].last, "\"state\":\"dr"));
    print_message("# %d workers: %d answers, the slowest after %d us, %d without somebody; %d "
                  "orders, %d engines\n",
                  count, (int)answered, (int)slowest_us, (int)incomplete, (int)orders,
                  (int)comings);
    assert_true(answered > ANSWERS && orders > ORDERS);
    assert_true(own_us < 2 * SECOND); /* a second, and another's turn before it */
    assert_true(incomplete == 0 || slowest_us >= 9 * SECOND / 10); /* nobody is given up sooner */
    for (int i = 0; i < 3; i++) {
        static const char *const tail[] = {"", "-wal", "-shm"};
        char path[80];
        snprintf(path, sizeof path, "%s%s", file, tail[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void one(void **unused)
{
    (void)unused;
    run(1);
}

static void two(void **unused)
{
    (void)unused;
    run(2);
}

static void eight(void **unused)
{
    (void)unused;
    run(8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one),
        cmocka_unit_test(two),
        cmocka_unit_test(eight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
