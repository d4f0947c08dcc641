/* workers.c - engines on threads of their own under one max: what a hit costs while another worker hits, how fast a
 * connection goes from worker to worker, and whether each has its share.
 *
 * The bare loop does as much as a hit and shares nothing. The bare wake-up is an eventfd in an epoll on each side. Where
 * something goes from worker to worker, each has a processor of its own, and so has each side of the wake-up: left alone,
 * the kernel puts both of its sides on one, where no processor is woken and it takes a tenth of the time.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "stage.h"

#define PAIRS 15
#define HITS 2000000
#define HANDOVERS 4000
#define HELD_US 100 /* for so long that whoever waits has gone to sleep */
#define HELD_HANDOVERS 500
#define PATIENCE_US 60000000
#define WARM_US 50000
#define LAST_US 5000 /* and then the other one has stopped */
#define SHARE_US 1000000
#define WORKERS_MOST 8

struct bench;

struct worker {
    pthread_t thread;
    struct bench *bench;
    int number;
    struct nebula *n;
    int32_t resource;
    int64_t had, waited;
    double took_ns;
};

struct bench {
    struct nebula_ledger *ledger;
    int32_t workers, max;
    int handovers, held_us;
    void (*work)(struct worker *w);
    pthread_barrier_t ready;
    atomic_int done, passed;
    struct worker worker[WORKERS_MOST];
};

static double thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* --- engines ---------------------------------------------------------------------------------- */

static void *serve(void *data)
{
    struct worker *w = data;
    const struct nebula_option file = {.name = "file", .value = bench_setting("BENCH_SQLITE")};
    const struct nebula_options options = {.name = "bench", .log_level = 3, .log_fd = 2};
    w->n = nebula_open_worker(w->bench->ledger, w->number, &options, NULL, 0);
    CHECK(w->n != NULL);
    w->resource = bench_declare(w->n, &(struct bench_resource){.name = "one",
                                                               .driver = "sqlite",
                                                               .option = &file,
                                                               .options = 1,
                                                               .max = w->bench->max});
    pthread_barrier_wait(&w->bench->ready);
    w->bench->work(w);
    atomic_fetch_add(&w->bench->done, 1);
    while (atomic_load(&w->bench->done) < w->bench->workers) /* others may want what it has */
        nebula_turn(w->n, nebula_now_us(w->n) + 1000);
    nebula_close(&w->n);
    return NULL;
}

static void run(struct bench *b, int32_t workers, int32_t max, void (*work)(struct worker *w))
{
    b->ledger = nebula_ledger_new(workers);
    b->workers = workers;
    b->max = max;
    b->work = work;
    atomic_store(&b->done, 0);
    CHECK(b->ledger != NULL && pthread_barrier_init(&b->ready, NULL, (unsigned)workers) == 0);
    for (int i = 0; i < workers; i++) {
        b->worker[i] = (struct worker){.bench = b, .number = i};
        CHECK(pthread_create(&b->worker[i].thread, NULL, serve, &b->worker[i]) == 0);
    }
    for (int i = 0; i < workers; i++)
        CHECK(pthread_join(b->worker[i].thread, NULL) == 0);
    pthread_barrier_destroy(&b->ready);
    nebula_ledger_free(&b->ledger);
}

static int64_t take(struct worker *w)
{
    int64_t lease = nebula_lease(w->n, w->resource, 0, PATIENCE_US, false);
    if (lease != 0)
        return lease;
    w->waited++;
    struct nebula_event event;
    struct nebula_reply reply;
    while (!nebula_next(w->n, &event))
        nebula_turn(w->n, INT64_MAX);
    nebula_reply(w->n, event.ticket, &reply);
    if (reply.code != 0)
        fprintf(stderr, "bench: %s\n", reply.text);
    CHECK(reply.code == 0);
    nebula_done(w->n, event.ticket);
    return reply.lease;
}

/* --- two who hit ------------------------------------------------------------------------------ */

static void lease_and_release(struct worker *w)
{
    CHECK(nebula_release(w->n, take(w), NEBULA_GOOD) == 0);
}

/* Until each has what it needs, and nobody asks the other. */
static void get_warm(struct worker *w)
{
    double until_us = bench_wall_us() + WARM_US;
    while (bench_wall_us() < until_us) {
        lease_and_release(w);
        nebula_turn(w->n, nebula_now_us(w->n) + 1000);
    }
    pthread_barrier_wait(&w->bench->ready);
}

static void hit(struct worker *w)
{
    get_warm(w);
    double begun_ns = thread_ns();
    for (int i = 0; i < HITS; i++)
        lease_and_release(w);
    w->took_ns = (thread_ns() - begun_ns) / HITS;
}

/* As long as a hit, more or less. */
static void *loop_alone(void *data)
{
    struct worker *w = data;
    uint64_t sum = (uint64_t)w->number;
    double begun_ns = thread_ns();
    for (int i = 0; i < HITS * 8; i++) {
        sum = sum * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(sum));
    }
    w->took_ns = (thread_ns() - begun_ns) / HITS;
    return NULL;
}

static double slowest_ns(const struct bench *b, int workers)
{
    double slowest = 0;
    for (int i = 0; i < workers; i++)
        slowest = b->worker[i].took_ns > slowest ? b->worker[i].took_ns : slowest;
    return slowest;
}

static double time_hits(struct bench *b, int32_t workers)
{
    run(b, workers, 2 * workers, hit);
    return slowest_ns(b, workers);
}

static double time_loops(struct bench *b, int workers)
{
    for (int i = 0; i < workers; i++) {
        b->worker[i] = (struct worker){.number = i};
        CHECK(pthread_create(&b->worker[i].thread, NULL, loop_alone, &b->worker[i]) == 0);
    }
    for (int i = 0; i < workers; i++)
        CHECK(pthread_join(b->worker[i].thread, NULL) == 0);
    return slowest_ns(b, workers);
}

/* What it costs in company, as a multiple of what it costs alone. */
static void measure_hits(struct bench *b)
{
    double ours = time_hits(b, 2) / time_hits(b, 1);
    bench_pair("pool.hit.two", ours, time_loops(b, 2) / time_loops(b, 1));
}

/* --- from worker to worker -------------------------------------------------------------------- */

/* Of those that this process may use. */
static int processor(int number)
{
    cpu_set_t may;
    CHECK(sched_getaffinity(getpid(), sizeof may, &may) == 0);
    int left = number % CPU_COUNT(&may), at = 0;
    while (!CPU_ISSET(at, &may) || left-- > 0)
        at++;
    return at;
}

static void move_to(int number)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor(number), &one);
    CHECK(pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0);
}

static void hold(int for_us)
{
    double until_us = bench_wall_us() + for_us;
    while (for_us > 0 && bench_wall_us() < until_us)
        continue;
}

/* Each gives it away when it is asked for, and takes it again when it has come back: so one of the two always waits,
 * as beside. What was waited for was passed on. */
static void pass(struct worker *w)
{
    struct bench *b = w->bench;
    move_to(w->number);
    double begun_us = bench_wall_us();
    while (atomic_load(&b->passed) < b->handovers) {
        int64_t before = w->waited, lease = take(w);
        hold(b->held_us);
        CHECK(nebula_release(w->n, lease, NEBULA_GOOD) == 0);
        atomic_fetch_add(&b->passed, (int)(w->waited - before));
        nebula_turn(w->n, nebula_now_us(w->n) + LAST_US);
    }
    w->took_ns = (bench_wall_us() - begun_us) * 1e3;
}

static double time_handovers(struct bench *b)
{
    atomic_store(&b->passed, 0);
    run(b, 2, 1, pass);
    return slowest_ns(b, 2) / 1e3 / atomic_load(&b->passed) - b->held_us;
}

struct side {
    pthread_t thread;
    const struct bench *bench;
    int number, mine, other, epoll;
};

static void *wake(void *data)
{
    struct side *s = data;
    struct epoll_event event;
    uint64_t one = 1;
    move_to(s->number);
    for (int i = 0; i < s->bench->handovers / 2; i++) {
        CHECK(epoll_wait(s->epoll, &event, 1, -1) == 1);
        CHECK(read(s->mine, &one, sizeof one) == sizeof one);
        hold(s->bench->held_us);
        one = 1;
        CHECK(write(s->other, &one, sizeof one) == sizeof one);
    }
    return NULL;
}

static double time_wakes(const struct bench *b)
{
    struct side s[2];
    int fd[2] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    uint64_t one = 1;
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        s[i] = (struct side){.bench = b,
                             .number = i,
                             .mine = fd[i],
                             .other = fd[1 - i],
                             .epoll = epoll_create1(EPOLL_CLOEXEC)};
        CHECK(epoll_ctl(s[i].epoll, EPOLL_CTL_ADD, fd[i], &event) == 0);
    }
    double begun_us = bench_wall_us();
    CHECK(write(fd[0], &one, sizeof one) == sizeof one);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&s[i].thread, NULL, wake, &s[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(s[i].thread, NULL) == 0);
    double took_us = (bench_wall_us() - begun_us) / b->handovers - b->held_us;
    for (int i = 0; i < 2; i++) {
        close(s[i].epoll);
        close(fd[i]);
    }
    return took_us;
}

static void measure_handovers(struct bench *b, const char *row, int handovers, int held_us)
{
    b->handovers = handovers;
    b->held_us = held_us;
    double ours = time_handovers(b);
    bench_pair(row, ours, time_wakes(b));
}

/* --- whose share ------------------------------------------------------------------------------ */

static void use(struct worker *w)
{
    double until_us = bench_wall_us() + SHARE_US;
    for (int i = 0; i % 64 != 0 || bench_wall_us() < until_us; i++) {
        lease_and_release(w);
        w->had++;
        if (i % 64 == 63)
            nebula_turn(w->n, 0);
    }
}

/* The smallest share of all that any had, of an equal one. */
static double least_share(struct bench *b, int workers, int max)
{
    int64_t all = 0, slowest = INT64_MAX;
    run(b, workers, max, use);
    for (int i = 0; i < workers; i++) {
        all += b->worker[i].had;
        slowest = b->worker[i].had < slowest ? b->worker[i].had : slowest;
    }
    return (double)slowest * workers / (double)all;
}

/* Where each has a connection, and wants nothing of the others, it is the kernel that shares. */
static void measure_shares(struct bench *b)
{
    static const struct {
        int workers, max;
    } of[] = {{2, 1}, {2, 2}, {4, 1}, {4, 2}, {4, 3}, {8, 1}, {8, 2}, {8, 7}};
    double least = 1, kernels = 1;
    for (size_t i = 0; i < COUNT(of); i++) {
        double share = least_share(b, of[i].workers, of[i].max);
        least = share < least ? share : least;
    }
    for (int workers = 2; workers <= WORKERS_MOST; workers *= 2) {
        double share = least_share(b, workers, workers);
        kernels = share < kernels ? share : kernels;
    }
    bench_pair("pool.cross.fair", least, 1);
    bench_pair("noise.shares", kernels, 1);
}

int main(void)
{
    struct bench b;
    for (int i = 0; i < PAIRS; i++) {
        measure_hits(&b);
        measure_handovers(&b, "pool.cross", HANDOVERS, 0);
        measure_handovers(&b, "pool.cross.held", HELD_HANDOVERS, HELD_US);
        measure_shares(&b);
    }
    return 0;
}
