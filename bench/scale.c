/* scale.c RESOURCES - what it costs to look at so many resources: the listing of `nebula ls`, and a look of the keeper at
 * each of their pools, as a change of all bounds makes it. Says the ns of both for each resource, CPU time of the thread.
 *
 * Each has a pool, and none a connection: they are paused, and were asked for one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "stage.h"

#define LOOKS 20000 /* at a resource, at least twice at each */

static void declare(struct nebula *n, int32_t count)
{
    const struct nebula_option file = {.name = "file", .value = bench_setting("BENCH_SQLITE")};
    for (int32_t i = 1; i <= count; i++) {
        char name[32];
        snprintf(name, sizeof name, "shop%d", (int)i);
        int32_t r = bench_declare(
            n, &(struct bench_resource){
                   .name = name, .driver = "sqlite", .option = &file, .options = 1, .max = 2});
        CHECK(r == i && nebula_pause(n, r) == 0);
        CHECK(nebula_lease(n, r, 0, 0, true) < 0);
    }
}

static double list_ns(struct nebula *n)
{
    double begun_ns = bench_thread_ns();
    const char *answer = nebula_ask(n, "{\"verb\":\"ls\"}");
    double took_ns = bench_thread_ns() - begun_ns;
    CHECK(strstr(answer, "\"ok\":true") != NULL || strstr(answer, "\"ok\": true") != NULL);
    return took_ns;
}

static double sweep_ns(struct nebula *n, int32_t count, int32_t max)
{
    double begun_ns = bench_thread_ns();
    for (int32_t i = 1; i <= count; i++)
        CHECK(nebula_resize(n, i, -1, -1, max) == 0);
    nebula_turn(n, 0);
    return bench_thread_ns() - begun_ns;
}

int main(int words, char **word)
{
    CHECK(words == 2);
    int32_t count = atoi(word[1]);
    struct nebula *n = bench_open();
    declare(n, count);
    double list = 1e18, sweep = 1e18;
    for (int i = 0; i < 2 || i < LOOKS / count; i++) {
        double took = list_ns(n);
        list = took < list ? took : list;
        took = sweep_ns(n, count, 3 + i % 2);
        sweep = took < sweep ? took : sweep;
    }
    printf("%.1f %.1f\n", list / count, sweep / count);
    nebula_close(&n);
    return 0;
}
