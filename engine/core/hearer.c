#include "core/hearer.h"

#include <stdlib.h>
#include <string.h>

#include "core/ear.h"

static struct member *member_at(struct list_node *n)
{
    return container_of(n, struct member, in_hearer);
}

void hearer_init(struct hearer *h, const struct hearer_type *type, struct ear *ear)
{
    *h = (struct hearer){.type = type, .ear = ear};
    node_init(&h->in_ear);
    node_init(&h->in_opening);
    list_init(&h->members);
}

static void join(struct hearer *h, struct channel *c, struct member *m)
{
    m->channel = c;
    m->hearer = h;
    node_init(&m->in_channel);
    node_init(&m->in_hearer);
    list_push_tail(&c->members, &m->in_channel);
    list_push_tail(&h->members, &m->in_hearer);
}

bool hearer_add_new(struct hearer *h, const char *channel)
{
    struct member *m = calloc(1, sizeof *m);
    struct channel *c = m == NULL ? NULL : channels_use(&h->ear->channels, channel);
    if (c == NULL) {
        free(m);
        return false;
    }
    join(h, c, m);
    return true;
}

bool hearer_add(struct hearer *h, const char *channel)
{
    for (struct list_node *n = list_head(&h->members); n != NULL; n = list_next(&h->members, n))
        if (strcmp(member_at(n)->channel->name, channel) == 0)
            return true;
    return hearer_add_new(h, channel);
}

bool hearer_ask_missing(const struct hearer *h)
{
    bool is_one = false;
    for (struct list_node *n = list_head(&h->members); n != NULL; n = list_next(&h->members, n)) {
        struct channel *c = member_at(n)->channel;
        c->is_asked = !c->is_in_force;
        is_one |= c->is_asked;
    }
    return is_one;
}

static void leave(struct hearer *h, struct member *m)
{
    list_remove(&m->channel->members, &m->in_channel);
    list_remove(&h->members, &m->in_hearer);
    channels_drop(&h->ear->channels, m->channel);
    free(m);
}

void hearer_leave_channel(struct hearer *h, const char *channel)
{
    const struct channel *c = channels_find(&h->ear->channels, channel);
    struct list_node *n = c == NULL ? NULL : list_head(&c->members);
    while (n != NULL && container_of(n, struct member, in_channel)->hearer != h)
        n = list_next(&c->members, n);
    if (n != NULL)
        leave(h, container_of(n, struct member, in_channel));
}

void hearer_leave_channels(struct hearer *h)
{
    for (struct list_node *n = list_head(&h->members), *next; n != NULL; n = next) {
        next = list_next(&h->members, n);
        leave(h, member_at(n));
    }
}

void hearer_take_over(struct hearer *h, struct hearer *from)
{
    struct list_node *n;
    while ((n = list_pop_head(&from->members)) != NULL) {
        struct member *m = member_at(n);
        list_remove(&m->channel->members, &m->in_channel);
        join(h, m->channel, m);
    }
}
