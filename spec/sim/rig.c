#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "core/lease.h"
#include "memory.h"

#define PATIENCE_US (100 * (int64_t)SECOND)

void rig_begin(struct rig *r)
{
    *r = (struct rig){.option = {.name = "server", .value = "shop"}};
    world_begin(1);
    r->server = server_new("shop", 1);
    memory_begin();
    r->spec = (struct nebula_spec){
        .name = "shop",
        .kind = "model",
        .driver = "sim",
        .policy_name = "plain",
        .file = "rig.c",
        .roles = 1,
        .role_name = {"any"},
        .check = "check",
        .rollback = "rollback",
        .reset = "reset",
        .listen = "hark 0 %s;",
        .unlisten = "hush 0 %s;",
        .channel_most = 8,
        .option = &r->option,
        .options = 1,
        .pool = {.max = 2,
                 .queue = 100,
                 .connecting = 2,
                 .check_us = -1,
                 .connect_us = SECOND,
                 .start_us = SECOND},
        .policy = {.deadline_us = SECOND, .wait_us = 500 * MS, .tries = 1},
    };
}

void rig_open(struct rig *r)
{
    const struct nebula_options options = {
        .log_level = 4, .log_fd = -1, .name = "rig", .allow_chaos = true};
    r->nebula = nebula_open(&options, NULL, 0);
    if (r->nebula == NULL)
        return;
    r->engine = (struct engine *)(void *)r->nebula; /* the first thing behind the border */
    r->shop = nebula_declare(r->nebula, &r->spec);
}

const char *rig_close(struct rig *r)
{
    if (r->nebula != NULL)
        nebula_close(&r->nebula);
    while (world_next_us() != INT64_MAX) {
        world_move(world_next_us());
        world_step();
    }
    if (memory_live() != 0)
        law_broken("%lld allocations were never freed", (long long)memory_live());
    if (server_wires(r->server, 0) + server_wires(r->server, 1) + server_sessions(r->server) != 0)
        law_broken("somebody is still connected");
    server_free(&r->server);
    return law_verdict();
}

void rig_end(struct rig *r)
{
    const char *verdict = rig_close(r);
    if (verdict != NULL)
        fail_msg("%s", verdict);
}

/* --- time and tickets ------------------------------------------------------------------------- */

static void turn(struct rig *r, int64_t until_us)
{
    nebula_turn(r->nebula, until_us);
    struct nebula_event e;
    while (nebula_next(r->nebula, &e)) {
        CHECK(e.ticket < RIG_TICKETS && !r->is_answered[e.ticket]);
        r->is_answered[e.ticket] = true;
        r->code[e.ticket] = e.code;
    }
}

void rig_pass(struct rig *r, int64_t span_us)
{
    int64_t until_us = world_time_us() + span_us;
    do
        turn(r, until_us);
    while (world_time_us() < until_us);
    turn(r, 0);
}

bool rig_is_answered(const struct rig *r, int32_t ticket)
{
    return r->is_answered[ticket];
}

void rig_come(struct rig *r, int32_t ticket)
{
    int64_t until_us = world_time_us() + PATIENCE_US;
    CHECK(ticket > 0 && ticket < RIG_TICKETS);
    while (!r->is_answered[ticket]) {
        CHECK(world_time_us() < until_us);
        turn(r, until_us);
    }
}

int32_t rig_await(struct rig *r, int32_t ticket, struct nebula_reply *out)
{
    rig_come(r, ticket);
    if (out != NULL) {
        nebula_reply(r->nebula, ticket, out);
        out->text = out->state = NULL; /* they do not outlive the ticket */
    }
    r->is_answered[ticket] = false;
    nebula_done(r->nebula, ticket);
    return r->code[ticket];
}

/* --- leases ----------------------------------------------------------------------------------- */

int64_t rig_ask(struct rig *r)
{
    return nebula_lease(r->nebula, r->shop, 0, 0, false);
}

int32_t rig_ticket(const struct rig *r)
{
    return nebula_ticket(r->nebula);
}

int64_t rig_lease_of(struct rig *r, int32_t ticket)
{
    struct nebula_reply reply;
    int32_t code = rig_await(r, ticket, &reply);
    return code == ERROR_OK ? reply.lease : -code;
}

int64_t rig_lease(struct rig *r)
{
    int64_t lease = rig_ask(r);
    return lease != 0 ? lease : rig_lease_of(r, rig_ticket(r));
}

void rig_release(struct rig *r, int64_t lease)
{
    assert_int_equal(nebula_release(r->nebula, lease, NEBULA_GOOD), 0);
}

/* --- calls ------------------------------------------------------------------------------------ */

int32_t rig_request(struct rig *r, struct nebula_request request)
{
    request.resource = r->shop;
    request.text_size = request.text == NULL ? 0 : (uint32_t)strlen(request.text);
    if (request.verb == 0)
        request.verb = NEBULA_RUN;
    return nebula_call(r->nebula, &request);
}

int32_t rig_call(struct rig *r, int64_t lease, const char *text)
{
    return rig_request(r, (struct nebula_request){.lease = lease, .text = text});
}

int32_t rig_say(struct rig *r, int64_t lease, const char *text)
{
    int32_t ticket = rig_call(r, lease, text);
    return ticket < 0 ? -ticket : rig_await(r, ticket, NULL);
}

/* --- looking ---------------------------------------------------------------------------------- */

struct pool *rig_pool(const struct rig *r)
{
    const struct resource *shop = table_get(&r->engine->resources, r->shop);
    return resource_peek(shop, 0);
}

int32_t rig_count(const struct rig *r, enum conn_state state)
{
    const struct pool *p = rig_pool(r);
    return p == NULL ? 0 : (int32_t)pool_count(p, state);
}

uint32_t rig_conn_of(const struct rig *r, int64_t lease)
{
    const struct conn *c = lease_find(&r->engine->leases, lease);
    return c == NULL ? 0 : c->id;
}

void rig_hold_for(struct rig *r, int64_t span_us)
{
    int64_t lease = rig_lease(r);
    rig_pass(r, span_us);
    rig_release(r, lease);
}

void rig_open_warm(struct rig *r, int32_t max)
{
    rig_begin(r);
    r->spec.pool.min = r->spec.pool.max = max;
    rig_open(r);
    assert_int_equal(rig_await(r, nebula_start(r->nebula, r->shop), NULL), ERROR_OK);
}
