#include "core/inspect.h"

#include <string.h>
#include <unistd.h>

#include "core/ear.h"
#include "core/hold.h"
#include "core/inspect_guards.h"
#include "core/instances.h"
#include "core/listener.h"
#include "core/load.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/settings.h"
#include "core/sizing.h"
#include "core/task.h"

static double seconds(int64_t span_us)
{
    return (double)span_us / 1e6;
}

/* --- a pool ---------------------------------------------------------------------------------- */

static json_t *conn_json(struct telling *t, const struct conn *c)
{
    struct engine *e = c->pool->engine;
    int64_t now_us = engine_now(e), wall_us = e->world->wall_us(e->world);
    json_t *o = json_object();
    telling_number(t, o, "connection", c->id);
    telling_text(t, o, "role", c->pool->resource->spec->role_name[c->pool->role]);
    telling_text(t, o, "state", conn_state_name(c->state));
    if (c->pool->resource->spec->endpoints > 0)
        telling_text(t, o, "endpoint", c->pool->reach[c->reach].endpoint->name);
    telling_put(t, o, "since", json_real(seconds(wall_us - (now_us - c->since_us))));
    telling_put(t, o, "created", json_real(seconds(wall_us - (now_us - c->created_us))));
    telling_put(t, o, "last_used", json_real(seconds(wall_us - (now_us - c->used_us))));
    telling_number(t, o, "uses", (int64_t)lease_uses(&e->leases, c));
    if (lease_is_out(c) && hold_place(c) != NULL)
        telling_text(t, o, "place", hold_place(c));
    return o;
}

/* An endpoint as one role knows it; those that a resource does not name need no list. */
static json_t *reach_json(struct telling *t, const struct reach *r)
{
    const struct endpoint *e = r->endpoint;
    json_t *o = json_object();
    telling_text(t, o, "endpoint", e->name);
    telling_text(t, o, "state", reach_state(r));
    telling_number(t, o, "connections", r->conns);
    telling_number(t, o, "failures", e->fill.failures);
    if (e->why != NULL)
        telling_masked(t, o, "error", e->why->text);
    return o;
}

static void put_load(struct telling *t, json_t *o, struct pool *p, int32_t at)
{
    double number[LOAD_FIGURES];
    load_read(p, at, number);
    for (enum load_figure i = 0; i < LOAD_FIGURES; i++)
        telling_put(t, o, load_figure_name(i),
                    load_figure_is_whole(i) ? json_integer((int64_t)number[i])
                                            : json_real(number[i]));
    if (number[LOAD_EJECTIONS] > 0)
        telling_text(t, o, "ejected_by", load_ejected_by(p, at));
}

static json_t *reaches_json(struct telling *t, struct pool *p)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < p->reaches; i++) {
        json_t *o = reach_json(t, &p->reach[i]);
        if (p->loads != NULL)
            put_load(t, o, p, i);
        telling_append(t, list, o);
    }
    return list;
}

json_t *inspect_figures(struct telling *t, const struct window *w)
{
    json_t *o = json_object();
    double number[FIGURES];
    window_read(w, number);
    for (enum figure i = 0; i < FIGURES; i++)
        telling_put(t, o, figure_name(i),
                    figure_is_whole(i) ? json_integer((int64_t)number[i]) : json_real(number[i]));
    return o;
}

json_t *inspect_window(struct telling *t, const struct window *w)
{
    json_t *o = inspect_figures(t, w);
    char advice[256];
    window_advice(w, advice, sizeof advice);
    telling_text(t, o, "advice", advice);
    return o;
}

static void put_numbers(struct telling *t, json_t *o, const int64_t *number, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        telling_number(t, o, counter_name((enum counter)i), number[i]);
}

static json_t *pool_json(struct telling *t, struct pool *p)
{
    json_t *o = json_object();
    struct window w;
    telling_text(t, o, "role", p->resource->spec->role_name[p->role]);
    int64_t number[COUNTERS_OF_ROLE] = {0};
    counters_add_role(p->resource, p->role, number);
    put_numbers(t, o, number, COUNTERS_OF_ROLE);
    monitor_window(p, &w);
    telling_put(t, o, "window", inspect_window(t, &w));
    if (p->reconnect.last > 0) {
        telling_number(t, o, "reconnecting", p->reconnect.all);
        telling_number(t, o, "reconnecting_left", reconnect_left(p));
    }
    if (p->trouble != NULL)
        telling_masked(t, o, "trouble", p->trouble->text);
    if (p->loads != NULL) {
        telling_text(t, o, "balance", load_rule_name(p->loads->said.rule));
        telling_put(t, o, "panic", json_boolean(load_is_panic(p)));
    }
    if (p->resource->spec->endpoints > 0)
        telling_put(t, o, "endpoints", reaches_json(t, p));
    return o;
}

static json_t *conns_json(struct telling *t, const struct resource *r)
{
    json_t *list = json_array();
    for (int32_t role = 0; role < r->spec->roles; role++) {
        const struct pool *p = resource_peek(r, role);
        if (p == NULL)
            continue;
        for (const struct conn *c = p->conns.first; c != NULL; c = c->next)
            telling_append(t, list, conn_json(t, c));
    }
    return list;
}

/* --- who listens ------------------------------------------------------------------------------ */

static json_t *listener_json(struct telling *t, const struct listener *l)
{
    json_t *o = json_object(), *channels = json_array();
    for (struct list_node *n = list_head(&l->hearer.members); n != NULL;
         n = list_next(&l->hearer.members, n))
        telling_append(
            t, channels,
            telling_masked_value(t, container_of(n, struct member, in_hearer)->channel->name));
    telling_number(t, o, "task", l->task->number);
    telling_put(t, o, "channels", channels);
    telling_number(t, o, "queued", l->backlog.queue.list.count);
    telling_number(t, o, "queue", l->backlog.most);
    telling_number(t, o, "told", (int64_t)l->told);
    telling_number(t, o, "gaps", (int64_t)l->backlog.gaps);
    telling_number(t, o, "missed", (int64_t)l->backlog.missed);
    return o;
}

/* What all listeners of a pool hear by. */
static json_t *ear_json(struct telling *t, const struct ear *e)
{
    json_t *o = json_object(), *list = json_array();
    for (struct list_node *n = list_head(&e->listeners); n != NULL; n = list_next(&e->listeners, n))
        telling_append(t, list, listener_json(t, container_of(n, struct listener, hearer.in_ear)));
    telling_text(t, o, "state", ear_state_name(e));
    telling_number(t, o, "connection", e->conn == NULL ? 0 : e->conn->id);
    if (e->state == EAR_FAR)
        telling_number(t, o, "home", e->line.home);
    telling_number(t, o, "channels", e->channels.all.count);
    telling_number(t, o, "told", (int64_t)e->told);
    telling_number(t, o, "gaps", (int64_t)e->gaps);
    if (!e->is_whole && e->why.code != ERROR_OK)
        telling_masked(t, o, "trouble", e->why.text);
    telling_put(t, o, "listeners", list);
    return o;
}

/* NULL when nobody ever listened. */
static const struct ear *ear_of(const struct resource *r)
{
    const struct pool *p = resource_peek(r, 0);
    return p == NULL ? NULL : p->ear;
}

/* --- a resource ------------------------------------------------------------------------------ */

static bool is_empty(const struct resource *r)
{
    bool is_over = true;
    for (int32_t role = 0; role < r->spec->roles; role++) {
        const struct pool *p = resource_peek(r, role);
        is_over = is_over && (p == NULL || drain_is_over(p));
    }
    return is_over;
}

static const char *state_of(const struct resource *r)
{
    bool is_used = false;
    if (r->is_draining)
        return is_empty(r) ? "drained" : "draining";
    if (r->is_paused)
        return "paused";
    for (int32_t role = 0; role < r->spec->roles; role++) {
        const struct pool *p = resource_peek(r, role);
        is_used = is_used || p != NULL;
        if (p != NULL && p->trouble != NULL)
            return "in trouble";
    }
    return is_used ? "ready" : "unused";
}

/* What an endpoint was seen as by the roles that tried it: `primary`, `down`, `unknown` ... */
static const char *seen_as(const struct resource *r, int32_t at)
{
    const char *seen = r->outlook->board->endpoint[at].fill.failures > 0 ? "down" : "unknown";
    for (int32_t role = r->spec->roles - 1; role >= 0; role--) {
        const struct pool *p = resource_peek(r, role);
        if (p != NULL && load_is_ejected(p, at))
            return "ejected";
        if (p != NULL && strcmp(reach_state(&p->reach[at]), "fit") == 0)
            seen = r->spec->role_name[role];
    }
    return seen;
}

static json_t *endpoints_json(struct telling *t, const struct resource *r)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < r->spec->endpoints; i++) {
        json_t *o = json_object();
        int64_t conns = 0;
        for (int32_t role = 0; role < r->spec->roles; role++)
            conns += resource_peek(r, role) == NULL ? 0 : resource_peek(r, role)->reach[i].conns;
        telling_text(t, o, "endpoint", r->outlook->board->endpoint[i].name);
        telling_text(t, o, "seen_as", seen_as(r, i));
        telling_number(t, o, "connections", conns);
        telling_append(t, list, o);
    }
    return list;
}

json_t *inspect_summary(struct telling *t, const struct resource *r)
{
    int64_t number[COUNTERS];
    counters_of(r, number);
    static const enum counter open[] = {COUNTER_IDLE,      COUNTER_LEASED,     COUNTER_CHECKING,
                                        COUNTER_RESETTING, COUNTER_CANCELLING, COUNTER_LISTENING};
    static const enum counter shown[] = {COUNTER_IDLE,      COUNTER_LEASED,  COUNTER_LISTENING,
                                         COUNTER_LISTENERS, COUNTER_OPENING, COUNTER_WAITING,
                                         COUNTER_LEASES,    COUNTER_CALLS,   COUNTER_FAILED,
                                         COUNTER_IN_DOUBT,  COUNTER_RETRIES, COUNTER_CHAOS};
    int64_t all_open = 0;
    for (size_t i = 0; i < COUNT(open); i++)
        all_open += number[open[i]];
    json_t *o = json_object();
    telling_text(t, o, "name", r->name);
    telling_text(t, o, "kind", r->spec->kind);
    telling_text(t, o, "state", state_of(r));
    telling_text(t, o, "policy", r->spec->policy_name);
    telling_number(t, o, "max", r->max);
    telling_number(t, o, "open", all_open);
    for (size_t i = 0; i < COUNT(shown); i++)
        telling_number(t, o, counter_name(shown[i]), number[shown[i]]);
    inspect_put_circuit(t, o, r);
    if (r->spec->endpoints > 0)
        telling_put(t, o, "endpoints", endpoints_json(t, r));
    if (r->chaos != NULL)
        telling_put(t, o, "faults", settings_chaos(r));
    return o;
}

static json_t *options_json(struct telling *t, const struct resource *r)
{
    json_t *o = json_object();
    for (int32_t i = 0; i < r->options; i++) {
        const struct nebula_option *one = &r->option[i];
        if (one->endpoint != 0 || one->role != 0)
            continue; /* told by the endpoint's name, and by what the role found there */
        telling_masked(t, o, one->name, one->is_secret ? SECRET_MASK : one->value);
    }
    return o;
}

static json_t *resource_json(struct telling *t, const struct resource *r)
{
    json_t *o = inspect_summary(t, r), *pools = json_array();
    for (int32_t role = 0; role < r->spec->roles; role++)
        if (resource_peek(r, role) != NULL)
            telling_append(t, pools, pool_json(t, resource_peek(r, role)));
    if (r->file != NULL) {
        telling_text(t, o, "file", r->file);
        telling_number(t, o, "line", r->line);
    }
    telling_put(t, o, "options", options_json(t, r));
    telling_put(t, o, "pool", settings_pool(r));
    telling_put(t, o, "limits", settings_policy(r));
    if (r->balance != NULL)
        telling_put(t, o, "balance", settings_balance(r));
    if (r->sizing != NULL)
        telling_put(t, o, "strategy", sizing_json(t, r));
    if (r->rules != NULL)
        telling_put(t, o, "rules", settings_rules(r));
    if (r->operations != NULL)
        telling_put(t, o, "guards", inspect_guards(t, r));
    telling_put(t, o, "pools", pools);
    telling_put(t, o, "connections", conns_json(t, r));
    if (ear_of(r) != NULL)
        telling_put(t, o, "ear", ear_json(t, ear_of(r)));
    return o;
}

/* --- what is told ----------------------------------------------------------------------------- */

uint64_t inspect_known(const struct engine *e)
{
    return e->names.sum | 1;
}

bool inspect_is_untouched(const struct resource *r)
{
    return strcmp(state_of(r), "unused") == 0 && r->calls == 0 && r->tenants == NULL &&
           r->chaos == NULL;
}

json_t *inspect_head(struct telling *t)
{
    const struct engine *e = t->engine;
    json_t *o = telling_success(t);
    telling_number(t, o, "pid", getpid());
    telling_text(t, o, "program", e->program == NULL ? "" : e->program);
    telling_put(t, o, "stopping", json_boolean(e->is_stopping));
    telling_number(t, o, "tasks", e->tasks.used - 1);
    telling_number(t, o, "tickets", e->tickets.used);
    if (e->instances != NULL)
        telling_put(t, o, "services", instances_json(t));
    return o;
}

json_t *inspect_one(struct telling *t, struct resource *r)
{
    const struct engine *e = t->engine;
    json_t *o = telling_success(t);
    telling_number(t, o, "pid", getpid());
    telling_put(t, o, "now", json_real(seconds(e->world->wall_us(e->world))));
    telling_put(t, o, "resource", resource_json(t, r));
    return o;
}

static json_t *role_stats(struct telling *t, const struct resource *r, int32_t role)
{
    int64_t number[COUNTERS_OF_ROLE] = {0};
    json_t *o = json_object();
    counters_add_role(r, role, number);
    put_numbers(t, o, number, COUNTERS_OF_ROLE);
    struct pool *p = resource_peek(r, role);
    if (p != NULL) {
        struct window w;
        monitor_window(p, &w);
        telling_put(t, o, "window", inspect_figures(t, &w));
    }
    return o;
}

json_t *inspect_stats(struct telling *t, struct resource *r)
{
    int64_t number[COUNTERS];
    json_t *o = telling_success(t), *stats = json_object(), *roles = json_object();
    counters_of(r, number);
    put_numbers(t, stats, number, COUNTERS);
    for (int32_t role = 0; role < r->spec->roles; role++)
        telling_put(t, roles, r->spec->role_name[role], role_stats(t, r, role));
    telling_put(t, stats, "roles", roles);
    telling_number(t, o, "pid", getpid());
    telling_put(t, o, "stats", stats);
    return o;
}
