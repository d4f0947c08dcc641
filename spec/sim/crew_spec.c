/* crew_spec.c - some engines under one max, in virtual time: each seed is another play of leases, calls, cancels, bounds
 * that change, engines that leave and come again, and a server that breaks connections. limit: 600 s
 *
 * CREWS=n plays that many seeds (400; NEBULA_PROVE: 10000), CREW=n that one alone. The laws:
 *
 *   - the server never has more connections than max was at most;
 *   - every ticket is answered, and at the end nothing is left: connection, permit, lease, byte;
 *   - where nothing breaks nobody is served after one who came 5 ms later, in whichever engine;
 *   - and nobody waits beside an idle connection.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "core/handover.h"
#include "core/pool.h"
#include "core/resource.h"
#include "memory.h"
#include "nebula.h"
#include "server.h"
#include "world_sim.h"

#define CREW_MOST 8
#define MAX_MOST 4
#define TICKETS 256
#define LEASES 8
#define STEPS 600
#define LEAD_US (5 * MS)

struct pending {
    bool is_lease, is_cancelled;
    int64_t arrived_us, deadline_us;
};

struct member {
    struct nebula *nebula;
    int32_t shop;
    int64_t lease[LEASES];
    int leases;
    struct pending pending[TICKETS];
    bool is_pending[TICKETS];
};

struct crew {
    struct dice dice;
    struct server *server;
    struct nebula_ledger *ledger;
    struct member of[CREW_MOST];
    int members;
    int32_t max;
    const char *driver;
    bool is_faultless, hands_on; /* its driver lets go of a connection that lives */
    int64_t answered, served;
    struct pending just[TICKETS]; /* served, and not looked at yet */
    int justs;
    int64_t beside_us; /* since when somebody waits beside an idle one; 0: nobody does */
};

static int64_t roll(struct crew *w, int64_t low, int64_t high)
{
    return dice_between(&w->dice, low, high);
}

static bool chance(struct crew *w, int permille)
{
    return dice_hits(&w->dice, permille);
}

static struct engine *engine_of(const struct member *m)
{
    return (struct engine *)(void *)m->nebula; /* the first thing behind the border */
}

static struct pool *pool_of(const struct member *m)
{
    return m->nebula == NULL ? NULL : engine_pool(engine_of(m), m->shop, 0);
}

/* --- engines ---------------------------------------------------------------------------------- */

static void open_one(struct crew *w, int i)
{
    static const struct nebula_option option = {.name = "server", .value = "shop"};
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .name = "crew"};
    const struct nebula_spec spec = {
        .name = "shop",
        .kind = "model",
        .driver = w->driver,
        .policy_name = "plain",
        .file = "crew.c",
        .roles = 1,
        .role_name = {"any"},
        .check = "check",
        .rollback = "rollback",
        .reset = "reset",
        .option = &option,
        .options = 1,
        .pool = {.max = w->max,
                 .min = w->max / 2,
                 .queue = 100,
                 .connecting = 2,
                 .idle_us = 2 * (int64_t)SECOND,
                 .life_us = 20 * (int64_t)SECOND,
                 .check_us = 500 * MS,
                 .connect_us = SECOND,
                 .start_us = SECOND},
        .policy = {.deadline_us = 5 * (int64_t)SECOND,
                   .wait_us = SECOND,
                   .tries = 2,
                   .pause_us = MS},
    };
    struct member *m = &w->of[i];
    *m = (struct member){.nebula = nebula_open_worker(w->ledger, i, &options, NULL, 0)};
    CHECK(m->nebula != NULL);
    m->shop = nebula_declare(m->nebula, &spec);
    CHECK(m->shop > 0);
}

static void close_one(struct crew *w, int i)
{
    nebula_close(&w->of[i].nebula);
}

/* --- laws ------------------------------------------------------------------------------------- */

/* One is on its way to this engine: it is not known whose it is. */
static bool is_being_served(const struct member *m)
{
    const struct pool *p = pool_of(m);
    return p != NULL && permits_has_come(&p->stake);
}

/* Nobody still waits who came much earlier. Where a permit goes alone somebody waits for it to be connected. */
static void inspect_order(const struct crew *w, const struct pending *served)
{
    for (int i = 0; i < w->members && w->is_faultless && w->hands_on; i++)
        for (int t = 0; t < TICKETS && w->of[i].nebula != NULL && !is_being_served(&w->of[i]);
             t++) {
            const struct pending *p = &w->of[i].pending[t];
            if (w->of[i].is_pending[t] && p->is_lease && !p->is_cancelled &&
                p->deadline_us > world_time_us() && p->arrived_us + LEAD_US < served->arrived_us)
                law_broken("one who came at %lld was served, and one of %lld waits in engine %d",
                           (long long)served->arrived_us, (long long)p->arrived_us, i);
        }
}

static void inspect(struct crew *w)
{
    bool is_waiting = false, is_idle = false;
    for (int i = 0; i < w->members; i++) {
        const struct pool *p = pool_of(&w->of[i]);
        is_waiting |= p != NULL && !list_is_empty(&p->waiters);
        is_idle |= p != NULL && pool_count(p, CONN_IDLE) > 0;
    }
    bool is_beside = is_waiting && is_idle && w->is_faultless;
    if (!is_beside)
        w->beside_us = 0;
    else if (w->beside_us == 0)
        w->beside_us = world_time_us();
    else if (world_time_us() > w->beside_us + LEAD_US)
        law_broken("somebody waits beside an idle connection");
}

static void inspect_rest(const struct crew *w)
{
    int32_t conns = 0;
    for (int i = 0; i < w->members; i++) {
        const struct pool *p = pool_of(&w->of[i]);
        conns += p == NULL ? 0 : pool_all(p);
        if (p != NULL && !list_is_empty(&p->waiters))
            law_broken("engine %d: somebody waits for ever", i);
        if (p != NULL && p->permits > 0)
            law_broken("engine %d keeps permits that it does not use", i);
    }
    for (int i = 0; i < w->members; i++) {
        const struct pool *p = pool_of(&w->of[i]);
        if (p != NULL && permits_out(&p->stake) != conns)
            law_broken("%d permits are out, for %d connections", permits_out(&p->stake), conns);
    }
}

/* --- what they do ----------------------------------------------------------------------------- */

static void note(struct member *m, int32_t ticket, bool is_lease, int64_t within_us)
{
    CHECK(ticket > 0 && ticket < TICKETS && !m->is_pending[ticket]);
    m->is_pending[ticket] = true;
    m->pending[ticket] = (struct pending){.is_lease = is_lease,
                                          .arrived_us = world_time_us(),
                                          .deadline_us = world_time_us() + within_us};
}

static void ask(struct crew *w, struct member *m)
{
    int64_t within_us = roll(w, 1, 400) * MS;
    if (m->leases == LEASES || w->justs == TICKETS)
        return;
    int64_t lease = nebula_lease(m->nebula, m->shop, 0, within_us, chance(w, 50));
    if (lease > 0) {
        w->just[w->justs++] = (struct pending){.arrived_us = world_time_us()};
        m->lease[m->leases++] = lease;
    } else if (lease == 0) {
        note(m, nebula_ticket(m->nebula), true, within_us);
    }
}

static void give(struct crew *w, struct member *m)
{
    if (m->leases == 0)
        return;
    int64_t i = roll(w, 0, m->leases - 1);
    nebula_release(m->nebula, m->lease[i], chance(w, 100) ? NEBULA_SPOILED : NEBULA_GOOD);
    m->lease[i] = m->lease[--m->leases];
}

static void call(struct crew *w, struct member *m)
{
    static const char text[] = "get 1 1";
    struct nebula_request request = {.resource = m->shop,
                                     .verb = NEBULA_RUN,
                                     .text = text,
                                     .text_size = sizeof text - 1,
                                     .is_idempotent = true};
    if (m->leases > 0 && chance(w, 700))
        request.lease = m->lease[roll(w, 0, m->leases - 1)];
    int32_t ticket = nebula_call(m->nebula, &request);
    if (ticket > 0)
        note(m, ticket, false, 0);
}

static void cancel(struct crew *w, struct member *m)
{
    int32_t ticket = (int32_t)roll(w, 1, 40);
    if (!m->is_pending[ticket])
        return;
    m->pending[ticket].is_cancelled = true;
    nebula_cancel(m->nebula, ticket);
}

static void resize(struct crew *w)
{
    w->max = (int32_t)roll(w, 1, MAX_MOST);
    for (int i = 0; i < w->members; i++)
        if (w->of[i].nebula != NULL)
            nebula_resize(w->of[i].nebula, w->of[i].shop, -1, 0, w->max);
}

static void come_and_go(struct crew *w, int i)
{
    if (w->of[i].nebula == NULL)
        open_one(w, i);
    else
        close_one(w, i);
}

static void act(struct crew *w)
{
    int i = (int)roll(w, 0, w->members - 1);
    struct member *m = &w->of[i];
    int64_t what = roll(w, 0, 999);
    if (what < 8 || m->nebula == NULL)
        come_and_go(w, i);
    else if (what < 12)
        resize(w);
    else if (what < 15)
        nebula_reconnect(m->nebula, m->shop, 100,
                         0); /* its ticket ends with the engine's next events */
    else if (what < 60)
        cancel(w, m);
    else if (what < 400)
        ask(w, m);
    else if (what < 750)
        give(w, m);
    else
        call(w, m);
    if (!w->is_faultless && chance(w, 3))
        server_crash(w->server, world_time_us() + roll(w, 0, 50 * MS));
}

/* --- what they hear --------------------------------------------------------------------------- */

static void hear(struct crew *w, struct member *m, const struct nebula_event *event)
{
    struct pending *p = &m->pending[event->ticket];
    struct nebula_reply reply;
    nebula_reply(m->nebula, event->ticket, &reply);
    bool is_known = m->is_pending[event->ticket];
    m->is_pending[event->ticket] = false;
    w->answered++;
    if (is_known && p->is_lease && reply.code == 0) {
        w->served++;
        if (w->justs < TICKETS)
            w->just[w->justs++] = *p;
        if (m->leases < LEASES)
            m->lease[m->leases++] = reply.lease;
        else
            nebula_release(m->nebula, reply.lease, NEBULA_GOOD);
    }
    nebula_done(m->nebula, event->ticket);
}

static void hear_all(struct crew *w)
{
    struct nebula_event event;
    for (int i = 0; i < w->members; i++)
        while (w->of[i].nebula != NULL && nebula_next(w->of[i].nebula, &event))
            hear(w, &w->of[i], &event);
}

/* What happens in the world in the turn of one may serve somebody in another: all are heard before it is judged. */
static void turn_all(struct crew *w)
{
    for (int i = 0; i < w->members; i++)
        if (w->of[i].nebula != NULL)
            nebula_turn(w->of[i].nebula, 0);
    hear_all(w);
    while (w->justs > 0)
        inspect_order(w, &w->just[--w->justs]);
}

static void pass(struct crew *w, int64_t span_us)
{
    int64_t until_us = world_time_us() + span_us;
    while (law_verdict() == NULL) {
        for (int i = 0; i < 3; i++) /* what one gives the other has in the same moment */
            turn_all(w);
        inspect(w);
        if (world_time_us() >= until_us)
            return;
        int64_t left_us = until_us - world_time_us();
        world_move(world_time_us() + (left_us < 200 ? left_us : 200));
    }
}

/* --- from the beginning to the end ------------------------------------------------------------ */

static void begin(struct crew *w, uint64_t seed)
{
    memory_begin();
    world_begin(seed);
    *w = (struct crew){.dice = {.state = seed * 0x9e3779b97f4a7c15 + 1}};
    w->server = server_new("shop", seed);
    server_cap(w->server, 0, MAX_MOST);
    w->is_faultless = chance(w, 500);
    if (!w->is_faultless) {
        server_odds(w->server, FAULT_LOST_IDLE, 20);
        server_odds(w->server, FAULT_SLOW_OPEN, 50);
        server_odds(w->server, FAULT_REFUSED, 20);
        server_odds(w->server, FAULT_LOST_AFTER, 10);
        server_odds(w->server, FAULT_CLOSE_SLOW, 50);
    }
    w->members = (int)roll(w, 1, CREW_MOST);
    w->max = (int32_t)roll(w, 1, MAX_MOST);
    w->hands_on = chance(w, 750);
    w->driver = w->hands_on ? "sim" : "sim_plain";
    w->ledger = nebula_ledger_new(w->members);
    for (int i = 0; i < w->members; i++)
        open_one(w, i);
}

static void rest(struct crew *w)
{
    server_calm(w->server);
    for (int i = 0; i < w->members; i++)
        while (w->of[i].nebula != NULL && w->of[i].leases > 0)
            nebula_release(w->of[i].nebula, w->of[i].lease[--w->of[i].leases], NEBULA_GOOD);
    pass(w, 8 * (int64_t)SECOND);
    for (int i = 0; i < w->members; i++)
        while (w->of[i].nebula != NULL && w->of[i].leases > 0)
            nebula_release(w->of[i].nebula, w->of[i].lease[--w->of[i].leases], NEBULA_GOOD);
    pass(w, SECOND);
    for (int i = 0; i < w->members; i++)
        for (int t = 0; t < TICKETS && w->of[i].nebula != NULL; t++)
            if (w->of[i].is_pending[t])
                law_broken("engine %d: ticket %d was never answered", i, t);
    inspect_rest(w);
}

static void end(struct crew *w)
{
    for (int i = 0; i < w->members; i++)
        if (w->of[i].nebula != NULL)
            close_one(w, i);
    nebula_ledger_free(&w->ledger);
    while (world_next_us() != INT64_MAX) {
        world_move(world_next_us());
        world_step();
    }
    if (memory_live() != 0)
        law_broken("%lld allocations were never freed", (long long)memory_live());
    if (server_wires(w->server, 0) + server_sessions(w->server) != 0)
        law_broken("somebody is still connected");
}

/* NULL, or the law that was broken. */
static const char *play(uint64_t seed, struct crew *w)
{
    begin(w, seed);
    for (int i = 0; i < STEPS && law_verdict() == NULL; i++) {
        act(w);
        pass(w, chance(w, 300) ? 0 : roll(w, 0, 4 * MS));
    }
    if (law_verdict() == NULL)
        rest(w);
    if (law_verdict() == NULL)
        end(w);
    const char *verdict = law_verdict();
    server_free(&w->server);
    return verdict;
}

int main(void)
{
    static struct crew crew;
    const char *alone = getenv("CREW"), *told = getenv("CREWS");
    uint64_t first = alone == NULL ? 1 : strtoull(alone, NULL, 10);
    uint64_t usual = getenv("NEBULA_PROVE") != NULL ? 10000 : 400;
    uint64_t last = alone != NULL ? first : told != NULL ? strtoull(told, NULL, 10) : usual;
    int64_t answered = 0, served = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        const char *verdict = play(seed, &crew);
        if (verdict != NULL) {
            printf("not ok 1 - seed %llu: %s\n# replay: CREW=%llu\n1..1\n",
                   (unsigned long long)seed, verdict, (unsigned long long)seed);
            return 1;
        }
        answered += crew.answered;
        served += crew.served;
    }
    printf("ok 1 - seeds %llu to %llu: %lld tickets answered, %lld of them leases that were waited "
           "for\n1..1\n",
           (unsigned long long)first, (unsigned long long)last, (long long)answered,
           (long long)served);
    return 0;
}
