#include "story.h"

#include <stdio.h>

#include "memory.h"

/* --- what may fail, does ---------------------------------------------------------------------- */

int64_t story_lease(struct story *s)
{
    int64_t lease = rig_lease(&s->rig);
    return lease > 0 ? lease : 0;
}

void story_release(struct story *s, int64_t lease)
{
    if (lease != 0)
        nebula_release(s->rig.nebula, lease, NEBULA_GOOD);
}

bool story_say(struct story *s, struct nebula_request request)
{
    struct nebula_reply reply;
    int32_t ticket = rig_request(&s->rig, request);
    return ticket > 0 && rig_await(&s->rig, ticket, &reply) == ERROR_OK;
}

void story_claim(struct story *s, int id, int32_t outcome)
{
    s->outcome[id] = (enum outcome)outcome;
    s->is_said[id] = true;
}

int32_t story_ask(struct story *s, struct nebula_request request)
{
    struct nebula_reply reply = {.outcome = OUTCOME_FAILED};
    int32_t ticket = rig_request(&s->rig, request);
    if (ticket > 0)
        rig_await(&s->rig, ticket, &reply);
    return reply.outcome;
}

void story_add(struct story *s, int64_t lease, int id, int64_t within_us)
{
    char text[32];
    snprintf(text, sizeof text, "add %d %d", id, id);
    story_claim(s, id,
                story_ask(s, (struct nebula_request){
                                 .lease = lease, .text = text, .within_us = within_us}));
}

/* --- scenarios -------------------------------------------------------------------------------- */

static void calls(struct story *s)
{
    for (int id = 1; id < 5; id++)
        story_add(s, 0, id, 0);
    server_order(s->rig.server, FAULT_STUCK);
    story_add(s, 0, 5, 20 * MS);
    server_order(s->rig.server, FAULT_CONFLICT);
    story_add(s, 0, 6, 0);
    server_order(s->rig.server, FAULT_LOST_AFTER);
    story_add(s, 0, 7, 0);
    server_order(s->rig.server, FAULT_ERROR);
    story_add(s, 0, 8, 0);
}

static int32_t cancel_one(struct story *s, int id)
{
    char text[32];
    struct nebula_reply reply = {.outcome = OUTCOME_FAILED};
    snprintf(text, sizeof text, "add %d %d", id, id);
    int32_t ticket = rig_request(&s->rig, (struct nebula_request){.text = text});
    if (ticket <= 0)
        return reply.outcome;
    rig_pass(&s->rig, 10 * MS);
    nebula_cancel(s->rig.nebula, ticket);
    rig_await(&s->rig, ticket, &reply);
    return reply.outcome;
}

static void cancels(struct story *s)
{
    static const enum fault fault[] = {FAULT_STUCK, FAULT_MUTE, FAULT_SLOW};
    for (int i = 0; i < 3; i++) {
        server_order(s->rig.server, fault[i]);
        story_claim(s, 1 + i, cancel_one(s, 1 + i));
    }
    int64_t lease = story_lease(s);
    server_order(s->rig.server, FAULT_STUCK);
    story_add(s, lease, 4, 20 * MS);
    story_release(s, lease);
    story_add(s, 0, 5, 0);
}

static void leases(struct story *s)
{
    int64_t lease[3];
    int32_t waits = 0;
    for (int i = 0; i < 2; i++)
        lease[i] = story_lease(s);
    lease[2] = rig_ask(&s->rig);
    if (lease[2] == 0)
        waits = rig_ticket(&s->rig);
    story_add(s, lease[0], 1, 0);
    story_release(s, lease[0]);
    if (waits != 0)
        lease[2] = rig_lease_of(&s->rig, waits);
    story_add(s, lease[2] > 0 ? lease[2] : 0, 2, 0);
    story_release(s, lease[1]);
    story_release(s, lease[2]);
}

static void dirty_sessions(struct story *s)
{
    static const char *const left[] = {"set 9", "begin 9"};
    for (int i = 0; i < 2; i++) {
        int64_t lease = story_lease(s);
        story_say(s, (struct nebula_request){.lease = lease, .text = left[i]});
        story_release(s, lease);
        story_add(s, 0, 1 + i, 0);
    }
}

static int32_t word(struct story *s, int64_t lease, const char *text)
{
    return story_ask(s,
                     (struct nebula_request){.lease = lease, .verb = NEBULA_SCRIPT, .text = text});
}

/* Adds a few as lessee 9, all or nothing. */
static void transact(struct story *s, int64_t lease, int first, int most)
{
    int32_t outcome = word(s, lease, "begin 9");
    int id = first;
    for (; id < most && outcome == OUTCOME_OK; id++) {
        char text[32];
        snprintf(text, sizeof text, "add 9 %d", id);
        outcome = story_ask(s, (struct nebula_request){.lease = lease, .text = text});
    }
    if (outcome == OUTCOME_OK) {
        outcome = word(s, lease, "commit 9");
    } else {
        word(s, lease, "undo 9");
        outcome = OUTCOME_FAILED; /* whatever became of one: nothing was committed */
    }
    while (id-- > first)
        story_claim(s, id, outcome);
}

static void transactions(struct story *s)
{
    int64_t lease = story_lease(s);
    if (lease != 0) {
        transact(s, lease, 1, 3);
        server_order(s->rig.server, FAULT_CONFLICT);
        transact(s, lease, 3, 6);
    }
    story_release(s, lease);
    story_add(s, 0, 6, 0);
}

/* Three at once; the outcome of each is its own, or that of all. */
static void add_batch(struct story *s, int64_t lease, int first, bool is_each, int64_t within_us)
{
    char text[3][32];
    struct nebula_part part[3] = {{.text = NULL}};
    for (int i = 0; i < 3; i++) {
        story_claim(s, first + i, OUTCOME_FAILED);
        part[i].text = text[i];
        part[i].text_size = (uint32_t)snprintf(text[i], sizeof text[i], "add 9 %d", first + i);
    }
    int32_t ticket = rig_request(&s->rig, (struct nebula_request){.verb = NEBULA_BATCH,
                                                                  .lease = lease,
                                                                  .part = part,
                                                                  .parts = 3,
                                                                  .is_each = is_each,
                                                                  .within_us = within_us});
    struct nebula_reply reply;
    if (ticket <= 0)
        return;
    rig_come(&s->rig, ticket);
    for (int i = 0; i < 3; i++) {
        nebula_part(s->rig.nebula, ticket, i + 1);
        nebula_reply(s->rig.nebula, ticket, &reply);
        if ((reply.code == ERROR_OK) != (reply.outcome == OUTCOME_OK))
            law_broken("part %d: code %d with outcome %d", i + 1, reply.code, reply.outcome);
        story_claim(s, first + i, reply.outcome);
    }
    rig_await(&s->rig, ticket, NULL);
}

static void batches(struct story *s)
{
    static const enum fault fault[] = {FAULT_CONFLICT,   FAULT_ERROR,  FAULT_STUCK,
                                       FAULT_LOST_AFTER, FAULT_UNSENT, FAULT_STUCK};
    for (int i = 0; i < 6; i++) {
        server_order(s->rig.server, fault[i]);
        add_batch(s, 0, 1 + 3 * i, i % 2 == 0, 100 * MS);
    }
    int64_t lease = story_lease(s);
    if (lease != 0)
        add_batch(s, lease, 19, false, 0);
    story_release(s, lease);
}

/* Puts a few at once, which share the connections that there are; the first is never answered. */
static void sharers(struct story *s)
{
    enum { CALLS = 12 };
    int32_t ticket[CALLS];
    server_order(s->rig.server, FAULT_STUCK);
    for (int i = 0; i < CALLS; i++) {
        char text[32];
        snprintf(text, sizeof text, "put %d %d", 1 + i, 1 + i);
        ticket[i] = rig_request(&s->rig, (struct nebula_request){.text = text,
                                                                 .is_idempotent = true,
                                                                 .within_us = (20 + 10 * i) * MS});
        story_claim(s, 1 + i, OUTCOME_FAILED);
        if (i == 0)
            rig_pass(&s->rig, 10 * MS);
    }
    int64_t lease = story_lease(s);
    for (int i = 0; i < CALLS; i++) {
        struct nebula_reply reply;
        if (ticket[i] <= 0)
            continue;
        rig_await(&s->rig, ticket[i], &reply);
        story_claim(s, 1 + i, reply.outcome);
    }
    story_add(s, lease, CALLS + 1, 0);
    story_release(s, lease);
}

static void tasks(struct story *s)
{
    struct nebula *n = s->rig.nebula;
    int32_t task = nebula_task_open(n, 0);
    nebula_task_enter(n, task > 0 ? task : 0);
    nebula_task_deadline(n, world_time_us() + SECOND);
    int32_t nap = nebula_sleep(n, MS), wait = nebula_wait(n);
    story_lease(s);
    story_add(s, 0, 1, 0);
    if (nap > 0)
        rig_await(&s->rig, nap, NULL);
    if (wait > 0 && rig_is_answered(&s->rig, wait))
        rig_await(&s->rig, wait, NULL); /* a failure took all the time there was */
    else if (wait > 0)
        nebula_cancel(n, wait);
    nebula_task_deadline(n, 0);
    nebula_task_enter(n, 0);
    if (task > 0)
        nebula_task_close(n, task);
    story_add(s, 0, 2, 0);
}

static void outages(struct story *s)
{
    server_order(s->rig.server, FAULT_REFUSED);
    int32_t start = nebula_start(s->rig.nebula, s->rig.shop);
    if (start > 0)
        rig_await(&s->rig, start, NULL);
    story_add(s, 0, 1, 0);
    server_crash(s->rig.server, world_time_us() + 100 * MS);
    rig_pass(&s->rig, 50 * MS);
    story_add(s, 0, 2, 0);
    rig_pass(&s->rig, SECOND);
    story_add(s, 0, 3, 0);
}

/* What writes is given to a reader first. */
static void writers(struct story *s)
{
    server_writer(s->rig.server, 1);
    for (int id = 1; id < 4; id++)
        story_add(s, 0, id, 0);
    story_say(s, (struct nebula_request){.text = "get 4 4", .is_idempotent = true});
}

static void looking(struct story *s)
{
    story_add(s, 0, 1, 0);
    static const char *const question[] = {"{\"verb\":\"ls\"}",
                                           "{\"verb\":\"inspect\",\"name\":\"shop\"}", "nonsense"};
    for (int i = 0; i < 3; i++)
        if (nebula_ask(s->rig.nebula, question[i]) == NULL)
            law_broken("no answer to %s", question[i]);
    nebula_pause(s->rig.nebula, s->rig.shop);
    story_add(s, 0, 2, 0);
    nebula_resume(s->rig.nebula, s->rig.shop);
    story_add(s, 0, 3, 0);
}

static void orders(struct story *s)
{
    struct nebula *n = s->rig.nebula;
    int32_t shop = s->rig.shop;
    story_add(s, 0, 1, 0);
    int32_t ticket = nebula_reconnect(n, shop, 50, 10 * MS);
    story_add(s, 0, 2, 0);
    if (ticket > 0)
        rig_await(&s->rig, ticket, NULL);
    nebula_ask(n, "{\"verb\":\"resize\",\"name\":\"shop\",\"min\":2,\"max\":4}");
    story_add(s, 0, 3, 0);
    rig_pass(&s->rig, 100 * MS);
    nebula_resize(n, shop, -1, 0, 1);
    story_add(s, 0, 4, 0);
    ticket = nebula_drain(n, shop, SECOND);
    story_add(s, 0, 5, 0);
    if (ticket > 0)
        rig_await(&s->rig, ticket, NULL);
    nebula_resume(n, shop);
    story_add(s, 0, 6, 0);
}

static void stops(struct story *s)
{
    int64_t lease = story_lease(s);
    story_add(s, lease, 1, 0);
    nebula_stop(s->rig.nebula, world_time_us() + 50 * MS);
    story_add(s, lease, 2, 0);
    rig_pass(&s->rig, SECOND);
}

static void read_elsewhere(struct story *s)
{
    story_say(s, (struct nebula_request){.text = "get 9 1", .role = 1, .within_us = 300 * MS});
}

static void endpoints(struct story *s)
{
    story_add(s, 0, 1, 0);
    read_elsewhere(s);
    server_crash(s->rig.server, world_time_us() + 100 * MS);
    story_add(s, 0, 2, 0);
    read_elsewhere(s);
    server_standby(s->rig.server, true);
    story_add(s, 0, 3, 50 * MS);
    server_crash(s->twin, world_time_us() + 100 * MS);
    read_elsewhere(s);
    server_standby(s->rig.server, false);
    story_add(s, 0, 4, 0);
    story_ask(s, (struct nebula_request){.text = "add 9 5", .role = 1});
}

const struct story_row stories[STORIES] = {
    {"calls", calls, 1, 1, 0},
    {"cancels", cancels, 1, 1, 0},
    {"leases", leases, 1, 1, 0},
    {"dirty sessions", dirty_sessions, 1, 1, 0},
    {"streams", story_streams, 1, 1, 0},
    {"transactions", transactions, 1, 1, 0},
    {"listeners", story_listeners, 1, 1, 0},
    {"tasks", tasks, 1, 1, 0},
    {"outages", outages, 1, 1, 0},
    {"writers", writers, 2, 1, 0},
    {"looking", looking, 1, 1, 0},
    {"orders", orders, 1, 1, 0},
    {"stops", stops, 1, 1, 0},
    {"batches", batches, 1, 1, 0},
    {"endpoints", endpoints, 2, 2, 0},
    {"sharers", sharers, 1, 1, 0},
    {"copies", story_copies, 1, 1, 0},
    {"rules", story_rules, 1, 1, 0},
    {"rules again", story_rules_again, 1, 1, 0},
    {"hedges", story_hedges, 1, 1, 0},
    {"operations", story_operations, 1, 1, 0},
    {"tenants", story_tenants, 1, 1, 2},
    {"circuits of endpoints", story_endpoints, 2, 2, 0},
};

/* --- begin and end ---------------------------------------------------------------------------- */

static void add_twin(struct story *s)
{
    static const char *const name[] = {"shop", "twin"};
    struct nebula_spec *spec = &s->rig.spec;
    s->twin = server_new("twin", 2);
    server_standby(s->twin, true);
    s->option[0] = (struct nebula_option){.name = "server", .value = "shop", .endpoint = 1};
    s->option[1] = (struct nebula_option){.name = "server", .value = "twin", .endpoint = 2};
    s->option[2] = (struct nebula_option){.name = "wants", .value = "primary", .role = 1};
    s->option[3] = (struct nebula_option){.name = "wants", .value = "standby", .role = 2};
    spec->option = s->option;
    spec->options = 4;
    spec->endpoint_name = name;
    spec->endpoints = 2;
    spec->role_choice[1] = NEBULA_SPREAD | NEBULA_FALL_BACK;
    spec->role_name[1] = "replica";
}

void story_begin(struct story *s, const struct story_row *row)
{
    *s = (struct story){.is_said = {false}};
    rig_begin(&s->rig);
    struct nebula_spec *spec = &s->rig.spec;
    spec->roles = row->roles;
    if (row->roles == 2) {
        spec->role_name[1] = "writer";
        spec->role_max[1] = 1;
        spec->writer = row->endpoints == 1;
    }
    if (row->endpoints == 2)
        add_twin(s);
    if (row->tenants > 0) {
        s->rig.option.value =
            "{tenant}"; /* the server is called shop, and so is the one who finds it */
        s->rig.option.has_tenant = true;
        spec->tenants = row->tenants;
    }
    spec->pool.min = 1;
    spec->pool.pipeline = 4;
    spec->pool.check_us = 10 * MS;
    spec->policy.tries = 3;
    spec->policy.pause_us = spec->policy.pause_max_us = MS;
    spec->policy.budget_least = 100;
}

static void compare(const struct story *s)
{
    for (int id = 0; id < STORY_IDS; id++) {
        int applied = server_applied(s->rig.server, id);
        bool is_true = s->outcome[id] == OUTCOME_OK       ? applied == 1
                       : s->outcome[id] == OUTCOME_FAILED ? applied == 0
                                                          : applied <= 1;
        if (s->is_said[id] && !is_true)
            law_broken("id %d: outcome %d, but applied %d times", id, (int)s->outcome[id], applied);
    }
}

/* What failed once has failed: the resource serves everybody as before. */
static void serve(struct story *s)
{
    server_calm(s->rig.server);
    if (s->twin != NULL)
        server_calm(s->twin);
    memory_fail(0);
    if (s->rig.spec.tenants > 0)
        nebula_task_tenant(s->rig.nebula, "shop");
    for (int32_t i = 0; i < s->rig.spec.pool.max && !s->rig.engine->is_stopping; i++) {
        int32_t code = rig_say(&s->rig, 0, "get 1 1");
        if (code != ERROR_OK)
            law_broken("it is over, and still: %s", nebula_error_name(code));
    }
}

void story_tell(struct story *s, const struct story_row *row)
{
    if (s->rig.nebula == NULL || s->rig.shop <= 0)
        return;
    row->tell(s);
    rig_pass(&s->rig, 5 * SECOND);
    compare(s);
    serve(s);
}

const char *story_end(struct story *s)
{
    const char *verdict = rig_close(&s->rig);
    if (s->twin != NULL)
        server_free(&s->twin);
    return verdict;
}
