#include "rules/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/dice.h"

#define T THROTTLE_TOKEN

static const struct throttle_policy share = {.mode = THROTTLE_SHARE, .capacity = 500 * T};
static const struct throttle_policy quota = {.mode = THROTTLE_QUOTA,
                                             .capacity = 500 * T,
                                             .success = 1 * T,
                                             .cost = 5 * T,
                                             .cost_transient = 10 * T};
static const struct throttle_policy ratio = {
    .mode = THROTTLE_RATIO, .capacity = 10 * T, .success = T / 10};

/* --- sentences -------------------------------------------------------------------------------- */

struct teller {
    uint64_t word;
    int32_t paid; /* by the last retry */
};

/* 'x' is an attempt that failed and may be tried again, 'X' one that may not; 't' and 'T' are those
 * after a timeout; 'e' is one that was the last in any case. '.' is a call that goes well at once,
 * '+' a retry that does. */
static void tell_one(struct teller *t, const struct throttle_policy *p, char c, const char *story)
{
    if (c == '.' || c == '+') {
        t->word = throttle_reward(t->word, p, c == '+' ? t->paid : 0);
        return;
    }
    enum throttle_wish wish = c == 'e'               ? THROTTLE_END
                              : c == 'x' || c == 'X' ? THROTTLE_RETRY
                                                     : THROTTLE_RETRY_TRANSIENT;
    struct throttle_verdict v = throttle_charge(t->word, p, wish);
    if (v.may_retry != (c == 'x' || c == 't'))
        fail_msg("%s: '%c' with %d left", story, c, throttle_tokens(v.word, p));
    if (v.may_retry)
        t->paid = v.paid;
    else
        assert_int_equal(v.paid, 0);
    t->word = v.word;
}

/* A number in front of a letter: so many of it. */
static void tell(struct teller *t, const struct throttle_policy *p, const char *story)
{
    for (const char *c = story; *c != '\0'; c++) {
        char *letter;
        long times = strtol(c, &letter, 10);
        for (long n = letter == c ? 1 : times; n > 0; n--)
            tell_one(t, p, *letter, story);
        c = letter;
    }
}

static void each_story_leaves_its_tokens(void **unused)
{
    (void)unused;
    static const struct {
        const struct throttle_policy *policy;
        const char *story;
        int32_t left;
    } row[] = {
        {&quota, "", 500 * T},
        {&quota, ".", 500 * T},
        {&quota, "x", 495 * T},
        {&quota, "t", 490 * T},
        {&quota, "e", 500 * T},
        {&quota, "x+", 500 * T},
        {&quota, "t+", 500 * T},
        {&quota, "x.", 496 * T},
        {&quota, "xx+", 495 * T}, /* the first retry failed */
        {&quota, "tx+", 490 * T},
        {&quota, "xt+", 495 * T},
        {&quota, "xxe", 490 * T},
        {&quota, "t9.", 499 * T},
        {&quota, "t11.", 500 * T},
        {&quota, "100x", 0},
        {&quota, "100xX", 0},
        {&quota, "50tTX", 0},
        {&quota, "99xTxX", 0},
        {&quota, "100x4.X.xX", 0},
        {&quota, "100x9.T.tT", 0},
        {&quota, "100x6.T", 6 * T},
        {&quota, "100xe", 0},
        {&quota, "100xX+x", 0},
        {&ratio, "", 10 * T},
        {&ratio, ".", 10 * T},
        {&ratio, "x", 9 * T},
        {&ratio, "t", 9 * T},
        {&ratio, "e", 9 * T},
        {&ratio, "x.", 9100},
        {&ratio, "x+", 9100},
        {&ratio, "x9.", 9900},
        {&ratio, "x10.", 10 * T},
        {&ratio, "x11.", 10 * T},
        {&ratio, "4x", 6 * T},
        {&ratio, "4xX", 5 * T}, /* half is not more than half */
        {&ratio, "4xT", 5 * T},
        {&ratio, "4xXe", 4 * T},
        {&ratio, "4xX.X", 4100},
        {&ratio, "4xX10.X", 5 * T},
        {&ratio, "4xX11.x", 5100},
        {&ratio, "4x6X", 0},
        {&ratio, "4x7X", 0},
        {&ratio, "4x6X5.", 500},
        {&ratio, "4x6X5.X", 0}, /* no less than nothing */
        {&ratio, "4x6X10.X", 0},
        {&ratio, "4x6X11.X", 100},
        {&share, "1000x1000te.+", 500 * T}, /* they are counted elsewhere */
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct teller t = {.word = 0};
        tell(&t, row[i].policy, row[i].story);
        if (throttle_tokens(t.word, row[i].policy) != row[i].left)
            fail_msg("%s: %d, not %d", row[i].story, throttle_tokens(t.word, row[i].policy),
                     row[i].left);
    }
}

/* --- the word --------------------------------------------------------------------------------- */

static void who_succeeds_with_all_tokens_has_nothing_to_write(void **unused)
{
    (void)unused;
    static const struct throttle_policy *const policy[] = {&quota, &ratio};
    for (size_t i = 0; i < COUNT(policy); i++) {
        uint64_t word = throttle_reward(0, policy[i], 0);
        assert_true(throttle_reward(word, policy[i], 0) == word);
        assert_true(throttle_reward(word, policy[i], INT32_MAX) == word);
    }
    assert_true(throttle_reward(77, &share, 5 * T) == 77);
    assert_true(throttle_charge(77, &share, THROTTLE_RETRY).word == 77);
}

static void an_end_asks_for_nothing(void **unused)
{
    (void)unused;
    static const struct throttle_policy *const policy[] = {&share, &quota, &ratio};
    for (size_t i = 0; i < COUNT(policy); i++) {
        struct throttle_verdict v = throttle_charge(0, policy[i], THROTTLE_END);
        assert_false(v.may_retry);
        assert_int_equal(v.paid, 0);
    }
}

static void odd_numbers_do_no_harm(void **unused)
{
    (void)unused;
    static const struct {
        struct throttle_policy policy;
        const char *story;
        int32_t left;
    } row[] = {
        {{.mode = THROTTLE_QUOTA}, "xt.+x", 0}, /* nothing costs nothing */
        {{.mode = THROTTLE_QUOTA, .cost = 1}, "X.+Xt", 0},
        {{.mode = THROTTLE_QUOTA, .capacity = 1, .cost = 1, .success = 1}, "xX.x", 0},
        {{.mode = THROTTLE_QUOTA, .capacity = -5, .cost = 1, .success = 9}, "X.X", 0},
        {{.mode = THROTTLE_QUOTA, .capacity = 10, .cost = -1, .cost_transient = -1}, "xt", 10},
        {{.mode = THROTTLE_QUOTA, .capacity = 10, .cost = 4, .success = -1}, "x.", 6},
        {{.mode = THROTTLE_QUOTA, .capacity = 10, .cost = INT32_MAX}, "X", 10},
        {{.mode = THROTTLE_QUOTA, .capacity = INT32_MAX, .cost = INT32_MAX, .success = INT32_MAX},
         "xX.xX",
         0},
        {{.mode = THROTTLE_QUOTA, .capacity = INT32_MAX, .cost = 1, .success = INT32_MAX},
         "x..",
         INT32_MAX},
        {{.mode = THROTTLE_RATIO}, "X.X", 0},
        {{.mode = THROTTLE_RATIO, .capacity = -1, .success = -1}, "X.X", 0},
        {{.mode = THROTTLE_RATIO, .capacity = 2 * T, .success = -1}, "X.X", 0},
        {{.mode = THROTTLE_RATIO, .capacity = 2 * T + 1, .success = 1}, "x.X", 2},
        {{.mode = THROTTLE_RATIO, .capacity = INT32_MAX, .success = INT32_MAX},
         "1000x.x",
         INT32_MAX - T},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct teller t = {.word = 0};
        tell(&t, &row[i].policy, row[i].story);
        if (throttle_tokens(t.word, &row[i].policy) != row[i].left)
            fail_msg("row %zu: %d", i, throttle_tokens(t.word, &row[i].policy));
    }
}

/* --- another policy --------------------------------------------------------------------------- */

static struct throttle_policy with(enum throttle_mode mode, int32_t capacity)
{
    struct throttle_policy p = mode == THROTTLE_RATIO ? ratio : quota;
    p.mode = mode;
    p.capacity = capacity * T;
    return p;
}

/* After the story the mode and the capacity change; so many tokens are there then, and the rest
 * goes by them. */
static void a_share_of_another_capacity_is_as_large(void **unused)
{
    (void)unused;
    static const struct {
        enum throttle_mode from;
        int32_t capacity;
        const char *story;
        enum throttle_mode to;
        int32_t then, left;
        const char *rest;
    } row[] = {
        {THROTTLE_QUOTA, 500, "", THROTTLE_QUOTA, 1000, 1000 * T, "200xX"},
        {THROTTLE_QUOTA, 500, ".", THROTTLE_QUOTA, 1000, 1000 * T, "200xX"},
        {THROTTLE_QUOTA, 500, "40x", THROTTLE_QUOTA, 1000, 600 * T, "120xX"},
        {THROTTLE_QUOTA, 500, "40x", THROTTLE_QUOTA, 100, 60 * T, "12xX"},
        {THROTTLE_QUOTA, 500, "100x", THROTTLE_QUOTA, 1000, 0, "X"},
        {THROTTLE_QUOTA, 500, "100x", THROTTLE_RATIO, 10, 0, "X"},
        {THROTTLE_QUOTA, 500, "50x", THROTTLE_RATIO, 10, 5 * T, "10.X11.x"},
        {THROTTLE_QUOTA, 500, "49x", THROTTLE_RATIO, 10, 5100, "9.X.X"},
        {THROTTLE_QUOTA, 500, "x", THROTTLE_QUOTA, 500, 495 * T, "99xX"},
        {THROTTLE_QUOTA, 500, "x", THROTTLE_QUOTA, 0, 0, "X"},
        {THROTTLE_RATIO, 10, "", THROTTLE_RATIO, 1000, 1000 * T, "499xX"},
        {THROTTLE_RATIO, 10, "4x", THROTTLE_RATIO, 1000, 600 * T, "99xX"},
        {THROTTLE_RATIO, 10, "4xX", THROTTLE_RATIO, 1000, 500 * T, "9.X"},
        {THROTTLE_RATIO, 10, "4xX", THROTTLE_RATIO, 4, 2 * T, "10.X11.x"},
        {THROTTLE_RATIO, 10, "4xX", THROTTLE_QUOTA, 500, 250 * T, "50xX"},
        {THROTTLE_RATIO, 3, "x", THROTTLE_RATIO, 1, 667, "X"}, /* two thirds, and a part */
        {THROTTLE_RATIO, 3, "x10.", THROTTLE_RATIO, 1, 1 * T, "X"},
        {THROTTLE_RATIO, 10, "4x", THROTTLE_SHARE, 10, 6 * T, "100x"},
        {THROTTLE_SHARE, 10, "100x", THROTTLE_RATIO, 10, 10 * T, "4xX"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct throttle_policy from = with(row[i].from, row[i].capacity);
        struct throttle_policy to = with(row[i].to, row[i].then);
        struct teller t = {.word = 0};
        tell(&t, &from, row[i].story);
        if (throttle_tokens(t.word, &to) != row[i].left)
            fail_msg("row %zu: %d, not %d", i, throttle_tokens(t.word, &to), row[i].left);
        tell(&t, &to, row[i].rest);
    }
}

static void retries_that_were_over_are_and_others_go_on(void **unused)
{
    (void)unused;
    for (int32_t before = 1; before <= 40; before++)
        for (int32_t after = 1; after <= 40; after++)
            for (int32_t failed = 0; failed <= before; failed++) {
                struct throttle_policy old = with(THROTTLE_RATIO, before);
                struct throttle_policy new = with(THROTTLE_RATIO, after);
                uint64_t word = 0;
                for (int32_t n = 0; n < failed; n++)
                    word = throttle_charge(word, &old, THROTTLE_END).word;
                bool was = throttle_tokens(word, &old) * 2 > old.capacity;
                bool is = throttle_tokens(word, &new) * 2 > new.capacity;
                if (was != is)
                    fail_msg("%d of %d failed, and then %d", failed, before, after);
            }
}

static void a_capacity_of_nothing_is_forgotten(void **unused)
{
    (void)unused;
    struct throttle_policy none = with(THROTTLE_QUOTA, 0);
    struct teller t = {.word = 0};
    tell(&t, &quota, "100xX");
    tell(&t, &none, "X.");
    assert_int_equal(throttle_tokens(t.word, &quota), 500 * T);
}

/* --- beside a model --------------------------------------------------------------------------- */

/* Thousandths that are handled one by one. */
struct model {
    int32_t capacity, tokens;
};

static void model_resize(struct model *m, int32_t capacity)
{
    int64_t tokens = 0;
    while (tokens * m->capacity < (int64_t)m->tokens * capacity)
        tokens++;
    m->tokens = m->capacity == 0 ? capacity : (int32_t)tokens;
    m->capacity = capacity;
}

static void model_put(struct model *m, int32_t thousandths)
{
    for (int32_t i = 0; i < thousandths; i++)
        m->tokens += m->tokens < m->capacity;
}

static void model_take(struct model *m, int32_t thousandths)
{
    for (int32_t i = 0; i < thousandths; i++)
        m->tokens -= m->tokens > 0;
}

/* Whether a retry may follow; its price goes out. */
static bool model_failed(struct model *m, const struct throttle_policy *p, enum throttle_wish wish,
                         int32_t *paid)
{
    *paid = 0;
    if (p->mode == THROTTLE_RATIO)
        model_take(m, T);
    if (p->mode == THROTTLE_RATIO && m->tokens <= m->capacity / 2)
        return false;
    if (wish == THROTTLE_END)
        return false;
    if (p->mode != THROTTLE_QUOTA)
        return true;
    int32_t price = wish == THROTTLE_RETRY ? p->cost : p->cost_transient;
    if (price > m->tokens)
        return false;
    model_take(m, price);
    *paid = price;
    return true;
}

static void model_went_well(struct model *m, const struct throttle_policy *p, int32_t paid)
{
    if (p->mode == THROTTLE_QUOTA && paid != 0)
        model_put(m, paid);
    else if (p->mode != THROTTLE_SHARE)
        model_put(m, p->success);
}

static struct throttle_policy any_policy(void)
{
    return (struct throttle_policy){.mode = (enum throttle_mode)(dice() % 3),
                                    .capacity =
                                        (int32_t)(dice() % 2 ? dice() % 12 * T : dice() % 12000),
                                    .success = (int32_t)(dice() % 2000),
                                    .cost = (int32_t)(dice() % 3000),
                                    .cost_transient = (int32_t)(dice() % 6000)};
}

static void no_verdict_is_another_than_the_models(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        dice_state = seed * 1000003;
        struct throttle_policy p = any_policy();
        struct model m = {.capacity = p.capacity, .tokens = p.capacity};
        uint64_t word = 0;
        int32_t paid = 0, price = 0;
        for (int step = 0; step < 60; step++) {
            if (dice() % 20 == 0)
                p = any_policy();
            if (p.mode != THROTTLE_SHARE && p.capacity != m.capacity)
                model_resize(&m, p.capacity);
            if (dice() % 2 == 0) {
                enum throttle_wish wish = (enum throttle_wish)(dice() % 3);
                struct throttle_verdict v = throttle_charge(word, &p, wish);
                bool may = model_failed(&m, &p, wish, &price);
                if (v.may_retry != may || v.paid != price)
                    fail_msg("seed %llu step %d: paid %d", (unsigned long long)seed, step, v.paid);
                word = v.word;
                paid = v.paid;
            } else {
                word = throttle_reward(word, &p, paid);
                model_went_well(&m, &p, paid);
            }
            if (p.mode != THROTTLE_SHARE && throttle_tokens(word, &p) != m.tokens)
                fail_msg("seed %llu step %d: %d, not %d", (unsigned long long)seed, step,
                         throttle_tokens(word, &p), m.tokens);
        }
    }
}

#define UNDER_WAY 40

/* Calls of all workers, each of which is somewhere between its attempts: what they have paid is
 * there, under way, or gone with a retry that failed. */
static void no_token_is_made_of_nothing(void **unused)
{
    (void)unused;
    struct throttle_policy p = quota;
    p.success = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        int32_t paid[UNDER_WAY] = {0}, under_way = 0, gone = 0;
        uint64_t word = 0;
        dice_state = seed;
        for (int step = 0; step < 500; step++) {
            int32_t *of = &paid[dice() % UNDER_WAY];
            under_way -= *of;
            if (dice() % 4 == 0) {
                word = throttle_reward(word, &p, *of);
                *of = 0;
            } else {
                gone += *of;
                struct throttle_verdict v =
                    throttle_charge(word, &p, (enum throttle_wish)(dice() % 3));
                word = v.word;
                *of = v.paid;
            }
            under_way += *of;
            if (throttle_tokens(word, &p) + under_way + gone != p.capacity)
                fail_msg("seed %d step %d", (int)seed, step);
        }
        assert_true(gone > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_story_leaves_its_tokens),
        cmocka_unit_test(who_succeeds_with_all_tokens_has_nothing_to_write),
        cmocka_unit_test(an_end_asks_for_nothing),
        cmocka_unit_test(odd_numbers_do_no_harm),
        cmocka_unit_test(a_share_of_another_capacity_is_as_large),
        cmocka_unit_test(retries_that_were_over_are_and_others_go_on),
        cmocka_unit_test(a_capacity_of_nothing_is_forgotten),
        cmocka_unit_test(no_verdict_is_another_than_the_models),
        cmocka_unit_test(no_token_is_made_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
