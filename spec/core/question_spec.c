/* question_spec.c - the bounds of functions of policies: one below, at it and one above, by a clock and a memory of our
 * own. They have more names than policies get; with those that they do get it is spec/lua/question_hostile_spec.lua. */
#include "question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "support/asked.h"

/* --- a clock and a memory of our own --------------------------------------------------------- */

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* What both clocks say at each reading of the wall clock since the question began; the last stays. */
static struct {
    bool is_ours;
    int64_t wall_us[8], cpu_us[8];
    int readings, cpu_readings;
} ours;

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!ours.is_ours)
        return __real_clock_gettime(clock, t);
    int64_t us;
    if (clock == CLOCK_MONOTONIC) {
        us = ours.wall_us[ours.readings < 7 ? ours.readings : 7];
        ours.readings++;
    } else {
        us = ours.cpu_us[ours.readings < 8 ? ours.readings - 1 : 7];
        ours.cpu_readings++;
    }
    *t = (struct timespec){us / 1000000, us % 1000000 * 1000};
    return 0;
}

static int until_failure; /* allocations; 0: none fails */

static bool may_allocate(void)
{
    return until_failure == 0 || --until_failure > 0;
}

void *__wrap_realloc(void *block, size_t size)
{
    return may_allocate() ? __real_realloc(block, size) : NULL;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

/* --- bounds ---------------------------------------------------------------------------------- */

static const struct question_bounds many_strikes = {.strikes = 1000000};

/* The largest n for which the function answers, with these bounds. */
static int largest(const char *body, struct question_bounds bounds, int most, const char *else_why)
{
    bounds.time_us = 1000000; /* what is slow, as with sanitizers, is not what this is about */
    struct questions *q = asked_open(asked_function(body), bounds);
    int well = 0;
    for (int step = most / 2; step > 0; step = step / 2) {
        const char *what = asked(q, 0, well + step);
        if (strcmp(what, "yes") == 0)
            well += step;
        else
            assert_string_equal(what, else_why);
    }
    for (int i = 0; i < 3; i++) { /* and each time the same */
        assert_string_equal(asked(q, 0, well - 1), "yes");
        assert_string_equal(asked(q, 0, well), "yes");
        assert_string_equal(asked(q, 0, well + 1), else_why);
    }
    questions_free(&q);
    return well;
}

static void steps_are_counted_exactly(void **unused)
{
    (void)unused;
    const char *loop = "for _ = 1, e.n do end return true";
    struct question_bounds bounds = {.strikes = 1000000, .time_us = 1000000};
    int usual = largest(loop, bounds, 1 << 20, "steps");
    assert_in_range(usual, 99990, 99999);
    for (bounds.steps = 990; bounds.steps <= 1010; bounds.steps++)
        assert_int_equal(largest(loop, bounds, 1 << 12, "steps"), usual - 100000 + bounds.steps);
    bounds.steps = 100000 - usual;
    struct questions *q = asked_open(asked_function(loop), bounds);
    assert_string_equal(asked(q, 0, 0), "yes");
    questions_free(&q);
    bounds.steps--;
    q = asked_open(asked_function(loop), bounds);
    assert_string_equal(asked(q, 0, 0), "steps");
    questions_free(&q);
}

/* The wall clock and the processor's time when the question begins and at each look; then what comes of it. */
static void time_is_what_the_processor_worked(void **unused)
{
    (void)unused;
    static const struct {
        int64_t wall_us[8], cpu_us[8];
        const char *end;
        int cpu_readings;
    } row[] = {
        /* a 0 says what was said before */
        {{0}, {0}, "yes", 1},
        {{0, 1999}, {0}, "yes", 1}, /* nothing took more */
        {{0, 2000}, {0, 2000}, "time", 2},
        {{0, 2001}, {0, 2001}, "time", 2},
        {{0, 10, 1999, 2000}, {0, 10, 1999, 2000}, "time", 2},
        {{0, 1000000}, {0, 1999}, "yes", 2}, /* others had it for a second */
        {{0, 1000000, 1000001}, {0, 1999, 2000}, "time", 3},
        {{0, 1000000, 2000000}, {0, 1500, 1999}, "yes", 3},
        {{500, 2499}, {70000}, "yes", 1},
        {{500, 2500}, {70000, 72000}, "time", 2},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct questions *q = asked_open(asked_function("for _ = 1, 100 do end return true"),
                                         (struct question_bounds){0});
        memcpy(ours.wall_us, row[i].wall_us, sizeof ours.wall_us);
        memcpy(ours.cpu_us, row[i].cpu_us, sizeof ours.cpu_us);
        for (int k = 1; k < 8; k++) {
            if (ours.wall_us[k] == 0)
                ours.wall_us[k] = ours.wall_us[k - 1];
            if (ours.cpu_us[k] == 0)
                ours.cpu_us[k] = ours.cpu_us[k - 1];
        }
        ours.readings = ours.cpu_readings = 0;
        ours.is_ours = true;
        const char *end = asked(q, 0, 0);
        ours.is_ours = false;
        if (strcmp(end, row[i].end) != 0 || ours.cpu_readings != row[i].cpu_readings)
            fail_msg("row %zu: %s, asked %d times for the processor's time", i, end,
                     ours.cpu_readings);
        questions_free(&q);
    }
}

/* The nearer the end, the sooner the next look. */
static void looks_come_before_the_time_can_be_over(void **unused)
{
    (void)unused;
    struct questions *q = asked_open(asked_function("for _ = 1, 200 do end return true"),
                                     (struct question_bounds){0});
    static const struct {
        int64_t passed_us;
        int least, most;
    } row[] = {{0, 6, 9}, {1000, 12, 16}, {1900, 170, 180}, {1999, 170, 180}};
    for (size_t i = 0; i < COUNT(row); i++) {
        memset(&ours, 0, sizeof ours);
        for (int k = 1; k < 8; k++)
            ours.wall_us[k] = row[i].passed_us;
        ours.is_ours = true;
        assert_string_equal(asked(q, 0, 0), "yes");
        ours.is_ours = false;
        if (ours.readings - 1 < row[i].least || ours.readings - 1 > row[i].most)
            fail_msg("row %zu: %d looks", i, ours.readings - 1);
    }
    questions_free(&q);
}

static void memory_is_what_is_taken(void **unused)
{
    (void)unused;
    /* In many tables, which are garbage at once: 100 kB and more of them for each 1,000. */
    const char *tables = "for _ = 1, e.n do local _ = { 1, 2, 3, 4 } end return true";
    int usual = largest(tables, many_strikes, 1 << 14, "memory");
    assert_in_range(usual, 1500, 4000);
    struct question_bounds twice = {.strikes = 1000000, .memory = 2 * 262144};
    assert_in_range(largest(tables, twice, 1 << 14, "memory"), 2 * usual, 2 * usual + 12);
    /* In one piece: 4,096 values of 8 bytes and the one at 0 are more than 32 kB. */
    assert_in_range(largest("local t = {} for i = 1, e.n do t[i] = i end return true", many_strikes,
                            1 << 14, "memory"),
                    2048, 2049);
}

/* With whatever is left of its memory, what it fails with is read. */
static void failing_takes_no_memory(void **unused)
{
    (void)unused;
    struct question_bounds bounds = many_strikes;
    for (bounds.memory = 1; bounds.memory < 1000; bounds.memory++) {
        struct questions *q = asked_open(
            "question(function(e) error(e.n / 3, 0) end) question(function(e) error('x') end)\n"
            "question(function(e) error({}) end) question(function(e) return 5 end)",
            bounds);
        for (int i = 0; i < 4; i++) {
            const char *end = asked(q, i, 0.5 + bounds.memory);
            if (strcmp(end, i < 3 ? "error" : "shape") != 0)
                assert_string_equal(end, "memory");
        }
        questions_free(&q);
    }
}

/* --- what cannot be swallowed ---------------------------------------------------------------- */

static void a_cut_cannot_be_swallowed(void **unused)
{
    (void)unused;
    static const struct {
        const char *body, *end;
    } row[] = {
        {"while true do pcall(function() while true do end end) end", "steps"},
        {"pcall(function() while true do end end) return true", "steps"},
        {"repeat until pcall(function() while true do end end) return true", "steps"},
        {"local function f() return pcall(f) end return f()", "memory"},
        {"local function f() pcall(f) return f() end return f()", "memory"},
        {"local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })"
         " while true do pcall(function() return t[1] end) end",
         "memory"},
        {"local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
         "steps"},
        {"return tostring(setmetatable({}, { __tostring = function() while true do end end }))",
         "steps"},
        {"return setmetatable({}, { __lt = function() while true do end end }) < {}", "error"},
        {"return (('x'):gsub('x', function() while true do end end))", "steps"},
        {"table.sort({ 3, 1, 2 }, function() pcall(function() while true do end end) end)",
         "steps"},
        {"for _ in function() return 1 end do end", "steps"},
        {"local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
         "memory"},
        {"pcall(string.rep, 'x', 1e9) return true", "memory"},
        {"pcall(string.rep, 'x', 40000) return true", "memory"},
        {"local s = 'x' while true do s = s .. s end", "memory"},
        {"local function f(...) return f(1, ...) end f()", "memory"},
        {"local function f() return 1 + f() end return f()", "memory"},
        {"error({})", "error"},
        {"error(setmetatable({}, { __tostring = function() while true do end end }))", "error"},
        {"return setmetatable({}, { __eq = error })", "shape"},
        {"return 1", "shape"},
        {"return true, 1", "yes"},
        {"return", "silent"},
        {"return nil, true", "silent"},
        {"e.n = nil e.x = e return false", "no"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        char source[4200];
        snprintf(source, sizeof source, "%s question(function() return true end)",
                 asked_function(row[i].body));
        struct question_bounds bounds = {.strikes = 5, .time_us = 1000000};
        struct questions *q = asked_open(source, bounds);
        for (int k = 0; k < 3; k++) {
            const char *end = asked(q, 0, k);
            if (strcmp(end, row[i].end) != 0)
                fail_msg("%s: %s, not %s", row[i].body, end, row[i].end);
            assert_string_equal(asked(q, 1, k), "yes"); /* the others go on */
        }
        assert_int_equal(questions_made_anew(q), 0);
        questions_free(&q);
    }
}

/* Where the n-th allocation fails, for n from 1: in the beginning, and while something is asked. */
static void without_memory_it_says_so(void **unused)
{
    (void)unused;
    struct questions *q = asked_open(
        "local t = { 1 }\n"
        "question(function(e) local s = {} for i = 1, 5 do s[i] = e.n .. i end return true end)\n"
        "question(function(e) t[e.n] = 2 return true end, { t, 2, 1, 1, 1 })",
        many_strikes);
    int failures = 0;
    for (int n = 1; n < 200; n++) {
        struct question_breach breach;
        until_failure = n;
        const char *end = asked_why(q, 0, n, &breach);
        bool is_over = until_failure > 0;
        until_failure = 0;
        assert_string_equal(end, is_over ? "yes" : "memory");
        failures += !is_over;
        assert_string_equal(asked(q, 0, n + 1000), "yes");
    }
    assert_in_range(failures, 5, 60);
    assert_int_equal(questions_made_anew(q), 0);
    questions_free(&q);
}

static void without_memory_to_begin_anew_nobody_is_asked(void **unused)
{
    (void)unused;
    const char *source = "local t = { 1 }\n"
                         "question(function(e) t[e.n] = 2 return true end, { t, 2, 1, 1, 1 })"
                         "question(function() return true end)";
    for (int n = 1; n < 400; n += n == 2 ? 8 : 1) { /* between them is LuaJIT's, see chamber.c */
        struct question_breach breach;
        struct questions *q = asked_open(source, many_strikes);
        assert_string_equal(asked(q, 0, 2), "changed");
        until_failure = n;
        const char *end = asked_why(q, 1, 0, &breach);
        bool has_failed = until_failure == 0;
        until_failure = 0;
        if (!has_failed) {
            assert_string_equal(end, "yes");
        } else if (strcmp(end, "lost") == 0) {
            assert_true(breach.is_last);
            asked(q, 0, 0); /* is told too, if it was the source for which there was no memory */
            assert_string_equal(asked(q, 0, 0), "silent");
            assert_string_equal(asked(q, 1, 0), "silent");
        } else {
            assert_string_equal(end, "memory"); /* when it was asked */
            assert_string_equal(asked(q, 1, 0), "yes");
        }
        questions_free(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_counted_exactly),
        cmocka_unit_test(time_is_what_the_processor_worked),
        cmocka_unit_test(looks_come_before_the_time_can_be_over),
        cmocka_unit_test(memory_is_what_is_taken),
        cmocka_unit_test(failing_takes_no_memory),
        cmocka_unit_test(a_cut_cannot_be_swallowed),
        cmocka_unit_test(without_memory_it_says_so),
        cmocka_unit_test(without_memory_to_begin_anew_nobody_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
