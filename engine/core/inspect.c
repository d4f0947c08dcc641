#include "core/inspect.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "core/ear.h"
#include "core/hold.h"
#include "core/listener.h"
#include "core/load.h"
#include "core/order.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/settings.h"
#include "core/task.h"

/* An answer in the making. What could not be made leaves no gap in it: there is no answer then. */
struct telling {
    struct engine *engine;
    bool has_failed; /* no memory */
};

/* --- building blocks -------------------------------------------------------------------------- */

static void put(struct telling *t, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        t->has_failed = true;
}

static void append(struct telling *t, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0)
        t->has_failed = true;
}

static void put_number(struct telling *t, json_t *object, const char *key, int64_t number)
{
    put(t, object, key, json_integer(number));
}

/* A text whose bytes may be any: those that are no character are shown as U+FFFD. */
static json_t *text_json(const char *text)
{
    size_t size = strlen(text), to = 0;
    char *clean = malloc(size * (sizeof UTF8_BAD - 1) + 1);
    if (clean == NULL)
        return NULL;
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t count = utf8_read(text + at, size - at, &rune);
        const char *from = count == 0 ? UTF8_BAD : text + at;
        size_t taken = count == 0 ? sizeof UTF8_BAD - 1 : count;
        memcpy(clean + to, from, taken);
        to += taken;
        at += count == 0 ? 1 : count;
    }
    json_t *value = json_stringn(clean, to);
    free(clean);
    return value;
}

static void put_text(struct telling *t, json_t *object, const char *key, const char *text)
{
    put(t, object, key, text_json(text));
}

/* A text of others: a secret may be in it. */
static json_t *masked_json(struct telling *t, const char *text)
{
    char *masked = strdup(text);
    if (masked == NULL)
        return NULL;
    secret_mask(&t->engine->secrets, masked, strlen(masked));
    json_t *value = text_json(masked);
    free(masked);
    return value;
}

static void put_masked(struct telling *t, json_t *object, const char *key, const char *text)
{
    put(t, object, key, masked_json(t, text));
}

static double seconds(int64_t span_us)
{
    return (double)span_us / 1e6;
}

static json_t *failure(const char *text)
{
    return json_pack("{s:b, s:o}", "ok", 0, "error", text_json(text));
}

static json_t *success(struct telling *t)
{
    json_t *o = json_object();
    put(t, o, "ok", json_true());
    return o;
}

/* --- a pool ---------------------------------------------------------------------------------- */

static json_t *conn_json(struct telling *t, const struct conn *c)
{
    struct engine *e = c->engine;
    int64_t now_us = engine_now(e), wall_us = e->world->wall_us(e->world);
    json_t *o = json_object();
    put_number(t, o, "connection", c->id);
    put_text(t, o, "role", c->pool->resource->spec->role_name[c->pool->role]);
    put_text(t, o, "state", conn_state_name(c->state));
    if (c->pool->resource->spec->endpoints > 0)
        put_text(t, o, "endpoint", c->pool->reach[c->reach].endpoint->name);
    put(t, o, "since", json_real(seconds(wall_us - (now_us - c->since_us))));
    put(t, o, "created", json_real(seconds(wall_us - (now_us - c->created_us))));
    put(t, o, "last_used", json_real(seconds(wall_us - (now_us - c->used_us))));
    put_number(t, o, "uses", (int64_t)lease_uses(c));
    if (lease_is_out(c) && hold_place(c) != NULL)
        put_text(t, o, "place", hold_place(c));
    return o;
}

/* An endpoint as one role knows it; those that a resource does not name need no list. */
static json_t *reach_json(struct telling *t, const struct reach *r)
{
    const struct endpoint *e = r->endpoint;
    json_t *o = json_object();
    put_text(t, o, "endpoint", e->name);
    put_text(t, o, "state", reach_state(r));
    put_number(t, o, "connections", r->conns);
    put_number(t, o, "failures", e->fill.failures);
    if (e->why != NULL)
        put_masked(t, o, "error", e->why->text);
    return o;
}

static void put_load(struct telling *t, json_t *o, struct pool *p, int32_t at)
{
    double number[LOAD_FIGURES];
    load_read(p, at, number);
    for (enum load_figure i = 0; i < LOAD_FIGURES; i++)
        put(t, o, load_figure_name(i),
            load_figure_is_whole(i) ? json_integer((int64_t)number[i]) : json_real(number[i]));
    if (number[LOAD_EJECTIONS] > 0)
        put_text(t, o, "ejected_by", load_ejected_by(p, at));
}

static json_t *reaches_json(struct telling *t, struct pool *p)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < p->reaches; i++) {
        json_t *o = reach_json(t, &p->reach[i]);
        if (p->loads != NULL)
            put_load(t, o, p, i);
        append(t, list, o);
    }
    return list;
}

static json_t *window_json(struct telling *t, struct pool *p)
{
    json_t *o = json_object();
    double number[FIGURES];
    char advice[256];
    monitor_read(p, number);
    monitor_advice(p, advice, sizeof advice);
    for (enum figure i = 0; i < FIGURES; i++)
        put(t, o, figure_name(i),
            figure_is_whole(i) ? json_integer((int64_t)number[i]) : json_real(number[i]));
    put_text(t, o, "advice", advice);
    return o;
}

static json_t *pool_json(struct telling *t, struct pool *p)
{
    json_t *o = json_object();
    put_text(t, o, "role", p->resource->spec->role_name[p->role]);
    int64_t number[COUNTERS_OF_ROLE] = {0};
    counters_add_role(p->resource, p->role, number);
    for (enum counter i = 0; i < COUNTERS_OF_ROLE; i++)
        put_number(t, o, counter_name(i), number[i]);
    put(t, o, "window", window_json(t, p));
    if (p->reconnect.last > 0) {
        put_number(t, o, "reconnecting", p->reconnect.all);
        put_number(t, o, "reconnecting_left", reconnect_left(p));
    }
    if (p->trouble != NULL)
        put_masked(t, o, "trouble", p->trouble->text);
    if (p->loads != NULL) {
        put_text(t, o, "balance", load_rule_name(p->loads->said.rule));
        put(t, o, "panic", json_boolean(load_is_panic(p)));
    }
    if (p->resource->spec->endpoints > 0)
        put(t, o, "endpoints", reaches_json(t, p));
    return o;
}

static json_t *conns_json(struct telling *t, const struct resource *r)
{
    json_t *list = json_array();
    for (int32_t role = 0; role < r->spec->roles; role++) {
        const struct pool *p = resource_peek(r, role);
        if (p == NULL)
            continue;
        for (struct list_node *n = list_head(&p->conns); n != NULL; n = list_next(&p->conns, n))
            append(t, list, conn_json(t, container_of(n, struct conn, node)));
    }
    return list;
}

/* --- who listens ------------------------------------------------------------------------------ */

static json_t *listener_json(struct telling *t, const struct listener *l)
{
    json_t *o = json_object(), *channels = json_array();
    for (struct list_node *n = list_head(&l->members); n != NULL; n = list_next(&l->members, n))
        append(t, channels,
               masked_json(t, container_of(n, struct member, in_listener)->channel->name));
    put_number(t, o, "task", l->task->number);
    put(t, o, "channels", channels);
    put_number(t, o, "queued", l->queue.list.count);
    put_number(t, o, "queue", l->most);
    put_number(t, o, "told", (int64_t)l->told);
    put_number(t, o, "gaps", (int64_t)l->gaps);
    put_number(t, o, "missed", (int64_t)l->missed);
    return o;
}

/* What all listeners of a pool hear by. */
static json_t *ear_json(struct telling *t, const struct ear *e)
{
    json_t *o = json_object(), *list = json_array();
    for (struct list_node *n = list_head(&e->listeners); n != NULL; n = list_next(&e->listeners, n))
        append(t, list, listener_json(t, container_of(n, struct listener, in_ear)));
    put_text(t, o, "state", ear_state_name(e));
    put_number(t, o, "connection", e->conn == NULL ? 0 : e->conn->id);
    put_number(t, o, "channels", e->channels.all.count);
    put_number(t, o, "told", (int64_t)e->told);
    put_number(t, o, "gaps", (int64_t)e->gaps);
    if (!e->is_whole && e->why.code != ERROR_OK)
        put_masked(t, o, "trouble", e->why.text);
    put(t, o, "listeners", list);
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
    const char *seen = r->endpoint[at].fill.failures > 0 ? "down" : "unknown";
    for (int32_t role = r->spec->roles - 1; role >= 0; role--) {
        const struct pool *p = resource_peek(r, role);
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
        put_text(t, o, "endpoint", r->endpoint[i].name);
        put_text(t, o, "seen_as", seen_as(r, i));
        put_number(t, o, "connections", conns);
        append(t, list, o);
    }
    return list;
}

static json_t *summary_json(struct telling *t, const struct resource *r)
{
    int64_t number[COUNTERS];
    counters_of(r, number);
    static const enum counter open[] = {COUNTER_IDLE,      COUNTER_LEASED,     COUNTER_CHECKING,
                                        COUNTER_RESETTING, COUNTER_CANCELLING, COUNTER_LISTENING};
    static const enum counter shown[] = {COUNTER_IDLE,      COUNTER_LEASED,  COUNTER_LISTENING,
                                         COUNTER_LISTENERS, COUNTER_OPENING, COUNTER_WAITING,
                                         COUNTER_LEASES,    COUNTER_CALLS,   COUNTER_FAILED,
                                         COUNTER_IN_DOUBT,  COUNTER_RETRIES};
    int64_t all_open = 0;
    for (size_t i = 0; i < COUNT(open); i++)
        all_open += number[open[i]];
    json_t *o = json_object();
    put_text(t, o, "name", r->name);
    put_text(t, o, "kind", r->spec->kind);
    put_text(t, o, "state", state_of(r));
    put_text(t, o, "policy", r->spec->policy_name);
    put_number(t, o, "max", r->max);
    put_number(t, o, "open", all_open);
    for (size_t i = 0; i < COUNT(shown); i++)
        put_number(t, o, counter_name(shown[i]), number[shown[i]]);
    if (r->spec->endpoints > 0)
        put(t, o, "endpoints", endpoints_json(t, r));
    return o;
}

static json_t *options_json(struct telling *t, const struct resource *r)
{
    json_t *o = json_object();
    for (int32_t i = 0; i < r->options; i++) {
        const struct nebula_option *one = &r->option[i];
        if (one->endpoint != 0 || one->role != 0)
            continue; /* told by the endpoint's name, and by what the role found there */
        put_masked(t, o, one->name, one->is_secret ? SECRET_MASK : one->value);
    }
    return o;
}

static json_t *resource_json(struct telling *t, const struct resource *r)
{
    json_t *o = summary_json(t, r), *pools = json_array();
    for (int32_t role = 0; role < r->spec->roles; role++)
        if (resource_peek(r, role) != NULL)
            append(t, pools, pool_json(t, resource_peek(r, role)));
    if (r->file != NULL) {
        put_text(t, o, "file", r->file);
        put_number(t, o, "line", r->line);
    }
    put(t, o, "options", options_json(t, r));
    put(t, o, "pool", settings_pool(r));
    put(t, o, "limits", settings_policy(r));
    if (r->balance != NULL)
        put(t, o, "balance", settings_balance(r));
    put(t, o, "pools", pools);
    put(t, o, "connections", conns_json(t, r));
    if (ear_of(r) != NULL)
        put(t, o, "ear", ear_json(t, ear_of(r)));
    return o;
}

/* --- the verbs ------------------------------------------------------------------------------- */

static json_t *verb_ls(struct telling *t, struct resource *r)
{
    (void)r;
    const struct engine *e = t->engine;
    json_t *o = success(t), *list = json_array();
    for (int32_t i = 1; i < e->resources.size; i++) {
        const struct resource *one = table_get(&e->resources, i);
        if (one != NULL)
            append(t, list, summary_json(t, one));
    }
    put_number(t, o, "pid", getpid());
    put_text(t, o, "program", e->program == NULL ? "" : e->program);
    put(t, o, "stopping", json_boolean(e->is_stopping));
    put_number(t, o, "tasks", e->tasks.used - 1);
    put_number(t, o, "tickets", e->tickets.used);
    put(t, o, "resources", list);
    return o;
}

static json_t *verb_inspect(struct telling *t, struct resource *r)
{
    json_t *o = success(t);
    put_number(t, o, "pid", getpid());
    put(t, o, "now", json_real(seconds(t->engine->world->wall_us(t->engine->world))));
    put(t, o, "resource", resource_json(t, r));
    return o;
}

static const struct verb {
    const char *name;
    bool needs_resource; /* a member "name" */
    json_t *(*answer)(struct telling *t, struct resource *r);
    order_verb *order; /* in its place */
} verb_table[] = {
    {.name = "ls", .answer = verb_ls},
    {.name = "inspect", .needs_resource = true, .answer = verb_inspect},
    {.name = "pause", .needs_resource = true, .order = order_pause},
    {.name = "resume", .needs_resource = true, .order = order_resume},
    {.name = "drain", .needs_resource = true, .order = order_drain},
    {.name = "reconnect", .needs_resource = true, .order = order_reconnect},
    {.name = "resize", .needs_resource = true, .order = order_resize},
};

/* Beside the sentence its code: whoever asked may have to tell one failure from another. */
static json_t *obey(struct telling *t, order_verb *order, struct resource *r, const json_t *request)
{
    struct error e;
    if (order(r, request, &e) == ERROR_OK) {
        json_t *o = success(t);
        put_number(t, o, "pid", getpid());
        return o;
    }
    json_t *o = failure(e.text);
    put_text(t, o, "code", error_name(e.code));
    put_number(t, o, "pid", getpid());
    return o;
}

static json_t *no_such_verb(void)
{
    struct error e;
    error_set(&e, ERROR_USAGE, "no such verb; there are:");
    for (size_t i = 0; i < COUNT(verb_table); i++)
        error_append(&e, "%s %s", i == 0 ? "" : ",", verb_table[i].name);
    return failure(e.text);
}

static json_t *answer(struct telling *t, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb"));
    const char *name = json_string_value(json_object_get(request, "name"));
    if (verb == NULL)
        return failure("a request is a JSON object with the member \"verb\"");
    for (size_t i = 0; i < COUNT(verb_table); i++) {
        if (strcmp(verb_table[i].name, verb) != 0)
            continue;
        struct resource *r = name == NULL ? NULL : resource_find(t->engine, name);
        if (verb_table[i].needs_resource && r == NULL)
            return failure(name == NULL ? "the member \"name\" is missing"
                                        : "there is no resource of this name");
        order_verb *order = verb_table[i].order;
        return order != NULL ? obey(t, order, r, request) : verb_table[i].answer(t, r);
    }
    return no_such_verb();
}

/* json_dumps() goes on where its memory ended, and leaves gaps; into memory that is there it does
 * not. */
static char *line_of(const json_t *told)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(15);
    size_t size = json_dumpb(told, NULL, 0, flags);
    char *line = size == 0 ? NULL : malloc(size + 2);
    if (line == NULL)
        return NULL;
    if (json_dumpb(told, line, size, flags) != size) {
        free(line);
        return NULL;
    }
    memcpy(line + size, "\n", 2);
    return line;
}

char *inspect_answer(struct engine *e, const char *request, size_t size)
{
    struct telling t = {.engine = e};
    json_t *asked = json_loadb(request, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *told = asked == NULL ? failure("the request is not a JSON object") : answer(&t, asked);
    json_decref(asked);
    char *line = told == NULL || t.has_failed ? NULL : line_of(told);
    json_decref(told);
    return line;
}
