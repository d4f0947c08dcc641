/* idle_spec.c - idle connections are lent in their turn, whoever is taken out from between them. */
#include "core/idle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define MOST 5

struct rank {
    struct idle idle;
    struct conn *conn[MOST];
};

/* Each came home a microsecond after the one before. */
static void begin(struct rank *b, bool is_fifo, int conns)
{
    *b = (struct rank){.idle = {.is_fifo = is_fifo}};
    for (int i = 0; i < conns; i++) {
        b->conn[i] = calloc(1, sizeof *b->conn[i]);
        assert_non_null(b->conn[i]);
        b->conn[i]->since_us = i;
        idle_push(&b->idle, b->conn[i]);
    }
}

static void end(struct rank *b)
{
    assert_null(b->idle.first);
    for (int i = 0; i < MOST; i++)
        free(b->conn[i]);
}

static void expect_turns(struct rank *b, const char *turns)
{
    assert_int_equal(idle_count(&b->idle), strlen(turns));
    for (; *turns != '\0'; turns++) {
        assert_ptr_equal(b->idle.first, b->conn[*turns - '0']);
        idle_shift(&b->idle);
    }
    assert_null(b->idle.first);
    assert_int_equal(idle_count(&b->idle), 0);
}

static void who_came_last_is_lent_first(void **unused)
{
    (void)unused;
    struct rank b;
    begin(&b, false, 3);
    expect_turns(&b, "210");
    end(&b);
}

static void or_who_came_first(void **unused)
{
    (void)unused;
    struct rank b;
    begin(&b, true, 3);
    idle_shift(&b.idle);
    idle_push(&b.idle, b.conn[0]);
    expect_turns(&b, "120");
    end(&b);
}

static void an_emptied_chain_begins_again(void **unused)
{
    (void)unused;
    struct rank b;
    begin(&b, true, 2);
    expect_turns(&b, "01");
    idle_push(&b.idle, b.conn[1]);
    idle_push(&b.idle, b.conn[0]);
    expect_turns(&b, "10");
    end(&b);
}

/* Takes out one of five, then another one comes home. */
static void expect_without(bool is_fifo, int gone, const char *turns)
{
    struct rank b;
    begin(&b, is_fifo, MOST);
    idle_remove(&b.idle, b.conn[gone]);
    idle_push(&b.idle, b.conn[gone]);
    expect_turns(&b, turns);
    end(&b);
}

static void one_that_goes_breaks_no_turn(void **unused)
{
    (void)unused;
    expect_without(false, 4, "43210");
    expect_without(false, 2, "24310");
    expect_without(false, 0, "04321");
    expect_without(true, 0, "12340");
    expect_without(true, 2, "01342");
    expect_without(true, 4, "01234");
}

static void the_only_one_may_go(void **unused)
{
    (void)unused;
    for (int is_fifo = 0; is_fifo <= 1; is_fifo++) {
        struct rank b;
        begin(&b, is_fifo, 1);
        idle_remove(&b.idle, b.conn[0]);
        assert_null(b.idle.first);
        idle_push(&b.idle, b.conn[0]);
        expect_turns(&b, "0");
        end(&b);
    }
}

static void the_oldest_is_known_in_either_order(void **unused)
{
    (void)unused;
    for (int is_fifo = 0; is_fifo <= 1; is_fifo++) {
        struct rank b;
        begin(&b, is_fifo, 3);
        for (int i = 0; i < 3; i++) {
            assert_ptr_equal(idle_oldest(&b.idle), b.conn[i]);
            idle_remove(&b.idle, b.conn[i]);
        }
        assert_null(idle_oldest(&b.idle));
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_came_last_is_lent_first),
        cmocka_unit_test(or_who_came_first),
        cmocka_unit_test(an_emptied_chain_begins_again),
        cmocka_unit_test(one_that_goes_breaks_no_turn),
        cmocka_unit_test(the_only_one_may_go),
        cmocka_unit_test(the_oldest_is_known_in_either_order),
    };
    return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
