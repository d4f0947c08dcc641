#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

struct nebula *bench_open(void)
{
    char text[256] = "";
    struct nebula_options options = {.name = "bench", .log_level = 3, .log_fd = 2};
    struct nebula *n = nebula_open(&options, text, sizeof text);
    if (n == NULL) {
        fprintf(stderr, "bench: %s\n", text);
        exit(1);
    }
    return n;
}

void bench_must(struct nebula *n, bool is_ok, const char *what)
{
    if (is_ok)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, nebula_error(n));
    exit(1);
}

int32_t bench_declare(struct nebula *n, const struct bench_resource *r)
{
    bool is_sqlite = r->driver[0] == 's';
    struct nebula_spec spec = {
        .name = r->name,
        .kind = r->driver,
        .driver = r->driver,
        .policy_name = "standard",
        .file = __FILE__,
        .line = __LINE__,
        .roles = is_sqlite ? 2 : 1,
        .role_name = {is_sqlite ? "reader" : "primary", "writer"},
        .role_max = {0, 1},
        .check = "select 1",
        .rollback = "rollback",
        .reset = is_sqlite ? NULL : "discard temp",
        .option = r->option,
        .options = r->options,
        .pool = {.min = r->min,
                 .max = r->max,
                 .queue = 1000,
                 .connecting = 2,
                 .idle_us = r->idle_us > 0 ? r->idle_us : 600000000,
                 .life_us = 1800000000,
                 .life_jitter = 10,
                 .check_us = 30000000,
                 .connect_us = 5000000,
                 .start_us = 5000000},
        .policy = {.deadline_us = 5000000,
                   .wait_us = 500000,
                   .tries = 3,
                   .pause_us = 50000,
                   .pause_max_us = 2000000,
                   .budget = 20,
                   .budget_least = 3},
    };
    int32_t resource = nebula_declare(n, &spec);
    bench_must(n, resource > 0, r->name);
    if (r->min > 0) {
        int32_t ticket = nebula_start(n, resource);
        bench_must(n, ticket > 0, r->name);
        bench_wait(n, ticket);
        nebula_done(n, ticket);
    }
    return resource;
}

void bench_postgres(struct bench_resource *r, struct nebula_option *option)
{
    static const char *const name[BENCH_POSTGRES_OPTIONS][2] = {
        {"host", "PGHOST"}, {"port", "PGPORT"},         {"dbname", "PGDATABASE"},
        {"user", "PGUSER"}, {"password", "PGPASSWORD"}, {"sslmode", "PGSSLMODE"},
    };
    for (int i = 0; i < BENCH_POSTGRES_OPTIONS; i++)
        option[i] = (struct nebula_option){.name = name[i][0], .value = bench_setting(name[i][1])};
    r->option = option;
    r->options = BENCH_POSTGRES_OPTIONS;
}

void bench_wait(struct nebula *n, int32_t ticket)
{
    struct nebula_event event;
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    if (event.ticket == ticket && event.code == 0)
        return;
    struct nebula_reply reply;
    nebula_reply(n, event.ticket, &reply);
    fprintf(stderr, "bench: %s\n", reply.text);
    exit(1);
}

static double clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double bench_wall_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

double bench_cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_thread_ns(void)
{
    return clock_us(CLOCK_THREAD_CPUTIME_ID) * 1e3;
}

double bench_balance_us(struct nebula *n, int32_t resource, const char *text, int64_t gone_us)
{
    struct nebula_value id = {.type = NEBULA_INT, .integer = 1}, balance;
    struct nebula_request request = {.resource = resource,
                                     .verb = NEBULA_RUN,
                                     .count = 1,
                                     .value = &id,
                                     .text = text,
                                     .text_size = (uint32_t)strlen(text),
                                     .is_idempotent = true};
    double begun_us = bench_wall_us();
    int32_t ticket = nebula_call(n, &request);
    bench_must(n, ticket > 0, "a call");
    bench_wait(n, ticket);
    nebula_cell(n, ticket, 0, 0, &balance);
    double took_us = bench_wall_us() - begun_us;
    CHECK(balance.integer == 7);
    nebula_done(n, ticket);
    int64_t until_us = nebula_now_us(n) + gone_us;
    while (nebula_now_us(n) < until_us)
        nebula_turn(n, until_us);
    return took_us;
}

const char *bench_setting(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "bench: %s is not set; run it through make bench\n", name);
        exit(1);
    }
    return value;
}

void bench_pair(const char *row, double ours, double other)
{
    printf("pair %s %.6g %.6g\n", row, ours, other);
    fflush(stdout);
}

void bench_slices(void (*act)(void *at, int64_t times), void *at)
{
    char line[32];
    while (fgets(line, sizeof line, stdin) != NULL) {
        double begun_ns = bench_thread_ns();
        act(at, strtoll(line, NULL, 10));
        printf("%.0f\n", bench_thread_ns() - begun_ns);
        fflush(stdout);
    }
}
