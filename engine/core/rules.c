#include "core/rules.h"

#include <stdlib.h>
#include <string.h>

#include "core/load.h"
#include "core/resource.h"
#include "rules/circuit.h"
#include "rules/hedge.h"

/* --- what can be ------------------------------------------------------------------------------ */

static bool is_between(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static bool is_span(int64_t span_us, int64_t least)
{
    return span_us >= least && resource_is_span(span_us);
}

static enum error_code check_again(const char *name, const struct nebula_again *a, struct error *e)
{
    if (!is_between(a->shape, NEBULA_RETRY_EXPONENTIAL, NEBULA_RETRY_DECORRELATED) ||
        !is_between(a->jitter, NEBULA_JITTER_FULL, NEBULA_JITTER_NONE) ||
        !is_between(a->budget, NEBULA_BUDGET_SHARE, NEBULA_BUDGET_RATIO))
        return error_set(e, ERROR_CONFIG, "%s: retry: there is no such shape, jitter or budget",
                         name);
    if (a->budget != NEBULA_BUDGET_SHARE &&
        (a->capacity < 1000 || !is_between(a->success, 0, a->capacity) ||
         !is_between(a->cost, 0, a->capacity) || !is_between(a->cost_lost, 0, a->capacity)))
        return error_set(
            e, ERROR_CONFIG,
            "%s: retry: a budget of at least 1,000 thousandths of a token, and nothing "
            "costs or brings more than all of it",
            name);
    return ERROR_OK;
}

static enum error_code check_circuit(const char *name, const struct nebula_circuit *c,
                                     struct error *e)
{
    if (!is_between(c->mode, NEBULA_CIRCUIT_NONE, NEBULA_CIRCUIT_METRICS))
        return error_set(e, ERROR_CONFIG, "%s: circuit: there is no mode number %d", name, c->mode);
    if (c->mode == NEBULA_CIRCUIT_NONE)
        return ERROR_OK;
    if (!is_between(c->per, NEBULA_CIRCUIT_PER_RESOURCE, NEBULA_CIRCUIT_PER_ENDPOINT))
        return error_set(e, ERROR_CONFIG, "%s: circuit: there is no per number %d", name, c->per);
    if (!is_between(c->window, 0, CIRCUIT_WINDOW_MOST) ||
        (c->window == 0 && !is_span(c->span_us, CIRCUIT_BUCKETS)))
        return error_set(e, ERROR_CONFIG,
                         "%s: circuit: a window of 1 to %d calls, or a span of at least %d us",
                         name, CIRCUIT_WINDOW_MOST, CIRCUIT_BUCKETS);
    if (!is_between(c->percent, 0, 100) || !is_between(c->slow_percent, 0, 100) || c->least < 1 ||
        c->consecutive < 0)
        return error_set(e, ERROR_CONFIG,
                         "%s: circuit: percent are 0 to 100, least >= 1, consecutive >= 0", name);
    if (!is_between(c->probes, 1, CIRCUIT_PROBES_MOST))
        return error_set(e, ERROR_CONFIG, "%s: circuit: 1 to %d probes, not %d", name,
                         CIRCUIT_PROBES_MOST, c->probes);
    if (!is_span(c->slow_us, 0) || !is_span(c->probe_us, 1) || !is_span(c->pause_us, 1) ||
        !is_span(c->pause_max_us, c->pause_us))
        return error_set(e, ERROR_CONFIG,
                         "%s: circuit: times are positive and not endless, and pause <= pause_max",
                         name);
    return ERROR_OK;
}

static enum error_code check_rate(const char *name, const struct nebula_rate *r, struct error *e)
{
    if (!is_between(r->shape, NEBULA_RATE_NONE, NEBULA_RATE_WINDOW) ||
        !is_between(r->per, NEBULA_PER_ALL, NEBULA_PER_TENANT))
        return error_set(e, ERROR_CONFIG, "%s: rate: there is no such shape, or per", name);
    if (r->shape == NEBULA_RATE_NONE)
        return ERROR_OK;
    if (!is_between(r->tokens, 1, 1000000000) || !is_span(r->span_us, 1) || !is_span(r->wait_us, 0))
        return error_set(e, ERROR_CONFIG,
                         "%s: rate: 1 to 1,000,000,000 calls in a span that is positive and not "
                         "endless, as what is waited",
                         name);
    if (r->shape == NEBULA_RATE_BUCKET && !is_between(r->burst, 1, 1000000000))
        return error_set(e, ERROR_CONFIG, "%s: rate: a burst of 1 to 1,000,000,000 calls", name);
    return ERROR_OK;
}

static enum error_code check_limit(const char *name, const struct nebula_limit *l, struct error *e)
{
    if (!is_between(l->concurrent, 0, 1000000) || !is_between(l->queue, 0, 1000000))
        return error_set(e, ERROR_CONFIG,
                         "%s: limit: 0 to 1,000,000 calls at once, and as many that wait", name);
    if (l->concurrent > 0 && l->is_adaptive &&
        (!is_between(l->concurrent, l->min, l->max) || l->min < 1 || l->max > 1000000 ||
         !is_between(l->tolerance, 100, 100000)))
        return error_set(
            e, ERROR_CONFIG,
            "%s: limit: 1 <= min <= concurrent <= max <= 1,000,000, and a tolerance of "
            "100 to 100,000 percent",
            name);
    return ERROR_OK;
}

static enum error_code check_shed(const char *name, const struct nebula_rules *said,
                                  struct error *e)
{
    const struct nebula_shed *s = &said->shed;
    if (s->interval_us == 0)
        return ERROR_OK;
    if (said->limit.concurrent == 0)
        return error_set(e, ERROR_CONFIG, "%s: shed: needs a limit, in whose queue it sheds", name);
    bool is_well = is_span(s->interval_us, 1);
    for (int i = 0; i < NEBULA_PRIORITIES; i++)
        is_well = is_well && is_span(s->of[i].target_us, 0) && is_span(s->of[i].most_us, 0) &&
                  is_span(s->of[i].patience_us, 0);
    return is_well ? ERROR_OK
                   : error_set(e, ERROR_CONFIG, "%s: shed: a time is negative or endless", name);
}

static enum error_code check_hedge(const char *name, const struct nebula_hedge *h, struct error *e)
{
    if (h->copies == 0)
        return ERROR_OK;
    if (!is_between(h->copies, 2, HEDGE_MOST) || !is_between(h->permille, 0, 999) ||
        !is_between(h->percent, 0, 100) || !is_between(h->burst, 1, 1000000))
        return error_set(e, ERROR_CONFIG,
                         "%s: hedge: 2 to %d copies, permille below 1,000, 0 to 100 percent, and a "
                         "burst of 1 to 1,000,000",
                         name, HEDGE_MOST);
    if (!is_span(h->delay_us, h->permille == 0) || !is_span(h->floor_us, 0))
        return error_set(e, ERROR_CONFIG,
                         "%s: hedge: a time is negative or endless, or there is no delay", name);
    return ERROR_OK;
}

static enum error_code check_early(const char *name, const struct nebula_early *x, struct error *e)
{
    if (x->least < 0 || !is_between(x->percent, 0, 100))
        return error_set(e, ERROR_CONFIG, "%s: deadline: least >= 0, and 0 to 100 percent", name);
    return ERROR_OK;
}

/* Each once, and what sends the copies last: what is behind it would be asked for each of them. */
static enum error_code check_order(const char *name, const uint8_t *order, struct error *e)
{
    uint32_t seen = 0;
    for (int i = 0; i < NEBULA_STAGES - 1; i++)
        seen |= order[i] < NEBULA_STAGES ? 1U << order[i] : 1U << NEBULA_STAGES;
    bool is_usual = seen == 1U;
    bool is_whole =
        seen == (1U << NEBULA_STAGES) - 2U && order[NEBULA_STAGES - 2] == NEBULA_STAGE_HEDGE;
    return is_usual || is_whole
               ? ERROR_OK
               : error_set(e, ERROR_CONFIG, "%s: order: each stage once, and hedge last", name);
}

/* Else nobody chooses between endpoints, who could leave one out. */
static enum error_code check_per(const struct resource *r, const struct nebula_circuit *c,
                                 struct error *e)
{
    if (c->mode == NEBULA_CIRCUIT_NONE || c->per == NEBULA_CIRCUIT_PER_RESOURCE || load_is_said(r))
        return ERROR_OK;
    return error_set(
        e, ERROR_CONFIG,
        "%s: circuit: per endpoint needs calls that are balanced over endpoints: say by "
        "which rule first",
        r->name);
}

enum error_code rules_check(const struct resource *r, const struct nebula_rules *said,
                            struct error *e)
{
    const char *name = r->name;
    if (check_again(name, &said->again, e) != ERROR_OK ||
        check_circuit(name, &said->circuit, e) != ERROR_OK ||
        check_per(r, &said->circuit, e) != ERROR_OK ||
        check_rate(name, &said->rate, e) != ERROR_OK ||
        check_limit(name, &said->limit, e) != ERROR_OK || check_shed(name, said, e) != ERROR_OK ||
        check_hedge(name, &said->hedge, e) != ERROR_OK ||
        check_early(name, &said->early, e) != ERROR_OK)
        return e->code;
    if (said->asks >= 1U << NEBULA_ASKS)
        return error_set(e, ERROR_CONFIG, "%s: asks for what is never asked or told", name);
    return check_order(name, said->order, e);
}

/* --- kept once -------------------------------------------------------------------------------- */

struct kept {
    struct list_node node; /* the last one used first */
    int32_t users;
    struct nebula_rules rules;
};

/* Padding is compared too: what differs in it is kept twice, and that is all. */
static bool is_same(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct nebula_rules)) == 0;
}

static struct kept *find(struct engine *e, const struct nebula_rules *said)
{
    for (struct list_node *n = list_head(&e->rules); n != NULL; n = list_next(&e->rules, n)) {
        struct kept *k = container_of(n, struct kept, node);
        if (is_same(&k->rules, said))
            return k;
    }
    return NULL;
}

const struct nebula_rules *rules_keep(struct engine *e, const struct nebula_rules *said)
{
    struct kept *k = find(e, said);
    if (k == NULL) {
        k = malloc(sizeof *k);
        if (k == NULL)
            return NULL;
        k->users = 0;
        memcpy(&k->rules, said, sizeof *said);
        node_init(&k->node);
    } else {
        list_remove(&e->rules, &k->node);
    }
    list_push_head(&e->rules, &k->node);
    k->users++;
    return &k->rules;
}

void rules_return(struct engine *e, const struct nebula_rules *kept)
{
    if (kept == NULL)
        return;
    struct kept *k = container_of(kept, struct kept, rules);
    if (--k->users > 0)
        return;
    list_remove(&e->rules, &k->node);
    free(k);
}
