#include "core/common.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/index.h"

struct ledger {
    pthread_mutex_t lock;
    int32_t workers;
    _Atomic uint64_t stamps;
    struct index things; /* by identity */
};

struct ledger *ledger_new(int32_t workers)
{
    CHECK(workers >= 1 && workers <= LEDGER_WORKERS_MOST);
    struct ledger *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->workers = workers;
    pthread_mutex_init(&l->lock, NULL);
    index_init(&l->things);
    return l;
}

void ledger_free(struct ledger **ledger)
{
    struct ledger *l = *ledger;
    *ledger = NULL;
    CHECK(l->things.used == 0);
    index_fini(&l->things);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int32_t ledger_workers(const struct ledger *l)
{
    return l->workers;
}

uint64_t ledger_stamp(struct ledger *l)
{
    return l == NULL ? 0 : atomic_fetch_add_explicit(&l->stamps, 1, memory_order_relaxed);
}

/* --- things ----------------------------------------------------------------------------------- */

static void drop(struct common *c)
{
    pthread_mutex_destroy(&c->lock);
    free((char *)(uintptr_t)c->identity);
    if (c->free != NULL)
        c->free(c);
    else
        free(c);
}

static void use(struct common *c, int32_t by)
{
    struct ledger *l = c->ledger;
    pthread_mutex_lock(&l->lock);
    c->users += by;
    bool is_last = by < 0 && c->users == 0;
    if (is_last)
        index_drop(&l->things, c->identity);
    pthread_mutex_unlock(&l->lock);
    if (is_last)
        drop(c);
}

/* Under the ledger's lock. */
static struct common *add(struct ledger *l, const char *identity, common_make *make,
                          const void *how)
{
    struct common *c = make(l, how);
    if (c == NULL)
        return NULL;
    c->ledger = l;
    c->is_shared = l->workers > 1;
    c->identity = strdup(identity);
    pthread_mutex_init(&c->lock, NULL);
    if (c->identity != NULL && index_add(&l->things, c->identity, c))
        return c;
    drop(c);
    return NULL;
}

static struct common *make_alone(common_make *make, const void *how)
{
    struct common *c = make(NULL, how);
    if (c != NULL)
        pthread_mutex_init(&c->lock, NULL);
    return c;
}

struct common *common_join(struct ledger *l, const char *identity, common_make *make,
                           const void *how)
{
    if (l == NULL)
        return make_alone(make, how);
    pthread_mutex_lock(&l->lock);
    struct common *c = index_get(&l->things, identity);
    if (c == NULL)
        c = add(l, identity, make, how);
    if (c != NULL)
        c->users++;
    pthread_mutex_unlock(&l->lock);
    return c;
}

void common_leave(struct common *c)
{
    if (c->ledger == NULL)
        drop(c);
    else
        use(c, -1);
}

/* --- seats ------------------------------------------------------------------------------------ */

/* On the worker's loop. He looks after the lock is open again: he will ask for more than this. */
static void arrived(struct note *n)
{
    struct seat *s = container_of(n, struct seat, note);
    struct common *c = s->common;
    common_lock(c);
    s->is_told = false;
    void *taker = s->taker;
    common_unlock(c);
    if (taker != NULL)
        s->look(taker);
    use(c, -1);
}

/* A note for who sat there before may still be on its way, to the same loop. */
void seat_take(struct seat *s, struct common *c, struct loop *loop, void *taker,
               void (*look)(void *taker))
{
    CHECK(s->taker == NULL);
    s->note.arrived = arrived;
    s->common = c;
    s->loop = loop;
    s->look = look;
    s->taker = taker;
}

void seat_leave(struct seat *s)
{
    s->taker = NULL;
}

void seat_tell(struct seat *s)
{
    struct common *c = s->common;
    if (s->is_told || s->taker == NULL)
        return;
    s->is_told = true;
    s->times++;
    use(c, 1);
    if (!loop_leave(s->loop, &s->note))
        return;
    s->next_roused = c->roused;
    c->roused = s;
}

/* When it is open, what was behind it may be gone. */
void common_rouse(struct common *c)
{
    struct loop *loop[LEDGER_WORKERS_MOST];
    int count = 0;
    for (const struct seat *s = c->roused; s != NULL; s = s->next_roused)
        loop[count++] = s->loop;
    c->roused = NULL;
    common_unlock(c);
    while (count > 0)
        loop_rouse(loop[--count]);
}
