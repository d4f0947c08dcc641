/* explain.c - what a decision costs that leaves a record, with the trace of its task, beside a loop that leaves none.
 *
 * The processor's time of this thread, in slices that alternate. Turns of the empty loop are counted 10 ns longer, which
 * is what a record may cost.
 */
#include "base/check.h"
#include "core/tale.h"
#include "stage.h"

#define PAIRS 41
#define SLICE 100000 /* records in a slice */
#define ALLOWED_NS 10

/* In which a compiler may not believe that nothing happens. */
static inline void something_happens(void)
{
    __asm__ volatile("" ::: "memory");
}

static double time_records(struct resource *r, struct tale *t)
{
    double begun_ns = bench_thread_ns();
    for (int64_t i = 0; i < SLICE; i++) {
        record_add(r, t, RECORD_AGAIN, place_of(r, NEBULA_SETTING_RETRY), i, REASON_IDEMPOTENT, 0);
        something_happens();
    }
    return (bench_thread_ns() - begun_ns) / SLICE;
}

static double time_nothing(void)
{
    double begun_ns = bench_thread_ns();
    for (int64_t i = 0; i < SLICE; i++)
        something_happens();
    return (bench_thread_ns() - begun_ns) / SLICE;
}

int main(void)
{
    static const struct nebula_place place[NEBULA_SETTINGS] = {
        [NEBULA_SETTING_RETRY] = {"policies/db.lua", 9}};
    const struct nebula_option file = {.name = "file", .value = ":memory:"};
    struct nebula *n = bench_open();
    struct engine *e = (struct engine *)(void *)n; /* the first thing behind the border */
    int32_t number = bench_declare(n, &(struct bench_resource){.name = "explain",
                                                               .driver = "sqlite",
                                                               .option = &file,
                                                               .options = 1,
                                                               .min = 1,
                                                               .max = 1});
    bench_must(n, nebula_places(n, number, place, NEBULA_SETTINGS) == 0, "its places");
    struct context *context =
        context_new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "");
    struct resource *r = table_get(&e->resources, number);
    struct tale t = tale_begin(e, context);
    for (int pair = 0; pair < PAIRS; pair++) {
        double bare = time_nothing(), ours = time_records(r, &t);
        bench_pair("explain.record", ours, bare + ALLOWED_NS);
    }
    CHECK(r->records->of_calls >= PAIRS * SLICE);
    context_unref(&context);
    nebula_close(&n);
    return 0;
}
