/* ring_spec.c - a list in one pointer has what was put there and not taken out, in that order.
 */
#include "base/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define NODES 3

/* All of 0, 1, 2 that are in r, the first one first; and it is no longer than that the other way round. */
static const char *order(const struct ring *r, const struct list_node *node)
{
    static char text[NODES + 1];
    size_t size = 0;
    for (struct list_node *n = r->first; n != NULL; n = ring_next(r, n)) {
        assert_true(size < NODES);
        assert_true(n->next->prev == n && n->prev->next == n);
        text[size++] = (char)('0' + (n - node));
    }
    text[size] = '\0';
    assert_true(size == 0 || ring_tail(r) == node + (text[size - 1] - '0'));
    return text;
}

static void fill(struct ring *r, struct list_node *node)
{
    r->first = NULL;
    for (int i = 0; i < NODES; i++) {
        node_init(&node[i]);
        ring_push_tail(r, &node[i]);
    }
}

static void whoever_comes_is_behind_the_others(void **unused)
{
    (void)unused;
    struct ring r;
    struct list_node node[NODES];
    fill(&r, node);
    assert_string_equal(order(&r, node), "012");
}

static void whoever_leaves_closes_the_gap_wherever_he_was(void **unused)
{
    (void)unused;
    static const char *const left[NODES] = {"12", "02", "01"};
    for (int i = 0; i < NODES; i++) {
        struct ring r;
        struct list_node node[NODES];
        fill(&r, node);
        ring_remove(&r, &node[i]);
        assert_string_equal(order(&r, node), left[i]);
        ring_remove(&r, &node[i]);
        assert_string_equal(order(&r, node), left[i]);
        ring_push_tail(&r, &node[i]);
        assert_int_equal(strlen(order(&r, node)), NODES);
        assert_ptr_equal(ring_tail(&r), &node[i]);
    }
}

static void the_only_one_is_in_it_too(void **unused)
{
    (void)unused;
    struct ring r = {NULL};
    struct list_node node;
    node_init(&node);
    assert_true(ring_is_empty(&r) && !ring_has(&r, &node) && ring_tail(&r) == NULL);
    ring_push_tail(&r, &node);
    assert_true(!ring_is_empty(&r) && ring_has(&r, &node));
    ring_remove(&r, &node);
    assert_true(ring_is_empty(&r) && !ring_has(&r, &node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_comes_is_behind_the_others),
        cmocka_unit_test(whoever_leaves_closes_the_gap_wherever_he_was),
        cmocka_unit_test(the_only_one_is_in_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
