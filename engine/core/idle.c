#include "core/idle.h"

void idle_remove(struct idle *i, const struct conn *c)
{
    struct conn **at = &i->first, *before = NULL;
    while (*at != c) {
        CHECK(*at != NULL);
        before = *at;
        at = &before->after;
    }
    *at = c->after;
    if (i->last == c)
        i->last = before;
}

static bool comes_before(const struct idle *i, const struct conn *a, const struct conn *b)
{
    int64_t lead_us = conn_idle_since(b) - conn_idle_since(a);
    return i->is_fifo ? lead_us >= 0 : lead_us < 0;
}

void idle_put_back(struct idle *i, struct conn *c)
{
    struct conn **at = &i->first;
    while (*at != NULL && comes_before(i, *at, c))
        at = &(*at)->after;
    c->after = *at;
    *at = c;
    if (c->after == NULL)
        i->last = c;
}

uint32_t idle_count(const struct idle *i)
{
    uint32_t count = 0;
    for (const struct conn *c = i->first; c != NULL; c = c->after)
        count++;
    return count;
}

struct conn *idle_oldest(const struct idle *i)
{
    struct conn *oldest = i->first;
    for (struct conn *c = oldest; c != NULL; c = c->after)
        if (conn_idle_since(c) < conn_idle_since(oldest))
            oldest = c;
    return oldest;
}
