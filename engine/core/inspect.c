#include "core/inspect.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "core/pool.h"
#include "core/resource.h"

/* --- building blocks: a value that could not be made spoils its object, which is noticed once, at
 * the end -------- */

static void put(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static void put_number(json_t *object, const char *key, int64_t number)
{
    put(object, key, json_integer(number));
}

static void put_text(json_t *object, const char *key, const char *text)
{
    put(object, key, json_string(text));
}

static double seconds(int64_t span_us)
{
    return (double)span_us / 1e6;
}

static json_t *failure(const char *text)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", text);
}

/* --- a pool ---------------------------------------------------------------------------------- */

static json_t *conn_json(const struct conn *c)
{
    struct engine *e = c->engine;
    int64_t now_us = engine_now(e), wall_us = e->world->wall_us(e->world);
    json_t *o = json_object();
    put_number(o, "connection", c->id);
    put_text(o, "role", c->pool->resource->spec.role_name[c->pool->role]);
    put_text(o, "state", conn_state_name(c->state));
    put(o, "since", json_real(seconds(wall_us - (now_us - c->since_us))));
    put(o, "created", json_real(seconds(wall_us - (now_us - c->created_us))));
    put(o, "last_used", json_real(seconds(wall_us - (now_us - c->used_us))));
    put_number(o, "uses", (int64_t)lease_uses(c));
    return o;
}

static void put_states(json_t *o, const struct pool *p)
{
    for (enum conn_state s = CONN_OPENING; s < CONN_STATES; s++)
        put_number(o, conn_state_name(s), pool_count(p, s));
    put_number(o, "waiting", p->waiters.count);
}

static void put_stats(json_t *o, const struct pool *p)
{
    const struct pool_stats *s = &p->stats;
    const struct {
        const char *key;
        uint64_t number;
    } row[] = {
        {"leases", pool_leases(p)},
        {"waited", s->waited},
        {"refused", s->refused},
        {"opened", s->opened},
        {"closed", s->closed},
        {"lost", s->lost},
        {"checks", s->checks},
        {"open_failed", s->open_failed},
        {"resets", s->resets},
        {"cancels", s->cancels},
        {"waited_us", (uint64_t)s->waited_us},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        put_number(o, row[i].key, (int64_t)row[i].number);
}

static json_t *pool_json(const struct pool *p)
{
    json_t *o = json_object();
    put_text(o, "role", p->resource->spec.role_name[p->role]);
    put_number(o, "min", p->size.min);
    put_number(o, "max", p->size.max);
    put_states(o, p);
    put_stats(o, p);
    if (p->trouble != NULL)
        put_text(o, "trouble", p->trouble->text);
    return o;
}

static json_t *conns_json(const struct resource *r)
{
    json_t *list = json_array();
    for (int32_t role = 0; role < r->spec.roles; role++) {
        const struct pool *p = resource_peek(r, role);
        if (p == NULL)
            continue;
        for (struct list_node *n = list_head(&p->conns); n != NULL; n = list_next(&p->conns, n))
            json_array_append_new(list, conn_json(container_of(n, struct conn, node)));
    }
    return list;
}

/* --- a resource ------------------------------------------------------------------------------ */

static const char *state_of(const struct resource *r)
{
    bool is_used = false;
    if (r->is_paused)
        return "paused";
    for (int32_t role = 0; role < r->spec.roles; role++) {
        const struct pool *p = resource_peek(r, role);
        is_used = is_used || p != NULL;
        if (p != NULL && p->trouble != NULL)
            return "in trouble";
    }
    return is_used ? "ready" : "unused";
}

static json_t *summary_json(const struct resource *r)
{
    int64_t sum[CONN_STATES] = {0}, waiting = 0, leases = 0;
    for (int32_t role = 0; role < r->spec.roles; role++) {
        const struct pool *p = resource_peek(r, role);
        for (enum conn_state s = CONN_OPENING; p != NULL && s < CONN_STATES; s++)
            sum[s] += pool_count(p, s);
        waiting += p == NULL ? 0 : p->waiters.count;
        leases += p == NULL ? 0 : (int64_t)pool_leases(p);
    }
    int64_t open = sum[CONN_IDLE] + sum[CONN_LEASED] + sum[CONN_CHECKING] + sum[CONN_RESETTING] +
                   sum[CONN_CANCELLING];
    json_t *o = json_object();
    put_text(o, "name", r->spec.name);
    put_text(o, "kind", r->spec.kind);
    put_text(o, "state", state_of(r));
    put_text(o, "policy", r->spec.policy_name);
    put_number(o, "max", r->spec.pool.max);
    put_number(o, "open", open);
    put_number(o, "idle", sum[CONN_IDLE]);
    put_number(o, "leased", sum[CONN_LEASED]);
    put_number(o, "opening", sum[CONN_OPENING]);
    put_number(o, "waiting", waiting);
    put_number(o, "leases", leases);
    put_number(o, "calls", (int64_t)r->calls);
    put_number(o, "failed", (int64_t)r->failed);
    put_number(o, "in_doubt", (int64_t)r->in_doubt);
    put_number(o, "retries", (int64_t)r->retries);
    return o;
}

static json_t *options_json(const struct resource *r)
{
    json_t *o = json_object();
    for (int32_t i = 0; i < r->spec.options; i++)
        put_text(o, r->spec.option[i].name,
                 r->spec.option[i].is_secret ? SECRET_MASK : r->spec.option[i].value);
    return o;
}

static json_t *settings_json(const struct resource *r)
{
    const struct nebula_pool *p = &r->spec.pool;
    return json_pack("{s:i, s:i, s:i, s:i, s:b, s:s, s:f, s:f, s:i, s:f, s:f, s:f}", "min", p->min,
                     "max", p->max, "queue", p->queue, "connecting", p->connecting, "fail_fast",
                     p->is_fail_fast, "order", p->is_fifo ? "fifo" : "lifo", "idle",
                     seconds(p->idle_us), "life", seconds(p->life_us), "life_jitter",
                     p->life_jitter, "check", p->check_us < 0 ? -1.0 : seconds(p->check_us),
                     "connect", seconds(p->connect_us), "start_within", seconds(p->start_us));
}

static json_t *policy_json(const struct resource *r)
{
    const struct nebula_policy *p = &r->spec.policy;
    return json_pack("{s:f, s:f, s:i, s:f, s:f, s:i, s:i}", "deadline", seconds(p->deadline_us),
                     "wait", seconds(p->wait_us), "tries", p->tries, "pause", seconds(p->pause_us),
                     "pause_max", seconds(p->pause_max_us), "budget", p->budget, "budget_least",
                     p->budget_least);
}

static json_t *resource_json(const struct resource *r)
{
    json_t *o = summary_json(r), *pools = json_array();
    for (int32_t role = 0; role < r->spec.roles; role++)
        if (resource_peek(r, role) != NULL)
            json_array_append_new(pools, pool_json(resource_peek(r, role)));
    if (r->spec.file != NULL) {
        put_text(o, "file", r->spec.file);
        put_number(o, "line", r->spec.line);
    }
    put(o, "options", options_json(r));
    put(o, "pool", settings_json(r));
    put(o, "limits", policy_json(r));
    put(o, "pools", pools);
    put(o, "connections", conns_json(r));
    return o;
}

/* --- the verbs ------------------------------------------------------------------------------- */

static json_t *verb_ls(struct engine *e, struct resource *r)
{
    (void)r;
    json_t *list = json_array();
    for (int32_t i = 1; i < e->resources.size; i++) {
        const struct resource *one = table_get(&e->resources, i);
        if (one != NULL)
            json_array_append_new(list, summary_json(one));
    }
    return json_pack("{s:b, s:i, s:s, s:b, s:i, s:i, s:o}", "ok", 1, "pid", (int)getpid(),
                     "program", e->program == NULL ? "" : e->program, "stopping", e->is_stopping,
                     "tasks", e->tasks.used - 1, "tickets", e->tickets.used, "resources", list);
}

static json_t *verb_inspect(struct engine *e, struct resource *r)
{
    (void)e;
    return json_pack("{s:b, s:i, s:o}", "ok", 1, "pid", (int)getpid(), "resource",
                     resource_json(r));
}

static json_t *verb_pause(struct engine *e, struct resource *r)
{
    (void)e;
    resource_pause(r);
    return json_pack("{s:b}", "ok", 1);
}

static json_t *verb_resume(struct engine *e, struct resource *r)
{
    (void)e;
    resource_resume(r);
    return json_pack("{s:b}", "ok", 1);
}

static const struct verb {
    const char *name;
    bool needs_resource; /* a member "name" */
    json_t *(*answer)(struct engine *e, struct resource *r);
} verb_table[] = {
    {.name = "ls", .answer = verb_ls},
    {.name = "inspect", .needs_resource = true, .answer = verb_inspect},
    {.name = "pause", .needs_resource = true, .answer = verb_pause},
    {.name = "resume", .needs_resource = true, .answer = verb_resume},
};

static json_t *answer(struct engine *e, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb"));
    const char *name = json_string_value(json_object_get(request, "name"));
    if (verb == NULL)
        return failure("a request is a JSON object with the member \"verb\"");
    for (size_t i = 0; i < COUNT(verb_table); i++) {
        if (strcmp(verb_table[i].name, verb) != 0)
            continue;
        struct resource *r = name == NULL ? NULL : resource_find(e, name);
        if (verb_table[i].needs_resource && r == NULL)
            return failure(name == NULL ? "the member \"name\" is missing"
                                        : "there is no resource of this name");
        return verb_table[i].answer(e, r);
    }
    return failure("no such verb; there are: ls, inspect, pause, resume");
}

char *inspect_answer(struct engine *e, const char *request, size_t size)
{
    json_t *asked = json_loadb(request, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *told = asked == NULL ? failure("the request is not a JSON object") : answer(e, asked);
    json_decref(asked);
    char *text = told == NULL ? NULL : json_dumps(told, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(told);
    if (text == NULL)
        return NULL;
    size_t length = secret_mask(&e->secrets, text, strlen(text));
    char *line = realloc(text, length + 2);
    if (line == NULL) {
        free(text);
        return NULL;
    }
    memcpy(line + length, "\n", 2);
    return line;
}
