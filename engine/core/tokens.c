#include "core/tokens.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "rules/hedge.h"

struct tokens { /* of all workers */
    struct common common;
    _Atomic uint64_t throttle;
    _Atomic int64_t spent;
};

static struct common *make(const struct ledger *l, const void *how)
{
    (void)l;
    (void)how;
    struct tokens *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    atomic_init(&t->throttle, 0); /* nothing is known: all tokens are there */
    atomic_init(&t->spent, 0);
    return &t->common;
}

static struct tokens *tokens_of(struct guards *g)
{
    if (g->tokens == NULL) {
        struct common *c = guards_join(g, "tokens", make, NULL);
        g->tokens = c == NULL ? NULL : container_of(c, struct tokens, common);
    }
    return g->tokens;
}

void tokens_free(struct tokens **tokens)
{
    if (*tokens != NULL)
        common_leave(&(*tokens)->common);
    *tokens = NULL;
}

bool tokens_charge(struct guards *g, const struct throttle_policy *p, enum throttle_wish wish,
                   int32_t *paid)
{
    struct tokens *t = tokens_of(g);
    if (t == NULL)
        return false;
    uint64_t word = atomic_load_explicit(&t->throttle, memory_order_relaxed);
    struct throttle_verdict v;
    do {
        v = throttle_charge(word, p, wish);
    } while (!atomic_compare_exchange_weak(&t->throttle, &word, v.word));
    *paid = v.paid;
    return v.may_retry;
}

void tokens_reward(struct guards *g, const struct throttle_policy *p, int32_t paid)
{
    struct tokens *t = tokens_of(g);
    if (t == NULL)
        return;
    uint64_t word = atomic_load_explicit(&t->throttle, memory_order_relaxed), next;
    do {
        next = throttle_reward(word, p, paid);
    } while (next != word && !atomic_compare_exchange_weak(&t->throttle, &word, next));
}

static struct hedge_policy policy_of(const struct nebula_hedge *h)
{
    return (struct hedge_policy){.share = h->percent / 100.0, .burst = h->burst};
}

void tokens_earn(struct guards *g, const struct nebula_hedge *h)
{
    struct tokens *t = tokens_of(g);
    if (t == NULL)
        return;
    int64_t spent = atomic_load_explicit(&t->spent, memory_order_relaxed);
    if (spent == 0)
        return;
    const struct hedge_policy p = policy_of(h);
    while (!atomic_compare_exchange_weak(&t->spent, &spent, hedge_earn(&p, spent, 1)))
        continue;
}

bool tokens_spend(struct guards *g, const struct nebula_hedge *h)
{
    struct tokens *t = tokens_of(g);
    if (t == NULL)
        return false;
    const struct hedge_policy p = policy_of(h);
    int64_t spent = atomic_load_explicit(&t->spent, memory_order_relaxed), next;
    do {
        next = hedge_spend(&p, spent);
        if (next == spent)
            return false;
    } while (!atomic_compare_exchange_weak(&t->spent, &spent, next));
    return true;
}

void tokens_return(struct guards *g)
{
    int64_t spent = atomic_load_explicit(&g->tokens->spent, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&g->tokens->spent, &spent, hedge_return(spent)))
        ;
}
