/* rules_threads_spec.c - engines on threads of their own go by the same rules: a limit with its queue, a rate with slices,
 * tokens, a circuit and copies; calls that are cancelled, forgotten or too late, other rules and other engines in the
 * middle of them. In the end every permit is back. limit: 300 s
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "core/engine.h"
#include "core/limits.h"
#include "core/operation.h"
#include "core/resource.h"
#include "nebula_policy.h"

#define COUNT_MOST 4
#define AT_ONCE 16
#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define ACTS 20000   /* of each */
#define BOUND_MOST 8 /* calls under way, by whichever rules */

struct worker {
    pthread_t thread;
    struct nebula_ledger *ledger;
    struct nebula *nebula;
    const char *file;
    int number, count;
    uint32_t dice;
    int32_t shop, apart;
    int32_t ticket[AT_ONCE]; /* 0: none */
    int64_t asked, well, ended[NEBULA_ERROR_SHED + 1], editions, comings;
};

static uint32_t roll(struct worker *w, uint32_t below)
{
    w->dice = w->dice * 1664525 + 1013904223;
    return (w->dice >> 8) % below;
}

/* --- what is said ----------------------------------------------------------------------------- */

static const struct nebula_rules edition[] = {
    {.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                 .window = 8,
                 .least = 4,
                 .slow_us = 500,
                 .slow_percent = 50,
                 .probes = 2,
                 .probe_us = SECOND,
                 .pause_us = MS,
                 .pause_max_us = 4 * MS},
     .rate = {.shape = NEBULA_RATE_BUCKET,
              .tokens = 20000,
              .span_us = SECOND,
              .burst = 50,
              .wait_us = 20 * MS},
     .limit = {.concurrent = 3, .queue = 20},
     .hedge = {.copies = 3, .delay_us = 300, .percent = 50, .burst = 10}},
    {.again = {.budget = NEBULA_BUDGET_QUOTA,
               .capacity = 50000,
               .success = 1000,
               .cost = 5000,
               .cost_lost = 10000},
     .rate = {.shape = NEBULA_RATE_WINDOW, .tokens = 20000, .span_us = SECOND, .wait_us = 20 * MS},
     .limit = {.concurrent = 3,
               .queue = 20,
               .is_adaptive = true,
               .min = 1,
               .max = BOUND_MOST,
               .tolerance = 200},
     .shed = {.interval_us = 10 * MS,
              .of = {[NEBULA_PRIORITY_BATCH] = {.target_us = MS, .most_us = 5 * MS}}},
     .hedge = {.copies = 2, .permille = 900, .delay_us = MS, .percent = 50, .burst = 10},
     .early = {.least = 10, .percent = 20}},
};

static const struct nebula_policy policy = {.deadline_us = 20 * SECOND,
                                            .wait_us = 20 * SECOND,
                                            .tries = 2,
                                            .pause_us = MS,
                                            .pause_max_us = MS,
                                            .budget = 20,
                                            .budget_least = 10};

static void say(struct worker *w)
{
    const struct nebula_rules *rules = &edition[roll(w, COUNT(edition))];
    CHECK(nebula_rules(w->nebula, w->shop, rules) == 0);
    w->apart = nebula_operation(w->nebula, w->shop, "apart", &policy, rules, true);
    CHECK(w->apart == 1);
    w->editions++;
}

static void open_one(struct worker *w)
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
        .pool = {.max = 6,
                 .queue = 200,
                 .connecting = 2,
                 .check_us = 30 * SECOND,
                 .connect_us = 20 * SECOND},
        .policy = policy,
    };
    w->nebula = nebula_open_worker(w->ledger, w->number, &options, NULL, 0);
    CHECK(w->nebula != NULL);
    w->shop = nebula_declare(w->nebula, &spec);
    CHECK(w->shop > 0);
    say(w);
    w->comings++;
}

/* --- what is looked at ------------------------------------------------------------------------ */

static bool see(const struct worker *w, int32_t operation, struct limits_view *out)
{
    const struct engine *e = (const struct engine *)(const void *)w->nebula;
    const struct operation *o = operation_find(table_get(&e->resources, w->shop), operation);
    return o != NULL && limits_view(o->guards, out);
}

static void expect_bound(const struct worker *w)
{
    for (int32_t o = 0; o <= w->apart; o++) {
        struct limits_view v;
        if (see(w, o, &v))
            CHECK(v.under >= 0 && v.under <= BOUND_MOST && v.waiting >= 0);
    }
}

/* --- what is asked for ------------------------------------------------------------------------ */

static int any(struct worker *w, bool is_asked)
{
    int from = (int)roll(w, AT_ONCE);
    for (int i = 0; i < AT_ONCE; i++)
        if ((w->ticket[(from + i) % AT_ONCE] != 0) == is_asked)
            return (from + i) % AT_ONCE;
    return -1;
}

static void ask(struct worker *w)
{
    static const char quick[] = "select 1";
    static const char slow[] = "with recursive n(i) as (select 1 union all select i + 1 from n "
                               "limit 3000) select count(*) from n";
    int i = any(w, false);
    bool is_slow = roll(w, 4) == 0, is_late = roll(w, 20) == 0;
    if (i < 0)
        return;
    const struct nebula_request request = {
        .resource = w->shop,
        .verb = NEBULA_RUN,
        .text = is_slow ? slow : quick,
        .text_size = is_slow ? sizeof slow - 1 : sizeof quick - 1,
        .within_us = is_late ? MS : 0,
        .is_idempotent = roll(w, 2) == 0,
        .is_fail_fast = roll(w, 20) == 0,
        .operation = roll(w, 2) == 0 ? w->apart : 0,
        .priority = (int32_t)roll(w, NEBULA_PRIORITIES),
    };
    w->ticket[i] = nebula_call(w->nebula, &request);
    CHECK(w->ticket[i] > 0);
    w->asked++;
}

static void hear(struct worker *w)
{
    struct nebula_event e;
    while (nebula_next(w->nebula, &e)) {
        CHECK(e.code >= 0 && e.code <= NEBULA_ERROR_SHED);
        w->ended[e.code]++;
        w->well += e.code == NEBULA_ERROR_OK;
        for (int i = 0; i < AT_ONCE; i++)
            if (w->ticket[i] == e.ticket)
                w->ticket[i] = 0;
        nebula_done(w->nebula, e.ticket);
    }
}

/* Its calls go with it, whatever holds them. */
static void begin_anew(struct worker *w)
{
    nebula_close(&w->nebula);
    for (int i = 0; i < AT_ONCE; i++)
        w->ticket[i] = 0;
    open_one(w);
}

static void act(struct worker *w)
{
    uint32_t what = roll(w, 1000);
    int i = any(w, true);
    if (what < 500) {
        ask(w);
    } else if (what < 650 && i >= 0) {
        nebula_cancel(w->nebula, w->ticket[i]);
    } else if (what < 680 && i >= 0) {
        nebula_done(w->nebula, w->ticket[i]);
        w->ticket[i] = 0;
    } else if (what < 690) {
        say(w);
    } else if (what == 690) {
        begin_anew(w);
    } else {
        nebula_turn(w->nebula, what < 900 ? 0 : nebula_now_us(w->nebula) + MS);
        expect_bound(w);
    }
    hear(w);
}

/* --- all together ----------------------------------------------------------------------------- */

static atomic_int at_end;

static void *work(void *data)
{
    struct worker *w = data;
    open_one(w);
    for (int i = 0; i < ACTS; i++)
        act(w);
    while (any(w, true) >= 0) {
        nebula_turn(w->nebula, nebula_now_us(w->nebula) + MS);
        hear(w);
    }
    atomic_fetch_add(&at_end, 1);
    while (atomic_load(&at_end) < w->count)
        nebula_turn(w->nebula, nebula_now_us(w->nebula) + MS);
    for (int32_t o = 0; o <= w->apart; o++) {
        struct limits_view v = {.under = 0};
        CHECK(!see(w, o, &v) || (v.under == 0 && v.waiting == 0));
    }
    atomic_fetch_add(&at_end, 1);
    while (atomic_load(&at_end) < 2 * w->count) /* all have looked */
        nebula_turn(w->nebula, nebula_now_us(w->nebula) + MS);
    nebula_close(&w->nebula);
    return NULL;
}

/* What ends so whichever thread is faster; whether a circuit opens or somebody is shed is for the machine to say. */
static const int32_t usual[] = {NEBULA_ERROR_CANCELLED, NEBULA_ERROR_FULL, NEBULA_ERROR_RATE};
static const int32_t told[] = {NEBULA_ERROR_CANCELLED, NEBULA_ERROR_DEADLINE, NEBULA_ERROR_FULL,
                               NEBULA_ERROR_RATE,      NEBULA_ERROR_OPEN,     NEBULA_ERROR_SHED};

static void tell(const struct worker *w, int workers)
{
    print_message("# %d workers, %d engines, %d editions: %d calls, %d went well", workers,
                  (int)w->comings, (int)w->editions, (int)w->asked, (int)w->well);
    for (size_t i = 0; i < COUNT(told); i++)
        print_message(", %d %s", (int)w->ended[told[i]], nebula_error_name(told[i]));
    print_message("\n");
}

static void add(struct worker *all, const struct worker *w)
{
    all->asked += w->asked;
    all->well += w->well;
    all->editions += w->editions;
    all->comings += w->comings;
    for (size_t i = 0; i < COUNT(w->ended); i++)
        all->ended[i] += w->ended[i];
}

static void remove_all(const char *folder, const char *file)
{
    static const char *const tail[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT(tail); i++) {
        char path[80];
        snprintf(path, sizeof path, "%s%s", file, tail[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void run(int workers)
{
    static struct worker worker[COUNT_MOST];
    struct worker all = {.asked = 0};
    char folder[] = "/tmp/nebula-rules-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/shop.db", folder);
    struct nebula_ledger *ledger = nebula_ledger_new(workers);
    atomic_store(&at_end, 0);
    for (int i = 0; i < workers; i++) {
        worker[i] = (struct worker){
            .ledger = ledger, .file = file, .number = i, .count = workers, .dice = (uint32_t)i + 1};
        assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
    }
    for (int i = 0; i < workers; i++) {
        pthread_join(worker[i].thread, NULL);
        add(&all, &worker[i]);
    }
    nebula_ledger_free(&ledger);
    tell(&all, workers);
    assert_true(all.well > 2000);
    for (size_t i = 0; i < COUNT(usual); i++)
        assert_true(all.ended[usual[i]] > 0);
    remove_all(folder, file);
}

static void two(void **unused)
{
    (void)unused;
    run(2);
}

static void four(void **unused)
{
    (void)unused;
    run(COUNT_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two),
        cmocka_unit_test(four),
    };
    return cmocka_run_group_tests_name("rules on real threads", tests, NULL, NULL);
}
