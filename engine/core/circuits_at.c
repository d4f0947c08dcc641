#include "core/circuits_at.h"

#include <stdlib.h>

#include "core/circuits_inner.h"
#include "core/operation.h"
#include "core/pool.h"

struct circuits_at {
    int32_t count; /* as the resource has endpoints */
    struct circuits of[];
};

bool circuits_at_apply(const struct guards *g)
{
    const struct nebula_circuit *said = &g->rules->circuit;
    return said->mode != NEBULA_CIRCUIT_NONE && said->per == NEBULA_CIRCUIT_PER_ENDPOINT;
}

/* --- the beginning and the end ---------------------------------------------------------------- */

void circuits_at_free(struct circuits_at **at)
{
    struct circuits_at *x = *at;
    *at = NULL;
    for (int32_t i = 0; x != NULL && i < x->count; i++)
        circuits_fini(&x->of[i]);
    free(x);
}

static void begin(struct guards *g)
{
    int32_t count = reach_count(g->resource);
    struct circuits_at *x = calloc(1, sizeof *x + (size_t)count * sizeof x->of[0]);
    bool is_whole = x != NULL;
    for (int32_t i = 0; is_whole && i < count; i++) {
        is_whole = circuits_init(&x->of[i], g, i);
        x->count += is_whole;
    }
    if (is_whole)
        g->at = x;
    else
        circuits_at_free(&x);
}

/* NULL when there are none, or no memory for them: then nothing is refused. */
static struct circuits_at *circuits_of(struct guards *g)
{
    if (g->at == NULL && circuits_at_apply(g))
        begin(g);
    return g->at;
}

static void change(struct guards *g)
{
    if (circuits_at_apply(g))
        for (int32_t i = 0; i < g->at->count; i++)
            circuits_change(&g->at->of[i]);
    else
        circuits_at_free(&g->at);
}

/* Who waits may be served by others now. */
void circuits_at_changed(struct guards *g)
{
    if (g->at == NULL)
        return;
    change(g);
    resource_each_pool(g->resource, keep_soon);
}

/* --- for who calls ---------------------------------------------------------------------------- */

static struct circuits_at_choice choice_of(struct circuits_at *x)
{
    struct circuits_at_choice is = {.may = UINT32_MAX, .due = 0};
    struct circuits_refusal why;
    for (int32_t i = 0; x != NULL && i < x->count; i++) {
        enum circuits_word word = circuits_would_say(&x->of[i], &why);
        is.may &= ~((uint32_t)(word == CIRCUITS_REFUSE) << i);
        is.due |= (uint32_t)(word == CIRCUITS_PROBE) << i;
    }
    return is;
}

struct circuits_at_choice circuits_at_choice(struct guards *g)
{
    return choice_of(g == NULL ? NULL : circuits_of(g));
}

static bool is_shut(struct circuits_at *x, int32_t at, struct circuits_refusal *why)
{
    return circuits_would_say(&x->of[at], why) == CIRCUITS_REFUSE;
}

/* By order there is no end of it. */
static int64_t left_us(const struct circuits_refusal *r)
{
    return r->cause.why == CIRCUIT_ORDER ? INT64_MAX : r->left_us;
}

void circuits_at_next(struct guards *g, uint32_t of, struct circuits_refusal *out)
{
    struct circuits_at *x = circuits_of(g);
    struct circuits_refusal why;
    bool is_one = false;
    for (int32_t i = 0; x != NULL && i < x->count; i++) {
        if ((of >> i & 1) == 0 || !is_shut(x, i, &why))
            continue;
        if (!is_one || left_us(&why) < left_us(out))
            *out = why;
        is_one = true;
    }
}

bool circuits_at_pass(struct guards *g, int32_t at, uint64_t *pass)
{
    struct circuits_at *x = circuits_of(g);
    struct circuits_refusal why;
    *pass = x == NULL ? 0 : circuits_take(&x->of[at], &why);
    return x == NULL || *pass != 0;
}

uint64_t circuits_at_pass_leased(struct guards *g, int32_t at)
{
    uint64_t pass;
    circuits_at_pass(g, at, &pass);
    return pass;
}

/* --- how it ended ----------------------------------------------------------------------------- */

/* A permit that is free again is no news where nobody else is, and may be what somebody waits for. */
void circuits_at_end(struct guards *g, int32_t at, uint64_t pass, enum error_code code,
                     bool was_sent, int64_t took_us)
{
    if (g->at == NULL || pass == 0)
        return;
    struct circuits *c = &g->at->of[at];
    circuits_hand_in(c, pass, code, was_sent, took_us);
    if ((c->word & CIRCUIT_STATE) == CIRCUIT_HALF)
        resource_each_pool(g->resource, keep_soon);
}

void circuits_at_failed(struct resource *r, int32_t at, enum error_code code)
{
    if (!circuits_counts(code, false))
        return;
    for (struct operation *o = r->operations; o != NULL; o = o->next)
        if (o->is_apart)
            circuits_at_end(o->guards, at, circuits_at_pass_leased(o->guards, at), code, false, 0);
}

/* --- for the pools ---------------------------------------------------------------------------- */

uint32_t circuits_at_shut_for_all(const struct resource *r)
{
    uint32_t shut = r->operations == NULL ? 0 : UINT32_MAX;
    for (const struct operation *o = r->operations; o != NULL && shut != 0; o = o->next)
        if (o->is_apart)
            shut &= ~choice_of(o->guards->at).may;
    return shut;
}

static int64_t opens_us(struct circuits_at *x, int32_t at)
{
    struct circuits_refusal why;
    return x != NULL && is_shut(x, at, &why) ? circuits_opens_us(&x->of[at]) : INT64_MAX;
}

int64_t circuits_at_again_us(const struct resource *r, int32_t at)
{
    int64_t again_us = INT64_MAX;
    for (const struct operation *o = r->operations; o != NULL; o = o->next) {
        int64_t at_us = o->is_apart ? opens_us(o->guards->at, at) : INT64_MAX;
        again_us = at_us < again_us ? at_us : again_us;
    }
    return again_us == INT64_MAX ? 0 : again_us;
}

/* --- for people ------------------------------------------------------------------------------- */

bool circuits_at_standing(const struct guards *g, int32_t at, struct circuit_standing *out)
{
    if (g->at != NULL)
        circuits_stand(&g->at->of[at], out);
    return g->at != NULL;
}

bool circuits_at_view(const struct guards *g, int32_t at, struct circuits_view *out)
{
    if (g->at != NULL)
        circuits_show(&g->at->of[at], out);
    return g->at != NULL;
}
