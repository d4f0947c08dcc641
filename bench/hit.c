/* hit.c - lending an idle connection and taking it back, from C, beside a compare-and-swap pair.
 *
 * Ten connections in three resources, in turn. Both sides are timed by the processor's time of this
 * thread in short slices that alternate, so that what else runs on the machine meets both.
 * `hit slices` leaves the comparing to bench/pools.lua.
 */
#include <string.h>

#include "base/check.h"
#include "cas.h"
#include "stage.h"

#define PAIRS 41
#define SLICES 20   /* of each side in a pair */
#define SLICE 20000 /* leases in a slice, some 0.2 ms */
#define RESOURCES 3

struct hit {
    struct nebula *n;
    int32_t resource[RESOURCES];
};

/* The turn has to go on, as it has every so often. */
static int64_t turn_first(struct nebula *n)
{
    struct nebula_event event;
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    return nebula_lent(n, event.ticket);
}

static void lease_and_release(void *of_hit, int64_t times)
{
    struct hit *h = of_hit;
    int64_t sum = 0;
    int at = 0;
    for (int64_t i = 0; i < times; i++) {
        int64_t lease = nebula_lease(h->n, h->resource[at], 0, 0, false);
        if (lease == 0)
            lease = turn_first(h->n);
        CHECK(lease > 0);
        sum += lease;
        CHECK(nebula_release(h->n, lease, NEBULA_GOOD) == 0);
        at = at + 1 == RESOURCES ? 0 : at + 1;
    }
    CHECK(sum > 0);
}

static double time_leases(struct hit *h)
{
    double begun_ns = bench_thread_ns();
    lease_and_release(h, SLICE);
    return (bench_thread_ns() - begun_ns) / SLICE;
}

static double time_cas(struct hit *h)
{
    (void)h;
    double begun_ns = bench_thread_ns();
    CHECK(cas_pairs(SLICE) == SLICE);
    return (bench_thread_ns() - begun_ns) / SLICE;
}

static void measure(const char *row, struct hit *h, double (*time_ours)(struct hit *h))
{
    double ours = 0, other = 0;
    for (int i = 0; i < SLICES; i += 2) { /* each is first as often as the other */
        ours += time_ours(h) / SLICES;
        other += time_cas(h) / SLICES;
        other += time_cas(h) / SLICES;
        ours += time_ours(h) / SLICES;
    }
    nebula_turn(h->n, 0);
    bench_pair(row, ours, other);
}

static void beside_cas(struct hit *h)
{
    for (int i = 0; i < PAIRS; i++) {
        measure("pool.hit.c", h, time_leases);
        measure("noise.hit", h, time_cas);
    }
}

int main(int words, char **word)
{
    static const char *const name[RESOURCES] = {"a", "b", "c"};
    static const int32_t connections[RESOURCES] = {4, 3, 3};
    const struct nebula_option file = {.name = "file", .value = bench_setting("BENCH_SQLITE")};
    struct hit h = {.n = bench_open()};
    for (int i = 0; i < RESOURCES; i++)
        h.resource[i] = bench_declare(h.n, &(struct bench_resource){.name = name[i],
                                                                    .driver = "sqlite",
                                                                    .option = &file,
                                                                    .options = 1,
                                                                    .min = connections[i],
                                                                    .max = connections[i]});
    if (words == 2 && strcmp(word[1], "slices") == 0)
        bench_slices(lease_and_release, &h);
    else
        beside_cas(&h);
    nebula_close(&h.n);
    return 0;
}
