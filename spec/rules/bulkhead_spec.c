#include "rules/bulkhead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/aborts.h"

#define MOST 64

/* --- sentences --------------------------------------------------------------------------------- */

/* What is said: '+' somebody comes, '-' a permit comes back, '<' one who waits leaves; a digit is how many may run
 * from here on, a letter how many may wait ('a' for 0). What is heard: 'r' he runs, 'q' he waits, 'x' he is refused,
 * and 's' one who waited is served. */
static void hear(struct bulkhead *b, const char *said, char *heard)
{
    static const char verdict[] = {
        [BULKHEAD_RUN] = 'r', [BULKHEAD_QUEUE] = 'q', [BULKHEAD_REFUSE] = 'x'};
    struct bulkhead_policy p = {.concurrent = 1};
    for (const char *c = said; *c != '\0'; c++) {
        if (*c == '+')
            *heard++ = verdict[bulkhead_enter(b, &p)];
        else if (*c == '-')
            bulkhead_return(b);
        else if (*c == '<')
            bulkhead_leave(b);
        else if (*c >= 'a')
            p.queue = *c - 'a';
        else
            p.concurrent = *c - '0';
        while (bulkhead_next(b, &p))
            *heard++ = 's';
    }
    *heard = '\0';
}

static void who_comes_runs_or_waits_or_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *said, *heard;
        int32_t under, waiting;
    } row[] = {
        {"", "", 0, 0},
        {"1a+", "r", 1, 0},
        {"1a++", "rx", 1, 0},
        {"1a+-+", "rr", 1, 0},
        {"1b+++", "rqx", 1, 1},
        {"1b+++-", "rqxs", 1, 0},
        {"1b+++-+", "rqxsq", 1, 1},
        {"1b+++--", "rqxs", 0, 0},
        {"3c++++++", "rrrqqx", 3, 2},
        {"3c+++++---", "rrrqqss", 2, 0},
        {"1d+++<<-", "rqq", 0, 0}, /* nobody is left to be served */
        {"1b++<+", "rqq", 1, 1},   /* who leaves makes room */
        {"1b++3+", "rqsr", 3, 0},  /* a larger bound serves who waits, and then who comes */
        {"1d++++2", "rqqqs", 2, 2},
        {"1b++4", "rqs", 2, 0},
        {"3c+++1+", "rrrq", 3, 1}, /* a smaller one cuts off nobody */
        {"3c+++1+--", "rrrq", 1, 1},
        {"3c+++1+---", "rrrqs", 1, 0},
        {"3a+++1---+", "rrrr", 1, 0},
        {"1d++++b+", "rqqqx", 1, 3}, /* nor does a shorter queue */
        {"1d++++b---", "rqqqsss", 1, 0},
        {"1d++++b--+", "rqqqssx", 1, 1},
        {"1d++++b---+", "rqqqsssq", 1, 1},
        {"1b++c+", "rqq", 1, 2}, /* a longer one has room */
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct bulkhead b = {.under = 0};
        char heard[MOST];
        hear(&b, row[i].said, heard);
        if (strcmp(heard, row[i].heard) != 0)
            fail_msg("%s: %s, not %s", row[i].said, heard, row[i].heard);
        if (b.under != row[i].under || b.waiting != row[i].waiting)
            fail_msg("%s: %d run and %d wait", row[i].said, b.under, b.waiting);
    }
}

/* Between a permit that came back and the question who is next somebody comes. */
static void who_comes_does_not_overtake_who_waits(void **unused)
{
    (void)unused;
    static const struct bulkhead_policy p = {.concurrent = 1, .queue = 2};
    static const struct bulkhead_policy shorter = {.concurrent = 2, .queue = 1};
    struct bulkhead b = {.under = 0};
    assert_int_equal(bulkhead_enter(&b, &p), BULKHEAD_RUN);
    assert_int_equal(bulkhead_enter(&b, &p), BULKHEAD_QUEUE);
    bulkhead_return(&b);
    assert_int_equal(bulkhead_enter(&b, &shorter), BULKHEAD_REFUSE);
    assert_int_equal(bulkhead_enter(&b, &p), BULKHEAD_QUEUE);
    assert_true(bulkhead_next(&b, &p));
    assert_false(bulkhead_next(&b, &p));
    assert_int_equal(b.under, 1);
    assert_int_equal(b.waiting, 1);
}

static void it_counts_what_became_of_each(void **unused)
{
    (void)unused;
    struct bulkhead b = {.under = 0};
    char heard[MOST];
    hear(&b, "2d+++++++<-+++", heard);
    assert_string_equal(heard, "rrqqqxxsqqx");
    assert_int_equal(b.ran, 3);
    assert_int_equal(b.queued, 5);
    assert_int_equal(b.refused, 3);
    assert_int_equal(b.left, 1);
}

static void return_what_nobody_has(void)
{
    struct bulkhead b = {.waiting = 1};
    bulkhead_return(&b);
}

static void leave_where_nobody_waits(void)
{
    struct bulkhead b = {.under = 1};
    bulkhead_leave(&b);
}

static void leave_twice(void)
{
    struct bulkhead b = {.waiting = 1};
    bulkhead_leave(&b);
    bulkhead_leave(&b);
}

static void what_is_not_out_does_not_come_back(void **unused)
{
    (void)unused;
    assert_true(aborts(return_what_nobody_has));
    assert_true(aborts(leave_where_nobody_waits));
    assert_true(aborts(leave_twice));
}

/* --- beside a model ---------------------------------------------------------------------------- */

/* Each call by its number: those that run in any order, those that wait in theirs. */
struct model {
    int32_t runs[MOST], waits[MOST];
    int32_t running, waiting;
    int64_t ran, queued, refused, left;
};

static uint64_t dice_state;

static uint64_t dice(uint64_t bound)
{
    uint64_t x = dice_state += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return (x ^ x >> 31) % bound;
}

static void take_out(int32_t *of, int32_t *count, int32_t at)
{
    (*count)--;
    memmove(of + at, of + at + 1, (size_t)(*count - at) * sizeof *of);
}

static int32_t serve(struct model *m, int32_t concurrent)
{
    int32_t served = 0;
    for (; m->running < concurrent && m->waiting > 0; served++) {
        m->runs[m->running++] = m->waits[0];
        take_out(m->waits, &m->waiting, 0);
        m->ran++;
    }
    return served;
}

static enum bulkhead_verdict come(struct model *m, const struct bulkhead_policy *p, int32_t call)
{
    if (m->waiting == 0 && m->running < p->concurrent) {
        m->runs[m->running++] = call;
        m->ran++;
        return BULKHEAD_RUN;
    }
    if (m->waiting < p->queue) {
        m->waits[m->waiting++] = call;
        m->queued++;
        return BULKHEAD_QUEUE;
    }
    m->refused++;
    return BULKHEAD_REFUSE;
}

static void happen(struct bulkhead *b, struct model *m, struct bulkhead_policy *p, int32_t *calls)
{
    switch (dice(8)) {
    case 0:
        p->concurrent = 1 + (int32_t)dice(20);
        break;
    case 1:
        p->queue = (int32_t)dice(20);
        break;
    case 2:
        if (m->waiting > 0) {
            take_out(m->waits, &m->waiting, (int32_t)dice((uint64_t)m->waiting));
            m->left++;
            bulkhead_leave(b);
        }
        break;
    case 3:
    case 4:
        if (m->running > 0) {
            take_out(m->runs, &m->running, (int32_t)dice((uint64_t)m->running));
            bulkhead_return(b);
        }
        break;
    default:
        assert_int_equal(bulkhead_enter(b, p), come(m, p, (*calls)++));
    }
}

static int32_t serve_all(struct bulkhead *b, const struct bulkhead_policy *p)
{
    int32_t served = 0;
    while (bulkhead_next(b, p))
        served++;
    return served;
}

static void ten_thousand_calls_do_what_a_model_says(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bulkhead b = {.under = 0};
        struct model m = {.running = 0};
        struct bulkhead_policy p = {.concurrent = 4, .queue = 4};
        dice_state = seed;
        for (int32_t calls = 0; calls < 10000;) {
            happen(&b, &m, &p, &calls);
            if (dice(3) > 0 && serve_all(&b, &p) != serve(&m, p.concurrent))
                fail_msg("seed %d, call %d: not as many are served", (int)seed, calls);
            if (b.under != m.running || b.waiting != m.waiting || b.ran != m.ran ||
                b.queued != m.queued || b.refused != m.refused || b.left != m.left)
                fail_msg("seed %d, call %d: %d run and %d wait, not %d and %d", (int)seed, calls,
                         b.under, b.waiting, m.running, m.waiting);
        }
        assert_int_equal(b.ran + b.refused + b.left + b.waiting, 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_runs_or_waits_or_is_refused),
        cmocka_unit_test(who_comes_does_not_overtake_who_waits),
        cmocka_unit_test(it_counts_what_became_of_each),
        cmocka_unit_test(what_is_not_out_does_not_come_back),
        cmocka_unit_test(ten_thousand_calls_do_what_a_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
