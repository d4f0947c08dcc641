#include "core/gather.h"

#include <stdatomic.h>
#include <string.h>

#include "core/crew.h"

/* A part, and how it travels. */
struct sheet {
    struct news news;
    struct gather *gather;
    _Atomic bool is_begun; /* by its worker, which needs more than one turn */
    struct finding finding;
    int64_t silent_us;
};

struct gather {
    _Atomic int32_t users; /* whoever asked, and those whose sheet is out */
    struct engine *engine; /* of whoever asked; his thread's, like what follows */
    gather_over *over;
    void *data;
    struct timer timer;
    int32_t left; /* sheets that did not come yet */
    bool is_forgotten;
    int32_t asker; /* from here on nothing changes */
    gather_make *make;
    struct order order;
    char *texts; /* of the order */
    int32_t sheets;
    struct sheet sheet[];
};

static void finding_fini(struct finding *p)
{
    json_decref(p->told);
    p->told = NULL;
    for (int32_t i = 0; i < p->windows; i++) {
        window_fini(&p->window[i].window);
        free(p->window[i].role);
    }
    p->windows = 0;
}

static void let_go(struct gather *g)
{
    if (atomic_fetch_sub(&g->users, 1) > 1)
        return;
    for (int32_t i = 0; i < g->sheets; i++)
        finding_fini(&g->sheet[i].finding);
    free(g->texts);
    free(g);
}

/* --- on the way ------------------------------------------------------------------------------- */

/* Since when it does not turn is what there is to say of it. */
static void give_up(struct gather *g, struct sheet *s)
{
    s->silent_us = loop_refresh(g->engine->loop) - crew_turned_us(g->engine, s->finding.worker);
}

static void finish(struct gather *g)
{
    loop_disarm(g->engine->loop, &g->timer);
    g->over(g, g->data);
}

/* On the asker's thread, or that of whoever has his place by now: then it was forgotten. */
static void came_back(struct news *n, struct engine *here)
{
    (void)here;
    struct sheet *s = container_of(n, struct sheet, news);
    struct gather *g = s->gather;
    if (!g->is_forgotten && g->left > 0) {
        s->finding.is_here = true;
        if (--g->left == 0)
            finish(g);
    }
    let_go(g);
}

static void arrived(struct news *n, struct engine *there)
{
    struct sheet *s = container_of(n, struct sheet, news);
    struct gather *g = s->gather;
    if (!g->make(there, &g->order, &s->finding)) {
        atomic_store_explicit(&s->is_begun, true, memory_order_relaxed);
        crew_again(there, n);
        return;
    }
    n->arrived = came_back;
    if (!crew_send(there, g->asker, n))
        let_go(g);
}

/* Until when one of those who have begun may still be at it. */
static int64_t patience_us(const struct gather *g)
{
    int64_t until_us = 0;
    for (int32_t i = 0; i < g->sheets; i++) {
        const struct sheet *s = &g->sheet[i];
        if (s->finding.is_here || !atomic_load_explicit(&s->is_begun, memory_order_relaxed))
            continue;
        int64_t late_us = crew_turned_us(g->engine, s->finding.worker) + GATHER_US;
        until_us = late_us > until_us ? late_us : until_us;
    }
    return until_us;
}

static void time_is_up(struct timer *t)
{
    struct gather *g = container_of(t, struct gather, timer);
    int64_t until_us = patience_us(g);
    if (until_us > loop_refresh(g->engine->loop)) {
        loop_arm(g->engine->loop, &g->timer, until_us);
        return;
    }
    for (int32_t i = 0; i < g->sheets; i++)
        if (!g->sheet[i].finding.is_here)
            give_up(g, &g->sheet[i]);
    g->left = 0;
    finish(g);
}

/* --- the asker -------------------------------------------------------------------------------- */

/* The name and the role become the gather's own. */
static bool copy_texts(struct gather *g, const struct order *o)
{
    size_t name = o->name == NULL ? 0 : strlen(o->name) + 1;
    size_t role = o->role == NULL ? 0 : strlen(o->role) + 1;
    g->order = *o;
    g->texts = malloc(name + role + 1);
    if (g->texts == NULL)
        return false;
    if (name > 0)
        g->order.name = memcpy(g->texts, o->name, name);
    if (role > 0)
        g->order.role = memcpy(g->texts + name, o->role, role);
    return true;
}

static struct gather *make_one(struct engine *e, const struct order *o, int32_t workers)
{
    struct gather *g = calloc(1, sizeof *g + (size_t)workers * sizeof g->sheet[0]);
    if (g == NULL || !copy_texts(g, o)) {
        free(g);
        return NULL;
    }
    atomic_init(&g->users, 1);
    g->engine = e;
    g->asker = e->worker;
    timer_init(&g->timer, time_is_up);
    return g;
}

/* It has not turned for as long as others waited, and they are still before this one. */
static bool is_hopeless(const struct gather *g, int32_t worker)
{
    return !order_is_done(g->order.what) &&
           crew_waiting(g->engine, worker) >= CREW_QUESTIONS_MOST &&
           loop_refresh(g->engine->loop) - crew_turned_us(g->engine, worker) >= GATHER_US;
}

static void send_to(struct gather *g, int32_t worker)
{
    struct sheet *s = &g->sheet[g->sheets];
    *s = (struct sheet){.news.arrived = arrived, .gather = g, .finding.worker = worker};
    if (is_hopeless(g, worker)) {
        give_up(g, s);
        g->sheets++;
        return;
    }
    atomic_fetch_add(&g->users, 1);
    if (crew_send(g->engine, worker, &s->news)) {
        g->sheets++;
        g->left++;
    } else {
        atomic_fetch_sub(&g->users, 1);
    }
}

struct gather *gather_begin(struct engine *e, const struct order *o, gather_make *make,
                            gather_over *over, void *data)
{
    bool is_alone = crew_others(e) == 0;
    struct gather *g = make_one(e, o, is_alone ? 1 : e->workers);
    if (g == NULL)
        return NULL;
    g->make = make;
    g->over = over;
    g->data = data;
    struct finding *own = &g->sheet[0].finding;
    g->sheets = 1;
    own->worker = e->worker;
    own->is_here = true;
    make(e, &g->order, own);
    if (own->why.code != ERROR_OK || is_alone) /* it is refused, or there is nobody else */
        return g;
    for (int32_t i = 0; i < e->workers; i++)
        if (i != e->worker)
            send_to(g, i);
    if (g->left > 0)
        loop_arm(e->loop, &g->timer, loop_refresh(e->loop) + GATHER_US);
    return g;
}

bool gather_is_over(const struct gather *g)
{
    return g->left == 0;
}

void gather_forget(struct gather **gather)
{
    struct gather *g = *gather;
    *gather = NULL;
    if (g == NULL)
        return;
    loop_disarm(g->engine->loop, &g->timer);
    g->is_forgotten = true;
    for (int32_t i = 0; i < g->sheets; i++)
        if (g->sheet[i].finding.is_here) /* what did not come is not ours */
            finding_fini(&g->sheet[i].finding);
    let_go(g);
}

int32_t gather_findings(const struct gather *g)
{
    return g->sheets;
}

struct finding *gather_finding(struct gather *g, int32_t i)
{
    return &g->sheet[i].finding;
}

int64_t gather_silent_us(const struct gather *g, int32_t i)
{
    return g->sheet[i].silent_us;
}
