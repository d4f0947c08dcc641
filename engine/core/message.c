#include "core/message.h"

#include <stdlib.h>
#include <string.h>

struct message *message_of_told(const struct told *t)
{
    size_t channel_size = strlen(t->channel);
    struct message *m = malloc(sizeof *m + channel_size + 1 + t->size + 1);
    if (m == NULL)
        return NULL;
    *m = (struct message){.channel_size = (uint32_t)channel_size, .size = t->size, .from = t->from};
    memcpy(m->bytes, t->channel, channel_size + 1);
    if (t->size > 0)
        memcpy(m->bytes + channel_size + 1, t->bytes, t->size);
    m->bytes[channel_size + 1 + t->size] = '\0';
    return m;
}

struct message *message_of_gap(const struct gap *g)
{
    struct message *m = malloc(sizeof *m + sizeof *g);
    if (m == NULL)
        return NULL;
    *m = (struct message){.is_gap = true};
    memcpy(m->bytes, g, sizeof *g);
    return m;
}

struct gap *message_gap(struct message *m)
{
    return m->is_gap ? (struct gap *)(void *)m->bytes : NULL;
}

static int64_t bytes_of(const struct message *m)
{
    return (int64_t)m->channel_size + m->size;
}

void messages_init(struct messages *s)
{
    *s = (struct messages){.bytes = 0};
    list_init(&s->list);
}

void messages_push(struct messages *s, struct message *m)
{
    node_init(&m->node);
    list_push_tail(&s->list, &m->node);
    s->bytes += bytes_of(m);
}

void messages_unshift(struct messages *s, struct message *m)
{
    node_init(&m->node);
    list_push_head(&s->list, &m->node);
    s->bytes += bytes_of(m);
}

struct message *messages_shift(struct messages *s)
{
    struct list_node *n = list_pop_head(&s->list);
    if (n == NULL)
        return NULL;
    struct message *m = container_of(n, struct message, node);
    s->bytes -= bytes_of(m);
    return m;
}
