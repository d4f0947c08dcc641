#include "hub_inner.h"

#include <stdlib.h>

/* --- lines ------------------------------------------------------------------------------------ */

static struct place *first(const struct list *line)
{
    struct list_node *n = list_head(line);
    return n == NULL ? NULL : container_of(n, struct place, node);
}

static struct list *line_of(const struct place *p)
{
    return p->is_sending ? &p->channel->senders : &p->channel->receivers;
}

/* A place was left, a message taken or brought back: something may move in the channel. That waits
 * until all else is done (hub_unlock()), so that no step begins inside another one. */
static void loosen(struct hub *h, struct hub_channel *ch)
{
    if (!node_is_listed(&ch->loose))
        list_push_tail(&h->loose, &ch->loose);
}

static void leave_line(struct hub *h, struct place *p)
{
    if (node_is_listed(&p->node) && p->is_sending) {
        p->channel->waiting_bytes -= p->message->size;
        loosen(h, p->channel); /* who stood behind may be smaller */
    }
    list_remove(line_of(p), &p->node);
}

/* Ends a wait by one of its places, and lets its worker know. */
static void settle(struct hub *h, struct place *p, enum hub_end end)
{
    struct hub_wait *w = p->wait;
    CHECK(w->end == HUB_WAITS);
    for (int32_t i = 0; i < w->count; i++)
        leave_line(h, &w->place[i]);
    w->end = end;
    w->at = (int32_t)(p - w->place);
    struct hub_member *m = &h->member[w->worker];
    if (list_is_empty(&m->told))
        h->to_wake |= UINT64_C(1) << w->worker;
    list_push_tail(&m->told, &w->told);
    atomic_store(&m->told_count, m->told.count);
}

static void append(struct hub_channel *ch, struct hub_message *m)
{
    list_push_tail(&ch->messages, &m->node);
    ch->held += m->size;
}

static bool has_room(const struct hub_channel *ch, const struct hub_message *m)
{
    CHECK(m != NULL);
    return ch->held + m->size <= ch->most && ch->messages.count < HUB_MESSAGES_MOST;
}

/* A message goes to who has waited longest, or lies in the channel. False: there is no room. */
static bool put(struct hub *h, struct hub_channel *ch, struct hub_message *m)
{
    struct place *p = first(&ch->receivers);
    if (p == NULL && (!list_is_empty(&ch->senders) || !has_room(ch, m)))
        return false;
    m->number = ch->next_number++;
    if (p == NULL) {
        append(ch, m);
        return true;
    }
    p->message = m;
    settle(h, p, HUB_DONE);
    return true;
}

/* Takes the message of the sender who has waited longest. */
static struct hub_message *accept(struct hub *h, struct place *p)
{
    struct hub_channel *ch = p->channel;
    struct hub_message *m = p->message;
    CHECK(m != NULL);
    settle(h, p, HUB_DONE);
    p->message = NULL;
    m->number = ch->next_number++;
    return m;
}

struct hub_message *hub_line_take(struct hub *h, struct hub_channel *ch)
{
    struct list_node *n = list_pop_head(&ch->messages);
    if (n == NULL) {
        struct place *p = first(&ch->senders);
        return p == NULL ? NULL : accept(h, p);
    }
    struct hub_message *m = container_of(n, struct hub_message, node);
    ch->held -= m->size;
    loosen(h, ch);
    return m;
}

void hub_line_move(struct hub *h, struct hub_channel *ch)
{
    struct place *p;
    while (!list_is_empty(&ch->messages) && (p = first(&ch->receivers)) != NULL) {
        p->message = hub_line_take(h, ch);
        settle(h, p, HUB_DONE);
    }
    while ((p = first(&ch->senders)) != NULL && has_room(ch, p->message))
        append(ch, accept(h, p));
}

void hub_line_close(struct hub *h, struct hub_channel *ch)
{
    for (struct place *p; (p = first(&ch->receivers)) != NULL;)
        settle(h, p, HUB_CLOSED);
    for (struct place *p; (p = first(&ch->senders)) != NULL;)
        settle(h, p, HUB_CLOSED);
}

/* A message that was handed over and not taken: to its place, before those that came after it. */
static void put_back(struct hub *h, struct hub_channel *ch, struct hub_message *m)
{
    struct list_node *ring = &ch->messages.ring, *at = ring;
    while (at->next != ring && container_of(at->next, struct hub_message, node)->number < m->number)
        at = at->next;
    list_insert_after(&ch->messages, at, &m->node);
    ch->held += m->size;
    loosen(h, ch);
}

/* --- sending and receiving -------------------------------------------------------------------- */

static struct hub_outcome try(struct hub *h, struct hub_case *cases, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct hub_channel *ch = cases[i].channel;
        struct hub_outcome done = {.end = HUB_DONE, .at = i};
        bool is_sending = cases[i].message != NULL;
        CHECK(!is_sending || ch->most == 0 || cases[i].message->size <= ch->most);
        if (is_sending && !ch->is_closed && put(h, ch, cases[i].message)) {
            cases[i].message = NULL;
            return done;
        }
        if (!is_sending && (done.message = hub_line_take(h, ch)) != NULL)
            return done;
        if (ch->is_closed)
            return (struct hub_outcome){.end = HUB_CLOSED, .at = i};
    }
    return (struct hub_outcome){.end = HUB_WAITS};
}

struct hub_outcome hub_try(struct hub *h, struct hub_case *cases, int32_t count)
{
    hub_lock(h);
    struct hub_outcome out = try(h, cases, count);
    hub_unlock(h);
    return out;
}

static bool is_full(const struct hub_case *c)
{
    const struct hub_channel *ch = c->channel;
    if (c->message == NULL)
        return ch->receivers.count >= HUB_WAITING_MOST;
    return ch->senders.count >= HUB_WAITING_MOST ||
           ch->waiting_bytes + c->message->size > HUB_WAITING_BYTES_MOST;
}

static void stand(struct hub_wait *w, int32_t i, struct hub_case *c)
{
    struct place *p = &w->place[i];
    *p = (struct place){
        .wait = w, .channel = c->channel, .message = c->message, .is_sending = c->message != NULL};
    node_init(&p->node);
    p->channel->known++;
    if (p->is_sending)
        p->channel->waiting_bytes += p->message->size;
    list_push_tail(line_of(p), &p->node);
    c->message = NULL;
}

struct hub_wait *hub_wait(struct hub *h, int32_t worker, int32_t ticket, struct hub_case *cases,
                          int32_t count, struct hub_outcome *out)
{
    CHECK(ticket > 0 && count > 0);
    struct hub_wait *w = calloc(1, sizeof *w + (size_t)count * sizeof w->place[0]);
    if (w == NULL) {
        *out = (struct hub_outcome){.end = HUB_NO_MEMORY};
        return NULL;
    }
    hub_lock(h);
    *out = try(h, cases, count);
    for (int32_t i = 0; i < count && out->end == HUB_WAITS; i++) {
        if (is_full(&cases[i]))
            *out = (struct hub_outcome){.end = HUB_FULL, .at = i};
    }
    bool is_waiting = out->end == HUB_WAITS;
    if (is_waiting) {
        CHECK(h->member[worker].is_in);
        w->worker = worker;
        w->ticket = ticket;
        w->count = count;
        node_init(&w->node);
        node_init(&w->told);
        list_push_tail(&h->member[worker].waits, &w->node);
        for (int32_t i = 0; i < count; i++)
            stand(w, i, &cases[i]);
    }
    hub_unlock(h);
    if (!is_waiting)
        free(w);
    return is_waiting ? w : NULL;
}

struct hub_outcome hub_line_finish(struct hub *h, struct hub_wait *w, bool is_abandoned)
{
    struct hub_member *m = &h->member[w->worker];
    list_remove(&m->waits, &w->node);
    list_remove(&m->told, &w->told);
    atomic_store(&m->told_count, m->told.count);
    struct hub_outcome out = {.end = w->end, .at = w->at};
    struct place *p = &w->place[w->at];
    if (w->end == HUB_DONE && !p->is_sending) {
        out.message = p->message;
        p->message = NULL;
    }
    if (out.message != NULL && is_abandoned) {
        put_back(h, p->channel, out.message);
        out.message = NULL;
    }
    for (int32_t i = 0; i < w->count; i++) {
        p = &w->place[i];
        leave_line(h, p);
        p->channel->known--;
        if (!hub_is_forgotten(h, p->channel))
            p->channel = NULL;
    }
    return out;
}

void hub_line_discard(struct hub_wait *w)
{
    for (int32_t i = 0; i < w->count; i++) {
        free(w->place[i].message);
        free(w->place[i].channel);
    }
    free(w);
}

struct hub_outcome hub_wait_end(struct hub *h, struct hub_wait **wait, bool is_abandoned)
{
    struct hub_wait *w = *wait;
    *wait = NULL;
    hub_lock(h);
    struct hub_outcome out = hub_line_finish(h, w, is_abandoned);
    hub_unlock(h);
    hub_line_discard(w);
    return out;
}
