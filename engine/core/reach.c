#include "core/reach.h"

#include <string.h>

#include "core/load.h"
#include "core/pool.h"
#include "core/resource.h"
#include "rules/choice.h"

int32_t reach_count(const struct resource *r)
{
    return r->spec->endpoints > 0 ? r->spec->endpoints : 1;
}

static bool falls_back(const struct resource *r, int32_t role)
{
    return (r->spec->role_choice[role] & NEBULA_FALL_BACK) != 0;
}

size_t reach_size(const struct resource *r, int32_t role)
{
    size_t easy = falls_back(r, role) ? sizeof(struct target) : 0;
    return (size_t)reach_count(r) * (sizeof(struct reach) + easy);
}

bool reach_init(struct pool *p)
{
    struct resource *r = p->resource;
    p->outlook = r->outlook != NULL ? r->outlook : outlook_new(r, p, NULL);
    if (p->outlook == NULL || !outlook_join(p->outlook))
        return false;
    struct target *easy = falls_back(r, p->role) ? (void *)&p->reach[p->reaches] : NULL;
    for (int32_t i = 0; i < p->reaches; i++) {
        struct reach *one = &p->reach[i];
        one->endpoint = &p->outlook->board->endpoint[i];
        one->seen = outlook_seen(p->outlook, i, p->role);
        one->target = (struct target){.resource = p->resource->name,
                                      .depth = p->share,
                                      .option = p->resource->option,
                                      .options = p->resource->options,
                                      .role = p->role,
                                      .endpoint = i};
        if (easy == NULL)
            continue;
        one->easy = &easy[i];
        easy[i] = one->target;
        easy[i].is_easy = true;
    }
    p->last = outlook_last(p->outlook, p->role);
    p->heeded = p->outlook->board->orders;
    return true;
}

void reach_fini(struct pool *p)
{
    if (p->resource->outlook == NULL)
        outlook_free(&p->outlook);
}

/* --- the next one ----------------------------------------------------------------------------- */

static bool spreads(const struct pool *p)
{
    return (p->resource->spec->role_choice[p->role] & NEBULA_SPREAD) != 0;
}

/* One that failed before is no good for others while it is probed. */
static enum choice_state state_of(const struct endpoint *e, int64_t now_us)
{
    if (now_us < e->again_us)
        return CHOICE_USELESS;
    if (endpoint_has_room(e, now_us))
        return CHOICE_READY;
    return endpoint_is_down(e) ? CHOICE_USELESS : CHOICE_FULL;
}

/* is_easy: whatever it is will do. */
static void survey(const struct pool *p, bool is_easy, struct choice_of *of)
{
    int64_t now_us = engine_now(p->engine);
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        bool is_pausing = !is_easy && now_us < r->seen->again_us;
        of[i].state = is_pausing ? CHOICE_USELESS : state_of(r->endpoint, now_us);
        of[i].conns = r->conns;
    }
    if (p->loads != NULL)
        load_survey(p, of);
}

static bool is_all_useless(const struct choice_of *of, int32_t count)
{
    int32_t useless = 0;
    for (int32_t i = 0; i < count; i++)
        useless += of[i].state == CHOICE_USELESS;
    return useless == count;
}

int32_t reach_next(const struct pool *p, bool *is_easy_out)
{
    struct choice_of of[ENDPOINTS_MOST];
    survey(p, false, of);
    *is_easy_out = falls_back(p->resource, p->role) && is_all_useless(of, p->reaches);
    if (*is_easy_out)
        survey(p, true, of);
    return spreads(p) ? choice_spread(of, p->reaches, p->last)
                      : choice_stay(of, p->reaches, p->last);
}

static void sooner(int64_t *again_us, int64_t at_us, int64_t now_us)
{
    if (at_us > now_us && (*again_us == 0 || at_us < *again_us))
        *again_us = at_us;
}

int64_t reach_again_us(const struct pool *p)
{
    int64_t again_us = 0, now_us = engine_now(p->engine);
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        const struct endpoint *e = r->endpoint;
        int64_t at_us = r->seen->again_us > e->again_us ? r->seen->again_us : e->again_us;
        int64_t out_us = p->loads == NULL ? 0 : load_again_us(p, i);
        sooner(&again_us, at_us > out_us ? at_us : out_us, now_us);
        sooner(&again_us, e->overdue_us, now_us);
    }
    return again_us;
}

int32_t reach_probing(const struct pool *p)
{
    int32_t probing = 0;
    for (int32_t i = 0; p->reaches > 1 && i < p->reaches; i++)
        probing += endpoint_is_down(p->reach[i].endpoint) ? p->reach[i].opening : 0;
    return probing;
}

bool reach_has_hope(const struct pool *p)
{
    bool is_easy;
    for (int32_t i = 0; p->reaches > 1 && i < p->reaches; i++)
        if (!endpoint_is_down(p->reach[i].endpoint) && p->reach[i].seen->misses == 0)
            return true;
    return reach_next(p, &is_easy) >= 0;
}

bool reach_may_open(const struct pool *p, int32_t at)
{
    int64_t now_us = engine_now(p->engine);
    const struct reach *r = &p->reach[at];
    return now_us >= r->seen->again_us && state_of(r->endpoint, now_us) == CHOICE_READY;
}

bool reach_is_down(const struct reach *r)
{
    return endpoint_is_down(r->endpoint);
}

bool reach_is_unfit(const struct reach *r)
{
    return !r->seen->is_fit && r->seen->misses > 0;
}

/* --- for people ------------------------------------------------------------------------------- */

const char *reach_state(const struct reach *r)
{
    if (endpoint_is_down(r->endpoint))
        return "down";
    return r->seen->is_fit ? "fit" : r->seen->misses > 0 ? "unfit" : "unknown";
}

static bool is_hopeless(const struct endpoint *e)
{
    return endpoint_is_down(e) && e->why != NULL && error_is_hopeless(e->why->code);
}

/* What decides what the caller may do: an endpoint that may yet come, else the one to be repaired.
 */
static const struct reach *worth_telling(const struct pool *p)
{
    const struct reach *unfit = NULL, *hopeless = NULL;
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        if (!endpoint_is_down(r->endpoint))
            unfit = r;
        else if (is_hopeless(r->endpoint))
            hopeless = r;
        else
            return r;
    }
    return unfit != NULL ? unfit : hopeless;
}

/* The sentence of an error without the resource's name before it. */
static const char *bare(const struct pool *p, const char *text)
{
    size_t size = strlen(p->resource->name);
    bool has_name = strncmp(text, p->resource->name, size) == 0 && text[size] == ':';
    return has_name ? text + size + 1 + strspn(text + size + 1, " ") : text;
}

void reach_explain(const struct pool *p, const struct error *why, struct error *out)
{
    *out = *why;
    if (p->reaches == 1)
        return;
    const struct resource *r = p->resource;
    const struct reach *told = worth_telling(p);
    const struct error *first = told->endpoint->why;
    bool is_told = endpoint_is_down(told->endpoint) && first != NULL;
    error_set(out, is_told ? first->code : ERROR_UNFIT, "%s: no endpoint serves as %s: ", r->name,
              r->spec->role_name[p->role]);
    memcpy(out->state, is_told ? first->state : "", is_told ? sizeof out->state : 1);
    out->is_planted = is_told && first->is_planted;
    for (int32_t i = 0; i < p->reaches; i++)
        error_append(out, "%s%s is %s", i == 0 ? "" : ", ", p->reach[i].endpoint->name,
                     reach_state(&p->reach[i]));
    if (is_told)
        error_append(out, "; %s: %s", told->endpoint->name, bare(p, first->text));
}
