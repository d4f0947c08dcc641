/* Random lives of balanced pools, in one engine or in two under one cap: whatever is asked for, whatever the
 * servers do and whatever is said anew of the balance, after each step what is counted is what there is,
 * nobody waits beside an idle connection that he may have, and no more are ejected than may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/task.h"
#include "sim/fleet.h"

#define SEEDS 150
#define STEPS 250
#define WORKERS 2
#define HELD 8

struct life {
    struct fleet fleet;
    struct nebula_ledger *ledger;
    struct rig *of[WORKERS];
    struct rig second;
    int32_t workers;
    struct dice dice;
    int32_t ticket[WORKERS][RIG_TICKETS];
    int32_t tickets[WORKERS];
    int64_t lease[WORKERS][HELD];
    int32_t leases[WORKERS];
    int32_t most_max;
};

static int64_t below(struct life *l, uint64_t bound)
{
    return (int64_t)dice_below(&l->dice, (int64_t)bound);
}

/* --- what must hold ---------------------------------------------------------------------------- */

static void inspect_endpoint(const struct pool *p, int32_t at)
{
    const struct load *l = &p->loads->of[at];
    int32_t outstanding = 0;
    uint32_t idle = 0;
    for (struct conn *c = p->conns.first; c != NULL; c = c->next) {
        if (c->reach != at)
            continue;
        outstanding += load_is_carrying(c->state) + (c->sharers > 1 ? c->sharers - 1 : 0);
        idle += c->state == CONN_IDLE;
        assert_true(c->state != CONN_IDLE || node_is_listed(conn_turn(c)));
    }
    assert_int_equal(p->loads->balance[at].outstanding, outstanding);
    assert_int_equal(l->idle.count, idle);
    for (struct list_node *n = list_head(&l->idle); n != NULL; n = list_next(&l->idle, n))
        assert_int_equal(conn_of_turn(p, n)->reach, at);
}

/* One may leave, or somebody in another engine may come first. */
static bool may_be_had(const struct pool *p, int32_t at)
{
    int64_t now_us = engine_now(p->engine);
    struct list_node *n = list_head(&p->loads->of[at].idle);
    bool is_usable = !eject_is_out(&p->loads->eject[at], now_us) || p->loads->is_panic;
    return n != NULL && is_usable && now_us < conn_of_turn(p, n)->life_end_us &&
           (p->gate & (GATE_ASKED | GATE_PAUSED | GATE_EXCESS)) == 0;
}

static void inspect_pool(const struct life *l, const struct pool *p)
{
    const struct loads *loads = p->loads;
    int32_t out = 0;
    assert_true(pool_all(p) <= l->most_max);
    assert_int_equal((p->gate & GATE_BALANCED) != 0, loads != NULL);
    for (int32_t i = 0; loads != NULL && i < p->reaches; i++) {
        inspect_endpoint(p, i);
        out += eject_is_out(&loads->eject[i], engine_now(p->engine));
        assert_true(loads->balance[i].weight >= 1 && loads->balance[i].weight <= 100);
        if (p->waiters.count > 0 && may_be_had(p, i))
            fail_msg("%u wait beside an idle connection to %s", p->waiters.count,
                     p->reach[i].endpoint->name);
    }
    assert_true(loads == NULL || out <= (int32_t)(l->fleet.hosts * 0.5 + 1e-6));
}

static void inspect_all(const struct life *l)
{
    for (int32_t w = 0; w < l->workers; w++) {
        struct pool *p = engine_pool(l->of[w]->engine, l->of[w]->shop, 0);
        if (p != NULL)
            inspect_pool(l, p);
    }
}

/* --- what happens ------------------------------------------------------------------------------ */

static void pass(struct life *l, int64_t span_us)
{
    int64_t until_us = world_time_us() + span_us;
    do {
        for (int32_t w = 0; w < l->workers; w++)
            rig_pass(l->of[w], 0);
        int64_t left_us = until_us - world_time_us();
        if (left_us > 0)
            world_move(world_time_us() + (left_us < 500 ? left_us : 500));
    } while (world_time_us() < until_us);
    for (int32_t w = 0; w < l->workers; w++)
        rig_pass(l->of[w], 0);
}

static void begin_task_key(struct life *l, int32_t w)
{
    char key[8];
    snprintf(key, sizeof key, "%d", (int)below(l, 20));
    nebula_task_key(l->of[w]->nebula, key, (uint32_t)(below(l, 3) == 0 ? 0 : strlen(key)));
}

static void call(struct life *l, int32_t w)
{
    if (l->tickets[w] >= 20)
        return;
    begin_task_key(l, w);
    int32_t ticket = rig_request(
        l->of[w], (struct nebula_request){.text = "get 1 1",
                                          .is_idempotent = true,
                                          .is_fail_fast = below(l, 10) == 0,
                                          .within_us = below(l, 3) == 0 ? 200 * MS : 0});
    assert_true(ticket > 0);
    l->ticket[w][l->tickets[w]++] = ticket;
}

static void lease(struct life *l, int32_t w)
{
    if (l->leases[w] >= HELD || l->tickets[w] >= 20)
        return;
    begin_task_key(l, w);
    int64_t lease = rig_ask(l->of[w]);
    if (lease > 0)
        l->lease[w][l->leases[w]++] = lease;
    else if (lease == 0)
        l->ticket[w][l->tickets[w]++] = rig_ticket(l->of[w]);
}

static void release(struct life *l, int32_t w)
{
    if (l->leases[w] > 0) /* whose connection may be lost */
        nebula_release(l->of[w]->nebula, l->lease[w][--l->leases[w]],
                       below(l, 8) == 0 ? NEBULA_SPOILED : NEBULA_GOOD);
}

/* One that was answered, or one that nobody waits for any more. A lease it ended with is given back. */
static void end_ticket(struct life *l, int32_t w)
{
    if (l->tickets[w] == 0)
        return;
    int32_t at = (int32_t)below(l, (uint64_t)l->tickets[w]), ticket = l->ticket[w][at];
    struct nebula_reply reply;
    if (!rig_is_answered(l->of[w], ticket) && below(l, 4) > 0)
        return;
    if (!rig_is_answered(l->of[w], ticket))
        nebula_cancel(l->of[w]->nebula, ticket);
    rig_await(l->of[w], ticket, &reply);
    if (reply.lease > 0)
        nebula_release(l->of[w]->nebula, reply.lease, NEBULA_GOOD);
    l->ticket[w][at] = l->ticket[w][--l->tickets[w]];
}

static void trouble_server(struct life *l)
{
    static const enum fault fault[] = {FAULT_LOST_BEFORE, FAULT_LOST_AFTER, FAULT_SLOW,
                                       FAULT_STUCK,       FAULT_REFUSED,    FAULT_UNFIT,
                                       FAULT_LOST_IDLE};
    struct server *s = l->fleet.server[below(l, (uint64_t)l->fleet.hosts)];
    switch (below(l, 4)) {
    case 0:
        server_calm(s);
        server_pace(s, 0);
        break;
    case 1:
        server_crash(s, world_time_us() + below(l, 3 * SECOND));
        break;
    case 2:
        server_pace(s, below(l, 50 * MS));
        break;
    default:
        server_odds(s, fault[below(l, sizeof fault / sizeof *fault)], (int)below(l, 900));
    }
}

static void say_anew(struct life *l)
{
    l->fleet.balance.rule = (int32_t)below(l, NEBULA_STICKY + 1);
    l->fleet.balance.slow_start_us = below(l, 10 * SECOND);
    l->fleet.balance.consecutive = (int32_t)below(l, 4);
    l->fleet.balance.panic = (double)below(l, 11) / 10;
    for (int32_t w = 0; w < l->workers; w++)
        assert_int_equal(nebula_balance(l->of[w]->nebula, l->of[w]->shop, &l->fleet.balance), 0);
}

static void operate(struct life *l)
{
    int32_t max = 1 + (int32_t)below(l, (uint64_t)l->most_max);
    bool is_paused = below(l, 4) == 0;
    for (int32_t w = 0; w < l->workers; w++) {
        assert_int_equal(nebula_resize(l->of[w]->nebula, l->of[w]->shop, -1, 0, max), 0);
        assert_int_equal(is_paused ? nebula_pause(l->of[w]->nebula, l->of[w]->shop)
                                   : nebula_resume(l->of[w]->nebula, l->of[w]->shop),
                         0);
    }
}

static void step(struct life *l)
{
    int32_t w = (int32_t)below(l, (uint64_t)l->workers);
    int64_t what = below(l, 100);
    if (what < 40)
        call(l, w);
    else if (what < 55)
        lease(l, w);
    else if (what < 70)
        release(l, w);
    else if (what < 88)
        end_ticket(l, w);
    else if (what < 95)
        trouble_server(l);
    else if (what < 98)
        say_anew(l);
    else
        operate(l);
    inspect_all(l);
    pass(l, below(l, 5) == 0 ? below(l, 2 * SECOND) : below(l, 3 * MS));
    inspect_all(l);
}

/* --- a life ------------------------------------------------------------------------------------ */

static void open_workers(struct life *l)
{
    struct fleet *f = &l->fleet;
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .name = "life"};
    l->ledger = nebula_ledger_new(WORKERS);
    assert_non_null(l->ledger);
    l->second = f->rig;
    l->of[0] = &f->rig;
    l->of[1] = &l->second;
    for (int32_t w = 0; w < l->workers; w++) {
        struct rig *r = l->of[w];
        r->nebula = nebula_open_worker(l->ledger, w, &options, NULL, 0);
        assert_non_null(r->nebula);
        r->engine = (struct engine *)(void *)r->nebula;
        r->shop = nebula_declare(r->nebula, &f->rig.spec);
        assert_true(r->shop > 0);
    }
}

static void calm_down(struct life *l)
{
    for (int32_t i = 0; i < l->fleet.hosts; i++) {
        server_calm(l->fleet.server[i]);
        server_pace(l->fleet.server[i], 0);
    }
    for (int32_t w = 0; w < l->workers; w++)
        nebula_resume(l->of[w]->nebula, l->of[w]->shop);
    for (int i = 0; i < 2000; i++) {
        int32_t left = 0;
        for (int32_t w = 0; w < l->workers; w++) {
            release(l, w);
            end_ticket(l, w);
            left += l->tickets[w] + l->leases[w];
        }
        if (left == 0)
            return;
        pass(l, 100 * MS);
        inspect_all(l);
    }
    fail_msg("somebody waits for ever");
}

static void live(uint64_t seed)
{
    struct life l;
    memset(&l, 0, sizeof l);
    l.dice = (struct dice){.state = seed};
    fleet_begin(&l.fleet, 2 + (int32_t)below(&l, HOSTS - 1), NEBULA_TWO_CHOICES);
    l.workers = 1 + (int32_t)below(&l, WORKERS);
    l.most_max = 1 + (int32_t)below(&l, 10);
    l.fleet.rig.spec.pool.max = l.most_max;
    l.fleet.rig.spec.pool.min = (int32_t)below(&l, (uint64_t)l.most_max + 1);
    l.fleet.rig.spec.pool.pipeline = below(&l, 2) == 0 ? 4 : 0;
    l.fleet.rig.spec.pool.is_fifo = below(&l, 2) == 0;
    l.fleet.rig.spec.pool.idle_us = below(&l, 2) == 0 ? SECOND : 0;
    l.fleet.rig.spec.pool.keepalive_us = below(&l, 3) == 0 ? 200 * MS : 0;
    l.fleet.rig.spec.policy.tries = 3;
    open_workers(&l);
    say_anew(&l);
    for (int i = 0; i < STEPS; i++)
        step(&l);
    calm_down(&l);
    for (int32_t w = l.workers - 1; w >= 0; w--)
        nebula_close(&l.of[w]->nebula);
    nebula_ledger_free(&l.ledger);
    fleet_end(&l.fleet);
}

static uint64_t living; /* the seed, 0: none */

static int tell_seed(void **unused)
{
    (void)unused;
    if (living != 0)
        print_error("it was seed %d\n", (int)living);
    return 0;
}

static void what_is_counted_is_what_there_is(void **unused)
{
    (void)unused;
    for (living = 1; living <= SEEDS; living++)
        live(living);
    living = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_counted_is_what_there_is, tell_seed)};
    return cmocka_run_group_tests_name("load_dice", tests, NULL, NULL);
}
