#include "stakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

struct member {
    struct loop *loop;
    struct stake stake;
    int looks;
};

static struct crew {
    struct world *world;
    struct ledger *ledger;
    struct member of[STAKES];
} crew;

static void looked(struct stake *s)
{
    container_of(s, struct member, stake)->looks++;
}

void stake_join(int i, const char *identity, int32_t max)
{
    struct member *m = &crew.of[i];
    m->stake = (struct stake){.worker = i, .look = looked};
    assert_true(permits_join(&m->stake, crew.ledger, m->loop, identity, max));
}

void stakes_begin(int32_t max)
{
    crew.world = world_real();
    crew.ledger = ledger_new(STAKES);
    for (int i = 0; i < STAKES; i++) {
        crew.of[i] = (struct member){.loop = loop_new(crew.world)};
        stake_join(i, "shop", max);
    }
}

void stakes_end(void)
{
    for (int i = 0; i < STAKES; i++) {
        permits_leave(&crew.of[i].stake);
        loop_free(&crew.of[i].loop);
    }
    ledger_free(&crew.ledger);
    free(crew.world);
}

int stake_looks(int i)
{
    crew.of[i].looks = 0;
    loop_turn(crew.of[i].loop, 0);
    return crew.of[i].looks;
}

struct stake *stake(int i)
{
    return &crew.of[i].stake;
}

bool stake_ask(int i, int64_t arrived_us)
{
    return permits_ask(stake(i), &(struct asks){.arrived_us = {arrived_us}, .count = 1, .room = 1});
}

int32_t stake_granted(int i)
{
    int32_t permits;
    assert_null(permits_receive(stake(i), &permits));
    return permits;
}

struct loop *stake_loop(int i)
{
    return crew.of[i].loop;
}

struct ledger *stakes_ledger(void)
{
    return crew.ledger;
}
