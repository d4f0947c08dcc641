#include "fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const name[HOSTS] = {"shop", "beta", "gamma", "delta", "eta"};

void fleet_begin(struct fleet *p, int32_t hosts, enum nebula_rule rule)
{
    struct rig *r = &p->rig;
    rig_begin(r);
    p->hosts = hosts;
    for (int i = 0; i < hosts; i++) {
        p->server[i] = i == 0 ? r->server : server_new(name[i], (uint64_t)i);
        p->option[i] =
            (struct nebula_option){.name = "server", .value = name[i], .endpoint = (int8_t)(i + 1)};
        p->heard[i] = 0;
    }
    r->spec.option = p->option;
    r->spec.options = hosts;
    r->spec.endpoint_name = name;
    r->spec.endpoints = hosts;
    r->spec.role_choice[0] = NEBULA_SPREAD;
    r->spec.pool.max = 12;
    r->spec.pool.connecting = 4;
    r->spec.policy.deadline_us = 60 * (int64_t)SECOND;
    r->spec.policy.wait_us = 60 * (int64_t)SECOND;
    p->balance = (struct nebula_balance){.rule = (int32_t)rule,
                                         .consecutive = 5,
                                         .factor = 1.9,
                                         .least_calls = 20,
                                         .least_endpoints = 5,
                                         .window_us = 10 * (int64_t)SECOND,
                                         .most = 0.5,
                                         .time_us = 30 * (int64_t)SECOND,
                                         .time_most_us = 300 * (int64_t)SECOND,
                                         .panic = 0.3};
}

void fleet_balance(struct fleet *p)
{
    assert_int_equal(nebula_balance(p->rig.nebula, p->rig.shop, &p->balance), 0);
}

void fleet_open(struct fleet *p)
{
    rig_open(&p->rig);
    fleet_balance(p);
}

static void close_servers(struct fleet *p)
{
    for (int i = 1; i < p->hosts; i++)
        server_free(&p->server[i]);
}

void fleet_end(struct fleet *p)
{
    rig_end(&p->rig);
    close_servers(p);
}

struct loads *fleet_loads(const struct fleet *p)
{
    return rig_pool(&p->rig)->loads;
}

int32_t fleet_conns(const struct fleet *p, int at)
{
    return rig_pool(&p->rig)->reach[at].conns;
}

bool fleet_is_out(const struct fleet *p, int at)
{
    return eject_is_out(&fleet_loads(p)->eject[at], engine_now(p->rig.engine));
}

int fleet_heard(struct fleet *p, int at)
{
    int64_t all = server_heard(p->server[at]), more = all - p->heard[at];
    p->heard[at] = all;
    return (int)more;
}

int fleet_heard_by_all(struct fleet *p, int *by)
{
    int all = 0;
    for (int i = 0; i < p->hosts; i++)
        all += by[i] = fleet_heard(p, i);
    return all;
}

int32_t fleet_call(struct fleet *p, const char *key)
{
    nebula_task_key(p->rig.nebula, key, key == NULL ? 0 : (uint32_t)strlen(key));
    int32_t ticket = rig_call(&p->rig, 0, "get 1 1");
    nebula_task_key(p->rig.nebula, NULL, 0);
    return ticket;
}

void fleet_work(struct fleet *p, int calls, int at_once)
{
    int32_t ticket[16] = {0};
    assert_true(at_once <= 16);
    for (int i = 0; i < calls + at_once; i++) {
        if (i >= at_once)
            rig_await(&p->rig, ticket[i % at_once], NULL);
        ticket[i % at_once] = i < calls ? rig_call(&p->rig, 0, "get 1 1") : 0;
    }
}

void fleet_spread(struct fleet *p, int calls, int at_once, int *by)
{
    fleet_heard_by_all(p, by);
    fleet_work(p, calls, at_once);
    fleet_heard_by_all(p, by);
}

void fleet_warm_up(struct fleet *p)
{
    fleet_work(p, 100, 6);
    for (int i = 0; i < p->hosts; i++)
        fleet_heard(p, i);
}

const char *fleet_inspect(const struct fleet *p)
{
    return nebula_ask(p->rig.nebula, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
}

void fleet_break(struct fleet *p, int at, bool is_broken)
{
    server_odds(p->server[at], FAULT_LOST_BEFORE, is_broken ? 1000 : 0);
}
