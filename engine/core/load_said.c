/* What is said of the balance of a resource, the loads of its pools by that, and how its figures are called. */
#include <stdlib.h>
#include <string.h>

#include "core/load.h"
#include "core/operation.h"
#include "core/pool.h"
#include "core/resource.h"

static bool spreads(const struct resource *r, int32_t role)
{
    return (r->spec->role_choice[role] & NEBULA_SPREAD) != 0;
}

/* --- what is said ----------------------------------------------------------------------------- */

static bool is_share(double share)
{
    return share >= 0 && share <= 1;
}

static bool is_time(int64_t span_us)
{
    return span_us > 0 && resource_is_span(span_us);
}

enum error_code load_check(const struct resource *r, const struct nebula_balance *b,
                           struct error *e)
{
    bool has_choice = false;
    for (int32_t role = 0; role < r->spec->roles; role++)
        has_choice = has_choice || spreads(r, role);
    if (b->rule < NEBULA_CONNECTIONS || b->rule > NEBULA_STICKY)
        return error_set(e, ERROR_CONFIG, "%s: balance: there is no rule number %d", r->name,
                         b->rule);
    if (b->rule == NEBULA_CONNECTIONS && operations_need_balance(r))
        return error_set(
            e, ERROR_CONFIG,
            "%s: balance: a circuit per endpoint needs a rule: say another circuit first", r->name);
    if (b->rule == NEBULA_CONNECTIONS)
        return ERROR_OK;
    if (r->spec->endpoints < 2 || !has_choice)
        return error_set(e, ERROR_CONFIG,
                         "%s: balance: none of its roles spreads over several endpoints", r->name);
    if (b->consecutive < 0 || b->least_calls < 0 || b->least_endpoints < 0 || !(b->factor >= 0))
        return error_set(e, ERROR_CONFIG, "%s: eject: a number is negative", r->name);
    if (!is_share(b->most) || !is_share(b->panic))
        return error_set(e, ERROR_CONFIG, "%s: eject: most and panic are shares, 0 to 1", r->name);
    if (!is_time(b->window_us) || !is_time(b->time_us) || !is_time(b->time_most_us) ||
        b->time_us > b->time_most_us || !resource_is_span(b->slow_start_us))
        return error_set(e, ERROR_CONFIG,
                         "%s: eject: times are positive and not endless, and time <= time_most",
                         r->name);
    return ERROR_OK;
}

static struct eject_policy policy_of(const struct nebula_balance *b)
{
    return (struct eject_policy){.consecutive = b->consecutive,
                                 .factor = b->factor,
                                 .least_calls = b->least_calls,
                                 .least_endpoints = b->least_endpoints,
                                 .window_us = b->window_us,
                                 .most = b->most,
                                 .time_us = b->time_us,
                                 .time_most_us = b->time_most_us,
                                 .panic = b->panic};
}

bool load_is_said(const struct resource *r)
{
    return r->balance != NULL && r->balance->rule != NEBULA_CONNECTIONS;
}

/* --- the beginning and the end ---------------------------------------------------------------- */

/* Those that are there already. The chain of all idle ones has the order in which they are lent. */
static void gather(struct pool *p)
{
    struct loads *l = p->loads;
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next) {
        int32_t more = c->sharers > 1 ? c->sharers - 1 : 0;
        l->balance[c->reach].outstanding += load_is_carrying(c->state) + more;
    }
    for (struct conn *c = p->idle.first; c != NULL; c = c->after)
        list_push_tail(&l->of[c->reach].idle, conn_turn(c));
}

static struct loads *loads_new(struct pool *p)
{
    struct loads *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->fleet = (struct eject_fleet){
        .of = l->eject, .count = p->reaches, .since_us = engine_now(p->engine)};
    for (int32_t i = 0; i < p->reaches; i++) {
        const char *name = p->reach[i].endpoint->name;
        list_init(&l->of[i].idle);
        l->balance[i].weight = BALANCE_WEIGHT_MOST;
        l->balance[i].name = balance_hash(name, (uint32_t)strlen(name));
    }
    return l;
}

bool load_init(struct pool *p)
{
    const struct nebula_balance *said = p->resource->balance;
    if (!load_is_said(p->resource) || !spreads(p->resource, p->role)) {
        load_fini(p);
        return true;
    }
    bool is_new = p->loads == NULL;
    if (is_new && (p->loads = loads_new(p)) == NULL)
        return false;
    p->loads->said = *said;
    p->loads->policy = policy_of(said);
    p->gate |= GATE_BALANCED;
    if (is_new)
        gather(p);
    return true;
}

void load_fini(struct pool *p)
{
    for (struct conn *c = p->loads == NULL ? NULL : p->idle.first; c != NULL; c = c->after)
        list_remove(&p->loads->of[c->reach].idle, conn_turn(c));
    free(p->loads);
    p->loads = NULL;
    p->gate &= ~(uint32_t)GATE_BALANCED;
}

/* --- saying it -------------------------------------------------------------------------------- */

static bool init_all(struct resource *r)
{
    bool is_done = true;
    for (int32_t role = 0; role < r->spec->roles; role++) {
        struct pool *p = resource_peek(r, role);
        is_done = is_done && (p == NULL || load_init(p));
    }
    return is_done;
}

bool load_say(struct resource *r, const struct nebula_balance *b)
{
    struct nebula_balance *before = r->balance, *said = malloc(sizeof *said);
    if (said == NULL)
        return false;
    *said = *b;
    r->balance = said;
    if (!init_all(r)) {
        r->balance = before;
        init_all(r); /* which asks for no memory: those that had loads have them */
        free(said);
        return false;
    }
    free(before);
    return true;
}

/* --- names --------------------------------------------------------------------------------------- */

const char *load_rule_name(int32_t rule)
{
    static const char *const name[] = {
        [NEBULA_CONNECTIONS] = "connections",
        [NEBULA_ROUND_ROBIN] = "round-robin",
        [NEBULA_LEAST_OUTSTANDING] = "least-outstanding",
        [NEBULA_TWO_CHOICES] = "p2c",
        [NEBULA_LEAST_RECENTLY_USED] = "least-recently-used",
        [NEBULA_STICKY] = "sticky",
    };
    return name[rule];
}

static const struct {
    const char *name;
    bool is_whole;
} figure_table[LOAD_FIGURES] = {
    [LOAD_WEIGHT] = {"weight", true},
    [LOAD_HEALTH] = {"health", false},
    [LOAD_SUCCESS] = {"success", false},
    [LOAD_SPEED] = {"speed", false},
    [LOAD_SLOW_START] = {"slow_start", false},
    [LOAD_OUTSTANDING] = {"outstanding", true},
    [LOAD_LATENCY] = {"latency", false},
    [LOAD_CALLS] = {"calls", true},
    [LOAD_SUCCESS_RATE] = {"success_rate", false},
    [LOAD_EJECTIONS] = {"ejections", true},
    [LOAD_EJECTED_FOR] = {"ejected_for", false},
};

const char *load_figure_name(enum load_figure f)
{
    return figure_table[f].name;
}

bool load_figure_is_whole(enum load_figure f)
{
    return figure_table[f].is_whole;
}
