/* No allocation may be the one that breaks us: the n-th fails, for n from 1 until a story asks for
 * fewer than n. Nothing aborts, nothing leaks, every ticket ends, and what the engine says
 * about a statement stays true. So it is not under coverage, whose own allocations fail too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/memory.h"
#include "sim/story.h"

/* False when the story did not ask for so many. */
static bool run_failing(const struct story_row *row, int64_t nth)
{
    struct story s;
    story_begin(&s, row);
    memory_fail(nth);
    rig_open(&s.rig);
    story_tell(&s, row);
    bool failed = memory_failed() > 0;
    const char *verdict = story_end(&s);
    if (verdict != NULL)
        fail_msg("allocation %lld: %s", (long long)nth, verdict);
    return failed;
}

static void fail_each(void **row)
{
    int64_t nth = 1;
    while (run_failing(*row, nth))
        nth++;
    print_message("# %lld allocations failed in turn\n", (long long)nth - 1);
    assert_true(nth > 10); /* else nothing was tested */
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
    return cmocka_run_group_tests_name("out of memory", tests, NULL, NULL);
}
