#include "core/hold.h"

#include <stdlib.h>
#include <string.h>

#include "core/lease.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/task.h"

static const struct nebula_pool *declared(const struct pool *p)
{
    return &p->resource->spec->pool;
}

/* --- for the host ---------------------------------------------------------------------------- */

struct hold *hold_take(struct engine *e)
{
    struct hold *h = e->holds.first;
    if (h == NULL)
        return NULL;
    e->holds.first = h->next;
    e->holds.count--;
    return h;
}

void holds_fini(struct engine *e)
{
    struct hold *h;
    while ((h = hold_take(e)) != NULL)
        free(h);
    free(e->holds.place);
}

bool hold_is_noted(const struct resource *r)
{
    const struct hold *h = r->engine->holds.first;
    while (h != NULL && h->resource != r)
        h = h->next;
    return h != NULL;
}

/* Without memory it is counted alone. */
static void note(const struct conn *c)
{
    struct engine *e = c->pool->engine;
    struct hold *h = e->holds.count < HOLDS_MOST ? malloc(sizeof *h) : NULL;
    if (h == NULL)
        return;
    *h = (struct hold){.lease = c->lease,
                       .held_us = c->noted_us,
                       .task = c->holder->number,
                       .resource = c->pool->resource,
                       .conn = c->id,
                       .is_reclaimed = declared(c->pool)->is_reclaiming,
                       .place = hold_place(c)};
    if (e->holds.first == NULL)
        e->holds.first = h;
    else
        e->holds.last->next = h;
    e->holds.last = h;
    e->holds.count++;
}

/* --- where it was taken ---------------------------------------------------------------------- */

/* Where the last lease of a row was taken that was traced. */
struct hold_place {
    int64_t lease;
    const char *text;
};

static int32_t row_of(const struct conn *c)
{
    return (int32_t)(c->lease & (LEASE_STEP - 1));
}

const char *hold_place(const struct conn *c)
{
    const struct holds *all = &c->pool->engine->holds;
    bool is_known = row_of(c) < all->places && all->place[row_of(c)].lease == c->lease;
    return is_known ? all->place[row_of(c)].text : NULL;
}

static bool make_room(struct engine *e)
{
    struct holds *all = &e->holds;
    int32_t size = e->leases.size;
    if (all->places == size)
        return true;
    struct hold_place *place = realloc(all->place, (size_t)size * sizeof *place);
    if (place == NULL)
        return false;
    memset(place + all->places, 0, (size_t)(size - all->places) * sizeof *place);
    all->place = place;
    all->places = size;
    return true;
}

bool hold_trace(struct conn *c, const char *place)
{
    struct engine *e = c->pool->engine;
    const char *text = names_keep(&e->said, place);
    if (text == NULL || !make_room(e))
        return false;
    e->holds.place[row_of(c)] = (struct hold_place){c->lease, text};
    return true;
}

bool hold_was_noted(const struct conn *c)
{
    return conn_is_noted(c, NOTE_HOLD);
}

/* --- looking --------------------------------------------------------------------------------- */

static int64_t due_us(const struct conn *c)
{
    return c->since_us + (hold_was_noted(c) ? 2 * c->noted_us : declared(c->pool)->hold_us);
}

static void held_too_long(struct conn *c)
{
    struct pool *p = c->pool;
    conn_note(c, NOTE_HOLD, engine_now(p->engine) - c->since_us);
    p->stats.holds++;
    note(c);
    if (!declared(p)->is_reclaiming)
        return;
    p->stats.reclaims++;
    lease_reclaim(&c->pool->engine->leases, c, c->noted_us);
    conn_cancel(c);
}

/* Looks from the front again after each that was taken away: its end may close others. */
void hold_look(struct pool *p)
{
    if (declared(p)->hold_us == 0)
        return;
    for (struct conn *c = p->conns.first, *next; c != NULL; c = next) {
        next = c->next;
        if (!lease_is_out(c) || engine_now(p->engine) < due_us(c))
            continue;
        held_too_long(c);
        if (declared(p)->is_reclaiming)
            next = p->conns.first;
    }
}

/* What is leased after this look is due no sooner than hold_us from now, so that lending need not arm
 * anything. */
int64_t hold_next(const struct pool *p)
{
    if (declared(p)->hold_us == 0)
        return INT64_MAX;
    int64_t at_us = engine_now(p->engine) + declared(p)->hold_us;
    if (p->conns.count == 0)
        return INT64_MAX;
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next)
        if (lease_is_out(c) && due_us(c) < at_us)
            at_us = due_us(c);
    return at_us;
}
