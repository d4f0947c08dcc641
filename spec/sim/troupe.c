#include <string.h>

#include "base/check.h"
#include "core/ear.h"
#include "core/handover.h"
#include "core/resource.h"
#include "ledger_trace.h"
#include "loop_sim.h"
#include "memory.h"
#include "play.h"
#include "unlikely.h"

#define DISTURBED_ALL 100 /* nearly all of its tickets */
#define ROUNDS_MOST 10000 /* more turns without time passing never end */

static int64_t roll(struct play *p, int64_t low, int64_t high)
{
    return dice_between(&p->dice, low, high);
}

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

bool troupe_is_awake(const struct worker *w)
{
    return w->nebula != NULL && loop_awake_us(w->engine->loop) <= world_time_us();
}

bool troupe_is_here(const struct worker *w)
{
    return troupe_is_awake(w) && !w->is_dying;
}

struct worker *troupe_pick(struct play *p)
{
    int64_t from = roll(p, 0, p->workers - 1);
    for (int i = 0; i < p->workers; i++) {
        struct worker *w = &p->worker[(from + i) % p->workers];
        if (troupe_is_here(w))
            return w;
    }
    return NULL;
}

/* --- birth ------------------------------------------------------------------------------------ */

bool troupe_open(struct play *p, struct worker *w)
{
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .allow_chaos = true};
    int32_t index = (int32_t)(w - p->worker);
    *w =
        (struct worker){.play = p, .index = index, .operator= {.worker = w, .deadline_us = NEVER} };
    for (int i = 0; i < ACTORS; i++)
        w->actor[i].worker = w;
    w->nebula = p->ledger == NULL ? nebula_open(&options, NULL, 0)
                                  : nebula_open_worker(p->ledger, index, &options, NULL, 0);
    if (w->nebula == NULL)
        return false;
    w->engine = (struct engine *)(void *)w->nebula; /* the first thing behind the border */
    bool is_whole = true;
    for (int i = 0; i < DECLARED && is_whole; i++)
        is_whole = scene_declare(p, w, i);
    if (!is_whole) {
        nebula_close(&w->nebula);
        w->engine = NULL;
        return false;
    }
    scene_watch(w);
    return true;
}

static void come(struct play *p, struct worker *w)
{
    unlikely_met(troupe_open(p, w) ? WORKER_IS_BORN : BIRTH_FAILS);
    play_note(p, "worker %d comes", w->index);
}

/* --- death ------------------------------------------------------------------------------------ */

static void meet_death_of(const struct pool *p)
{
    if (p->is_home && p->size.min > 0)
        unlikely_met(DIES_AS_HOME);
    if (p->count[CONN_OPENING] > 0)
        unlikely_met(DIES_WHILE_CONNECTING);
    if (p->count[CONN_OPENING] == 1 && p->trouble != NULL)
        unlikely_met(DIES_WHILE_PROBING);
    if (p->asks_since_us != INT64_MAX)
        unlikely_met(DIES_WHILE_ASKING);
    if (permits_has_come(&p->stake))
        unlikely_met(DIES_WITH_PARCEL);
    if (p->ear != NULL && p->ear->conn != NULL && !list_is_empty(&p->ear->hearers))
        unlikely_met(DIES_WHILE_OTHERS_LISTEN);
}

void troupe_close_actors(struct worker *w)
{
    for (int i = 0; i < ACTORS; i++)
        if (w->actor[i].task != 0)
            play_close_actor(w->play, &w->actor[i]);
}

/* The thread ends the engine, and the others go on meanwhile. */
static void die(struct play *p, struct worker *w)
{
    for (int i = 0; i < DECLARED * ROLES_MOST; i++) {
        const struct pool *pool = laws_pool(w, i / ROLES_MOST, i % ROLES_MOST);
        if (pool != NULL)
            meet_death_of(pool);
    }
    play_note(p, "worker %d dies", w->index);
    if (!unlikely_happens(WORKER_DIES_IN_SILENCE))
        troupe_close_actors(w);
    for (int i = 0; i < ACTORS; i++)
        if (w->actor[i].task != 0)
            play_forget_actor(p, &w->actor[i]);
    w->is_dying = true;
    nebula_stop(w->nebula, world_time_us());
}

static bool is_anybody_left(const struct play *p)
{
    bool is_left = false;
    for (int i = 0; i < p->workers; i++)
        is_left |= p->worker[i].nebula != NULL;
    return is_left;
}

static void begin_anew(struct declared *d)
{
    play_declared(d);
    for (int32_t role = 0; role < SERVER_ROLES; role++)
        troupe_cap(d, role); /* the first of his turns may open one */
    d->is_paused = false;
}

static void bury(struct play *p, struct worker *w)
{
    policies_lose(p);
    nebula_close(&w->nebula);
    w->engine = NULL;
    w->is_dying = false;
    for (int32_t t = 1; t <= w->most_ticket; t++)
        w->op[t].kind = OP_NONE;
    if (!is_anybody_left(p)) /* who comes begins with what is declared */
        for (int i = 0; i < DECLARED; i++)
            begin_anew(&p->declared[i]);
    play_note(p, "worker %d is dead", w->index);
}

/* --- time ------------------------------------------------------------------------------------- */

static void send_away(struct play *p, struct worker *w, int64_t until_us)
{
    if (!troupe_is_awake(w))
        return;
    w->late_us += until_us - world_time_us();
    loop_sleep_until(w->engine->loop, until_us);
    if (until_us > p->all_awake_us)
        p->all_awake_us = until_us;
}

static void leap(struct play *p)
{
    int64_t until_us = world_time_us() + roll(p, 10 * MS, 5 * SECOND);
    play_note(p, "time leaps to %lld", (long long)until_us);
    for (int i = 0; i < p->workers; i++)
        send_away(p, &p->worker[i], until_us);
}

static bool has_something_come(const struct worker *w)
{
    bool has_come = false;
    for (int i = 0; i < DECLARED; i++) {
        const struct pool *pool = laws_pool(w, i, 0);
        has_come |= pool != NULL && permits_has_come(&pool->stake);
    }
    return has_come;
}

/* Whoever something is on its way to, if there is one. */
static struct worker *choose_victim(struct play *p, struct worker *any)
{
    for (int i = 0; i < p->workers; i++)
        if (troupe_is_here(&p->worker[i]) && has_something_come(&p->worker[i]))
            return &p->worker[i];
    return any;
}

/* That is rare by itself, so it is asked for often. */
static bool never_wakes(const struct worker *w)
{
    bool is_dead = false;
    for (int i = 0; i < 10 && w->late_us > 0 && troupe_is_here(w) && has_something_come(w); i++)
        is_dead |= unlikely_happens(WORKER_NEVER_WAKES);
    return is_dead;
}

void troupe_act(struct play *p)
{
    struct worker *w = troupe_pick(p);
    if (w != NULL && unlikely_happens(THREAD_IS_AWAY))
        send_away(p, w, world_time_us() + roll(p, 1, 300 * MS));
    if (chance(p, 30) && unlikely_happens(TIME_LEAPS))
        leap(p);
    if (unlikely_happens(WALL_CLOCK_JUMPS))
        world_set_wall(roll(p, -400000, 400000) * SECOND);
    if (p->ledger == NULL)
        return;
    if (w != NULL && troupe_is_here(w) && chance(p, 300) && unlikely_happens(WORKER_DIES))
        die(p, choose_victim(p, w));
    struct worker *dead = &p->worker[roll(p, 0, p->workers - 1)];
    if (dead->nebula == NULL && chance(p, 50))
        come(p, dead);
}

static void sooner(int64_t *at_us, int64_t other_us)
{
    if (other_us < *at_us)
        *at_us = other_us;
}

/* When something is due, for the world or for one who looks. */
static int64_t next_us(const struct play *p)
{
    int64_t at_us = world_next_us();
    for (int i = 0; i < p->workers; i++) {
        const struct worker *w = &p->worker[i];
        if (troupe_is_here(w) && !list_is_empty(&w->engine->ready))
            return world_time_us(); /* its host hears of what has ended */
        if (w->nebula != NULL)
            sooner(&at_us, troupe_is_awake(w) ? loop_next_us(w->engine->loop)
                                              : loop_awake_us(w->engine->loop));
    }
    return at_us;
}

static void turn(struct play *p, struct worker *w)
{
    if (p->ledger != NULL && never_wakes(w))
        die(p, w);
    nebula_turn(w->nebula, 0);
    if (w->is_dying && nebula_is_stopped(w->nebula))
        bury(p, w);
}

void troupe_turn(struct play *p, int64_t span_us)
{
    int64_t to_us = world_time_us() + span_us;
    sooner(&to_us, next_us(p));
    if (to_us > world_time_us())
        world_move(to_us);
    bool is_anybody_awake = false, is_backwards = unlikely_happens(WORKERS_TURN_BACKWARDS);
    for (int i = 0; i < p->workers; i++) {
        struct worker *w = &p->worker[is_backwards ? p->workers - 1 - i : i];
        is_anybody_awake |= troupe_is_awake(w);
        if (troupe_is_awake(w))
            turn(p, w);
    }
    while (!is_anybody_awake && world_step()) /* else they let it happen */
        ;
    for (int i = 0; i < p->workers; i++)
        if (troupe_is_here(&p->worker[i]))
            answers_take(&p->worker[i]);
}

void troupe_settle(struct play *p)
{
    int rounds = 0;
    do {
        CHECK(rounds++ < ROUNDS_MOST);
        troupe_turn(p, 0);
    } while (next_us(p) <= world_time_us() && law_verdict() == NULL);
    for (int i = 0; i < p->workers; i++)
        if (troupe_is_here(&p->worker[i]))
            answers_inspect(&p->worker[i]);
    troupe_inspect_order(p);
    p->settled_us = world_time_us();
    for (int i = 0; i < p->workers; i++) {
        struct worker *w = &p->worker[i];
        if (troupe_is_awake(w))
            w->late_us = 0;
        for (int r = 0; r < DECLARED * SERVER_ROLES; r++)
            w->newest_served[r / SERVER_ROLES][r % SERVER_ROLES] = 0;
    }
}

static void disturb(struct play *p, struct worker *w, int64_t times)
{
    for (; times > 0; times--)
        play_disturb(p, w);
}

/* In the middle of what `worker` does another one has a turn. What happens to the first meanwhile it hears of
 * afterwards. */
void troupe_run_between(struct ledger_pause *pause, int32_t worker, bool is_hand)
{
    struct play *p = container_of(pause, struct play, pause);
    struct worker *paused = &p->worker[worker];
    if (p->is_between)
        return;
    p->is_between = true;
    bool all_leave = is_hand && unlikely_happens(ASKERS_LEAVE);
    for (int i = 0; i < p->workers && all_leave; i++)
        if (&p->worker[i] != paused && troupe_is_here(&p->worker[i]))
            disturb(p, &p->worker[i], DISTURBED_ALL);
    struct worker *w = unlikely_happens(OTHERS_RUN_BETWEEN) ? troupe_pick(p) : NULL;
    if (w != NULL && w != paused && paused->engine != NULL) {
        struct loop *loop = paused->engine->loop;
        int64_t awake_us = loop_awake_us(loop);
        loop_sleep_until(loop, world_time_us() + 1);
        disturb(p, w, chance(p, 300) ? DISTURBED_ALL : roll(p, 0, 4));
        nebula_turn(w->nebula, 0);
        loop_sleep_until(loop, awake_us);
    }
    p->is_between = false;
}

/* --- the end ---------------------------------------------------------------------------------- */

void troupe_stop(struct play *p, int64_t at_us)
{
    for (int i = 0; i < p->workers; i++)
        if (p->worker[i].nebula != NULL)
            nebula_stop(p->worker[i].nebula, at_us);
}

bool troupe_is_stopped(const struct play *p)
{
    bool is_stopped = true;
    for (int i = 0; i < p->workers; i++)
        is_stopped &= p->worker[i].nebula == NULL || nebula_is_stopped(p->worker[i].nebula);
    return is_stopped;
}

void troupe_close(struct play *p)
{
    for (int i = 0; i < p->workers; i++) {
        struct worker *w = &p->worker[i];
        if (w->nebula != NULL) {
            loop_sleep_until(w->engine->loop, 0);
            nebula_close(&w->nebula);
        }
        w->engine = NULL;
    }
    if (p->ledger != NULL)
        nebula_ledger_free(&p->ledger);
}

/* --- what must hold for all together ---------------------------------------------------------- */

void troupe_cap(struct declared *d, int32_t role)
{
    int32_t own = d->spec.role_max[role], left = d->conns_left[role];
    int32_t max = own > 0 ? own : d->max;
    server_cap(d->server, role, max > left ? max : left);
}

/* Where the bound became less, what was there may stay for a while, but it does not grow; as soon as all know. */
static void inspect_cap(const struct play *p, struct declared *d, int32_t role)
{
    int32_t wires = server_wires(d->server, role), *left = &d->conns_left[role];
    if (wires < *left && world_time_us() >= p->all_awake_us && !p->is_starved)
        *left = wires;
    troupe_cap(d, role);
}

/* One of the pools of all workers, and what they are together. */
struct sight {
    const struct pool *any;
    int32_t conns, permits, listening, waiting, spare; /* the last two: endpoints, a bit each */
};

static void look_at(struct sight *s, const struct worker *w, const struct pool *p)
{
    bool is_counted_on = troupe_is_here(w) && !pool_is_closed(p) && !w->engine->is_stopping;
    s->any = p->stake.permits != NULL ? p : s->any;
    s->conns += pool_all(p);
    s->permits += p->permits;
    s->listening += (int32_t)p->count[CONN_LISTENING];
    /* One that the other worker cannot let go of is but a permit, of use to who may open one now. */
    bool is_helped = p->driver->detach != NULL || p->claims;
    int32_t closing = p->driver->detach == NULL ? (int32_t)p->count[CONN_CLOSING] : 0;
    bool is_room_coming =
        closing > 0 && p->stake.permits != NULL && permits_claims(&p->stake) <= closing;
    int64_t long_ago_us = world_time_us() - FAIR_US;
    if (is_counted_on && is_helped)
        s->waiting |= laws_waits_for(p, long_ago_us);
    bool is_spare = is_counted_on && !is_room_coming && p->waiters.count == 0; /* else for those */
    for (const struct conn *c = p->idle.first; c != NULL && is_spare; c = c->after)
        s->spare |= (pool_is_fresh(p, c, world_time_us()) && c->since_us < long_ago_us) << c->reach;
}

/* Each permit that is out is that of a connection, or waits somewhere to become one. */
static void inspect_permits(const struct declared *d, const struct sight *s)
{
    const char *name = d->spec.name;
    int32_t role = s->any->role, out = permits_out(&s->any->stake);
    int32_t wires = server_wires(d->server, role);
    int32_t coming = ledger_trace_on_its_way(&s->any->stake);
    if (out != s->conns + s->permits + coming)
        law_broken("%s: %d permits are out, for %d connections, %d permits and %d on their way",
                   name, out, s->conns, s->permits, coming);
    if (wires < s->conns || wires > s->conns + coming)
        law_broken("%s: the server sees %d connections, and there are %d and %d on their way", name,
                   wires, s->conns, coming);
}

/* Nobody has waited for long here beside one that is idle for long there, when everybody has looked and those who are
 * resumed have been for as long. */
static void inspect_spare(struct play *p, int i, const struct sight *s)
{
    int64_t *since_us = &p->beside_us[i][s->any->role], now_us = world_time_us();
    bool is_beside = (s->waiting & s->spare) != 0 && now_us >= p->all_awake_us + FAIR_US;
    if (!is_beside)
        *since_us = 0;
    else if (*since_us == 0)
        *since_us = now_us;
    else if (now_us > *since_us + SLACK_US && !p->is_starved)
        law_broken("%s: workers wait beside connections that are idle elsewhere",
                   p->declared[i].spec.name);
}

void troupe_inspect(struct play *p)
{
    for (int i = 0; i < DECLARED * SERVER_ROLES; i++) {
        struct declared *d = &p->declared[i / SERVER_ROLES];
        int32_t role = i % SERVER_ROLES;
        struct sight s = {.any = NULL};
        inspect_cap(p, d, role);
        for (int n = 0; n < p->workers; n++) {
            const struct pool *pool = laws_pool(&p->worker[n], i / SERVER_ROLES, role);
            if (pool != NULL)
                look_at(&s, &p->worker[n], pool);
        }
        if (s.any == NULL)
            continue;
        inspect_permits(d, &s);
        if (s.listening > 1)
            law_broken("%s: all listen by %d connections", d->spec.name, s.listening);
        inspect_spare(p, i / SERVER_ROLES, &s);
    }
}

static bool is_passed_over(const struct play *p, const struct op *op, int64_t newest_us)
{
    int64_t since_us = op->begun_us > p->all_awake_us ? op->begun_us : p->all_awake_us;
    return (op->kind == OP_LEASE || op->kind == OP_CALL) && !op->is_served && !op->is_ruled &&
           answers_are_in_order(p, op) && newest_us > since_us + FAIR_US &&
           op->wait_until_us > world_time_us();
}

/* The first was given a permit, for max became more, or what is older than a reconnect; the next one was served. */
static bool was_given_something_now(const struct pool *p)
{
    bool is_given = p->permits > 0;
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next) {
        bool is_gift = c->state == CONN_OPENING || (c->state == CONN_CLOSING && c->is_retired);
        is_given |= is_gift && c->since_us == world_time_us();
    }
    return is_given;
}

static void inspect_order_of(const struct play *p, int32_t resource, int32_t role,
                             int64_t newest_us)
{
    for (int i = 0; i < p->workers; i++) {
        const struct worker *w = &p->worker[i];
        const struct pool *pool = troupe_is_here(w) ? laws_pool(w, resource, role) : NULL;
        if (pool == NULL || permits_has_come(&pool->stake) || was_given_something_now(pool))
            continue;
        for (int32_t t = 1; t <= w->most_ticket; t++) {
            const struct op *op = &w->op[t];
            if (op->resource == resource && op->role == role && is_passed_over(p, op, newest_us))
                law_broken("%s: worker %d's ticket %d waits, and who came %lld us later was served",
                           p->declared[resource].spec.name, i, t,
                           (long long)(newest_us - op->begun_us));
        }
    }
}

void troupe_inspect_order(struct play *p)
{
    for (int i = 0; i < DECLARED * SERVER_ROLES; i++) {
        int32_t resource = i / SERVER_ROLES, role = i % SERVER_ROLES;
        int64_t newest_us = 0;
        for (int n = 0; n < p->workers; n++) {
            int64_t served_us = p->worker[n].newest_served[resource][role];
            newest_us = served_us > newest_us ? served_us : newest_us;
        }
        /* Where a permit goes alone, it may come when nothing can be opened. */
        bool hands_on = strcmp(p->declared[resource].spec.driver, "sim") == 0;
        bool is_resized = p->declared[resource].resized_us >= p->settled_us; /* so it does then */
        if (newest_us > 0 && hands_on && !is_resized && !p->is_starved)
            inspect_order_of(p, resource, role, newest_us);
    }
}
