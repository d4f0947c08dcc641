/* circuit_moves_spec.c - each thing that can happen, in each state and mode, and what comes of it. */
#include "rules/circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/circuit_story.h"

/* --- the whole table -------------------------------------------------------------------------- */

/* A and H are calls on their way. A's outcome counts where it was let pass in this state; H was let
 * pass in another. */
enum happening {
    LOOKED_AT = 0,
    ASKED,
    LATER,
    ASKED_LATER,
    WELL,
    FAILED,
    RETURNED,
    OLD_NEWS,
    AUTOMATIC,
    BY_ORDER_OPEN,
    BY_ORDER_CLOSED,
    METRICS,
    HAPPENINGS
};

static const char *const usual_way[HAPPENINGS] = {
    [LOOKED_AT] = "?",        [LATER] = "10>?",  [WELL] = "a.",      [FAILED] = "ax",
    [RETURNED] = "ar",        [OLD_NEWS] = "hx", [AUTOMATIC] = "@a", [BY_ORDER_OPEN] = "@o",
    [BY_ORDER_CLOSED] = "@c", [METRICS] = "@m",  [ASKED] = NULL,     [ASKED_LATER] = NULL,
};

#define ORDER "open by order"
#define WAS_OPEN "open order 0/0 0"
#define TRIPPED "open failures 4/4 1000"
#define ONE_OF_THREE "closed 1+0/3"
#define EMPTY "closed 0+0/0"

static const struct {
    const char *begin, *asked, *asked_later; /* what who asks hears */
    const char *says[HAPPENINGS];
} state[] = {
    {.begin = "H@o@c@ax..A",
     .asked = "B",
     .asked_later = "10>B",
     .says = {[LOOKED_AT] = ONE_OF_THREE,
              [ASKED] = ONE_OF_THREE,
              [LATER] = ONE_OF_THREE,
              [ASKED_LATER] = ONE_OF_THREE,
              [WELL] = "closed 1+0/4",
              [FAILED] = "open failures 2/4 1000",
              [RETURNED] = ONE_OF_THREE,
              [OLD_NEWS] = ONE_OF_THREE,
              [AUTOMATIC] = ONE_OF_THREE,
              [BY_ORDER_OPEN] = ORDER,
              [BY_ORDER_CLOSED] = ONE_OF_THREE,
              [METRICS] = ONE_OF_THREE}},
    {.begin = "HA4x",
     .asked = "-",
     .asked_later = "10>B",
     .says = {[LOOKED_AT] = TRIPPED,
              [ASKED] = TRIPPED,
              [LATER] = "open failures 4/4 0",
              [ASKED_LATER] = "half 0+1",
              [WELL] = TRIPPED,
              [FAILED] = TRIPPED,
              [RETURNED] = TRIPPED,
              [OLD_NEWS] = TRIPPED,
              [AUTOMATIC] = TRIPPED,
              [BY_ORDER_OPEN] = ORDER,
              [BY_ORDER_CLOSED] = EMPTY,
              [METRICS] = TRIPPED}},
    {.begin = "H4x10>.A",
     .asked = "-",
     .asked_later = "10>B",
     .says = {[LOOKED_AT] = "half 1+1",
              [ASKED] = "half 1+1",
              [LATER] = "half 1+0",
              [ASKED_LATER] = "half 1+1",
              [WELL] = EMPTY,
              [FAILED] = "open probe 1/2 2000",
              [RETURNED] = "half 1+0",
              [OLD_NEWS] = "half 1+1",
              [AUTOMATIC] = "half 1+1",
              [BY_ORDER_OPEN] = ORDER,
              [BY_ORDER_CLOSED] = EMPTY,
              [METRICS] = "half 1+1"}},
    {.begin = "HA@o",
     .asked = "-",
     .asked_later = "10>-",
     .says = {[LOOKED_AT] = ORDER,
              [ASKED] = ORDER,
              [LATER] = ORDER,
              [ASKED_LATER] = ORDER,
              [WELL] = ORDER,
              [FAILED] = ORDER,
              [RETURNED] = ORDER,
              [OLD_NEWS] = ORDER,
              [AUTOMATIC] = WAS_OPEN,
              [BY_ORDER_OPEN] = ORDER,
              [BY_ORDER_CLOSED] = EMPTY,
              [METRICS] = WAS_OPEN}},
    {.begin = "H@o@cx..A",
     .asked = "B",
     .asked_later = "10>B",
     .says = {[LOOKED_AT] = ONE_OF_THREE,
              [ASKED] = ONE_OF_THREE,
              [LATER] = ONE_OF_THREE,
              [ASKED_LATER] = ONE_OF_THREE,
              [WELL] = "closed 1+0/4",
              [FAILED] = "closed 2+0/4",
              [RETURNED] = ONE_OF_THREE,
              [OLD_NEWS] = ONE_OF_THREE,
              [AUTOMATIC] = ONE_OF_THREE,
              [BY_ORDER_OPEN] = ORDER,
              [BY_ORDER_CLOSED] = ONE_OF_THREE,
              [METRICS] = ONE_OF_THREE}},
};

/* What was let pass before a move counts for nothing after it, and nothing else is so. */
static void tell_one(struct circuit_story *s, const char *sentence)
{
    struct circuit before = s->circuit;
    int64_t then_us = s->now_us;
    circuit_story_tell(s, sentence);
    bool has_moved = s->circuit.state != before.state;
    if (s->circuit.era != before.era + has_moved ||
        s->circuit.since_us != (has_moved ? s->now_us : before.since_us))
        fail_msg("\"%s\": era %u after %u, %lld us later", sentence, s->circuit.era, before.era,
                 (long long)(s->now_us - then_us));
    assert_int_equal(s->circuit.mode, s->policy.mode);
}

/* With metrics only all is as it is in automatic, but that who would be refused passes. */
static void tell_all(size_t at, bool is_metrics)
{
    for (int32_t i = 0; i < HAPPENINGS; i++) {
        struct circuit_story s;
        char what[8];
        const char *way = i == ASKED         ? state[at].asked
                          : i == ASKED_LATER ? state[at].asked_later
                                             : usual_way[i];
        snprintf(what, sizeof what, "%s", is_metrics && strcmp(way, "-") == 0 ? "~" : way);
        circuit_story_begin(&s, &circuit_usual);
        circuit_story_tell(&s, state[at].begin);
        circuit_story_tell(&s, is_metrics ? "@m" : "?");
        tell_one(&s, what);
        if (strcmp(circuit_story_says(&s), state[at].says[i]) != 0)
            fail_msg("\"%s%s\": it is %s, not %s", state[at].begin, what, s.now, state[at].says[i]);
    }
}

static void whatever_happens_it_is_in_the_table(void **unused)
{
    (void)unused;
    for (size_t at = 0; at < COUNT(state); at++)
        tell_all(at, false);
    for (size_t at = 0; at < 3; at++)
        tell_all(at, true);
}

/* --- modes ------------------------------------------------------------------------------------ */

static void forced_open_refuses_all_and_then_probes_decide(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"@o9-500>9-", ORDER},
        {"@o@a..", EMPTY},
        {"@o@ax", "open probe 1/1 1000"},
        {"4x500>@o-", ORDER},
        {"4x@o@ax", "open probe 1/1 2000"},
        {"4x@o@a@o-", ORDER},
        {"4x10>AB@o-@aCD-", "half 0+2"},
        {"4x10>AB@o@aCDaxbx", "half 0+2"},
        {"xx@o@a..", EMPTY},
        {"@o@mAB~", "half 0+2"},
        {"4x@o@c3x", "closed 3+0/3"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
}

static void forced_closed_counts_and_never_trips(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"3x@c99z", "closed 10+10/10"},
        {"3x@c9x@a", "closed 10+0/10"},
        {"3x@c9x@a9r", "closed 10+0/10"}, /* until the next outcome */
        {"3x@c9x@ax", "open failures 10/10 1000"},
        {"3x@c9x@a.", "open failures 9/10 1000"},
        {"3x@c6.@a.", "closed 3+0/10"},
        {"xx@cxx@m.", "open failures 4/5 1000"},
        {"4x@c9x", "closed 9+0/9"},
        {"4x10>A@cax....", "closed 0+0/4"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
}

static void metrics_only_goes_the_same_way_and_refuses_nothing(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"@m4x9~", TRIPPED},         {"@m4x9>~", "open failures 4/4 100"},
        {"@m4x10>AB9~", "half 0+2"}, /* they are no probes */
        {"@m4x10>AB9~a.b.", EMPTY},  {"@m4x10>AB~ax~", "open probe 1/1 2000"},
        {"@m4x~@a-", TRIPPED}, /* it does what it said */
        {"4x-@m~@a-", TRIPPED},      {"4x10>AB-@m~@a-a.b.", EMPTY},
        {"xx@mxx", TRIPPED},         {"@mxx@axx-", TRIPPED},
        {"@m4x@o-@m..", EMPTY},      {"@m4x@c.@mx", "closed 1+0/2"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
}

/* Whenever it ends, and in whatever state. */
static void what_would_have_been_refused_counts_for_nothing(void **unused)
{
    (void)unused;
    struct circuit_story s;
    circuit_story_begin(&s, &circuit_usual);
    circuit_story_tell(&s, "@m4x~");
    uint64_t in_open = circuit_allow(&s.circuit, &s.policy, s.now_us);
    circuit_story_tell(&s, "10>AB");
    uint64_t in_half = circuit_allow(&s.circuit, &s.policy, s.now_us);
    assert_true(circuit_would_refuse(in_open) && circuit_would_refuse(in_half));
    for (int i = 0; i < 2; i++) {
        circuit_record(&s.circuit, &s.policy, in_open, CIRCUIT_FAILED, s.now_us, 0);
        circuit_record(&s.circuit, &s.policy, in_half, CIRCUIT_FAILED, s.now_us, 0);
        circuit_record(&s.circuit, &s.policy, in_half, CIRCUIT_WELL, s.now_us, 0);
        circuit_return(&s.circuit, in_open);
        circuit_return(&s.circuit, in_half);
        assert_string_equal(circuit_story_says(&s), i == 0 ? "half 0+2" : "closed 0+0/0");
        circuit_story_tell(&s, i == 0 ? "@a-@ma.b." : ".");
    }
    s.circuit.era = 0; /* as theirs, after 2^32 of them */
    circuit_record(&s.circuit, &s.policy, in_open, CIRCUIT_FAILED, s.now_us, 0);
    assert_string_equal(circuit_story_says(&s), "closed 0+0/1");
}

/* Whichever is the first to come by it. */
static void a_policy_holds_from_the_next_call(void **unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        circuit_story_tell(&s, "A");
        s.policy.mode = CIRCUIT_FORCED_OPEN;
        if (i == 0)
            assert_int_equal(circuit_allow(&s.circuit, &s.policy, s.now_us), 0);
        else
            circuit_story_tell(&s, i == 1 ? "a." : "?");
        assert_string_equal(circuit_story_says(&s), ORDER);
    }
}

/* --- the word --------------------------------------------------------------------------------- */

static void the_word_tells_all_that_may_be_known_without_the_lock(void **unused)
{
    (void)unused;
    static const struct {
        const char *sentence;
        bool may_pass;
    } row[] = {
        {"", true},        {"xx.", true},       {"4x", false},       {"4x10>", false},
        {"4x10>A", false}, {"4x10>..", true},   {"@o", false},       {"@o@a", false},
        {"@c9x", true},    {"4x@c", true},      {"@m", true},        {"@m4x", false},
        {"@m4x~", false},  {"@m4x10>A", false}, {"@m4x10>..", true},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        circuit_story_tell(&s, row[i].sentence);
        uint64_t pass = circuit_pass(circuit_word(&s.circuit));
        if ((pass != 0) != row[i].may_pass || circuit_would_refuse(pass))
            fail_msg("\"%s\": the pass is %llx", row[i].sentence, (unsigned long long)pass);
    }
}

/* Who has read an old word has the pass of an old era. */
static void a_pass_of_an_old_word_counts_for_nothing(void **unused)
{
    (void)unused;
    struct circuit_story s;
    circuit_story_begin(&s, &circuit_usual);
    uint64_t old = circuit_pass(circuit_word(&s.circuit));
    circuit_story_tell(&s, "4x10>..");
    uint64_t young = circuit_pass(circuit_word(&s.circuit));
    assert_true(old != 0 && young != old);
    circuit_record(&s.circuit, &s.policy, old, CIRCUIT_FAILED, s.now_us, 0);
    assert_int_equal(s.circuit.sum.all, 0);
    circuit_record(&s.circuit, &s.policy, young, CIRCUIT_FAILED, s.now_us, 0);
    assert_int_equal(s.circuit.sum.all, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_it_is_in_the_table),
        cmocka_unit_test(forced_open_refuses_all_and_then_probes_decide),
        cmocka_unit_test(forced_closed_counts_and_never_trips),
        cmocka_unit_test(metrics_only_goes_the_same_way_and_refuses_nothing),
        cmocka_unit_test(what_would_have_been_refused_counts_for_nothing),
        cmocka_unit_test(a_policy_holds_from_the_next_call),
        cmocka_unit_test(the_word_tells_all_that_may_be_known_without_the_lock),
        cmocka_unit_test(a_pass_of_an_old_word_counts_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
