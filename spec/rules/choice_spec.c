#include "rules/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

/* A sentence has a letter for each endpoint: 'x' is of no use now, 'f' has no room for one more
 * attempt, a digit is ready and has so many connections. */
static int32_t understand(const char *sentence, struct choice_of *of)
{
    int32_t count = (int32_t)strlen(sentence);
    for (int32_t i = 0; i < count; i++) {
        char c = sentence[i];
        of[i].state = c == 'x' ? CHOICE_USELESS : c == 'f' ? CHOICE_FULL : CHOICE_READY;
        of[i].conns = of[i].state == CHOICE_READY ? c - '0' : 0;
    }
    return count;
}

static void one_that_stays_goes_on_only_from_what_is_of_no_use(void **unused)
{
    (void)unused;
    static const struct {
        const char *sentence;
        int32_t last, chosen;
    } row[] = {
        {"0", 0, 0},   {"x", 0, -1},  {"f", 0, -1},   {"00", 0, 0},  {"00", 1, 1},
        {"90", 0, 0},  {"x0", 0, 1},  {"0x", 1, 0},   {"f0", 0, -1}, {"xf0", 0, -1},
        {"xx0", 0, 2}, {"0xx", 1, 0}, {"xxx", 2, -1}, {"0x0", 1, 2}, {"5x1", 2, 2},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct choice_of of[4];
        int32_t count = understand(row[i].sentence, of);
        int32_t chosen = choice_stay(of, count, row[i].last);
        if (chosen != row[i].chosen)
            fail_msg("%s from %d: %d, not %d", row[i].sentence, row[i].last, chosen, row[i].chosen);
    }
}

static void one_that_spreads_goes_where_there_are_fewest(void **unused)
{
    (void)unused;
    static const struct {
        const char *sentence;
        int32_t last, chosen;
    } row[] = {
        {"0", 0, 0},   {"x", 0, -1},  {"f", 0, -1},  {"00", 0, 1},  {"00", 1, 0},  {"10", 0, 1},
        {"01", 0, 0},  {"21", 1, 1},  {"x5", 0, 1},  {"f5", 0, 1},  {"xf", 0, -1}, {"111", 0, 1},
        {"111", 2, 0}, {"x11", 1, 2}, {"012", 0, 0}, {"3x2", 2, 2}, {"ff9", 0, 2},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct choice_of of[4];
        int32_t count = understand(row[i].sentence, of);
        int32_t chosen = choice_spread(of, count, row[i].last);
        if (chosen != row[i].chosen)
            fail_msg("%s from %d: %d, not %d", row[i].sentence, row[i].last, chosen, row[i].chosen);
    }
}

static void in_turn_when_all_are_equal(void **unused)
{
    (void)unused;
    struct choice_of of[3];
    understand("000", of);
    int32_t last = 0;
    for (int i = 0; i < 30; i++) {
        last = choice_spread(of, 3, last);
        of[last].conns++;
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(of[i].conns, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_stays_goes_on_only_from_what_is_of_no_use),
        cmocka_unit_test(one_that_spreads_goes_where_there_are_fewest),
        cmocka_unit_test(in_turn_when_all_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
