#include "core/crew.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "core/engine.h"

struct member {
    struct seat seat;
    struct news *first, **last; /* on their way to it */
    int32_t waiting;            /* so many */
    _Atomic int64_t turned_us;
};

struct crew {
    struct common common;
    int32_t workers, present;
    int64_t number;
    struct member member[];
};

static struct common *make(const struct ledger *l, const void *how)
{
    (void)how;
    int32_t workers = ledger_workers(l);
    struct crew *c = calloc(1, sizeof *c + (size_t)workers * sizeof c->member[0]);
    if (c == NULL)
        return NULL;
    c->workers = workers;
    for (int32_t i = 0; i < workers; i++)
        c->member[i].last = &c->member[i].first;
    return &c->common;
}

static struct member *member_of(const struct engine *e)
{
    return &e->crew->member[e->worker];
}

static void look(void *taker)
{
    struct engine *e = taker;
    struct member *m = member_of(e);
    common_lock(&e->crew->common);
    struct news *next, *n = m->first;
    m->first = NULL;
    m->last = &m->first;
    m->waiting = 0;
    common_unlock(&e->crew->common);
    for (; n != NULL; n = next) {
        next = n->next;
        n->arrived(n, e);
    }
}

bool crew_join(struct engine *e)
{
    struct common *c = common_join(e->ledger, "crew", make, NULL);
    if (c == NULL)
        return false;
    e->crew = (struct crew *)(void *)c;
    CHECK(e->worker >= 0 && e->worker < e->crew->workers);
    crew_turned(e);
    common_lock(c);
    seat_take(&member_of(e)->seat, c, e->loop, e, look);
    e->crew->present++;
    common_unlock(c);
    return true;
}

void crew_leave(struct engine *e)
{
    struct crew *c = e->crew;
    if (c == NULL)
        return;
    common_lock(&c->common);
    seat_leave(&member_of(e)->seat);
    c->present--;
    common_unlock(&c->common);
    while (member_of(e)->first != NULL) /* nobody else sends there any more */
        look(e);
    e->crew = NULL;
    common_leave(&c->common);
}

int32_t crew_others(const struct engine *e)
{
    struct crew *c = e->crew;
    if (c == NULL)
        return 0;
    common_lock(&c->common);
    int32_t others = c->present - 1;
    common_unlock(&c->common);
    return others;
}

/* Under the lock. */
static void put(struct member *to, struct news *n)
{
    n->next = NULL;
    *to->last = n;
    to->last = &n->next;
    to->waiting++;
    seat_tell(&to->seat);
}

bool crew_send(struct engine *e, int32_t worker, struct news *n)
{
    struct crew *c = e->crew;
    if (c == NULL)
        return false;
    CHECK(worker >= 0 && worker < c->workers && worker != e->worker);
    struct member *to = &c->member[worker];
    common_lock(&c->common);
    bool is_there = to->seat.taker != NULL;
    if (is_there)
        put(to, n);
    common_unlock(&c->common);
    return is_there;
}

void crew_again(struct engine *e, struct news *n)
{
    struct common *c = &e->crew->common;
    common_lock(c);
    put(member_of(e), n);
    common_unlock(c);
}

int32_t crew_waiting(const struct engine *e, int32_t worker)
{
    struct crew *c = e->crew;
    common_lock(&c->common);
    int32_t waiting = c->member[worker].waiting;
    common_unlock(&c->common);
    return waiting;
}

bool crew_is_full(const struct engine *e, struct error *why)
{
    int32_t workers = e->crew == NULL ? 0 : e->crew->workers, i = 0;
    while (i < workers && crew_waiting(e, i) < CREW_NEWS_MOST)
        i++;
    if (i < workers)
        error_set(why, ERROR_FULL, "worker %d does not turn, and has %d orders before it", i,
                  CREW_NEWS_MOST);
    return i < workers;
}

void crew_turned(struct engine *e)
{
    if (e->crew != NULL)
        atomic_store_explicit(&member_of(e)->turned_us, engine_now(e), memory_order_relaxed);
}

int64_t crew_turned_us(const struct engine *e, int32_t worker)
{
    return atomic_load_explicit(&e->crew->member[worker].turned_us, memory_order_relaxed);
}

int64_t crew_number(struct engine *e)
{
    struct crew *c = e->crew;
    if (c == NULL)
        return 0;
    common_lock(&c->common);
    int64_t number = ++c->number;
    common_unlock(&c->common);
    return number;
}
