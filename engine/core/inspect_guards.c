#include "core/inspect_guards.h"

#include "core/circuits.h"
#include "core/limits.h"
#include "core/operation.h"

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

void inspect_put_circuit(struct telling *t, json_t *summary, const struct resource *r)
{
    struct circuits_view v;
    if (r->operations != NULL && circuits_view(r->operations->guards, &v) &&
        v.state != CIRCUIT_CLOSED)
        telling_text(t, summary, "circuit", circuit_state_name(v.state));
}
