/* question_left_spec.c - what functions of policies leave behind: nothing of what they hold on to, no
 * memory, and a strike for each breach. */
#include "question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "support/asked.h"

static const struct question_bounds many_strikes = {.strikes = 1000000};

/* The function, what it does with what it holds on to, and whether that is a change. */
static void what_is_held_stays_as_it_was(void **unused)
{
    (void)unused;
    static const struct {
        const char *body;
        bool is_change;
    } row[] = {
        {"return true", false},
        {"n = n return true", false},
        {"t.a, t.b = t.a, t.b return true", false},
        {"n = n + 1 return true", true},
        {"n = -n return true", true}, /* 0 is not -0 */
        {"n = '0' return true", true},
        {"n = nil return true", true},
        {"nothing = false return true", true},
        {"nan = 0 return true", true},
        {"t = { 5, 6, a = 1, b = 2 } return true", true}, /* another one */
        {"t.a = 2 return true", true},
        {"t.a = nil return true", true},
        {"t.c = 3 return true", true},
        {"t.b = nil t.c = 2 return true", true},
        {"t[3] = 7 return true", true},
        {"t[1], t[2] = t[2], t[1] return true", true},
        {"table.insert(t, 7) return true", true},
        {"table.remove(t) return true", true},
        {"t.a, t.b = t.b, t.a return true", true},
        {"n = 1 while true do end", true},
        {"n = 1 error 'x'", true},
        {"n = 1", true},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        char source[2048];
        snprintf(source, sizeof source,
                 "local n, nothing, nan, t = 0, nil, 0 / 0, { 5, 6, a = 1, b = 2 }\n"
                 "local function f(e) if e.n == 0 then return n == 0 and 1 / n > 0 and #t == 2 end "
                 "%s end\n"
                 "local function all() return n, nothing, nan, t end\n"
                 "local held = { all, 4, 0, n, nothing, nan, t, t, 8, 2 }\n"
                 "for k, v in next, t do held[#held + 1] = k held[#held + 1] = v end\n"
                 "question(f, held) question(function() return true end)",
                 row[i].body);
        struct questions *q = asked_open(source, many_strikes);
        for (int k = 1; k <= 3; k++) {
            const char *end = asked(q, 0, 1);
            bool is_answered = strcmp(end, "yes") == 0;
            if (is_answered == row[i].is_change)
                fail_msg("%s: %s", row[i].body, end);
            assert_string_equal(asked(q, 0, 0), "yes"); /* it is as it was */
            assert_string_equal(asked(q, 1, 0), "yes");
            assert_int_equal(questions_made_anew(q), row[i].is_change ? k : 0);
        }
        questions_free(&q);
    }
}

/* What no list of what is held has seen: then it shows by the memory, once a bound is broken. */
static void what_is_left_all_the_same_ends_the_state(void **unused)
{
    (void)unused;
    struct questions *q =
        asked_open("local t = {}\n"
                   "question(function(e) t[#t + 1] = ('x'):rep(20000) .. e.n\n"
                   "  if e.n % 10 == 9 then while true do end end return true end)",
                   many_strikes);
    for (int i = 0; i < 100; i++)
        assert_string_equal(asked(q, 0, i), i % 10 == 9 ? "steps" : "yes");
    assert_int_equal(questions_made_anew(q), 9);
    questions_free(&q);
}

/* The collector steps with each allocation, however large it is. */
static void large_pieces_are_collected_in_time(void **unused)
{
    (void)unused;
    struct questions *q = asked_open(asked_function("return ('x'):rep(30000 + e.n) ~= ''"),
                                     (struct question_bounds){.strikes = 1});
    for (int i = 0; i < 2000; i++) {
        assert_string_equal(asked(q, 0, i % 1000), "yes");
        assert_true(questions_memory(q) < 1000000);
    }
    questions_free(&q);
}

static void nothing_grows(void **unused)
{
    (void)unused;
    struct questions *q = asked_open(
        "question(function(e) return ('x' .. e.n):rep(20):upper() ~= '' end)\n"
        "question(function(e) while true do end end)\n"
        "question(function(e) local t = {} while true do t[#t + 1] = { e.n .. #t } end end)\n"
        "question(function(e) error('x' .. e.n) end)\n"
        "question(function(e) return 'x' .. e.n end)\n"
        "question(function(e) local function f(n) return 1 + f(n .. 'x') end return f(e.n) end)\n",
        (struct question_bounds){.strikes = 1000000, .steps = 10000, .time_us = 1000000});
    size_t begin = 0;
    for (int i = 0; i < 101000; i++) {
        if (i % 100 == 0)
            asked(q, 1 + i / 100 % 5, i);
        else
            assert_string_equal(asked(q, 0, i), "yes");
        if (i == 2000 || i == 100600) { /* all garbage was collected after that breach */
            assert_string_equal(asked(q, 1, i), "steps");
            if (begin == 0)
                begin = questions_memory(q);
        }
        if (i == 100600)
            assert_in_range(questions_memory(q), begin - 8192, begin + 8192);
        assert_true(questions_memory(q) < 4 * begin + 4 * 262144);
    }
    assert_int_equal(questions_made_anew(q), 0);
    questions_free(&q);
}

static void after_the_last_strike_it_is_asked_no_more(void **unused)
{
    (void)unused;
    for (int strikes = 0; strikes <= 4; strikes++) {
        struct questions *q =
            asked_open("question(function(e) if e.n > 0 then error 'x' end return true end)\n"
                       "question(function() return true end)",
                       (struct question_bounds){.strikes = strikes});
        int most = strikes == 0 ? 3 : strikes;
        for (int i = 1; i <= most; i++) {
            struct question_breach breach;
            assert_string_equal(asked_why(q, 0, 0, &breach), "yes");
            assert_string_equal(asked_why(q, 0, 1, &breach), "error");
            assert_string_equal(breach.text, "fails: x");
            assert_int_equal(breach.source, 1);
            assert_int_equal(breach.line, 1);
            assert_int_equal(breach.strikes, i);
            assert_int_equal(breach.is_last, i == most);
        }
        assert_string_equal(asked(q, 0, 0), "silent");
        assert_string_equal(asked(q, 1, 0), "yes");
        questions_free(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_stays_as_it_was),
        cmocka_unit_test(what_is_left_all_the_same_ends_the_state),
        cmocka_unit_test(large_pieces_are_collected_in_time),
        cmocka_unit_test(nothing_grows),
        cmocka_unit_test(after_the_last_strike_it_is_asked_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
