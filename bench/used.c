/* used.c - memory of ours, and not of the client library: of a resource that two workers declare and nobody uses, of one that
 * is used, and of a pool with ten idle connections.
 *
 * The linker wraps malloc() and its family, so what our own code allocates is counted, as large as it is on the heap, and
 * what libraries allocate for themselves is not. What is used has lent its two connections beyond a turn, and let somebody
 * wait: so it has its histograms. Then it is drained, and what its connections had is gone.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "stage.h"

#define PAIRS 15
#define DECLARED 1000
#define USED 20
#define IDLE 10
#define UNUSED_BYTES 1000
#define USED_BYTES 8000
#define POOL_BYTES 1500
#define TURN_US 2000

/* --- what is ours ----------------------------------------------------------------------------- */

#define BLOCKS 4194304 /* more than there ever are; a power of two */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t most);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);

/* What a library allocated may be ours to free: only what was counted is taken off. So each is known by its address; a
 * place that was left stays taken for whoever looks beyond it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t block[BLOCKS];
static int64_t live;

static uintptr_t *place(uintptr_t address, uintptr_t wanted)
{
    size_t at = (size_t)(address / 16 * 0x9e3779b97f4a7c15u) % BLOCKS;
    while (block[at] != wanted && block[at] != 0)
        at = (at + 1) % BLOCKS;
    return &block[at];
}

static void *counted(void *given)
{
    pthread_mutex_lock(&lock);
    uintptr_t address = (uintptr_t)given;
    *place(address, 1) = address;
    live += (int64_t)malloc_usable_size(given);
    pthread_mutex_unlock(&lock);
    return given;
}

static void *uncounted(void *given)
{
    pthread_mutex_lock(&lock);
    uintptr_t *at = place((uintptr_t)given, (uintptr_t)given);
    if (given != NULL && *at != 0) {
        *at = 1;
        live -= (int64_t)malloc_usable_size(given);
    }
    pthread_mutex_unlock(&lock);
    return given;
}

void *__wrap_malloc(size_t size)
{
    return counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    return counted(__real_realloc(uncounted(old), size));
}

void __wrap_free(void *old)
{
    __real_free(uncounted(old));
}

char *__wrap_strdup(const char *text)
{
    return counted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t most)
{
    return counted(__real_strndup(text, most));
}

/* --- resources -------------------------------------------------------------------------------- */

static int32_t declare(struct nebula *n, const char *sort, int i, int32_t min, int32_t max)
{
    const struct nebula_option file = {.name = "file", .value = bench_setting("BENCH_SQLITE")};
    char name[32];
    snprintf(name, sizeof name, "%s%d", sort, i);
    return bench_declare(n, &(struct bench_resource){.name = name,
                                                     .driver = "sqlite",
                                                     .option = &file,
                                                     .options = 1,
                                                     .min = min,
                                                     .max = max});
}

static void pass(struct nebula *n)
{
    int64_t until_us = nebula_now_us(n) + TURN_US;
    while (nebula_now_us(n) < until_us)
        nebula_turn(n, until_us);
}

static int64_t take(struct nebula *n, int32_t resource)
{
    int64_t lease = nebula_lease(n, resource, 0, 0, false);
    struct nebula_event event;
    if (lease != 0)
        return lease;
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    return nebula_lent(n, event.ticket);
}

/* --- what they cost --------------------------------------------------------------------------- */

/* Two workers' share of each, in one thread. */
static double unused_bytes(struct nebula *const *n, int round)
{
    int64_t before = live;
    for (int i = 0; i < DECLARED; i++)
        for (int worker = 0; worker < 2; worker++)
            declare(n[worker], "unused", round * DECLARED + i, 0, 4);
    return (double)(live - before) / DECLARED;
}

/* All workers drain, so the other one turns too. */
static void drain(struct nebula *const *n, int32_t resource)
{
    int32_t ticket = nebula_drain(n[0], resource, 0);
    struct nebula_event event;
    CHECK(ticket > 0);
    while (!nebula_next(n[0], &event)) {
        nebula_turn(n[0], nebula_now_us(n[0]) + TURN_US);
        nebula_turn(n[1], 0);
    }
    CHECK(event.ticket == ticket);
    nebula_done(n[0], ticket);
    pass(n[0]);
}

static void use(struct nebula *n, int32_t resource)
{
    int64_t a = take(n, resource), b = take(n, resource);
    CHECK(a > 0 && b > 0 && nebula_lease(n, resource, 0, 0, false) == 0);
    int32_t waits = nebula_ticket(n);
    pass(n);
    CHECK(nebula_release(n, a, NEBULA_GOOD) == 0 && nebula_release(n, b, NEBULA_GOOD) == 0);
    struct nebula_event event;
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    CHECK(event.ticket == waits);
    CHECK(nebula_release(n, nebula_lent(n, waits), NEBULA_GOOD) == 0);
}

static double used_bytes(struct nebula *const *n, int round)
{
    int64_t before = live;
    for (int i = 0; i < USED; i++) {
        int32_t resource = declare(n[0], "used", round * USED + i, 0, 2);
        use(n[0], resource);
        drain(n, resource);
    }
    return (double)(live - before) / USED;
}

/* The pool, and what ten connections of it have here; the declaration is not of it. */
static double pool_bytes(struct nebula *const *n, int round)
{
    int64_t before = live;
    declare(n[0], "none", round, 0, IDLE);
    int64_t declared = live - before;
    before = live;
    int32_t resource = declare(n[0], "idle", round, IDLE, IDLE);
    int64_t all = live - before - declared;
    drain(n, resource);
    return (double)all;
}

int main(void)
{
    struct nebula_ledger *ledger = nebula_ledger_new(2);
    const struct nebula_options options = {.name = "bench", .log_level = 3, .log_fd = 2};
    struct nebula *n[2];
    for (int i = 0; i < 2; i++) {
        n[i] = nebula_open_worker(ledger, i, &options, NULL, 0);
        CHECK(n[i] != NULL);
    }
    int32_t first = declare(n[0], "first", 0, 0, 2); /* what there is once */
    use(n[0], first);
    drain(n, first);
    for (int i = 0; i < PAIRS; i++) {
        bench_pair("mem.resource.two", unused_bytes(n, i), UNUSED_BYTES);
        bench_pair("mem.used", used_bytes(n, i), USED_BYTES);
        bench_pair("mem.pool", pool_bytes(n, i), POOL_BYTES);
    }
    for (int i = 0; i < 2; i++)
        nebula_close(&n[i]);
    nebula_ledger_free(&ledger);
    return 0;
}
