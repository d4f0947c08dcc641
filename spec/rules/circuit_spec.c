/* circuit_spec.c - when it trips, what it tells, and what no policy can say.
 * Its probes and pauses are in circuit_open_spec.c, each move in circuit_moves_spec.c, what counts in
 * circuit_window_spec.c, what others promise in circuit_scenarios_spec.c, and all of it beside a slow
 * model in circuit_model_spec.c. The letters are those of support/circuit_story.h. */
#include "rules/circuit.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/circuit_story.h"

/* --- it trips --------------------------------------------------------------------------------- */

static void it_trips_by_what_is_in_its_window(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"", "closed 0+0/0"},
        {"3x", "closed 3+0/3"}, /* too few to tell */
        {"4x", "open failures 4/4 1000"},
        {"4x3-", "open failures 4/4 1000"},
        {"..x.", "closed 1+0/4"},
        {"..xx", "open failures 2/4 1000"},
        {"xx..", "open failures 2/4 1000"}, /* the fourth is enough, however it ended itself */
        {"x...x..x.x", "closed 4+0/10"},
        {"x...x..x.x.", "closed 3+0/10"}, /* the first is forgotten */
        {"x.....xxxx", "open failures 5/10 1000"},
        {"x.....xxx.x", "closed 4+0/10"},
        {"x.....xxx.xx", "open failures 5/10 1000"},
        {"6.4x6.", "closed 4+0/10"},
        {"9r3x9r", "closed 3+0/3"}, /* what comes to nothing proves nothing */
        {"sss", "closed 0+3/3"},
        {"ssss", "open slow 4/4 1000"},
        {".sss", "closed 0+3/4"},
        {".ssss", "open slow 4/5 1000"},
        {"..7s", "closed 0+7/9"},
        {"..8s", "open slow 8/10 1000"},
        {".zss", "closed 1+3/4"},
        {".zsss", "open slow 4/5 1000"},
        {"zzss", "open failures 2/4 1000"}, /* of two reasons the first */
        {".z.s.z.s", "closed 2+4/8"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
}

/* As many outcomes as the window holds, of which only the last can trip it. */
static bool trips_at(int32_t window, int32_t percent, int32_t bad, char how)
{
    struct circuit_policy policy = circuit_usual;
    struct circuit_story s;
    policy.window = policy.least = window;
    policy.percent = how == 'x' ? percent : 0;
    policy.slow_percent = how == 's' ? percent : 0;
    circuit_story_begin(&s, &policy);
    for (int32_t i = 0; i < window; i++) {
        assert_int_equal(s.circuit.state, CIRCUIT_CLOSED);
        circuit_story_tell(&s, i < bad ? how == 'x' ? "x" : "s" : ".");
    }
    if (s.circuit.state == CIRCUIT_OPEN) {
        assert_int_equal(s.circuit.cause.why, how == 'x' ? CIRCUIT_FAILURES : CIRCUIT_SLOWNESS);
        assert_int_equal(s.circuit.cause.bad, bad);
        assert_int_equal(s.circuit.cause.of, window);
    }
    return s.circuit.state == CIRCUIT_OPEN;
}

static void a_share_is_exact(void **unused)
{
    (void)unused;
    static const int32_t window[] = {1, 2, 3, 7, 10, 63, 64, 65, 100, 999, 1000};
    static const int32_t percent[] = {1, 33, 34, 50, 66, 67, 99, 100};
    for (size_t w = 0; w < COUNT(window); w++)
        for (size_t i = 0; i < COUNT(percent); i++) {
            int32_t enough = 0; /* the least number that is no less than that share */
            while (enough * 100 < percent[i] * window[w])
                enough++;
            assert_true(trips_at(window[w], percent[i], enough, 'x'));
            assert_true(trips_at(window[w], percent[i], enough, 's'));
            assert_false(trips_at(window[w], percent[i], enough - 1, 'x'));
            assert_false(trips_at(window[w], percent[i], enough - 1, 's'));
        }
}

static void each_reason_may_be_off(void **unused)
{
    (void)unused;
    struct circuit_policy none = circuit_usual, few = circuit_usual, row = circuit_usual;
    none.percent = none.slow_percent = 0;
    few.least = 0;
    row.percent = row.slow_percent = 0;
    row.consecutive = 3;
    circuit_story_ends(&none, "20z", "closed 10+10/10");
    circuit_story_ends(&few, "x", "open failures 1/1 1000");
    circuit_story_ends(&few, ".x", "open failures 1/2 1000");
    circuit_story_ends(&few, "..x", "closed 1+0/3");
    few.slow_us = 0;
    circuit_story_ends(&few, "20s", "closed 0+0/10");
    few.least = 50; /* more than there can be */
    circuit_story_ends(&few, "9x", "closed 9+0/9");
    circuit_story_ends(&few, "9x.", "open failures 9/10 1000");
    static const struct circuit_story_row in_a_row[] = {
        {"xx", "closed 2+0/2"},
        {"xxx", "open consecutive 3/3 1000"},
        {"xx.xx", "closed 4+0/5"},
        {"xx.xxx", "open consecutive 3/3 1000"},
        {"xxsxx", "closed 4+1/5"},
        {"xzx", "open consecutive 3/3 1000"},
        {"xx9rx", "open consecutive 3/3 1000"},
        {"9.xxx", "open consecutive 3/3 1000"},
        {"xxx10>..xx", "closed 2+0/2"},
    };
    circuit_story_all_end(&row, in_a_row, COUNT(in_a_row));
    row.window = 1; /* in the window or not */
    circuit_story_ends(&row, "xx", "closed 1+0/1");
    circuit_story_ends(&row, "xxx", "open consecutive 3/3 1000");
}

static void what_is_slow_took_longer(void **unused)
{
    (void)unused;
    struct circuit_policy policy = {.slow_us = 1000};
    static const struct {
        int64_t slow_us, took_us;
        bool is_failed;
        uint32_t outcome;
    } row[] = {
        {1000, 999, false, CIRCUIT_WELL},
        {1000, 1000, false, CIRCUIT_WELL},
        {1000, 1001, false, CIRCUIT_SLOW},
        {1000, 1000, true, CIRCUIT_FAILED},
        {1000, 1001, true, CIRCUIT_FAILED | CIRCUIT_SLOW},
        {1, 2, false, CIRCUIT_SLOW},
        {0, INT64_MAX, false, CIRCUIT_WELL},
        {0, INT64_MAX, true, CIRCUIT_FAILED},
        {INT64_MAX, INT64_MAX, false, CIRCUIT_WELL},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        policy.slow_us = row[i].slow_us;
        assert_int_equal(circuit_outcome(&policy, row[i].is_failed, row[i].took_us),
                         row[i].outcome);
    }
}

/* --- far away --------------------------------------------------------------------------------- */

static void it_bears_the_end_of_time(void **unused)
{
    (void)unused;
    static const int64_t span_us[] = {0, CIRCUIT_BUCKETS, SECOND_US, INT64_MAX};
    for (size_t i = 0; i < COUNT(span_us); i++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        s.policy.window = span_us[i] == 0 ? 10 : 0;
        s.policy.span_us = span_us[i];
        s.policy.probe_us = s.policy.pause_max_us = INT64_MAX;
        circuit_story_tell(&s, "xx.");
        s.now_us = INT64_MAX;
        circuit_story_tell(&s, "4x");
        assert_int_equal(s.circuit.until_us, INT64_MAX);
        circuit_story_tell(&s, "A"); /* which has come */
        assert_int_equal(s.circuit.kept.probes.permit[CIRCUIT_PROBES_MOST - 1].until_us, INT64_MAX);
        circuit_story_tell(&s, "a...x@o-@c..@m4x");
    }
}

static void it_bears_any_number_of_trips(void **unused)
{
    (void)unused;
    struct circuit_story s;
    circuit_story_begin(&s, &circuit_usual);
    s.circuit.era = UINT32_MAX - 1;
    s.circuit.trips = INT32_MAX - 1;
    circuit_story_tell(&s, "A4x10>Bbx20>..ax");
    assert_string_equal(circuit_story_says(&s), "closed 0+0/0");
    assert_int_equal(s.circuit.era, 3);
    assert_int_equal(s.circuit.trips, INT32_MAX);
    s.policy.percent = 0;
    s.policy.consecutive = INT32_MAX;
    s.circuit.streak = INT32_MAX - 2;
    circuit_story_tell(&s, "xr");
    assert_int_equal(s.circuit.state, CIRCUIT_CLOSED);
    circuit_story_tell(&s, "@cxx");
    assert_int_equal(s.circuit.streak, INT32_MAX);
    circuit_story_tell(&s, "@ax");
    assert_int_equal(s.circuit.cause.why, CIRCUIT_CONSECUTIVE);
    assert_int_equal(s.circuit.cause.bad, INT32_MAX);
}

/* --- what it tells ---------------------------------------------------------------------------- */

static void it_tells_since_when_and_how_often(void **unused)
{
    (void)unused;
    static const struct {
        const char *sentence;
        int64_t ticks; /* ago */
        int32_t trips;
        enum circuit_why why;
    } row[] = {
        {"xx.>", 36001, 0, CIRCUIT_NOT}, /* nobody said when it began */
        {"4x>>", 2, 1, CIRCUIT_FAILURES},
        {"4s>>", 2, 1, CIRCUIT_SLOWNESS},
        {"4x10>", 10, 1, CIRCUIT_FAILURES},
        {"4x10>A3>", 3, 1, CIRCUIT_FAILURES},
        {"4x10>A3>ax", 0, 2, CIRCUIT_PROBE},
        {"4x10>..3>", 3, 1, CIRCUIT_FAILURES},
        {"4x10>..3>xx.@m2>@a", 5, 1, CIRCUIT_FAILURES},
        {"4x3>@o3>", 6, 1, CIRCUIT_ORDER},
        {"3>@o3>", 3, 0, CIRCUIT_ORDER},
        {"4x3>@o3>@c5>", 5, 1, CIRCUIT_ORDER},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        circuit_story_tell(&s, row[i].sentence);
        if (s.now_us - s.circuit.since_us != row[i].ticks * TICK_US ||
            s.circuit.trips != row[i].trips || s.circuit.cause.why != row[i].why)
            fail_msg("%s: %lld us ago, %d trips, %s", row[i].sentence,
                     (long long)(s.now_us - s.circuit.since_us), s.circuit.trips,
                     circuit_reason(s.circuit.cause.why));
    }
}

static void each_state_and_reason_has_a_name(void **unused)
{
    (void)unused;
    static const char *const state[] = {"closed", "open", "half"};
    static const char *const why[] = {"none", "failures", "slow", "consecutive", "probe", "order"};
    for (int i = CIRCUIT_CLOSED; i <= CIRCUIT_HALF; i++)
        assert_string_equal(circuit_state_name(i), state[i]);
    for (int i = CIRCUIT_NOT; i <= CIRCUIT_ORDER; i++)
        assert_string_equal(circuit_reason(i), why[i]);
}

static void a_circuit_is_as_small_as_it_says(void **unused)
{
    (void)unused;
    assert_int_equal(sizeof(struct circuit), 376);
    assert_true(CIRCUIT_KEPT >= CIRCUIT_WINDOW_MOST);
}

/* --- mistakes --------------------------------------------------------------------------------- */

/* Whether the process ends, when after this it is asked by that policy, or no pass is handed in. */
static bool is_stopped(const struct circuit_policy *p, const char *sentence, bool is_asked)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct circuit_story s;
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        circuit_story_begin(&s, &circuit_usual);
        circuit_story_tell(&s, sentence);
        if (is_asked)
            circuit_allow(&s.circuit, p, s.now_us);
        else
            circuit_return(&s.circuit, 0);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
    return status != 0;
}

static void what_no_policy_can_say_is_a_mistake(void **unused)
{
    (void)unused;
    static const struct {
        int32_t window, probes;
        int64_t span_us, probe_us;
        const char *sentence;
        bool is_asked, is_stopped;
    } row[] = {
        {1, 2, 0, 1, "", true, false},       {1000, 2, 0, 1, "", true, false},
        {1001, 2, 0, 1, "", true, true},     {-1, 2, SECOND_US, 1, "", true, true},
        {0, 2, 10, 1, "", true, false},      {0, 2, 9, 1, "", true, true},
        {10, 1, 0, 1, "4x10>", true, false}, {10, 16, 0, 1, "4x10>", true, false},
        {10, 0, 0, 1, "4x10>", true, true},  {10, 17, 0, 1, "4x10>", true, true},
        {10, 1, 0, 0, "4x10>", true, true},  {10, 2, 0, 1, "", false, true},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct circuit_policy policy = circuit_usual;
        policy.window = row[i].window;
        policy.probes = row[i].probes;
        policy.span_us = row[i].span_us;
        policy.probe_us = row[i].probe_us;
        if (is_stopped(&policy, row[i].sentence, row[i].is_asked) != row[i].is_stopped)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_trips_by_what_is_in_its_window),
        cmocka_unit_test(a_share_is_exact),
        cmocka_unit_test(each_reason_may_be_off),
        cmocka_unit_test(what_is_slow_took_longer),
        cmocka_unit_test(it_bears_the_end_of_time),
        cmocka_unit_test(it_bears_any_number_of_trips),
        cmocka_unit_test(it_tells_since_when_and_how_often),
        cmocka_unit_test(each_state_and_reason_has_a_name),
        cmocka_unit_test(a_circuit_is_as_small_as_it_says),
        cmocka_unit_test(what_no_policy_can_say_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
