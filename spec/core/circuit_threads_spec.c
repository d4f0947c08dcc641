/* circuit_threads_spec.c - engines on threads of their own have one circuit: calls that end well and that come too late,
 * leases, other rules and other engines at random, until it opened and closed often. limit: 300 s
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "support/said.h"

#define COUNT_MOST 4
#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define OPENINGS 50 /* an engine was refused, and went on well, so often */

struct worker {
    pthread_t thread;
    struct nebula_ledger *ledger;
    const char *file;
    int number, count;
    uint32_t dice;
    int64_t well, late, refused, comings, closings;
    bool was_refused;
};

static uint32_t roll(struct worker *w, uint32_t below)
{
    w->dice = w->dice * 1664525 + 1013904223;
    return (w->dice >> 8) % below;
}

static void say(struct nebula *n, int32_t shop, int32_t mode)
{
    const struct nebula_circuit said = {.mode = mode,
                                        .window = 8,
                                        .least = 4,
                                        .percent = 50,
                                        .consecutive = 3,
                                        .probes = 2,
                                        .probe_us = SECOND,
                                        .pause_us = MS,
                                        .pause_max_us = 4 * MS};
    CHECK(say_circuit(n, shop, &said) == 0);
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
        .roles = 1,
        .role_name = {"reader"},
        .check = "select 1",
        .option = &option,
        .options = 1,
        .pool = {.max = COUNT_MOST,
                 .queue = 100,
                 .connecting = 2,
                 .check_us = 30 * SECOND,
                 .connect_us = 20 * SECOND},
        .policy = {.deadline_us = 20 * SECOND, .wait_us = 20 * SECOND, .tries = 1},
    };
    struct nebula *n = nebula_open_worker(w->ledger, w->number, &options, NULL, 0);
    CHECK(n != NULL);
    *shop = nebula_declare(n, &spec);
    CHECK(*shop > 0);
    say(n, *shop, NEBULA_CIRCUIT_AUTOMATIC);
    w->comings++;
    return n;
}

static int32_t await(struct nebula *n, int32_t ticket)
{
    struct nebula_event event;
    CHECK(ticket > 0);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    CHECK(event.ticket == ticket);
    nebula_done(n, ticket);
    return event.code;
}

static void count(struct worker *w, int32_t code)
{
    w->well += code == NEBULA_ERROR_OK;
    w->late += code == NEBULA_ERROR_DEADLINE;
    w->refused += code == NEBULA_ERROR_OPEN;
    w->closings += w->was_refused && code == NEBULA_ERROR_OK;
    w->was_refused = code == NEBULA_ERROR_OPEN || (w->was_refused && code != NEBULA_ERROR_OK);
}

static void call(struct worker *w, struct nebula *n, int32_t shop, bool is_late)
{
    static const char quick[] = "select 1";
    static const char slow[] = "with recursive n(i) as (select 1 union all select i + 1 from n "
                               "limit 100000000) select count(*) from n";
    const struct nebula_request request = {.resource = shop,
                                           .verb = NEBULA_RUN,
                                           .text = is_late ? slow : quick,
                                           .text_size =
                                               is_late ? sizeof slow - 1 : sizeof quick - 1,
                                           .within_us = is_late ? MS : 0};
    int32_t code = await(n, nebula_call(n, &request));
    CHECK(code == NEBULA_ERROR_OK || code == NEBULA_ERROR_OPEN ||
          (is_late && code == NEBULA_ERROR_DEADLINE));
    count(w, code);
}

static void lend(struct worker *w, struct nebula *n, int32_t shop)
{
    int64_t lease = nebula_lease(n, shop, 0, 0, false);
    if (lease == 0) {
        int32_t ticket = nebula_ticket(n);
        struct nebula_event event;
        while (!nebula_next(n, &event))
            nebula_turn(n, INT64_MAX);
        CHECK(event.ticket == ticket && event.code == 0);
        lease = nebula_lent(n, ticket);
    }
    CHECK(lease > 0 || lease == -NEBULA_ERROR_OPEN);
    count(w, lease > 0 ? 0 : (int32_t)-lease);
    if (lease > 0)
        CHECK(nebula_release(n, lease, NEBULA_GOOD) == 0);
}

static void act(struct worker *w, struct nebula **n, int32_t *shop)
{
    uint32_t what = roll(w, 1000);
    if (what < 500)
        call(w, *n, *shop, false);
    else if (what < 900)
        lend(w, *n, *shop);
    else if (what < 990)
        call(w, *n, *shop, true);
    else if (what < 995)
        say(*n, *shop, NEBULA_CIRCUIT_AUTOMATIC);
    else if (what == 995) {
        nebula_close(n);
        *n = open_one(w, shop);
    } else
        nebula_turn(*n, nebula_now_us(*n) + MS);
}

static atomic_int at_end;

static void *work(void *data)
{
    struct worker *w = data;
    int32_t shop;
    struct nebula *n = open_one(w, &shop);
    while (w->closings < OPENINGS)
        act(w, &n, &shop);
    atomic_fetch_add(&at_end, 1);
    while (atomic_load(&at_end) < w->count)
        nebula_turn(n, nebula_now_us(n) + MS);
    say(n, shop, NEBULA_CIRCUIT_NONE);
    int64_t refused = w->refused;
    for (int i = 0; i < 10; i++)
        call(w, n, shop, false);
    CHECK(w->refused == refused);
    nebula_close(&n);
    return NULL;
}

static void run(int workers)
{
    static struct worker worker[COUNT_MOST];
    char folder[] = "/tmp/nebula-circuit-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/shop.db", folder);
    struct nebula_ledger *ledger = nebula_ledger_new(workers);
    atomic_store(&at_end, 0);
    for (int i = 0; i < workers; i++) {
        worker[i] = (struct worker){
            .ledger = ledger, .file = file, .number = i, .count = workers, .dice = (uint32_t)i + 1};
        assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
    }
    struct worker all = {.well = 0};
    for (int i = 0; i < workers; i++) {
        pthread_join(worker[i].thread, NULL);
        all.well += worker[i].well;
        all.late += worker[i].late;
        all.refused += worker[i].refused;
        all.comings += worker[i].comings;
    }
    nebula_ledger_free(&ledger);
    print_message("# %d workers: %d went well, %d were late, %d refused; %d engines\n", workers,
                  (int)all.well, (int)all.late, (int)all.refused, (int)all.comings);
    assert_true(all.late > 0);
    static const char *const tail[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT(tail); i++) {
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

static void four(void **unused)
{
    (void)unused;
    run(COUNT_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one),
        cmocka_unit_test(four),
    };
    return cmocka_run_group_tests_name("a circuit on real threads", tests, NULL, NULL);
}
