/* workers.c - engines on threads of their own under one max: what a hit costs while another worker hits, how fast a
 * connection goes from worker to worker, and whether each has its share.
 *
 * The bare loop does as much as a hit and shares nothing. The bare wake-up is an eventfd in an epoll on each side.
 */
#include <pthread.h>
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
#define WARM_US 50000
#define LAST_US 5000 /* and then the other one has stopped */
#define SHARE_US 300000
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
    int64_t lease = nebula_lease(w->n, w->resource, 0, 0, false);
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

/* Each gives it away when it is asked for, and takes it again when it has come back: so one of the two always sleeps,
 * as beside. What was waited for was passed on. */
static void pass(struct worker *w)
{
    struct bench *b = w->bench;
    double begun_us = bench_wall_us();
    while (atomic_load(&b->passed) < HANDOVERS) {
        int64_t before = w->waited;
        lease_and_release(w);
        atomic_fetch_add(&b->passed, (int)(w->waited - before));
        nebula_turn(w->n, nebula_now_us(w->n) + LAST_US);
    }
    w->took_ns = (bench_wall_us() - begun_us) * 1e3;
}

static double time_handovers(struct bench *b)
{
    atomic_store(&b->passed, 0);
    run(b, 2, 1, pass);
    return slowest_ns(b, 2) / 1e3 / atomic_load(&b->passed);
}

struct side {
    pthread_t thread;
    int mine, other, epoll;
};

static void *wake(void *data)
{
    struct side *s = data;
    struct epoll_event event;
    uint64_t one = 1;
    for (int i = 0; i < HANDOVERS / 2; i++) {
        CHECK(epoll_wait(s->epoll, &event, 1, -1) == 1);
        CHECK(read(s->mine, &one, sizeof one) == sizeof one);
        one = 1;
        CHECK(write(s->other, &one, sizeof one) == sizeof one);
    }
    return NULL;
}

static double time_wakes(void)
{
    struct side s[2];
    int fd[2] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    uint64_t one = 1;
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        s[i] =
            (struct side){.mine = fd[i], .other = fd[1 - i], .epoll = epoll_create1(EPOLL_CLOEXEC)};
        CHECK(epoll_ctl(s[i].epoll, EPOLL_CTL_ADD, fd[i], &event) == 0);
    }
    double begun_us = bench_wall_us();
    CHECK(write(fd[0], &one, sizeof one) == sizeof one);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&s[i].thread, NULL, wake, &s[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(s[i].thread, NULL) == 0);
    double took_us = (bench_wall_us() - begun_us) / HANDOVERS;
    for (int i = 0; i < 2; i++) {
        close(s[i].epoll);
        close(fd[i]);
    }
    return took_us;
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

static void measure_shares(struct bench *b)
{
    static const int workers[] = {2, 4, 8};
    double least = 1;
    for (size_t i = 0; i < COUNT(workers); i++) {
        const int max[] = {1, 2, workers[i] - 1};
        for (size_t j = 0; j < COUNT(max); j++) {
            int64_t all = 0, slowest = INT64_MAX;
            run(b, workers[i], max[j], use);
            for (int k = 0; k < workers[i]; k++) {
                all += b->worker[k].had;
                slowest = b->worker[k].had < slowest ? b->worker[k].had : slowest;
            }
            double share = (double)slowest * workers[i] / (double)all;
            least = share < least ? share : least;
        }
    }
    bench_pair("pool.cross.fair", least, 1);
}

int main(void)
{
    struct bench b;
    for (int i = 0; i < PAIRS; i++) {
        measure_hits(&b);
        double ours = time_handovers(&b);
        bench_pair("pool.cross", ours, time_wakes());
        measure_shares(&b);
    }
    return 0;
}
