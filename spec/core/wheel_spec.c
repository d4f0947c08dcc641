/* wheel_spec.c - the wheel beside a model that is obviously right: a table that is searched. */
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000)
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)
#define PLAYERS 40

/* --- the model -------------------------------------------------------------------------------- */

struct game;

struct player {
    struct timer timer;
    struct game *game;
    bool is_armed;
    int64_t tick;  /* when it is due */
    int64_t order; /* of arming */
};

struct game {
    struct wheel wheel;
    struct player player[PLAYERS];
    uint64_t dice;
    int64_t now_us, orders;
    int64_t turn_order; /* who was armed later is not of the turn under way */
    int fired, taken_back;
};

static uint64_t roll(struct game *g, uint64_t bound)
{
    g->dice = g->dice * 6364136223846793005u + 1442695040888963407u;
    return (g->dice >> 33) % bound;
}

/* From microseconds to a century, all sizes equally likely. */
static int64_t roll_span(struct game *g)
{
    int bits = (int)roll(g, 52);
    return (int64_t)(((uint64_t)roll(g, 1u << 30) << 30 | roll(g, 1u << 30)) &
                     ((1ull << bits) - 1));
}

static int64_t ceiling(int64_t us)
{
    return (us + WHEEL_TICK_US - 1) / WHEEL_TICK_US;
}

static void arm(struct game *g, struct player *p, int64_t at_us)
{
    wheel_arm(&g->wheel, &p->timer, at_us);
    p->is_armed = true;
    p->order = ++g->orders;
    p->tick = at_us < 0 ? 0 : ceiling(at_us);
    if (p->tick < g->wheel.tick)
        p->tick = g->wheel.tick;
}

static bool is_of_turn(const struct game *g, const struct player *p)
{
    return p->is_armed && p->order <= g->turn_order && p->tick <= g->now_us / WHEEL_TICK_US;
}

static void disarm(struct game *g, struct player *p)
{
    if (is_of_turn(g, p))
        g->taken_back++;
    wheel_disarm(&g->wheel, &p->timer);
    p->is_armed = false;
}

static struct player *first_of_turn(struct game *g)
{
    struct player *first = NULL;
    for (int i = 0; i < PLAYERS; i++) {
        struct player *p = &g->player[i];
        if (is_of_turn(g, p) && (first == NULL || p->tick < first->tick ||
                                 (p->tick == first->tick && p->order < first->order)))
            first = p;
    }
    return first;
}

/* What a timer may do when it fires. */
static void fire(struct timer *t)
{
    struct player *p = container_of(t, struct player, timer);
    struct game *g = p->game;
    assert_ptr_equal(p, first_of_turn(g));
    assert_true(g->now_us >= t->at_us);
    assert_false(timer_is_armed(t));
    p->is_armed = false;
    g->fired++;

    struct player *other = &g->player[roll(g, PLAYERS)];
    switch (roll(g, 6)) {
    case 0:
        arm(g, p, g->now_us - roll_span(g));
        return;
    case 1:
        arm(g, p, g->now_us + roll_span(g));
        return;
    case 2:
        disarm(g, other);
        return;
    case 3:
        disarm(g, other);
        arm(g, other, g->now_us + roll_span(g));
        return;
    default:
        return;
    }
}

static void turn(struct game *g, int64_t now_us, int most)
{
    g->now_us = now_us;
    g->turn_order = g->orders;
    g->fired = g->taken_back = 0;
    int fired = wheel_turn(&g->wheel, now_us, most);
    assert_int_equal(fired, g->fired);
    assert_true(fired <= most);
    if (fired + g->taken_back < most) {
        assert_null(first_of_turn(g));
        assert_true(g->wheel.tick == now_us / WHEEL_TICK_US);
    }
    g->turn_order = 0;
}

static void compare(struct game *g)
{
    uint32_t armed = 0;
    int64_t first = INT64_MAX / WHEEL_TICK_US;
    for (int i = 0; i < PLAYERS; i++) {
        const struct player *p = &g->player[i];
        assert_int_equal(timer_is_armed(&p->timer), p->is_armed);
        armed += p->is_armed;
        if (p->is_armed && p->tick < first)
            first = p->tick;
    }
    assert_int_equal(g->wheel.count, armed);
    if (armed == 0)
        assert_true(wheel_next_us(&g->wheel) == INT64_MAX);
    else
        assert_true(wheel_next_us(&g->wheel) <= first * WHEEL_TICK_US);
}

static void step(struct game *g)
{
    struct player *p = &g->player[roll(g, PLAYERS)];
    switch (roll(g, 8)) {
    case 0:
    case 1:
    case 2:
        disarm(g, p);
        arm(g, p, g->now_us + roll_span(g));
        return;
    case 3: /* many on few ticks */
        disarm(g, p);
        arm(g, p, g->now_us + (int64_t)roll(g, 3) * MS);
        return;
    case 4:
        disarm(g, p);
        return;
    case 5:
        turn(g, g->now_us + roll_span(g) % DAY, PLAYERS);
        return;
    case 6:
        turn(g, g->now_us + (int64_t)roll(g, 5000), 1 + (int)roll(g, 4));
        return;
    case 7: {
        int64_t next_us = wheel_next_us(&g->wheel);
        if (next_us != INT64_MAX)
            turn(g, next_us > g->now_us ? next_us : g->now_us, PLAYERS);
        return;
    }
    }
}

static void does_what_the_model_does(void **unused)
{
    (void)unused;
    struct game *g = malloc(sizeof *g);
    assert_non_null(g);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        *g = (struct game){.dice = seed};
        g->now_us = roll_span(g);
        wheel_init(&g->wheel, g->now_us);
        for (int i = 0; i < PLAYERS; i++) {
            timer_init(&g->player[i].timer, fire);
            g->player[i].game = g;
        }
        for (int i = 0; i < 2000; i++) {
            step(g);
            compare(g);
        }
    }
    free(g);
}

/* --- sentences -------------------------------------------------------------------------------- */

struct letter {
    struct timer timer;
    char letter;
    char *to; /* where fired letters are written */
    struct wheel *wheel;
    struct letter *sibling; /* taken back when this fires */
    int64_t again_us;       /* armed again when this fires, 0: not */
};

static void write_letter(struct timer *t)
{
    struct letter *l = container_of(t, struct letter, timer);
    l->to[strlen(l->to)] = l->letter;
    if (l->sibling != NULL)
        wheel_disarm(l->wheel, &l->sibling->timer);
    if (l->again_us != 0)
        wheel_arm(l->wheel, t, l->again_us);
}

struct desk {
    struct wheel wheel;
    struct letter letter[5];
    char fired[64];
};

static void desk_init(struct desk *d, int64_t now_us)
{
    *d = (struct desk){.fired = ""};
    wheel_init(&d->wheel, now_us);
    for (int i = 0; i < 5; i++) {
        d->letter[i] = (struct letter){.letter = (char)('a' + i), .to = d->fired};
        d->letter[i].wheel = &d->wheel;
        timer_init(&d->letter[i].timer, write_letter);
    }
}

static void is_never_early_and_at_most_a_tick_late(void **unused)
{
    (void)unused;
    static const struct {
        int64_t from_us, at_us;
    } row[] = {
        {0, 0},
        {0, 1},
        {0, 999},
        {0, 1000},
        {0, 1001},
        {5, 6},
        {0, 63 * MS},
        {0, 64 * MS},
        {0, 65 * MS},
        {63 * MS, 64 * MS},
        {17, 4096 * MS},
        {99, DAY + 1},
        {7, 365 * DAY},
        {DAY, 2 * DAY},
        {3, 36500 * DAY},
        {1, 262144 * MS},
        {1, 262143 * MS + 1},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct desk d;
        desk_init(&d, row[i].from_us);
        wheel_arm(&d.wheel, &d.letter[0].timer, row[i].at_us);
        int64_t now_us = row[i].from_us;
        int turns = 0;
        while (wheel_next_us(&d.wheel) != INT64_MAX) {
            int64_t next_us = wheel_next_us(&d.wheel);
            wheel_turn(&d.wheel, next_us - 1 > now_us ? next_us - 1 : now_us, 1);
            now_us = next_us > now_us ? next_us : now_us;
            wheel_turn(&d.wheel, now_us, 1);
            assert_true(++turns <= WHEEL_LEVELS);
        }
        assert_string_equal(d.fired, "a");
        assert_true(now_us >= row[i].at_us && now_us < row[i].at_us + WHEEL_TICK_US);
    }
}

static void fires_one_tick_in_the_order_of_arming(void **unused)
{
    (void)unused;
    struct desk d;
    desk_init(&d, 0);
    int64_t at_us = 5000 * MS; /* two levels up at first, one level up then, the lowest at last */
    wheel_arm(&d.wheel, &d.letter[2].timer, at_us);
    wheel_turn(&d.wheel, 4096 * MS, 9);
    wheel_arm(&d.wheel, &d.letter[0].timer, at_us);
    wheel_turn(&d.wheel, 4992 * MS, 9);
    wheel_arm(&d.wheel, &d.letter[4].timer, at_us - 1);
    wheel_arm(&d.wheel, &d.letter[1].timer, at_us);
    wheel_turn(&d.wheel, at_us - 1, 9);
    assert_string_equal(d.fired, "");
    wheel_turn(&d.wheel, at_us, 9);
    assert_string_equal(d.fired, "caeb");
}

static void the_past_fires_at_the_next_turn_and_not_in_this_one(void **unused)
{
    (void)unused;
    struct desk d;
    desk_init(&d, 10 * SECOND);
    d.letter[0].again_us = 1;
    wheel_arm(&d.wheel, &d.letter[0].timer, -5);
    for (int turns = 1; turns <= 3; turns++) {
        assert_true(wheel_next_us(&d.wheel) <= 10 * SECOND);
        assert_int_equal(wheel_turn(&d.wheel, 10 * SECOND, 9), 1);
        assert_int_equal(strlen(d.fired), turns);
    }
}

static void a_sibling_can_be_taken_back_while_firing(void **unused)
{
    (void)unused;
    struct desk d;
    desk_init(&d, 0);
    d.letter[0].sibling = &d.letter[1];
    for (int i = 0; i < 3; i++)
        wheel_arm(&d.wheel, &d.letter[i].timer, 2 * MS);
    assert_int_equal(wheel_turn(&d.wheel, 9 * MS, 9), 2);
    assert_string_equal(d.fired, "ac");
    assert_int_equal(d.wheel.count, 0);
    assert_false(timer_is_armed(&d.letter[1].timer));
}

static void a_turn_is_bounded_and_what_is_left_is_due(void **unused)
{
    (void)unused;
    struct desk d;
    desk_init(&d, 0);
    for (int i = 0; i < 5; i++)
        wheel_arm(&d.wheel, &d.letter[i].timer, i < 3 ? MS : 2 * MS);
    assert_int_equal(wheel_turn(&d.wheel, SECOND, 2), 2);
    assert_true(wheel_next_us(&d.wheel) <= SECOND);
    assert_int_equal(wheel_turn(&d.wheel, SECOND, 2), 2);
    assert_string_equal(d.fired, "abcd");
    assert_int_equal(wheel_turn(&d.wheel, SECOND, 2), 1);
    assert_int_equal(wheel_turn(&d.wheel, SECOND, 2), 0);
}

static void never_is_never(void **unused)
{
    (void)unused;
    struct desk d;
    desk_init(&d, 0);
    wheel_arm(&d.wheel, &d.letter[0].timer, INT64_MAX);
    assert_int_equal(wheel_turn(&d.wheel, 1000 * 365 * DAY, 9), 0);
    assert_true(timer_is_armed(&d.letter[0].timer));
    wheel_disarm(&d.wheel, &d.letter[0].timer);
    wheel_disarm(&d.wheel, &d.letter[0].timer);
    assert_true(wheel_next_us(&d.wheel) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_what_the_model_does),
        cmocka_unit_test(is_never_early_and_at_most_a_tick_late),
        cmocka_unit_test(fires_one_tick_in_the_order_of_arming),
        cmocka_unit_test(the_past_fires_at_the_next_turn_and_not_in_this_one),
        cmocka_unit_test(a_sibling_can_be_taken_back_while_firing),
        cmocka_unit_test(a_turn_is_bounded_and_what_is_left_is_due),
        cmocka_unit_test(never_is_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
