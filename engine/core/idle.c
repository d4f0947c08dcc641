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
        if (c->since_us < oldest->since_us)
            oldest = c;
    return oldest;
}
