#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "core/conn.h"
#include "ledger_trace.h"
#include "memory.h"
#include "play.h"
#include "unlikely.h"

#define MAX_MOST 8
#define ALONE_PERMILLE 250
#define ACTORS_LEAST 4

/* --- what is declared ------------------------------------------------------------------------- */

static int64_t roll(struct play *p, int64_t low, int64_t high)
{
    return dice_between(&p->dice, low, high);
}

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

/* Of a time in the life of a connection: short ones matter often, long ones seldom. */
static int64_t roll_bound(struct play *p)
{
    return chance(p, 700) ? roll(p, 10 * MS, SECOND) : roll(p, SECOND, 10 * SECOND);
}

static struct nebula_pool roll_pool(struct play *p)
{
    struct nebula_pool pool = {
        .max = (int32_t)roll(p, 1, MAX_MOST),
        .queue = chance(p, 200) ? (int32_t)roll(p, 0, 3) : 32,
        .connecting = (int32_t)roll(p, 1, 4),
        .is_fail_fast = chance(p, 100),
        .is_fifo = chance(p, 500),
        .idle_us = chance(p, 400) ? 0 : roll_bound(p),
        .life_us = chance(p, 400) ? 0 : roll_bound(p),
        .life_jitter = (int32_t)roll(p, 0, 50),
        .check_us = chance(p, 200)   ? -1
                    : chance(p, 200) ? 0
                                     : roll(p, 10 * MS, 5 * SECOND),
        .hold_us = chance(p, 300) ? 0 : roll(p, 100 * MS, 300 * MS),
        .is_reclaiming = chance(p, 500),
        .keepalive_us = chance(p, 700) ? 0 : roll(p, 100 * MS, SECOND),
        .connect_us = roll(p, 10 * MS, 2 * SECOND),
        .start_us = roll(p, 0, 3 * SECOND),
        .pipeline = chance(p, 500) ? 0 : (int32_t)roll(p, 1, 8),
    };
    if (p->is_scarce) { /* few, which live long: they go from worker to worker */
        pool.max = (int32_t)roll(p, 1, 3);
        pool.idle_us = pool.life_us = pool.keepalive_us = 0;
        pool.check_us = -1;
        pool.connect_us = 2 * SECOND;
    }
    pool.min = chance(p, 500) ? 0 : (int32_t)roll(p, 0, pool.max);
    return pool;
}

static struct nebula_policy roll_policy(struct play *p)
{
    return (struct nebula_policy){
        .deadline_us = chance(p, 300) ? roll(p, 2 * MS, 50 * MS) : roll(p, 50 * MS, 3 * SECOND),
        .wait_us = roll(p, 1 * MS, SECOND),
        .tries = (int32_t)roll(p, 1, 4),
        .pause_us = roll(p, 0, 50 * MS),
        .pause_max_us = roll(p, 0, 200 * MS),
        .budget = (int32_t)roll(p, 0, 100),
        .budget_least = (int32_t)roll(p, 0, 10),
    };
}

/* Most faults are rare or do not occur at all in one play, so that each gets its turn to matter. */
static void roll_odds(struct play *p, struct server *s)
{
    int permille = p->is_scarce ? 100 : 500;
    for (int f = FAULT_NONE + 1; f < FAULTS && !p->is_faultless; f++) {
        bool is_statement = f >= FAULT_UNSENT && f <= FAULT_CONFLICT;
        int most = is_statement ? 100 : f >= FAULT_CANCEL_SLOW ? 400 : 200;
        if (chance(p, permille))
            server_odds(s, (enum fault)f, (int)roll(p, 1, most));
    }
    if (!p->is_faultless && chance(p, 200))
        server_room(s, (int32_t)roll(p, 1, 8));
}

/* All lead to the same server, which is fit or not as the dice will have it. */
static void roll_endpoints(struct play *p, struct nebula_spec *spec)
{
    static const char *const name[] = {"one", "two", "three"};
    if (chance(p, 500))
        return;
    spec->endpoints = (int32_t)roll(p, 1, COUNT(name));
    spec->endpoint_name = name;
    for (int32_t i = 0; i < spec->roles; i++)
        spec->role_choice[i] = (uint8_t)roll(p, 0, NEBULA_SPREAD | NEBULA_FALL_BACK);
}

static bool has_choice(const struct nebula_spec *spec)
{
    bool has_one = false;
    for (int32_t i = 0; i < spec->roles; i++)
        has_one |= (spec->role_choice[i] & NEBULA_SPREAD) != 0;
    return has_one && spec->endpoints > 1;
}

/* By any rule, and none is ejected: that they all lead to one server would be one too many to be told apart. By dice
 * that are thrown nowhere else, so that other plays stay what they are. */
static void roll_balance(const struct play *p, struct declared *d)
{
    struct dice dice = {.state = ~p->dice.state};
    if (!has_choice(&d->spec) || !dice_hits(&dice, 500))
        return;
    d->balance = (struct nebula_balance){
        .rule = (int32_t)dice_between(&dice, NEBULA_ROUND_ROBIN, NEBULA_STICKY),
        .window_us = SECOND,
        .most = 0.5,
        .time_us = SECOND,
        .time_most_us = SECOND,
        .slow_start_us = dice_between(&dice, 0, SECOND)};
}

static void declare(struct play *p, int i)
{
    static const char *const name[DECLARED] = {"alpha", "beta", "gamma"};
    struct declared *d = &p->declared[i];
    d->server = server_new(name[i], dice_roll(&p->dice));
    d->option[0] = (struct nebula_option){.name = "server", .value = name[i]};
    d->option[1] = (struct nebula_option){.name = "password", .value = "hush", .is_secret = true};
    bool has_writer = i == 1;
    d->spec = (struct nebula_spec){
        .name = name[i],
        .kind = "model",
        .driver = i == 2 ? "sim_plain" : "sim",
        .policy_name = "rolled",
        .file = "scene.c",
        .line = i + 1,
        .roles = has_writer ? 2 : 1,
        .writer = has_writer ? 1 : 0,
        .role_name = {has_writer ? "reader" : "any", has_writer ? "writer" : NULL},
        .role_max = {0, has_writer ? 1 : 0},
        .role_is_fixed = {false, has_writer},
        .check = "check",
        .rollback = "rollback",
        .reset = chance(p, 900) ? "reset" : NULL,
        .listen = "hark 0 %s;",
        .unlisten = "hush 0 %s;",
        .channel_most = 8,
        .option = d->option,
        .options = COUNT(d->option),
        .pool = roll_pool(p),
        .policy = roll_policy(p),
    };
    roll_endpoints(p, &d->spec);
    roll_balance(p, d);
    policies_roll(p, i);
    if (has_writer)
        server_writer(d->server, 1);
    server_cap(d->server, 0, d->spec.pool.max);
    server_cap(d->server, 1, 1);
    server_watch(d->server, &p->witness);
    roll_odds(p, d->server);
    play_declared(d);
    d->chaos_us = -1;
    d->conns_left[0] = !p->is_starved      ? 0
                       : d->max > MAX_MOST ? d->max
                                           : MAX_MOST; /* who comes may not hear of others */
}

bool scene_declare(struct play *p, struct worker *w, int i)
{
    const struct nebula_balance *balance = &p->declared[i].balance;
    w->number[i] = nebula_declare(w->nebula, &p->declared[i].spec);
    bool is_told = w->number[i] > 0 && (balance->rule == NEBULA_CONNECTIONS ||
                                        nebula_balance(w->nebula, w->number[i], balance) == 0);
    if (!is_told && !p->is_starved)
        law_broken("%s was refused: %s", p->declared[i].spec.name, nebula_error(w->nebula));
    const struct nebula_strategy strategy = {.name = "any", .every_us = SECOND};
    if (w->number[i] > 0 && nebula_strategy(w->nebula, w->number[i], &strategy) < 0 &&
        !p->is_starved)
        law_broken("a strategy was refused: %s", nebula_error(w->nebula));
    return w->number[i] > 0 && (policies_say(p, w, i) || p->is_starved);
}

/* --- the trace -------------------------------------------------------------------------------- */

static void mix(struct play *p, int64_t number)
{
    p->hash = (p->hash ^ (uint64_t)number) * 0x100000001b3;
}

void play_note(struct play *p, const char *format, ...)
{
    if (p->trace == NULL)
        return;
    fprintf(p->trace, "%lld   ", (long long)world_time_us());
    va_list args;
    va_start(args, format);
    vfprintf(p->trace, format, args);
    va_end(args);
    fputc('\n', p->trace);
}

/* What was idle for too long is asked before it is lent. */
static void inspect_move(struct worker *w, int32_t resource, int64_t conn, int64_t from, int64_t to)
{
    for (int i = 0; i < DECLARED; i++) {
        const struct declared *d = &w->play->declared[i];
        int64_t *since_us = &w->idle_since_us[i][conn % CONNS];
        int64_t check_us = d->spec.pool.check_us, span_us = world_time_us() - *since_us;
        if (w->number[i] != resource)
            continue;
        if (from == CONN_IDLE && to == CONN_LEASED && check_us >= 0 && span_us >= check_us)
            law_broken("%s: a connection was lent after %lld us without a check", d->spec.name,
                       (long long)span_us);
        if (to == CONN_IDLE)
            *since_us = world_time_us();
        if (to == CONN_LEASED)
            laws_expect_staying(w, i, (uint32_t)conn);
    }
}

/* Those behind what is held back wait with it. */
static void meet_chaos(const struct worker *w, int32_t resource, int64_t delay_us)
{
    int64_t until_us = world_time_us() + delay_us;
    for (int i = 0; i < DECLARED; i++) {
        int64_t *chaos_us = &w->play->declared[i].chaos_us;
        if (w->number[i] == resource && *chaos_us < until_us)
            *chaos_us = until_us;
    }
}

static void happened(struct tracer *t, enum trace_what what, int64_t now_us, int32_t resource,
                     int64_t a, int64_t b, int64_t c)
{
    struct worker *w = container_of(t, struct worker, tracer);
    struct play *p = w->play;
    p->happened++;
    if (what == TRACE_CIRCUIT)
        obeyed_meet_circuit(w, resource, b);
    if (what == TRACE_CONN_MOVED)
        inspect_move(w, resource, a, b, c);
    if (what == TRACE_CHAOS)
        meet_chaos(w, resource, c);
    if (what == TRACE_TICKET_ENDED && a < OPS && w->op[a].kind == OP_START && b == ERROR_OK)
        laws_expect_started(w, w->op[a].resource);
    if (what == TRACE_TICKET_ENDED && a < OPS && w->op[a].kind == OP_LISTEN && b == ERROR_OK)
        hearer_promised(p, w->op[a].actor);
    const int64_t all[] = {(int64_t)what, now_us, w->index, resource, a, b, c};
    for (size_t i = 0; i < COUNT(all); i++)
        mix(p, all[i]);
    if (p->trace != NULL)
        fprintf(p->trace, "%lld %d %s %d %lld %lld %lld\n", (long long)now_us, w->index,
                trace_name(what), resource, (long long)a, (long long)b, (long long)c);
}

void scene_watch(struct worker *w)
{
    w->tracer.happened = happened;
    engine_watch(w->engine, &w->tracer);
}

/* --- from the beginning to the end ------------------------------------------------------------ */

static bool raise_curtain(struct play *p)
{
    p->witness.heard = play_heard;
    p->pause.run = troupe_run_between;
    ledger_trace_pause(&p->pause);
    p->is_faultless = chance(p, 150);
    p->is_starved = !p->is_faultless && chance(p, 150);
    p->workers = chance(p, ALONE_PERMILLE) ? 1 : (int32_t)roll(p, 1, WORKERS_MOST);
    p->actors = ACTORS / p->workers > ACTORS_LEAST ? ACTORS / p->workers : ACTORS_LEAST;
    p->ledger = p->workers == 1 && chance(p, 500) ? NULL : nebula_ledger_new(p->workers);
    p->is_scarce = p->workers > 1 && chance(p, 500);
    unlikely_begin(dice_roll(&p->dice), !p->is_faultless);
    for (int i = 0; i < DECLARED; i++)
        declare(p, i);
    bool is_open = true;
    for (int i = 0; i < p->workers && is_open; i++)
        is_open = troupe_open(p, &p->worker[i]);
    if (!is_open)
        law_broken("an engine did not open");
    return is_open;
}

static int64_t roll_span(struct play *p)
{
    int64_t what = roll(p, 0, 99);
    if (what < 30)
        return 0;
    return what < 97 ? roll(p, 1, 10 * MS) : roll(p, 1, SECOND);
}

static void step(struct play *p)
{
    if (p->is_starved && unlikely_happens(ALLOCATION_FAILS))
        memory_fail(roll(p, 1, 20));
    int64_t acts = unlikely_happens(CROWD) ? 30 : roll(p, 0, 4);
    for (; acts > 0 && law_verdict() == NULL; acts--)
        play_act(p);
    troupe_act(p);
    if (law_verdict() == NULL)
        troupe_turn(p, roll_span(p));
    if (law_verdict() != NULL || chance(p, 200))
        return;
    /* What was said to happen soon has happened: only now must all be in order. */
    troupe_settle(p);
    laws_inspect(p);
}

static void run_for(struct play *p, int64_t span_us)
{
    int64_t until_us = world_time_us() + span_us;
    while (world_time_us() < until_us && law_verdict() == NULL) {
        troupe_turn(p, until_us - world_time_us());
        troupe_settle(p);
        laws_inspect(p);
    }
}

static void close_actors(struct play *p)
{
    for (int i = 0; i < p->workers; i++)
        troupe_close_actors(&p->worker[i]);
}

/* With nobody about and the servers well, the pools come to rest, with their minimum warm. */
static void rest(struct play *p)
{
    for (int i = 0; i < DECLARED; i++) {
        server_calm(p->declared[i].server);
        server_room(p->declared[i].server, 0);
    }
    unlikely_stop();
    play_resume(p);
    run_for(p, 5 * SECOND);
    laws_expect_ears(p, false);
    close_actors(p);
    obeyed_expect_over(p);
    run_for(p, 20 * SECOND);
    int64_t until_us = world_time_us() + 2 * SECOND;
    while (!laws_are_warm(p)) {
        if (world_time_us() >= until_us || law_verdict() != NULL) {
            law_broken("a pool does not keep its minimum warm");
            return;
        }
        run_for(p, 10 * MS);
    }
    laws_expect_ears(p, true);
}

static bool is_asked_of_a_resource(const struct op *op)
{
    return op->kind == OP_LEASE || op->kind == OP_CALL || op->kind == OP_ON_LEASE ||
           op->kind == OP_LISTEN || op->kind == OP_HEAR;
}

static void drain(struct play *p)
{
    int64_t at_us = world_time_us() + (chance(p, 500) ? 0 : roll(p, 0, SECOND));
    p->is_stopping = true;
    troupe_stop(p, at_us);
    while (!troupe_is_stopped(p) && law_verdict() == NULL) {
        if (chance(p, 200))
            play_act(p);
        troupe_turn(p, 5 * MS);
        troupe_settle(p);
        laws_inspect(p);
        if (world_time_us() > (at_us > p->all_awake_us ? at_us : p->all_awake_us) + 2 * SECOND)
            law_broken("the engine did not stop within 2 s of its bound");
    }
    run_for(p, 4 * SECOND);
    for (int i = 0; i < p->workers; i++)
        for (int32_t t = 1; t <= p->worker[i].most_ticket; t++)
            if (is_asked_of_a_resource(&p->worker[i].op[t]))
                law_broken("worker %d: ticket %d was never answered", i, t);
}

static void lower_curtain(struct play *p)
{
    troupe_close(p);
    while (world_next_us() != INT64_MAX) {
        world_move(world_next_us());
        world_step();
    }
    if (memory_live() != 0)
        law_broken("%lld allocations were never freed", (long long)memory_live());
    for (int i = 0; i < DECLARED; i++) {
        const struct server *s = p->declared[i].server;
        if (s != NULL && server_wires(s, 0) + server_wires(s, 1) + server_sessions(s) != 0)
            law_broken("%s: somebody is still connected", p->declared[i].spec.name);
    }
}

static void report(struct play *p, struct outcome_of_play *out)
{
    const char *why = law_verdict();
    *out =
        (struct outcome_of_play){.hash = p->hash, .answered = p->answered, .happened = p->happened};
    snprintf(out->why, sizeof out->why, "%s", why == NULL ? "" : why);
    for (int i = 0; i < DECLARED; i++) {
        for (int f = FAULT_NONE + 1; f < FAULTS && p->declared[i].server != NULL; f++)
            out->seen[f] += server_seen(p->declared[i].server, (enum fault)f);
    }
}

static void play_all(struct play *p, int64_t steps)
{
    if (!raise_curtain(p))
        return;
    for (int64_t i = 0; i < steps && law_verdict() == NULL; i++)
        step(p);
    memory_fail(0);
    run_for(p, p->all_awake_us - world_time_us());
    if (law_verdict() == NULL && chance(p, 500))
        rest(p);
    if (law_verdict() == NULL && chance(p, 800))
        drain(p);
    if (law_verdict() != NULL)
        return; /* what is broken is not fit to be closed */
    close_actors(p);
    lower_curtain(p);
    claims_compare(p);
}

void play_seed(uint64_t seed, int64_t steps, void *trace, void *lines, struct outcome_of_play *out)
{
    struct play *p = outside_new(sizeof *p);
    p->worker = outside_new(WORKERS_MOST * sizeof *p->worker);
    ledger_trace_begin(lines);
    memory_begin();
    world_begin(seed);
    p->seed = seed;
    p->dice.state = seed * 0x9e3779b97f4a7c15 + 1;
    p->trace = trace;
    p->hash = 0xcbf29ce484222325;
    play_all(p, steps);
    report(p, out);
    for (int i = 0; i < DECLARED; i++) {
        if (p->declared[i].server != NULL)
            server_free(&p->declared[i].server);
    }
    unlikely_stop();
    outside_free(p->claim);
    outside_free(p->worker);
    outside_free(p);
}
