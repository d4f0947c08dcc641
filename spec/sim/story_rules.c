/* story_rules.c - scenarios of calls that go by rules, which are said again in the middle of them. */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/operation.h"
#include "core/tenant.h"
#include "nebula_balance.h"
#include "nebula_policy.h"
#include "story.h"

#define AT_ONCE 6

static const struct nebula_rules none;

/* What is refused for want of memory is said once more. */
static void say(struct story *s, const struct nebula_rules *rules)
{
    if (nebula_rules(s->rig.nebula, s->rig.shop, rules) != 0)
        nebula_rules(s->rig.nebula, s->rig.shop, rules);
}

static const struct nebula_circuit circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                              .window = 4,
                                              .least = 2,
                                              .percent = 50,
                                              .probes = 1,
                                              .probe_us = SECOND,
                                              .pause_us = 20 * MS,
                                              .pause_max_us = 20 * MS};

/* A limit, a rate that waits, tokens for what is tried again, and who is too late. */
static struct nebula_rules all_rules(void)
{
    return (struct nebula_rules){
        .again = {.budget = NEBULA_BUDGET_QUOTA,
                  .capacity = 10000,
                  .success = 1000,
                  .cost = 1000,
                  .cost_lost = 2000},
        .circuit = circuit,
        .rate = {.shape = NEBULA_RATE_BUCKET,
                 .tokens = 100,
                 .span_us = SECOND,
                 .burst = 3,
                 .wait_us = 100 * MS},
        .limit = {.concurrent = 1, .queue = 2},
        .shed = {.interval_us = 10 * MS,
                 .of = {[NEBULA_PRIORITY_BATCH] = {.target_us = MS, .most_us = 5 * MS}}},
        .early = {.least = 2, .percent = 50},
    };
}

/* All at once, each about an id of its own; the ticket of one that was refused is not positive. */
static void begin(struct story *s, int first, const char *word, int32_t *ticket)
{
    for (int i = 0; i < AT_ONCE; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s %d %d", word, first + i, first + i);
        story_claim(s, first + i, OUTCOME_FAILED);
        ticket[i] =
            rig_request(&s->rig, (struct nebula_request){.text = text,
                                                         .is_idempotent = strcmp(word, "put") == 0,
                                                         .priority = i % NEBULA_PRIORITIES,
                                                         .within_us = 300 * MS});
    }
}

static void await(struct story *s, int first, const int32_t *ticket)
{
    for (int i = 0; i < AT_ONCE; i++) {
        struct nebula_reply reply;
        if (ticket[i] <= 0)
            continue;
        rig_await(&s->rig, ticket[i], &reply);
        story_claim(s, first + i, reply.outcome);
    }
}

/* Every permit is back, and nobody waits. */
static void expect_over(const struct story *s)
{
    const struct resource *shop = table_get(&s->rig.engine->resources, s->rig.shop);
    for (const struct resource *r = shop; r != NULL; r = tenants_next(shop, r))
        for (const struct operation *o = r->operations; o != NULL; o = o->next) {
            struct limits_view v;
            if (limits_view(o->guards, &v) && v.under + v.waiting > 0)
                law_broken("%s %s: %d calls are under way and %d wait, and it is over", r->name,
                           o->name, v.under, v.waiting);
        }
}

static void end(struct story *s)
{
    rig_pass(&s->rig, SECOND);
    expect_over(s);
    say(s, &none);
}

void story_rules(struct story *s)
{
    int32_t ticket[AT_ONCE];
    const struct nebula_rules rules = all_rules();
    say(s, &rules);
    begin(s, 1, "add", ticket);
    rig_pass(&s->rig, MS);
    if (ticket[1] > 0)
        nebula_cancel(s->rig.nebula, ticket[1]);
    await(s, 1, ticket);
    server_order(s->rig.server, FAULT_LOST_BEFORE);
    server_order(s->rig.server, FAULT_LOST_AFTER);
    story_add(s, 0, 7, 0); /* opens the circuit */
    story_release(s, story_lease(s));
    rig_pass(&s->rig, 30 * MS);
    story_add(s, 0, 8, 0); /* closes it */
    end(s);
}

/* What takes too long goes again, and so does what fails; the first is never answered. */
void story_hedges(struct story *s)
{
    int32_t ticket[AT_ONCE];
    const struct nebula_rules rules = {
        .hedge = {.copies = 3, .delay_us = 5 * MS, .percent = 100, .burst = 20}};
    say(s, &rules);
    server_order(s->rig.server, FAULT_STUCK);
    server_order(s->rig.server, FAULT_LOST_AFTER);
    begin(s, 1, "put", ticket);
    rig_pass(&s->rig, 10 * MS);
    if (ticket[2] > 0)
        nebula_cancel(s->rig.nebula, ticket[2]);
    await(s, 1, ticket);
    server_order(s->rig.server, FAULT_MUTE);
    begin(s, 1 + AT_ONCE, "put", ticket);
    rig_pass(&s->rig, 7 * MS);
    say(s, &none); /* while copies go */
    await(s, 1 + AT_ONCE, ticket);
    end(s);
}

static int32_t operation(struct story *s, const char *name, const struct nebula_rules *rules,
                         bool is_apart)
{
    struct nebula_policy policy = s->rig.spec.policy;
    policy.deadline_us = 200 * MS;
    return nebula_operation(s->rig.nebula, s->rig.shop, name, &policy, rules, is_apart);
}

static void add_as(struct story *s, int32_t operation, int id)
{
    char text[32];
    snprintf(text, sizeof text, "add %d %d", id, id);
    if (operation > 0)
        story_claim(s, id,
                    story_ask(s, (struct nebula_request){.text = text, .operation = operation}));
}

void story_operations(struct story *s)
{
    struct nebula_rules rules = all_rules();
    story_add(s, 0, 1, 0);
    int32_t with = operation(s, "with", &none, false), apart = operation(s, "apart", &rules, true);
    add_as(s, with, 2);
    server_order(s->rig.server, FAULT_LOST_BEFORE);
    add_as(s, apart, 3);
    say(s, &rules);
    add_as(s, with, 4);
    rules.limit.concurrent = 2;
    operation(s, "apart", &rules, true);
    add_as(s, apart, 5);
    operation(s, "with", &rules, false);
    operation(s, "apart", &none, true);
    add_as(s, with, 6);
    add_as(s, apart, 7);
    end(s);
}

/* Other rules are said to whoever waits, pauses or is with the server; and none in the end. */
void story_rules_again(struct story *s)
{
    int32_t first[AT_ONCE], second[AT_ONCE];
    struct nebula_rules rules = all_rules();
    say(s, &rules);
    server_order(s->rig.server, FAULT_SLOW);
    begin(s, 1, "put", first);
    rig_pass(&s->rig, 5 * MS);
    rules.limit = (struct nebula_limit){
        .concurrent = 2, .queue = 1, .is_adaptive = true, .min = 1, .max = 4, .tolerance = 200};
    rules.rate.shape = NEBULA_RATE_LEAKY;
    rules.circuit.mode = NEBULA_CIRCUIT_OPEN;
    say(s, &rules);
    story_add(s, 0, 7, 0);
    rules.circuit.mode = NEBULA_CIRCUIT_METRICS;
    say(s, &rules);
    begin(s, 8, "put", second);
    say(s, &none);
    await(s, 1, first);
    await(s, 8, second);
    say(s, &rules);
    story_add(s, 0, 8 + AT_ONCE, 0);
    end(s);
}

static void read_elsewhere(struct story *s)
{
    story_say(s, (struct nebula_request){.text = "get 9 1", .role = 1, .within_us = 300 * MS});
}

/* Each of two endpoints has a circuit, which one role spreads over and one stays with; one of them is open for a while,
 * then both by order, and in the end there is one of all again. */
void story_endpoints(struct story *s)
{
    struct nebula *n = s->rig.nebula;
    struct nebula_rules rules = {.circuit = circuit};
    const struct nebula_balance balance = {
        .rule = NEBULA_ROUND_ROBIN, .window_us = SECOND, .time_us = SECOND, .time_most_us = SECOND};
    if (nebula_balance(n, s->rig.shop, &balance) != 0)
        nebula_balance(n, s->rig.shop, &balance);
    rules.circuit.per = NEBULA_CIRCUIT_PER_ENDPOINT;
    say(s, &rules);
    read_elsewhere(s);
    server_order(s->rig.server, FAULT_LOST_BEFORE);
    server_order(s->rig.server, FAULT_LOST_AFTER);
    story_add(s, 0, 1, 0);
    read_elsewhere(s);
    nebula_ask(n, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    nebula_ask(n, "{\"verb\":\"explain\",\"name\":\"shop\"}");
    story_release(s, story_lease(s));
    rig_pass(&s->rig, 30 * MS);
    story_add(s, 0, 2, 0);
    server_crash(s->twin, world_time_us() + 50 * MS);
    read_elsewhere(s);
    rules.circuit.mode = NEBULA_CIRCUIT_OPEN;
    say(s, &rules);
    story_add(s, 0, 3, 0);
    rules.circuit.per = NEBULA_CIRCUIT_PER_RESOURCE;
    rules.circuit.mode = NEBULA_CIRCUIT_AUTOMATIC;
    say(s, &rules);
    story_add(s, 0, 4, 0);
    read_elsewhere(s);
    end(s);
}

/* Each tenant has what is said of all of them. */
void story_tenants(struct story *s)
{
    const struct nebula_rules rules = all_rules();
    struct nebula *n = s->rig.nebula;
    say(s, &rules);
    int32_t apart = operation(s, "apart", &rules, true);
    if (nebula_task_tenant(n, "shop") == 0)
        story_add(s, 0, 1, 0);
    operation(s, "apart", &none, true);
    say(s, &none);
    if (nebula_task_tenant(n, "shop") == 0)
        add_as(s, apart, 2);
    end(s);
}
