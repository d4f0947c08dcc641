/* guarded.c all|open - the calls of bench/guarded.lua from C: what the engine alone takes, without a task that sleeps.
 *
 * all: a call of a server that does nothing under a policy that says all, less one under a policy that says nothing, in
 * runs that alternate. open: a call that a circuit refuses, which is the only rule, from nebula_call() to nebula_done().
 * For each line on the input, a number of calls, the ns of this thread that so many took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "nebula_policy.h"
#include "stage.h"

#define RUN 1000 /* calls of one side */
#define SECOND_US 1000000

struct sides {
    struct nebula *n;
    int32_t guarded, bare;
};

static struct nebula_circuit circuit(int32_t mode)
{
    return (struct nebula_circuit){.mode = mode,
                                   .window = 100,
                                   .least = 20,
                                   .percent = 50,
                                   .slow_percent = 80,
                                   .slow_us = SECOND_US,
                                   .probes = 3,
                                   .probe_us = SECOND_US,
                                   .pause_us = SECOND_US,
                                   .pause_max_us = 60 * SECOND_US};
}

/* As bench/guarded.lua has them. */
static struct nebula_rules all_rules(void)
{
    return (struct nebula_rules){
        .circuit = circuit(NEBULA_CIRCUIT_AUTOMATIC),
        .rate = {.shape = NEBULA_RATE_BUCKET,
                 .tokens = 1000000000,
                 .span_us = SECOND_US,
                 .burst = 1000000000},
        .limit = {.concurrent = 1000, .queue = 1000},
        .shed = {.interval_us = 100000,
                 .of[NEBULA_PRIORITY_NORMAL] = {.target_us = 5000, .most_us = 10000}},
        .hedge = {.copies = 2, .permille = 990, .floor_us = 1000, .percent = 5, .burst = 10},
        .early = {.least = 20, .percent = 10},
    };
}

/* The event's code. */
static int32_t call(struct nebula *n, int32_t resource)
{
    const struct nebula_request request = {
        .resource = resource, .verb = NEBULA_RUN, .text = "", .is_idempotent = true};
    struct nebula_event event;
    int32_t ticket = nebula_call(n, &request);
    CHECK(ticket > 0);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    nebula_done(n, ticket);
    return event.code;
}

static double time_calls(const struct sides *s, int32_t resource, int64_t times, int32_t code)
{
    double begun_ns = bench_thread_ns();
    for (int64_t i = 0; i < times; i++)
        CHECK(call(s->n, resource) == code);
    return bench_thread_ns() - begun_ns;
}

static double all(const struct sides *s, int64_t times)
{
    double took_ns = 0;
    for (int64_t left = times; left > 0; left -= RUN) {
        int64_t some = left < RUN ? left : RUN;
        took_ns += time_calls(s, s->guarded, some, 0) - time_calls(s, s->bare, some, 0);
    }
    return took_ns;
}

static double open(const struct sides *s, int64_t times)
{
    return time_calls(s, s->guarded, times, NEBULA_ERROR_OPEN);
}

static int32_t declare(struct nebula *n, const char *name)
{
    return bench_declare(
        n, &(struct bench_resource){
               .name = name, .driver = bench_setting("BENCH_NOTHING"), .min = 2, .max = 8});
}

int main(int words, char **word)
{
    CHECK(words == 2);
    bool is_open = strcmp(word[1], "open") == 0;
    struct sides s = {.n = bench_open()};
    s.guarded = declare(s.n, "guarded");
    s.bare = declare(s.n, "bare");
    const struct nebula_rules shut = {.circuit = circuit(NEBULA_CIRCUIT_OPEN)}, usual = all_rules();
    bench_must(s.n, nebula_rules(s.n, s.guarded, is_open ? &shut : &usual) == 0, "its rules");
    char line[32];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int64_t times = strtoll(line, NULL, 10);
        printf("%.0f\n", is_open ? open(&s, times) : all(&s, times));
        fflush(stdout);
    }
    nebula_close(&s.n);
    return 0;
}
