/* balance_sticky_spec.c - whoever has a key comes to the same endpoint again, as long as that is there. */
#include "rules/balance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"

#define MOST 16

static void make(struct balance_of *of, const int32_t *weight, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        of[i] = (struct balance_of){.state = BALANCE_READY,
                                    .weight = weight[i],
                                    .name = balance_hash((const char *)&i, sizeof i)};
}

static int32_t place_of(const struct balance_of *of, int32_t count, uint32_t key)
{
    uint64_t hash = balance_hash((const char *)&key, sizeof key);
    return balance_choose(BALANCE_STICKY, of, count, hash, key).best;
}

static void a_key_moves_only_when_its_endpoint_leaves(void **unused)
{
    (void)unused;
    static const int32_t weight[MOST] = {100, 1,  50, 99, 100, 7,  23, 64,
                                         100, 88, 31, 2,  100, 45, 76, 19};
    for (int32_t count = 1; count <= MOST; count++) {
        struct balance_of of[MOST];
        int32_t before[2000], gone = 5 % count;
        make(of, weight, count);
        for (uint32_t key = 0; key < COUNT(before); key++)
            before[key] = place_of(of, count, key);
        of[gone].state = BALANCE_OUT;
        for (uint32_t key = 0; key < COUNT(before); key++) {
            int32_t after = place_of(of, count, key);
            assert_true(before[key] == gone ? after != gone : after == before[key]);
        }
        of[gone].state = BALANCE_READY;
        for (uint32_t key = 0; key < COUNT(before); key++)
            assert_int_equal(place_of(of, count, key), before[key]);
    }
}

static void keys_are_shared_out_by_weight(void **unused)
{
    (void)unused;
    enum { KEYS = 20000 };
    static const int32_t weight[] = {100, 100, 50, 10};
    struct balance_of of[COUNT(weight)];
    int had[COUNT(weight)] = {0};
    make(of, weight, COUNT(weight));
    for (uint32_t key = 0; key < KEYS; key++)
        had[place_of(of, COUNT(weight), key)]++;
    for (size_t i = 0; i < COUNT(weight); i++) {
        double due = KEYS * weight[i] / 260.0;
        if (had[i] < due * 0.9 || had[i] > due * 1.1)
            fail_msg("endpoint %zu has %d keys, and is due %.0f", i, had[i], due);
    }
}

/* As one comes back slowly, keys go to it and never elsewhere. */
static void a_slow_start_takes_keys_from_others_and_gives_none_back(void **unused)
{
    (void)unused;
    static const int32_t weight[] = {100, 100, 10, 100};
    struct balance_of of[COUNT(weight)];
    int32_t before[2000];
    make(of, weight, COUNT(weight));
    for (uint32_t key = 0; key < COUNT(before); key++)
        before[key] = place_of(of, COUNT(weight), key);
    for (of[2].weight = 20; of[2].weight <= 100; of[2].weight += 10)
        for (uint32_t key = 0; key < COUNT(before); key++) {
            int32_t after = place_of(of, COUNT(weight), key);
            assert_true(after == before[key] || after == 2);
            before[key] = after;
        }
}

/* Of the endpoint whose name's hash is 0 that of this key is all ones: as near to 1 as can be, where the least
 * weight is enough. */
static void the_largest_hash_of_all_wins(void **unused)
{
    (void)unused;
    static const int32_t weight[] = {100, 1};
    struct balance_of of[COUNT(weight)];
    make(of, weight, COUNT(weight));
    of[1].name = 0;
    assert_int_equal(balance_choose(BALANCE_STICKY, of, 2, 0xcf9a04affa6badc0, 0).best, 1);
}

/* Of the endpoint whose name is mixed to this key it is 0: a score that is next to nothing, and yet one. */
static void the_smallest_hash_of_all_has_a_score(void **unused)
{
    (void)unused;
    static const int32_t weight[] = {1, 100};
    struct balance_of of[COUNT(weight)];
    make(of, weight, COUNT(weight));
    of[0].name = 2;
    of[1].name = 1;
    assert_int_equal(balance_choose(BALANCE_STICKY, of, 2, 0x5692161d100b05e5, 0).best, 1);
}

/* For 0 stands for none. FNV-1a makes 0 of these bytes. */
static void no_key_has_the_hash_of_none(void **unused)
{
    (void)unused;
    assert_int_equal(balance_hash("\xd5\x6b\xb9\x53\x42\x87\x08\x36", 8), 1);
    assert_true(balance_hash("", 0) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_moves_only_when_its_endpoint_leaves),
        cmocka_unit_test(keys_are_shared_out_by_weight),
        cmocka_unit_test(a_slow_start_takes_keys_from_others_and_gives_none_back),
        cmocka_unit_test(the_largest_hash_of_all_wins),
        cmocka_unit_test(the_smallest_hash_of_all_has_a_score),
        cmocka_unit_test(no_key_has_the_hash_of_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
