#include "core/channel.h"

#include <stdlib.h>
#include <string.h>

#include "base/index.h"

static uint32_t bucket_of(const char *name)
{
    return index_hash(name) % CHANNEL_BUCKETS;
}

static struct channel *channel_at(struct list_node *n)
{
    return container_of(n, struct channel, node);
}

void channels_init(struct channels *s)
{
    *s = (struct channels){.bucket = {NULL}};
    list_init(&s->all);
}

struct channel *channels_find(const struct channels *s, const char *name)
{
    struct channel *c = s->bucket[bucket_of(name)];
    while (c != NULL && strcmp(c->name, name) != 0)
        c = c->next;
    return c;
}

struct channel *channels_use(struct channels *s, const char *name)
{
    struct channel *c = channels_find(s, name);
    size_t size = strlen(name);
    if (c != NULL || s->all.count == CHANNELS_MOST)
        return c;
    c = calloc(1, sizeof *c + size + 1);
    if (c == NULL)
        return NULL;
    c->size = (uint32_t)size;
    memcpy(c->name, name, size + 1);
    node_init(&c->node);
    list_init(&c->members);
    list_push_tail(&s->all, &c->node);
    struct channel **bucket = &s->bucket[bucket_of(name)];
    c->next = *bucket;
    *bucket = c;
    return c;
}

void channels_drop(struct channels *s, struct channel *c)
{
    if (!list_is_empty(&c->members) || c->is_in_force || c->is_asked)
        return;
    struct channel **at = &s->bucket[bucket_of(c->name)];
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    list_remove(&s->all, &c->node);
    free(c);
}

/* Counts, and writes unless to is NULL. */
static size_t put(char *to, size_t at, const char *from, size_t size)
{
    if (to != NULL && size > 0)
        memcpy(to + at, from, size);
    return at + size;
}

static size_t write_words(const struct channel *c, const char *words, char *to)
{
    const char *place = strstr(words, "%s");
    const char quote = place[-1];
    size_t size = put(to, 0, words, (size_t)(place - words));
    for (const char *at = c->name; *at != '\0'; at++) {
        if (*at == quote)
            size = put(to, size, &quote, 1);
        size = put(to, size, at, 1);
    }
    return put(to, size, place + 2, strlen(place + 2));
}

size_t channels_words(const struct channels *s, const char *words, char *to)
{
    size_t size = 0;
    for (struct list_node *n = list_head(&s->all); n != NULL; n = list_next(&s->all, n))
        if (channel_at(n)->is_asked)
            size += write_words(channel_at(n), words, to == NULL ? NULL : to + size);
    return size;
}

bool channels_ask_known(struct channels *s)
{
    bool is_one = false;
    for (struct list_node *n = list_head(&s->all); n != NULL; n = list_next(&s->all, n)) {
        struct channel *c = channel_at(n);
        c->is_asked = c->is_known && !list_is_empty(&c->members);
        is_one |= c->is_asked;
    }
    return is_one;
}

bool channels_ask_left(struct channels *s)
{
    bool is_one = false;
    for (struct list_node *n = list_head(&s->all); n != NULL; n = list_next(&s->all, n)) {
        struct channel *c = channel_at(n);
        c->is_asked = c->is_in_force && list_is_empty(&c->members);
        c->is_in_force = c->is_in_force && !c->is_asked;
        is_one |= c->is_asked;
    }
    return is_one;
}

void channels_answered(struct channels *s, bool is_agreed)
{
    for (struct list_node *n = list_head(&s->all), *next; n != NULL; n = next) {
        struct channel *c = channel_at(n);
        next = list_next(&s->all, n);
        if (c->is_asked && is_agreed)
            c->is_in_force = c->is_known = true;
        c->is_asked = false;
        channels_drop(s, c);
    }
}

void channels_lost(struct channels *s)
{
    for (struct list_node *n = list_head(&s->all); n != NULL; n = list_next(&s->all, n))
        channel_at(n)->is_in_force = false;
    channels_answered(s, false);
}
