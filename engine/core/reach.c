#include "core/reach.h"

#include <stdlib.h>
#include <string.h>

#include "core/load.h"
#include "core/pool.h"
#include "core/resource.h"
#include "rules/choice.h"
#include "rules/retry.h"

#define REOPEN_FIRST_US 50000 /* after a failed attempt; doubles, with full jitter */
#define REOPEN_MOST_US 1000000

/* --- the endpoints ---------------------------------------------------------------------------- */

void endpoint_init(struct endpoint *e, const char *name, int32_t connecting)
{
    *e = (struct endpoint){.name = name};
    fill_init(&e->fill, &(struct fill_policy){.connecting = connecting});
}

void endpoint_fini(struct endpoint *e)
{
    free(e->why);
    e->why = NULL;
}

static bool is_down(const struct endpoint *e)
{
    return e->fill.failures > 0;
}

void reach_init(struct pool *p)
{
    const struct nebula_spec *spec = p->resource->spec;
    endpoint_init(&p->own, NULL, spec->pool.connecting);
    for (int32_t i = 0; i < p->reaches; i++) {
        struct reach *r = &p->reach[i];
        r->endpoint = spec->endpoints == 0 ? &p->own : &p->resource->endpoint[i];
        r->target = (struct target){.resource = p->resource->name,
                                    .depth = p->share,
                                    .option = p->resource->option,
                                    .options = p->resource->options,
                                    .role = p->role,
                                    .endpoint = i};
        r->easy = r->target;
        r->easy.is_easy = true;
    }
}

void reach_fini(struct pool *p)
{
    endpoint_fini(&p->own);
}

/* --- the next one ----------------------------------------------------------------------------- */

static uint8_t choice_of(const struct pool *p)
{
    return p->resource->spec->role_choice[p->role];
}

/* One that failed before is no good for others while it is probed. */
static enum choice_state state_of(const struct endpoint *e, int64_t now_us)
{
    if (now_us < e->again_us)
        return CHOICE_USELESS;
    if (fill_has_room(&e->fill, e->opening))
        return CHOICE_READY;
    return is_down(e) ? CHOICE_USELESS : CHOICE_FULL;
}

/* is_easy: whatever it is will do. */
static void survey(const struct pool *p, bool is_easy, struct choice_of *of)
{
    int64_t now_us = engine_now(p->engine);
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        bool is_pausing = !is_easy && now_us < r->again_us;
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
    uint8_t choice = choice_of(p);
    survey(p, false, of);
    *is_easy_out = (choice & NEBULA_FALL_BACK) != 0 && is_all_useless(of, p->reaches);
    if (*is_easy_out)
        survey(p, true, of);
    return (choice & NEBULA_SPREAD) != 0 ? choice_spread(of, p->reaches, p->last)
                                         : choice_stay(of, p->reaches, p->last);
}

int64_t reach_again_us(const struct pool *p)
{
    int64_t again_us = 0, now_us = engine_now(p->engine);
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        int64_t at_us = r->again_us > r->endpoint->again_us ? r->again_us : r->endpoint->again_us;
        int64_t out_us = p->loads == NULL ? 0 : load_again_us(p, i);
        at_us = at_us > out_us ? at_us : out_us;
        if (at_us > now_us && (again_us == 0 || at_us < again_us))
            again_us = at_us;
    }
    return again_us;
}

int32_t reach_probing(const struct pool *p)
{
    int32_t probing = 0;
    for (int32_t i = 0; p->reaches > 1 && i < p->reaches; i++)
        probing += is_down(p->reach[i].endpoint) ? p->reach[i].opening : 0;
    return probing;
}

bool reach_has_hope(const struct pool *p)
{
    bool is_easy;
    for (int32_t i = 0; p->reaches > 1 && i < p->reaches; i++)
        if (!is_down(p->reach[i].endpoint) && p->reach[i].misses == 0)
            return true;
    return reach_next(p, &is_easy) >= 0;
}

/* --- what came of it -------------------------------------------------------------------------- */

static int64_t pause_end_us(const struct pool *p, int32_t failures)
{
    const struct retry_policy pace = {.pause_us = REOPEN_FIRST_US, .pause_max_us = REOPEN_MOST_US};
    struct engine *e = p->engine;
    int64_t pause_us = retry_pause_us(&pace, failures + 1, e->world->random(e->world));
    return engine_now(e) + REOPEN_FIRST_US / 5 + pause_us;
}

static void tell(const struct pool *p, const struct endpoint *e, enum log_level level,
                 const char *text, const struct error *why)
{
    const struct log_field field[] = {{.key = "resource", .text = p->resource->name},
                                      {.key = "endpoint", .text = e->name},
                                      {.key = "error", .text = why == NULL ? NULL : why->text}};
    if (e->name != NULL)
        engine_log(p->engine, level, text, field, why == NULL ? 2 : 3);
}

static void answered(struct pool *p, struct endpoint *e)
{
    if (is_down(e))
        tell(p, e, LOG_INFO, "the endpoint answers again", e->why);
    fill_opened(&e->fill, &p->size);
    e->again_us = 0;
    endpoint_fini(e);
}

static void went_down(struct pool *p, struct endpoint *e, const struct error *why)
{
    if (!is_down(e))
        tell(p, e, LOG_WARN, "the endpoint is down", why);
    fill_failed(&e->fill);
    e->again_us = pause_end_us(p, e->fill.failures);
    if (e->why == NULL && e->name != NULL)
        e->why = malloc(sizeof *e->why);
    if (e->why != NULL)
        *e->why = *why;
}

/* What it comes back as, nobody knows. */
static void forget(const struct pool *p, int32_t at)
{
    const struct resource *r = p->resource;
    for (int32_t role = 0; role < r->spec->roles; role++) {
        struct pool *one = resource_peek(r, role);
        if (one != NULL)
            one->reach[at].is_fit = false;
    }
}

static void missed(struct pool *p, struct reach *r)
{
    r->is_fit = false;
    if (r->misses < INT32_MAX)
        r->misses++;
    r->again_us = pause_end_us(p, r->misses);
}

void reach_failed(struct pool *p, int32_t at, const struct error *why)
{
    struct reach *r = &p->reach[at];
    load_arrived(p, at);
    if (why->code != ERROR_UNFIT) {
        went_down(p, r->endpoint, why);
        forget(p, at);
        return;
    }
    answered(p, r->endpoint);
    missed(p, r);
}

void reach_opened(struct pool *p, int32_t at, bool is_easy)
{
    struct reach *r = &p->reach[at];
    load_arrived(p, at);
    answered(p, r->endpoint);
    if (is_easy)
        return;
    if ((choice_of(p) & NEBULA_SPREAD) == 0)
        forget(p, at); /* whose it is now, it is no other's */
    r->is_fit = true;
    r->misses = 0;
    r->again_us = 0;
}

void reach_turned(struct pool *p, int32_t at)
{
    struct reach *r = &p->reach[at];
    if (r->is_fit)
        tell(p, r->endpoint, LOG_WARN, "the endpoint is not what the role needs any more", NULL);
    r->misses = 0;
    missed(p, r);
}

bool reach_may_open(const struct pool *p, int32_t at)
{
    int64_t now_us = engine_now(p->engine);
    const struct reach *r = &p->reach[at];
    return now_us >= r->again_us && state_of(r->endpoint, now_us) == CHOICE_READY;
}

bool reach_is_down(const struct reach *r)
{
    return is_down(r->endpoint);
}

bool reach_is_unfit(const struct reach *r)
{
    return !r->is_fit && r->misses > 0;
}

/* --- for people ------------------------------------------------------------------------------- */

const char *reach_state(const struct reach *r)
{
    if (is_down(r->endpoint))
        return "down";
    return r->is_fit ? "fit" : r->misses > 0 ? "unfit" : "unknown";
}

static bool is_hopeless(const struct endpoint *e)
{
    return is_down(e) && e->why != NULL && error_is_hopeless(e->why->code);
}

/* What decides what the caller may do: an endpoint that may yet come, else the one to be repaired.
 */
static const struct reach *worth_telling(const struct pool *p)
{
    const struct reach *unfit = NULL, *hopeless = NULL;
    for (int32_t i = 0; i < p->reaches; i++) {
        const struct reach *r = &p->reach[i];
        if (!is_down(r->endpoint))
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
    bool is_told = is_down(told->endpoint) && first != NULL;
    error_set(out, is_told ? first->code : ERROR_UNFIT, "%s: no endpoint serves as %s: ", r->name,
              r->spec->role_name[p->role]);
    memcpy(out->state, is_told ? first->state : "", is_told ? sizeof out->state : 1);
    for (int32_t i = 0; i < p->reaches; i++)
        error_append(out, "%s%s is %s", i == 0 ? "" : ", ", p->reach[i].endpoint->name,
                     reach_state(&p->reach[i]));
    if (is_told)
        error_append(out, "; %s: %s", told->endpoint->name, bare(p, first->text));
}
