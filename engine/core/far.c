#include "core/far.h"

#include <stdlib.h>
#include <string.h>

#include "core/resource.h"

/* One worker. */
struct far {
    struct list_node node; /* in its ear's */
    struct hearer hearer;  /* in the ear while it is in a channel */
    struct hearer asked;   /* what its letter asks for; in the ear until that is answered */
    struct line *line;
    int32_t worker;
    int64_t session;
};

static const struct hearer_type hearing, asking;

static void answer(struct far *f, const struct error *why)
{
    relay_answer(f->line, f->worker, f->session, why);
}

/* --- as a hearer ------------------------------------------------------------------------------ */

static void told(struct hearer *h, const struct told *t)
{
    struct far *f = container_of(h, struct far, hearer);
    relay_tell(f->line, f->worker, f->session, t);
}

static void gap(struct hearer *h, const struct gap *g)
{
    struct far *f = container_of(h, struct far, hearer);
    relay_gap(f->line, f->worker, f->session, g);
}

static void opened(struct hearer *h)
{
    struct far *f = container_of(h, struct far, asked);
    struct ear *e = h->ear;
    if (f->hearer.ear == NULL) {
        hearer_init(&f->hearer, &hearing, e);
        ear_add_open(e, &f->hearer);
    }
    hearer_take_over(&f->hearer, h);
    h->ear = NULL;
    ear_leave(e, h);
    answer(f, &(struct error){.code = ERROR_OK});
}

/* Out of its ear. */
static void leave(struct hearer *h)
{
    struct ear *e = h->ear;
    if (e == NULL)
        return;
    hearer_leave_channels(h);
    h->ear = NULL;
    h->is_open = false;
    ear_leave(e, h);
}

static void failed(struct hearer *h, const struct error *why)
{
    answer(container_of(h, struct far, asked), why); /* its ear may be home no more then */
    leave(h);
}

static const struct hearer_type hearing = {.is_far = true, .told = told, .gap = gap};
static const struct hearer_type asking = {.is_far = true, .opened = opened, .failed = failed};

/* --- letters ---------------------------------------------------------------------------------- */

static void leave_all(struct far *f, const struct letter *letter)
{
    const char *name = letter->names;
    for (int32_t i = 0; i < letter->count && f->hearer.ear != NULL; i++, name += strlen(name) + 1)
        hearer_leave_channel(&f->hearer, name);
    if (f->hearer.ear != NULL && list_is_empty(&f->hearer.members))
        leave(&f->hearer);
    else if (f->hearer.ear != NULL)
        ear_look(f->hearer.ear);
    answer(f, &(struct error){.code = ERROR_OK});
}

static void ask_for_all(struct ear *e, struct far *f, const struct letter *letter)
{
    const char *name = letter->names;
    struct error why;
    hearer_init(&f->asked, &asking, e);
    for (int32_t i = 0; i < letter->count; i++, name += strlen(name) + 1) {
        if (hearer_add_new(&f->asked, name))
            continue;
        bool is_full = e->channels.all.count == CHANNELS_MOST;
        error_set(&why, is_full ? ERROR_LIMIT : ERROR_MEMORY,
                  "%s: no room for one more channel beside %u", e->pool->resource->name,
                  e->channels.all.count);
        hearer_leave_channels(&f->asked);
        f->asked.ear = NULL;
        answer(f, &why);
        return;
    }
    ear_join(e, &f->asked);
}

/* --- workers ---------------------------------------------------------------------------------- */

static void drop(struct ear *e, struct far *f)
{
    leave(&f->hearer);
    leave(&f->asked);
    list_remove(&e->far, &f->node);
    free(f);
}

static struct far *far_of(const struct ear *e, int32_t worker)
{
    for (struct list_node *n = list_head(&e->far); n != NULL; n = list_next(&e->far, n))
        if (container_of(n, struct far, node)->worker == worker)
            return container_of(n, struct far, node);
    return NULL;
}

static struct far *far_new(struct ear *e, const struct post *post)
{
    struct far *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->line = &e->line;
    f->worker = post->worker;
    f->session = post->session;
    node_init(&f->node);
    list_push_tail(&e->far, &f->node);
    return f;
}

static void take(struct ear *e, struct far *f, const struct post *post)
{
    if (f == NULL)
        f = far_new(e, post);
    if (f == NULL) {
        struct error why;
        error_set(&why, ERROR_MEMORY, "%s: no memory to listen", e->pool->resource->name);
        relay_answer(&e->line, post->worker, post->session, &why);
    } else if (post->letter->is_leaving) {
        leave_all(f, post->letter);
    } else {
        ask_for_all(e, f, post->letter);
    }
}

void far_look(struct ear *e)
{
    struct post post;
    for (int32_t i = 0; relay_next(&e->line, i, &post); i++) {
        struct far *f = far_of(e, i);
        if (f != NULL && (!post.is_here || post.session != f->session)) {
            drop(e, f);
            f = NULL;
        }
        if (post.letter != NULL && e->line.home == e->pool->engine->worker) /* still */
            take(e, f, &post);
        free(post.letter);
    }
}

void far_drop_all(struct ear *e)
{
    for (struct list_node *n = list_head(&e->far), *next; n != NULL; n = next) {
        next = list_next(&e->far, n);
        drop(e, container_of(n, struct far, node));
    }
}

/* --- from the home ---------------------------------------------------------------------------- */

static void hear_one(struct ear *e, struct message *m)
{
    const struct told t = {.channel = m->bytes,
                           .bytes = m->bytes + m->channel_size + 1,
                           .size = m->size,
                           .from = m->from};
    if (m->is_gap)
        ear_missed(e, message_gap(m));
    else
        ear_told(e, &t);
    free(m);
}

static void take_answer(struct ear *e, struct delivery *d)
{
    if (d->has_answer && e->state == EAR_FAR && e->done != NULL)
        ear_answered(e, &d->answer);
    d->has_answer = false;
}

void far_read(struct ear *e)
{
    struct message *m;
    struct delivery d;
    relay_read(&e->line, &d);
    uint32_t left = d.before;
    if (left == 0)
        take_answer(e, &d);
    if (d.backlog.front.why.code != ERROR_OK)
        ear_missed(e, &d.backlog.front);
    while ((m = messages_shift(&d.backlog.queue)) != NULL) {
        hear_one(e, m);
        if (left > 0 && --left == 0)
            take_answer(e, &d);
    }
    if (d.has_moved && e->state == EAR_FAR)
        ear_moved(e);
}
