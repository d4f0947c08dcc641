/* No verb of a driver may be the one that breaks us: the n-th open, send, cancel or close fails, in
 * each way in which it can, for n from 1 until a story asks for fewer than n; alone, or together
 * with those after it. What is said of each statement stays true, no law is broken, the resource
 * serves as before, and nothing is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/story.h"

static const char *const driver[] = {"sim", "sim_plain"};

struct way {
    const char *driver;
    int32_t number, times;
};

/* False when the story did not come to so many. */
static bool run_failing(const struct story_row *row, const struct way *way, int64_t nth)
{
    struct story s;
    story_begin(&s, row);
    s.rig.spec.driver = way->driver;
    server_fail(s.rig.server, nth, way->times, way->number);
    rig_open(&s.rig);
    story_tell(&s, row);
    bool has_come = server_has_failed(s.rig.server);
    const char *verdict = story_end(&s);
    if (verdict != NULL)
        fail_msg("verb %lld of %s, way %d, %d times: %s", (long long)nth, way->driver, way->number,
                 way->times, verdict);
    return has_come;
}

static void fail_each(void **row)
{
    int64_t verbs = 0;
    for (int32_t i = 0; i < SERVER_WAYS * 6; i++) {
        const struct way way = {.driver = driver[i % 2],
                                .number = i / 2 % SERVER_WAYS,
                                .times = 1 + i / 2 / SERVER_WAYS};
        int64_t nth = 1;
        while (run_failing(*row, &way, nth))
            nth++;
        assert_true(nth > 4); /* else nothing was tested */
        verbs += nth - 1;
    }
    print_message("# %lld verbs failed in turn\n", (long long)verbs);
}

int main(void)
{
    struct CMUnitTest tests[STORIES];
    struct story_row row[STORIES]; /* cmocka hands on what is not const */
    for (int i = 0; i < STORIES; i++) {
        row[i] = stories[i];
        tests[i] = (struct CMUnitTest){
            .name = row[i].name, .test_func = fail_each, .initial_state = &row[i]};
    }
    return cmocka_run_group_tests_name("the n-th verb", tests, NULL, NULL);
}
