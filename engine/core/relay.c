#include "core/relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/index.h"
#include "core/channel.h"
#include "core/common.h"
#include "core/crew.h"
#include "core/identity.h"
#include "core/pool.h"
#include "core/resource.h"

#define NOBODY (-1)

/* One worker at it. */
struct place {
    struct seat seat;
    bool is_here;
    int64_t session;
    struct letter *letter; /* to the home */
    struct backlog backlog;
    bool has_answer;
    uint32_t before;
    struct error answer;
};

struct relay {
    struct common common; /* its lock is that of all that follows */
    int32_t home;
    int64_t term; /* homes there ever were */
    int32_t places;
    struct place place[]; /* by worker */
};

/* --- all workers together --------------------------------------------------------------------- */

static void clear(struct place *p)
{
    free(p->letter);
    p->letter = NULL;
    p->has_answer = false;
    backlog_fini(&p->backlog);
}

static struct common *relay_make(const struct ledger *l, const void *how)
{
    (void)how;
    int32_t places = ledger_workers(l);
    struct relay *r = calloc(1, sizeof *r + (size_t)places * sizeof r->place[0]);
    if (r == NULL)
        return NULL;
    r->home = NOBODY;
    r->places = places;
    for (int32_t i = 0; i < places; i++)
        backlog_init(&r->place[i].backlog, RELAY_MOST, RELAY_BYTES_MOST);
    return &r->common;
}

static int32_t self(const struct line *l)
{
    return l->pool->engine->worker;
}

static struct place *place_of(const struct line *l)
{
    return &l->relay->place[self(l)];
}

static void lock(const struct line *l)
{
    common_lock(&l->relay->common);
}

static void unlock(const struct line *l)
{
    common_unlock(&l->relay->common);
}

static bool is_home(const struct line *l)
{
    return l->relay->home == self(l);
}

bool relay_join(struct line *l, struct pool *p, void *ear, void (*look)(void *ear))
{
    const struct engine *e = p->engine;
    *l = (struct line){.pool = p, .home = NOBODY};
    if (e->ledger == NULL)
        return true;
    char *identity = identity_of(p->resource, "relay", p->role);
    struct common *c = identity == NULL ? NULL : common_join(e->ledger, identity, relay_make, NULL);
    free(identity);
    if (c == NULL)
        return false;
    l->relay = container_of(c, struct relay, common);
    lock(l);
    seat_take(&place_of(l)->seat, c, e->loop, ear, look);
    unlock(l);
    return true;
}

void relay_leave(struct line *l)
{
    if (l->relay == NULL)
        return;
    CHECK(l->home == NOBODY);
    lock(l);
    seat_leave(&place_of(l)->seat);
    unlock(l);
    common_leave(&l->relay->common);
    l->relay = NULL;
}

/* --- who is home ------------------------------------------------------------------------------ */

bool relay_come(struct line *l)
{
    struct relay *r = l->relay;
    if (r == NULL)
        return true;
    struct place *p = place_of(l);
    lock(l);
    if (r->home == NOBODY) {
        r->home = self(l);
        r->term++;
    }
    if (!p->is_here || l->term != r->term) {
        p->is_here = true;
        p->session++;
        clear(p);
    }
    l->home = r->home;
    l->term = r->term;
    unlock(l);
    return l->home == self(l);
}

/* By its name, so that not one worker is home of all. */
static void pass_on(struct relay *r)
{
    uint64_t first = index_hash(r->common.identity) % (uint64_t)r->places;
    r->home = NOBODY;
    r->term++;
    for (int32_t i = 0; i < r->places && r->home == NOBODY; i++) {
        int32_t at = (int32_t)((first + (uint64_t)i) % (uint64_t)r->places);
        if (r->place[at].is_here)
            r->home = at;
    }
    for (int32_t i = 0; i < r->places; i++)
        if (r->place[i].is_here)
            seat_tell(&r->place[i].seat);
}

void relay_go(struct line *l)
{
    struct relay *r = l->relay;
    if (r == NULL || l->home == NOBODY)
        return;
    struct place *p = place_of(l);
    lock(l);
    p->is_here = false;
    p->session++;
    clear(p);
    if (is_home(l))
        pass_on(r);
    else if (r->home != NOBODY)
        seat_tell(&r->place[r->home].seat);
    l->home = NOBODY;
    unlock(l);
}

/* --- not at home ------------------------------------------------------------------------------ */

struct letter *letter_of(const struct channels *s, bool is_leaving)
{
    size_t size = 0;
    int32_t count = 0;
    struct list_node *n;
    for (n = list_head(&s->all); n != NULL; n = list_next(&s->all, n)) {
        const struct channel *c = container_of(n, struct channel, node);
        size += c->is_asked ? c->size + 1 : 0;
        count += c->is_asked;
    }
    struct letter *letter = malloc(sizeof *letter + size);
    if (letter == NULL)
        return NULL;
    *letter = (struct letter){.is_leaving = is_leaving, .count = count, .size = size};
    char *to = letter->names;
    for (n = list_head(&s->all); n != NULL; n = list_next(&s->all, n)) {
        const struct channel *c = container_of(n, struct channel, node);
        if (!c->is_asked)
            continue;
        memcpy(to, c->name, c->size + 1);
        to += c->size + 1;
    }
    return letter;
}

void relay_write(struct line *l, struct letter *letter)
{
    struct relay *r = l->relay;
    struct place *p = place_of(l);
    lock(l);
    CHECK(p->letter == NULL && p->is_here);
    p->letter = letter;
    if (r->home != NOBODY)
        seat_tell(&r->place[r->home].seat);
    unlock(l);
}

bool relay_unwrite(struct line *l)
{
    struct place *p = place_of(l);
    lock(l);
    struct letter *letter = p->letter;
    p->letter = NULL;
    unlock(l);
    free(letter);
    return letter != NULL;
}

int64_t relay_silent_us(const struct line *l)
{
    const struct engine *e = l->pool->engine;
    return engine_now(e) - crew_turned_us(e, l->home);
}

void relay_read(struct line *l, struct delivery *out)
{
    struct place *p = place_of(l);
    backlog_init(&out->backlog, 0, 0);
    lock(l);
    struct message *m;
    while ((m = messages_shift(&p->backlog.queue)) != NULL)
        messages_push(&out->backlog.queue, m);
    out->backlog.front = p->backlog.front;
    p->backlog.front = (struct gap){.missed = 0};
    out->has_answer = p->has_answer;
    out->before = p->before;
    out->answer = p->answer;
    p->has_answer = false;
    out->has_moved = l->home != NOBODY && l->term != l->relay->term;
    unlock(l);
}

/* --- at home ---------------------------------------------------------------------------------- */

bool relay_next(struct line *l, int32_t worker, struct post *out)
{
    struct relay *r = l->relay;
    if (r == NULL || worker >= r->places)
        return false;
    struct place *p = &r->place[worker];
    *out = (struct post){.worker = worker};
    if (worker == self(l))
        return true;
    lock(l);
    out->is_here = p->is_here;
    out->session = p->session;
    if (is_home(l) && l->home == r->home) {
        out->letter = p->letter;
        p->letter = NULL;
    }
    unlock(l);
    return true;
}

/* Under the lock from here to unlock(), unless it is NULL: the worker has gone, or begun anew. */
static struct place *enter(struct line *l, int32_t worker, int64_t session)
{
    struct place *p = &l->relay->place[worker];
    lock(l);
    if (is_home(l) && p->is_here && p->session == session)
        return p;
    unlock(l);
    return NULL;
}

void relay_answer(struct line *l, int32_t worker, int64_t session, const struct error *why)
{
    struct place *p = enter(l, worker, session);
    if (p == NULL)
        return;
    p->has_answer = true;
    p->before = p->backlog.queue.list.count;
    p->answer = *why;
    seat_tell(&p->seat);
    unlock(l);
}

/* Those that were dropped are not before the answer any more. */
static void drop(const struct line *l, int32_t worker, struct place *p)
{
    struct error why;
    if (!backlog_is_over_full(&p->backlog))
        return;
    error_set(
        &why, ERROR_FULL,
        "%s: %d messages or %d bytes are the most on their way to worker %d, which did not turn",
        l->pool->resource->name, RELAY_MOST, RELAY_BYTES_MOST, worker);
    uint32_t dropped = (uint32_t)backlog_trim(&p->backlog, &why);
    p->before -= dropped < p->before ? dropped : p->before;
}

static void push(struct line *l, int32_t worker, int64_t session, struct message *m,
                 const struct gap *instead)
{
    struct place *p = enter(l, worker, session);
    if (p == NULL) {
        free(m);
        return;
    }
    if (m == NULL) {
        backlog_miss(&p->backlog, instead);
        p->before = 0;
    } else {
        messages_push(&p->backlog.queue, m);
        drop(l, worker, p);
    }
    seat_tell(&p->seat);
    unlock(l);
}

void relay_tell(struct line *l, int32_t worker, int64_t session, const struct told *t)
{
    struct gap g = {.missed = 1};
    struct message *m = message_of_told(t);
    if (m == NULL)
        error_set(&g.why, ERROR_MEMORY, "%s: no memory to keep what was told",
                  l->pool->resource->name);
    push(l, worker, session, m, &g);
}

void relay_gap(struct line *l, int32_t worker, int64_t session, const struct gap *g)
{
    push(l, worker, session, message_of_gap(g), g);
}
