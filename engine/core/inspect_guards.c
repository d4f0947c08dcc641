#include "core/inspect_guards.h"

#include "core/circuits_at.h"
#include "core/limits.h"
#include "core/operation.h"
#include "core/reach.h"

static json_t *circuit_json(struct telling *t, const struct circuits_view *v)
{
    json_t *o = json_object();
    telling_text(t, o, "state", circuit_state_name(v->state));
    if (v->cause.why == CIRCUIT_NOT)
        return o;
    telling_text(t, o, "why", circuit_reason(v->cause.why));
    telling_number(t, o, "bad", v->cause.bad);
    telling_number(t, o, "of", v->cause.of);
    telling_number(t, o, "trips", v->trips);
    if (v->state == CIRCUIT_OPEN)
        telling_put(t, o, "half_in", json_real((double)v->left_us / 1e6));
    return o;
}

/* Of each endpoint one. */
static json_t *circuits_json(struct telling *t, const struct operation *of)
{
    struct circuits_view v;
    json_t *list = json_array();
    for (int32_t i = 0; i < reach_count(of->resource); i++) {
        if (!circuits_at_view(of->guards, i, &v))
            continue;
        json_t *o = circuit_json(t, &v);
        telling_text(t, o, "endpoint", outlook_name(of->resource->outlook, i));
        telling_append(t, list, o);
    }
    return list;
}

static json_t *found_json(struct telling *t, const struct limits_view *v)
{
    json_t *o = json_object();
    telling_number(t, o, "limit", v->found);
    if (v->latency_us > 0) {
        telling_put(t, o, "latency", json_real((double)v->latency_us / 1e6));
        telling_put(t, o, "least", json_real((double)v->least_us / 1e6));
    }
    return o;
}

static json_t *limit_json(struct telling *t, const struct limits_view *v)
{
    json_t *o = json_object();
    telling_number(t, o, "under_way", v->under);
    telling_number(t, o, "most", v->most);
    telling_number(t, o, "waiting", v->waiting);
    telling_number(t, o, "ran", v->ran);
    telling_number(t, o, "queued", v->queued);
    telling_number(t, o, "refused", v->refused);
    telling_number(t, o, "shed", v->shed);
    if (v->found > 0)
        telling_put(t, o, "found", found_json(t, v));
    return o;
}

static json_t *guards_json(struct telling *t, const struct operation *of)
{
    struct circuits_view circuit;
    struct limits_view limit;
    json_t *o = json_object();
    telling_text(t, o, "operation", of->name);
    if (circuits_view(of->guards, &circuit))
        telling_put(t, o, "circuit", circuit_json(t, &circuit));
    if (of->guards->at != NULL)
        telling_put(t, o, "circuits", circuits_json(t, of));
    if (limits_view(of->guards, &limit))
        telling_put(t, o, "limit", limit_json(t, &limit));
    return o;
}

json_t *inspect_guards(struct telling *t, const struct resource *r)
{
    json_t *list = json_array();
    for (const struct operation *o = r->operations; o != NULL; o = o->next)
        if (o->is_apart)
            telling_append(t, list, guards_json(t, o));
    return list;
}

/* Of those of endpoints, which, and how each stands that is not closed. */
static void put_circuits(struct telling *t, json_t *summary, const struct operation *of)
{
    struct circuits_view v;
    json_t *o = json_object();
    for (int32_t i = 0; i < reach_count(of->resource); i++)
        if (circuits_at_view(of->guards, i, &v) && v.state != CIRCUIT_CLOSED)
            telling_text(t, o, outlook_name(of->resource->outlook, i), circuit_state_name(v.state));
    if (json_object_size(o) > 0)
        telling_put(t, summary, "circuits", o);
    else
        json_decref(o);
}

void inspect_put_circuit(struct telling *t, json_t *summary, const struct resource *r)
{
    const struct operation *o = r->operations;
    struct circuits_view v;
    if (o == NULL)
        return;
    if (circuits_view(o->guards, &v) && v.state != CIRCUIT_CLOSED)
        telling_text(t, summary, "circuit", circuit_state_name(v.state));
    if (o->guards->at != NULL)
        put_circuits(t, summary, o);
}
