#include "core/fold.h"

#include <string.h>

#include "core/counters.h"
#include "core/explain.h"
#include "core/inspect.h"

/* --- numbers ---------------------------------------------------------------------------------- */

static int64_t number_in(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void add(struct telling *t, json_t *to, const json_t *from, const char *key)
{
    if (json_object_get(from, key) != NULL)
        telling_number(t, to, key, number_in(to, key) + number_in(from, key));
}

static void larger(struct telling *t, json_t *to, const json_t *from, const char *key)
{
    if (number_in(from, key) > number_in(to, key))
        telling_number(t, to, key, number_in(from, key));
}

/* Each worker knows max as that of all, and one of them keeps min. */
static void add_counters(struct telling *t, json_t *to, const json_t *from)
{
    for (enum counter i = 0; i < COUNTERS; i++) {
        if (i == COUNTER_MIN || i == COUNTER_MAX)
            larger(t, to, from, counter_name(i));
        else
            add(t, to, from, counter_name(i));
    }
}

/* --- lists ------------------------------------------------------------------------------------ */

static void sign_all(struct telling *t, json_t *list, int32_t worker)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        telling_number(t, one, "worker", worker);
    }
}

static void take_all(struct telling *t, json_t *to, json_t *from)
{
    if (from != NULL && json_array_extend(to, from) != 0)
        t->has_failed = true;
}

/* The one whose `key` is the same text; NULL when there is none. */
static json_t *twin_of(json_t *list, const char *key, const json_t *of)
{
    const char *text = json_string_value(json_object_get(of, key));
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        if (text != NULL && strcmp(json_string_value(json_object_get(one, key)), text) == 0)
            return one;
    }
    return NULL;
}

/* --- a resource ------------------------------------------------------------------------------- */

/* The first that is so in any worker. */
static void fold_state(struct telling *t, json_t *to, const json_t *from)
{
    static const char *const state[] = {"draining", "drained", "paused", "in trouble", "ready"};
    const char *own = json_string_value(json_object_get(to, "state")),
               *other = json_string_value(json_object_get(from, "state"));
    for (size_t i = 0; i < COUNT(state); i++) {
        if (strcmp(own, state[i]) == 0)
            return;
        if (strcmp(other, state[i]) == 0) {
            telling_text(t, to, "state", state[i]);
            return;
        }
    }
}

/* As what it is seen by whoever knows more; ejected where one of them ejected it. */
static void fold_seen(struct telling *t, json_t *to, const json_t *from)
{
    const char *own = json_string_value(json_object_get(to, "seen_as")),
               *other = json_string_value(json_object_get(from, "seen_as"));
    bool is_known = strcmp(other, "unknown") != 0 && strcmp(other, "down") != 0;
    bool is_ejected = strcmp(own, "ejected") == 0;
    if (strcmp(own, "unknown") == 0 || (strcmp(own, "down") == 0 && is_known) ||
        (!is_ejected && strcmp(other, "ejected") == 0))
        telling_text(t, to, "seen_as", other);
}

static void fold_endpoints(struct telling *t, json_t *to, json_t *from)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(from, "endpoints"), i, one)
    {
        json_t *own = twin_of(json_object_get(to, "endpoints"), "endpoint", one);
        if (own == NULL)
            continue;
        add(t, own, one, "connections");
        fold_seen(t, own, one);
    }
}

/* What rules know is that of all workers: each that knows any knows the same. */
static void take_missing(struct telling *t, json_t *to, json_t *from)
{
    const char *key;
    json_t *value;
    json_object_foreach(from, key, value)
    {
        if (json_object_get(to, key) == NULL)
            telling_put(t, to, key, json_incref(value));
    }
}

static void fold_guards(struct telling *t, json_t *to, json_t *from)
{
    size_t i;
    json_t *one, *guards = json_object_get(to, "guards"), *other = json_object_get(from, "guards");
    if (guards == NULL && other != NULL)
        telling_put(t, to, "guards", json_incref(other));
    json_array_foreach(guards == NULL ? NULL : other, i, one)
    {
        json_t *own = twin_of(guards, "operation", one);
        if (own != NULL)
            take_missing(t, own, one);
        else
            telling_append(t, guards, json_incref(one));
    }
}

/* Those of the one in which `when` is later. */
static void take_later(struct telling *t, json_t *to, const json_t *from, const char *when,
                       const char *what)
{
    if (json_real_value(json_object_get(from, when)) <= json_real_value(json_object_get(to, when)))
        return;
    json_object_del(to, what);
    if (json_object_get(from, what) != NULL)
        telling_put(t, to, what, json_incref(json_object_get(from, what)));
    telling_put(t, to, when, json_incref(json_object_get(from, when)));
}

/* A pool was asked for by whoever was home of it. */
static void fold_sizes(struct telling *t, json_t *to, json_t *from)
{
    size_t i;
    json_t *one, *pools = json_object_get(json_object_get(to, "strategy"), "pools");
    json_array_foreach(json_object_get(json_object_get(from, "strategy"), "pools"), i, one)
    {
        json_t *own = twin_of(pools, "role", one);
        if (own == NULL) {
            telling_append(t, pools, json_incref(one));
            continue;
        }
        take_later(t, own, one, "asked", "why");
        take_later(t, own, one, "answered", "answer");
    }
}

void fold_head(struct telling *t, json_t *to, json_t *from)
{
    json_t *services = json_object_get(from, "services"); /* worker 0 has those of all */
    add(t, to, from, "tasks");
    add(t, to, from, "tickets");
    if (!json_is_true(json_object_get(from, "stopping")))
        telling_put(t, to, "stopping", json_false());
    if (services != NULL)
        telling_put(t, to, "services", json_incref(services));
}

void fold_summary(struct telling *t, json_t *to, json_t *from)
{
    static const char *const same[] = {"circuit", "circuits", "faults"};
    add_counters(t, to, from);
    add(t, to, from, "open");
    fold_state(t, to, from);
    for (size_t i = 0; i < COUNT(same); i++)
        if (json_object_get(to, same[i]) == NULL && json_object_get(from, same[i]) != NULL)
            telling_put(t, to, same[i], json_incref(json_object_get(from, same[i])));
    fold_endpoints(t, to, from);
}

/* --- roles ------------------------------------------------------------------------------------ */

static struct finding_window *window_of(struct finding *p, const char *role)
{
    for (int32_t i = 0; i < p->windows; i++)
        if (strcmp(p->window[i].role, role) == 0)
            return &p->window[i];
    return NULL;
}

/* Of roles that this one did not use it has no window: then it takes the other's. */
static void fold_windows(struct telling *t, struct finding *p, struct finding *other)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < other->windows; i++) {
        struct finding_window *from = &other->window[i], *to = window_of(p, from->role);
        if (to != NULL && !window_add(&to->window, &from->window))
            t->has_failed = true;
        if (to == NULL && p->windows < ROLES_MOST)
            p->window[p->windows++] = *from;
        else
            other->window[kept++] = *from;
    }
    other->windows = kept;
}

static void put_window(struct telling *t, struct finding *p, json_t *role, const char *name,
                       bool is_with_advice)
{
    const struct finding_window *w = window_of(p, name);
    if (w != NULL)
        telling_put(t, role, "window",
                    is_with_advice ? inspect_window(t, &w->window)
                                   : inspect_figures(t, &w->window));
}

/* What hinders one of them, whose it is. */
static void sign_trouble(struct telling *t, json_t *pool, int32_t worker)
{
    json_t *trouble = json_object_get(pool, "trouble");
    if (trouble == NULL)
        return;
    json_t *list = json_array(), *o = json_object();
    telling_number(t, o, "worker", worker);
    telling_put(t, o, "trouble", json_incref(trouble));
    telling_append(t, list, o);
    telling_put(t, pool, "troubles", list);
}

static void fold_pool(struct telling *t, json_t *to, json_t *from)
{
    static const char *const list[] = {"troubles", "endpoints"};
    add_counters(t, to, from);
    add(t, to, from, "reconnecting");
    add(t, to, from, "reconnecting_left");
    for (size_t i = 0; i < COUNT(list); i++) {
        json_t *other = json_object_get(from, list[i]);
        if (json_object_get(to, list[i]) == NULL && other != NULL)
            telling_put(t, to, list[i], json_incref(other));
        else
            take_all(t, json_object_get(to, list[i]), other);
    }
    if (json_is_true(json_object_get(from, "panic"))) /* in one of them */
        telling_put(t, to, "panic", json_true());
    if (json_object_get(to, "trouble") == NULL && json_object_get(from, "trouble") != NULL)
        telling_put(t, to, "trouble", json_incref(json_object_get(from, "trouble")));
}

/* --- inspect ---------------------------------------------------------------------------------- */

/* How much of it is in one worker. */
static json_t *share_of(struct telling *t, const struct finding *p, const json_t *resource)
{
    static const char *const number[] = {"open",    "idle",     "leased", "listening",
                                         "opening", "waiting",  "leases", "calls",
                                         "failed",  "in_doubt", "chaos"};
    json_t *o = json_object();
    telling_number(t, o, "worker", p->worker);
    telling_put(t, o, "state", json_incref(json_object_get(resource, "state")));
    for (size_t i = 0; i < COUNT(number); i++)
        telling_number(t, o, number[i], number_in(resource, number[i]));
    return o;
}

static void sign(struct telling *t, const struct finding *p, json_t *resource)
{
    size_t i;
    json_t *pool, *ear = json_object_get(resource, "ear"), *workers = json_array();
    telling_append(t, workers, share_of(t, p, resource));
    telling_put(t, resource, "workers", workers);
    sign_all(t, json_object_get(resource, "connections"), p->worker);
    json_array_foreach(json_object_get(resource, "pools"), i, pool)
    {
        sign_all(t, json_object_get(pool, "endpoints"), p->worker);
        sign_trouble(t, pool, p->worker);
    }
    if (ear == NULL)
        return;
    json_t *ears = json_array();
    telling_number(t, ear, "worker", p->worker);
    sign_all(t, json_object_get(ear, "listeners"), p->worker);
    telling_append(t, ears, json_incref(ear));
    telling_put(t, resource, "ears", ears);
    json_object_del(resource, "ear");
}

static void fold_one(struct telling *t, json_t *to, json_t *from)
{
    static const char *const list[] = {"workers", "connections", "ears"};
    size_t i;
    json_t *pool, *pools = json_object_get(to, "pools");
    fold_summary(t, to, from);
    fold_guards(t, to, from);
    fold_sizes(t, to, from);
    json_array_foreach(json_object_get(from, "pools"), i, pool)
    {
        json_t *own = twin_of(pools, "role", pool);
        if (own != NULL)
            fold_pool(t, own, pool);
        else
            telling_append(t, pools, json_incref(pool));
    }
    for (i = 0; i < COUNT(list); i++) {
        json_t *other = json_object_get(from, list[i]);
        if (json_object_get(to, list[i]) == NULL && other != NULL)
            telling_put(t, to, list[i], json_incref(other));
        else
            take_all(t, json_object_get(to, list[i]), other);
    }
}

/* --- stats ------------------------------------------------------------------------------------ */

static void fold_stats(struct telling *t, json_t *to, json_t *from)
{
    const char *name;
    json_t *role, *roles = json_object_get(to, "roles");
    add_counters(t, to, from);
    json_object_foreach(json_object_get(from, "roles"), name, role)
    {
        add_counters(t, json_object_get(roles, name), role);
    }
}

/* --- from the beginning to the end ------------------------------------------------------------ */

void fold_begin(struct telling *t, struct finding *p, enum order_what what)
{
    if (what == ORDER_INSPECT)
        sign(t, p, json_object_get(p->told, "resource"));
    else if (what == ORDER_EXPLAIN)
        explain_sign(t, p->told, p->worker);
}

void fold_in(struct telling *t, struct finding *p, struct finding *other, enum order_what what)
{
    fold_windows(t, p, other);
    if (what == ORDER_INSPECT) {
        json_t *from = json_object_get(other->told, "resource");
        sign(t, other, from);
        fold_one(t, json_object_get(p->told, "resource"), from);
    } else if (what == ORDER_EXPLAIN) {
        explain_sign(t, other->told, other->worker);
        explain_fold(t, p->told, other->told);
    } else {
        fold_stats(t, json_object_get(p->told, "stats"), json_object_get(other->told, "stats"));
    }
}

void fold_doubt(struct telling *t, json_t *resource)
{
    const char *state = json_string_value(json_object_get(resource, "state"));
    if (strcmp(state, "drained") == 0)
        telling_text(t, resource, "state", "draining");
}

void fold_end(struct telling *t, struct finding *p, bool is_certain)
{
    size_t i;
    const char *name;
    json_t *one, *resource = json_object_get(p->told, "resource");
    json_array_foreach(json_object_get(resource, "pools"), i, one)
    {
        put_window(t, p, one, json_string_value(json_object_get(one, "role")), true);
    }
    json_object_foreach(json_object_get(json_object_get(p->told, "stats"), "roles"), name, one)
    {
        put_window(t, p, one, name, false);
    }
    if (resource != NULL && !is_certain)
        fold_doubt(t, resource);
}
