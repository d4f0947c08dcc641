/* The rules of a resource that are in force, as JSON: in the words of its declaration. */
#include "core/settings.h"

#include "core/resource.h"
#include "nebula_policy.h"
#include "rules/shed.h"

/* By their enums in nebula_policy.h. */
static const char *const retry_shape[] = {"exponential", "constant", "linear", "decorrelated"};
static const char *const jitter[] = {"full", "equal", "fifth", "none"};
static const char *const budget[] = {"share", "quota", "ratio"};
static const char *const mode[] = {"none", "automatic", "open", "closed", "metrics"};
static const char *const rate_shape[] = {"none", "bucket", "leaky", "window"};
static const char *const per[] = {"resource", "key", "tenant"};
static const char *const circuit_per[] = {"resource", "endpoint"};
static const char *const stage[] = {"none",    "rate",  "deadline", "retry",
                                    "circuit", "limit", "hedge"};

static json_t *again_json(const struct nebula_again *a)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f}", "shape", retry_shape[a->shape],
                     "jitter", jitter[a->jitter], "budget", budget[a->budget], "capacity",
                     a->capacity / 1e3, "success", a->success / 1e3, "cost", a->cost / 1e3,
                     "cost_lost", a->cost_lost / 1e3);
}

static json_t *circuit_json(const struct nebula_circuit *c)
{
    return json_pack("{s:s, s:s, s:i, s:f, s:i, s:i, s:i, s:i, s:f, s:i, s:f, s:f, s:f}", "mode",
                     mode[c->mode], "per", circuit_per[c->per], "window", c->window, "span",
                     settings_seconds(c->span_us), "least", c->least, "percent", c->percent,
                     "slow_percent", c->slow_percent, "consecutive", c->consecutive, "slow",
                     settings_seconds(c->slow_us), "probes", c->probes, "probe",
                     settings_seconds(c->probe_us), "pause", settings_seconds(c->pause_us),
                     "pause_max", settings_seconds(c->pause_max_us));
}

static json_t *rate_json(const struct nebula_rate *r)
{
    return json_pack("{s:s, s:s, s:I, s:f, s:I, s:f}", "shape", rate_shape[r->shape], "per",
                     per[r->per], "calls", (json_int_t)r->tokens, "span",
                     settings_seconds(r->span_us), "burst", (json_int_t)r->burst, "wait",
                     settings_seconds(r->wait_us));
}

static json_t *limit_json(const struct nebula_limit *l)
{
    return json_pack("{s:i, s:i, s:b, s:i, s:i, s:i}", "concurrent", l->concurrent, "queue",
                     l->queue, "adaptive", l->is_adaptive, "min", l->min, "max", l->max,
                     "tolerance", l->tolerance);
}

static json_t *shed_json(const struct nebula_shed *s)
{
    json_t *o = json_pack("{s:f}", "interval", settings_seconds(s->interval_us));
    for (int i = 0; i < NEBULA_PRIORITIES && o != NULL; i++) {
        json_t *class = json_pack("{s:f, s:f, s:f}", "target", settings_seconds(s->of[i].target_us),
                                  "most", settings_seconds(s->of[i].most_us), "patience",
                                  settings_seconds(s->of[i].patience_us));
        if (json_object_set_new(o, shed_class_name((enum shed_class)i), class) < 0) {
            json_decref(o);
            o = NULL;
        }
    }
    return o;
}

static json_t *hedge_json(const struct nebula_hedge *h)
{
    return json_pack("{s:i, s:i, s:f, s:f, s:i, s:i}", "copies", h->copies, "permille", h->permille,
                     "delay", settings_seconds(h->delay_us), "floor", settings_seconds(h->floor_us),
                     "percent", h->percent, "burst", h->burst);
}

static json_t *early_json(const struct nebula_early *x)
{
    return json_pack("{s:i, s:i}", "least", x->least, "percent", x->percent);
}

static json_t *order_json(const uint8_t *order)
{
    json_t *list = json_array();
    for (int i = 0; i < NEBULA_STAGES - 1; i++)
        json_array_append_new(list, json_string(stage[order[i]]));
    return list;
}

static json_t *asks_json(uint32_t asks)
{
    static const char *const name[NEBULA_ASKS] = {[NEBULA_ASK_FAILURE] = "failure",
                                                  [NEBULA_TELL_CIRCUIT] = "circuit",
                                                  [NEBULA_TELL_RETRY] = "retry",
                                                  [NEBULA_TELL_REFUSED] = "refused"};
    json_t *list = json_array();
    for (uint32_t i = 0; i < NEBULA_ASKS; i++)
        if ((asks & 1U << i) != 0)
            json_array_append_new(list, json_string(name[i]));
    return list;
}

static bool is_usual(const struct nebula_again *a)
{
    return a->shape == NEBULA_RETRY_EXPONENTIAL && a->jitter == NEBULA_JITTER_FULL &&
           a->budget == NEBULA_BUDGET_SHARE;
}

/* False when out of memory. */
static bool put_all(json_t *o, const struct nebula_rules *s)
{
    struct {
        const char *name;
        bool is_in_force;
        json_t *value;
    } const section[] = {
        {"again", !is_usual(&s->again), again_json(&s->again)},
        {"circuit", s->circuit.mode != NEBULA_CIRCUIT_NONE, circuit_json(&s->circuit)},
        {"rate", s->rate.shape != NEBULA_RATE_NONE, rate_json(&s->rate)},
        {"limit", s->limit.concurrent > 0, limit_json(&s->limit)},
        {"shed", s->shed.interval_us > 0, shed_json(&s->shed)},
        {"hedge", s->hedge.copies > 0, hedge_json(&s->hedge)},
        {"early", s->early.least > 0, early_json(&s->early)},
        {"order", s->order[0] != NEBULA_STAGE_NONE, order_json(s->order)},
        {"asks", s->asks != 0, asks_json(s->asks)},
    };
    bool is_whole = o != NULL;
    for (size_t i = 0; i < sizeof section / sizeof *section; i++)
        if (!section[i].is_in_force || !is_whole)
            json_decref(section[i].value);
        else
            is_whole = json_object_set_new(o, section[i].name, section[i].value) == 0;
    return is_whole;
}

json_t *settings_rules(const struct resource *r)
{
    json_t *o = json_object();
    if (put_all(o, r->rules))
        return o;
    json_decref(o);
    return NULL;
}
