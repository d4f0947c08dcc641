/* stage.h - what the probes in C share: an engine with declared resources, clocks, and the lines
 * that the reporter reads.
 *
 * A probe prints "pair ROW OURS OTHER [CPU_OURS CPU_OTHER]" for each pair of measurements and says
 * nothing else on its output. It stops at whatever goes wrong: a number from a half broken run
 * would be worse than none.
 */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

#include "nebula.h"

/* A resource under the policy `standard`, with the pool's defaults but for its size. */
struct bench_resource {
    const char *name;
    const char *driver; /* "sqlite", "postgres" */
    const struct nebula_option *option;
    int32_t options;
    int32_t min, max;
    int64_t idle_us; /* 0: the default */
};

/* The server that bench/run.lua started, as options; fills options of r, which borrows them. */
#define BENCH_POSTGRES_OPTIONS 6
void bench_postgres(struct bench_resource *r, struct nebula_option *option);

struct nebula *bench_open(void);
/* The resource's number; its `min` connections are open. */
int32_t bench_declare(struct nebula *n, const struct bench_resource *r);
/* Turns until the ticket has ended well. */
void bench_wait(struct nebula *n, int32_t ticket);
/* From asking for account 1 to its balance, which must be 7, in us; text has its id as parameter.
 * Turns on until gone_us later, untimed: a connection that may not be idle is closed by then. */
double bench_balance_us(struct nebula *n, int32_t resource, const char *text, int64_t gone_us);
/* Says the engine's sentence and exits unless is_ok. */
void bench_must(struct nebula *n, bool is_ok, const char *what);

double bench_wall_us(void);
double bench_cpu_us(void);    /* of the whole process */
double bench_thread_ns(void); /* processor's time of this thread */
/* The value of an environment variable that bench/run.lua sets. */
const char *bench_setting(const char *name);
void bench_pair(const char *row, double ours, double other);
/* What bench/pools.lua asks of each pool: for every line on the input, a number of times to do it, a line with the ns
 * of this thread that it took. Until the input ends. */
void bench_slices(void (*act)(void *at, int64_t times), void *at);

#endif
