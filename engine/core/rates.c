#include "core/rates.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/task.h"

#define SLICE_US 10000
#define KEY_SIZE 64

struct key {
    struct list_node node; /* the one that called last is the last one */
    struct rate rate;
    char name[KEY_SIZE];
};

/* What all workers have together. */
struct shared {
    struct common common;
    struct nebula_rate said;
    uint64_t said_at; /* see guards.h */
    struct rate all;
    struct index keys;
    struct list order;
};

struct rates {
    struct guards *guards;
    struct shared *shared;
    struct nebula_rate said; /* as all have it, */
    uint64_t said_at;        /* when this one looked last */
    struct rate_limit policy;
    int64_t left, size; /* of the slice */
    int64_t taken_us, next_us;
};

/* --- the beginning and the end ----------------------------------------------------------------- */

static void keys_free(struct common *c)
{
    struct shared *s = container_of(c, struct shared, common);
    for (struct list_node *n = list_head(&s->order), *next; n != NULL; n = next) {
        next = list_next(&s->order, n);
        free(container_of(n, struct key, node));
    }
    index_fini(&s->keys);
    free(s);
}

static struct common *make(const struct ledger *l, const void *how)
{
    (void)l;
    (void)how;
    struct shared *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    index_init(&s->keys);
    list_init(&s->order);
    s->common.free = keys_free;
    return &s->common;
}

static struct rate_limit policy_of(const struct nebula_rate *r)
{
    static const enum rate_shape shape[] = {[NEBULA_RATE_BUCKET] = RATE_BUCKET,
                                            [NEBULA_RATE_LEAKY] = RATE_LEAKY,
                                            [NEBULA_RATE_WINDOW] = RATE_WINDOW};
    return (struct rate_limit){
        .shape = shape[r->shape],
        .rate = {.tokens = r->tokens, .span_us = r->span_us, .burst = r->burst},
        .wait_us = r->wait_us};
}

/* Under the lock. What is left of a slice counts no more. */
static void go_by_all(struct rates *r)
{
    r->said = r->shared->said;
    r->said_at = r->shared->said_at;
    r->policy = policy_of(&r->said);
    r->left = 0;
    r->size = 1;
}

/* Another worker said something since. */
static void look(struct rates *r)
{
    if (r->said_at != r->shared->said_at)
        go_by_all(r);
}

/* What was said later is in force. */
static void say(struct rates *r)
{
    const struct guards *g = r->guards;
    struct shared *s = r->shared;
    common_lock(&s->common);
    if (g->said >= s->said_at) {
        s->said = g->rules->rate;
        s->said_at = g->said;
    }
    go_by_all(r);
    common_unlock(&s->common);
}

static struct rates *rates_of(struct guards *g)
{
    if (g->rates != NULL)
        return g->rates;
    struct rates *r = calloc(1, sizeof *r);
    struct common *c = r == NULL ? NULL : guards_join(g, "rate", make, NULL);
    if (c == NULL) {
        free(r);
        return NULL;
    }
    r->guards = g;
    r->shared = container_of(c, struct shared, common);
    g->rates = r;
    say(r);
    return r;
}

void rates_free(struct rates **rates)
{
    struct rates *r = *rates;
    *rates = NULL;
    if (r == NULL)
        return;
    common_leave(&r->shared->common);
    free(r);
}

void rates_changed(struct guards *g)
{
    struct rates *r = g->rates;
    if (r != NULL && g->rules->rate.shape != NEBULA_RATE_NONE)
        say(r);
}

/* --- all together ------------------------------------------------------------------------------ */

static struct rate_answer take(struct rates *r, struct rate *of, int64_t cost, int64_t left_us,
                               int64_t now_us)
{
    return rate_take(of, &r->policy, cost, left_us, now_us);
}

/* How far two are apart, that go one behind the other. */
static int64_t step_us(const struct rates *r)
{
    bool is_leaky = r->policy.shape == RATE_LEAKY;
    return is_leaky ? r->policy.rate.span_us / r->policy.rate.tokens : 0;
}

static int64_t most_of_slice(const struct rates *r)
{
    double most = (double)r->policy.rate.tokens * SLICE_US / (double)r->policy.rate.span_us;
    return most < 1 ? 1 : (int64_t)most;
}

/* The next slice is as large as the use of the last one makes likely. Whoever is alone takes what he needs. */
static void resize(struct rates *r, int64_t now_us)
{
    if (!r->shared->common.is_shared)
        return;
    int64_t most = most_of_slice(r), used = r->size - r->left;
    bool is_over = now_us - r->taken_us >= SLICE_US || now_us < r->taken_us;
    int64_t size = is_over ? used : r->size * 2;
    r->size = size < 1 ? 1 : size > most ? most : size;
}

static struct rate_answer take_slice(struct rates *r, int64_t left_us, int64_t now_us)
{
    struct shared *s = r->shared;
    common_lock(&s->common);
    look(r);
    resize(r, now_us);
    struct rate_answer a = {.verdict = RATE_REFUSE};
    if (r->size > 1)
        a = take(r, &s->all, r->size, left_us, now_us);
    if (a.verdict != RATE_GO) {
        r->size = 1;
        a = take(r, &s->all, 1, left_us, now_us);
    }
    common_unlock(&s->common);
    r->left = a.verdict == RATE_REFUSE ? 0 : r->size - 1;
    r->taken_us = now_us;
    if (r->left > 0)
        r->next_us = a.at_us + step_us(r);
    return a;
}

/* Of the slice that there is; false: it is used up, or too old. */
static bool use_slice(struct rates *r, int64_t left_us, int64_t now_us, struct rate_answer *a)
{
    bool is_good = r->left > 0 && now_us >= r->taken_us && now_us < r->taken_us + SLICE_US;
    int64_t at_us = r->next_us > now_us ? r->next_us : now_us;
    if (!is_good || at_us - now_us > r->policy.wait_us || at_us - now_us > left_us)
        return false;
    r->left--;
    r->next_us = at_us + step_us(r);
    *a = (struct rate_answer){.verdict = at_us > now_us ? RATE_WAIT : RATE_GO, .at_us = at_us};
    return true;
}

/* --- each for itself ---------------------------------------------------------------------------- */

static void name_key(const struct rates *r, char *out)
{
    const struct task *task = r->guards->resource->engine->task;
    if (r->said.per == NEBULA_PER_TENANT)
        snprintf(out, KEY_SIZE, "%s", context_tenant(task->context));
    else
        snprintf(out, KEY_SIZE, "%016" PRIx64, task->key);
}

/* Where all are used the one that called longest ago has another name. */
static struct key *key_new(struct shared *s)
{
    if (s->keys.used < RATES_KEYS_MOST) {
        struct key *k = calloc(1, sizeof *k);
        if (k != NULL)
            node_init(&k->node);
        return k;
    }
    struct list_node *oldest = list_pop_head(&s->order);
    CHECK(oldest != NULL);
    struct key *k = container_of(oldest, struct key, node);
    index_drop(&s->keys, k->name);
    k->rate = (struct rate){.since_us = 0};
    return k;
}

/* NULL when out of memory. */
static struct key *key_of(struct shared *s, const char *name)
{
    struct key *k = index_get(&s->keys, name);
    if (k != NULL) {
        list_remove(&s->order, &k->node);
    } else {
        if ((k = key_new(s)) == NULL)
            return NULL;
        memcpy(k->name, name, KEY_SIZE);
        if (!index_add(&s->keys, k->name, k)) {
            free(k);
            return NULL;
        }
    }
    list_push_tail(&s->order, &k->node);
    return k;
}

static struct rate_answer take_of_key(struct rates *r, int64_t left_us, int64_t now_us)
{
    struct shared *s = r->shared;
    char name[KEY_SIZE] = "";
    name_key(r, name);
    common_lock(&s->common);
    look(r);
    struct key *k = key_of(s, name);
    struct rate_answer a = {.verdict = RATE_GO, .at_us = now_us};
    if (k != NULL)
        a = take(r, &k->rate, 1, left_us, now_us);
    common_unlock(&s->common);
    return a;
}

/* --- for who calls ------------------------------------------------------------------------------ */

static void explain(const struct rates *r, struct rate_answer a, int64_t now_us, struct error *why)
{
    static const char *const whose[] = {[NEBULA_PER_ALL] = "",
                                        [NEBULA_PER_KEY] = " of this key",
                                        [NEBULA_PER_TENANT] = " of this tenant"};
    const struct nebula_rate *said = &r->said;
    error_set(why, ERROR_RATE, "%s: no more calls%s now than %" PRId64 " in %" PRId64 " ms",
              r->guards->resource->name, whose[said->per], said->tokens, said->span_us / 1000);
    why->retry_after_us = a.at_us == RATE_NEVER ? 0 : a.at_us - now_us;
}

struct rate_answer rates_take(struct guards *g, int64_t left_us, struct error *why)
{
    int64_t now_us = engine_now(g->resource->engine);
    if (g->rules->rate.shape == NEBULA_RATE_NONE) /* since the call began */
        return (struct rate_answer){.verdict = RATE_GO, .at_us = now_us};
    struct rates *r = rates_of(g);
    struct rate_answer a = {.verdict = RATE_REFUSE};
    if (r == NULL) {
        error_set(why, ERROR_MEMORY, "%s: no memory for a rate", g->resource->name);
        return a;
    }
    if (r->said.per != NEBULA_PER_ALL)
        a = take_of_key(r, left_us, now_us);
    else if (!use_slice(r, left_us, now_us, &a))
        a = take_slice(r, left_us, now_us);
    if (a.verdict == RATE_REFUSE)
        explain(r, a, now_us, why);
    return a;
}
