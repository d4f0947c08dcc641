/* context.c - what a deadline, a tenant and a trace in the task's context cost a call.
 *
 * The one connection is lent, so each call is begun, waits in the queue, is cancelled and ends: all
 * that the engine does for a call but for the server's part, and nothing else. One task has all
 * three, the other none. The processor's time of this thread, in slices that alternate. Calls of
 * the bare task are counted 20 ns longer, which is what a context may cost.
 */
#include <time.h>

#include "base/check.h"
#include "stage.h"

#define PAIRS 41
#define SLICES 40 /* of each side in a pair */
#define SLICE 400 /* calls in a slice */
#define ALLOWED_NS 20

struct context {
    struct nebula *n;
    int32_t resource, bare, full; /* tasks */
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_calls(const struct context *c, int32_t task)
{
    static const char text[] = "select 1";
    const struct nebula_request request = {
        .resource = c->resource, .verb = NEBULA_RUN, .text = text, .text_size = sizeof text - 1};
    struct nebula_event event;
    int ended = 0;
    double begun_ns = now_ns();
    nebula_task_enter(c->n, task);
    for (int i = 0; i < SLICE; i++) {
        int32_t ticket = nebula_call(c->n, &request);
        bench_must(c->n, ticket > 0, "a call");
        nebula_cancel(c->n, ticket);
    }
    nebula_task_enter(c->n, 0);
    nebula_turn(c->n, 0);
    for (; nebula_next(c->n, &event); ended++)
        nebula_done(c->n, event.ticket);
    CHECK(ended == SLICE);
    return (now_ns() - begun_ns) / SLICE;
}

static void fill(const struct context *c)
{
    nebula_task_enter(c->n, c->full);
    nebula_task_deadline(c->n, nebula_now_us(c->n) + 3600000000);
    bench_must(c->n, nebula_task_tenant(c->n, "acme") == 0, "a tenant");
    bench_must(c->n,
               nebula_task_trace(c->n, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") ==
                   0,
               "a trace");
    nebula_task_enter(c->n, 0);
}

int main(void)
{
    const struct nebula_option file = {.name = "file", .value = bench_setting("BENCH_SQLITE")};
    struct context c = {.n = bench_open()};
    c.resource = bench_declare(c.n, &(struct bench_resource){.name = "context",
                                                             .driver = "sqlite",
                                                             .option = &file,
                                                             .options = 1,
                                                             .min = 1,
                                                             .max = 1});
    c.bare = nebula_task_open(c.n, 0);
    c.full = nebula_task_open(c.n, 0);
    fill(&c);
    bench_must(c.n, nebula_lease(c.n, c.resource, 0, 0, false) > 0, "the one connection");
    for (int pair = 0; pair < PAIRS; pair++) {
        double full = 0, bare = 0;
        for (int i = 0; i < SLICES; i += 2) { /* each is first as often as the other */
            full += time_calls(&c, c.full) / SLICES;
            bare += time_calls(&c, c.bare) / SLICES;
            bare += time_calls(&c, c.bare) / SLICES;
            full += time_calls(&c, c.full) / SLICES;
        }
        bench_pair("context", full, bare + ALLOWED_NS);
    }
    nebula_close(&c.n);
    return 0;
}
