/* nebula_listen.c - listeners: opening one, and what it is told. */
#include "nebula_border.h"

#include <string.h>

#include "core/hear.h"
#include "core/listen.h"
#include "core/resource.h"

static int32_t check_channels(struct engine *e, const struct resource *r,
                              const struct nebula_channels *asked)
{
    const struct nebula_spec *spec = r->spec;
    if (spec->listen == NULL)
        return engine_refuse(e, ERROR_USAGE, "%s: a resource of the kind %s tells nothing", r->name,
                             spec->kind);
    if (asked->count < 1 || asked->name == NULL || asked->queue < 1 || asked->bytes < 1)
        return engine_refuse(e, ERROR_USAGE,
                             "%s: a listener has at least one channel, and room for a message",
                             r->name);
    for (int32_t i = 0; i < asked->count; i++) {
        size_t size = asked->name[i] == NULL ? 0 : strlen(asked->name[i]);
        if (size == 0 || size > (size_t)spec->channel_most)
            return engine_refuse(e, ERROR_USAGE,
                                 "%s: the name of channel %d has %zu bytes; 1 to %d are good",
                                 r->name, i + 1, size, spec->channel_most);
    }
    return 0;
}

int32_t nebula_listen(struct nebula *n, const struct nebula_channels *channels)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, channels->resource);
    if (r == NULL)
        return border_no_resource(e, channels->resource);
    int32_t refusal = check_channels(e, r, channels);
    return refusal < 0 ? refusal : listen_begin(r, channels);
}

int32_t nebula_hear(struct nebula *n, int64_t listener, int64_t within_us)
{
    return hear_begin(border_enter(n), listener, within_us);
}

static void describe_message(struct nebula_told *out, const struct message *m)
{
    *out = (struct nebula_told){.channel = m->bytes,
                                .channel_size = m->channel_size,
                                .bytes = m->bytes + m->channel_size + 1,
                                .size = m->size,
                                .from = m->from};
}

static void describe_gap(struct nebula_told *out, struct engine *e, struct gap *g)
{
    secret_mask(&e->secrets, g->why.text, strlen(g->why.text));
    *out = (struct nebula_told){.gap = (int32_t)g->why.code,
                                .channel = "",
                                .bytes = g->why.text,
                                .size = (uint32_t)strlen(g->why.text),
                                .missed = g->missed,
                                .span_us = g->span_us};
}

int32_t nebula_told(struct nebula *n, int32_t ticket, struct nebula_told *out)
{
    struct engine *e = border_enter(n);
    struct ticket *t = ticket_find(e, ticket);
    struct hear *h = t == NULL || t->state != TICKET_TAKEN ? NULL : hear_of(t);
    if (h == NULL || t->code != ERROR_OK)
        return engine_refuse(e, ERROR_STALE, "ticket %d was told nothing", ticket);
    h->is_read = true;
    if (h->message == NULL)
        describe_gap(out, e, &h->gap);
    else if (h->message->is_gap)
        describe_gap(out, e, message_gap(h->message));
    else
        describe_message(out, h->message);
    return 0;
}

int32_t nebula_unlisten(struct nebula *n, int64_t listener)
{
    struct engine *e = border_enter(n);
    struct listener *l = listener_find(e, listener);
    if (l == NULL)
        return engine_refuse(e, ERROR_STALE, "the listener was closed already");
    listener_free(l);
    return 0;
}
