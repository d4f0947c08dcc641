/* loop_sim.c - core/loop.h in virtual time: no thread, no descriptor, no clock.
 *
 * When nothing is due, a turn moves the world's time to the next timer or the next happening,
 * whichever is sooner, never beyond until_us. What falls on one time runs in an order that is
 * rolled, because the real loop promises none.
 */
#include "loop_sim.h"

#include <stdlib.h>

#include "base/check.h"
#include "unlikely.h"
#include "world_sim.h"

#define TIMERS_A_TURN 1000
#define SOONS_A_TURN 100000 /* more of them never end */

struct loop {
    struct list_node node;
    struct world *world;
    struct wheel wheel;
    struct list soons;
    struct note *note, **note_end;
    int64_t now_us, *kept;
    int64_t awake_us; /* its thread does something else until then */
};

/* Those of all engines: in whichever of them something happens, it is the same time. */
static struct list loops;

struct loop *loop_new(struct world *world)
{
    struct loop *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    if (loops.ring.next == NULL)
        list_init(&loops);
    node_init(&l->node);
    list_push_tail(&loops, &l->node);
    l->world = world;
    l->now_us = world->now_us(world);
    l->note_end = &l->note;
    wheel_init(&l->wheel, l->now_us);
    list_init(&l->soons);
    return l;
}

/* The real loop promises no order among the notes of different threads, nor that one is there with the turn it falls into. */
static void take_notes(struct loop *l)
{
    struct note *n = l->note;
    if (n != NULL && unlikely_happens(NOTE_IS_LATE))
        return;
    l->note = NULL;
    l->note_end = &l->note;
    if (n != NULL && n->next != NULL && unlikely_happens(NOTES_OVERTAKE)) {
        struct note *second = n->next;
        n->next = second->next;
        second->next = n;
        n = second;
    }
    while (n != NULL) {
        struct note *next = n->next;
        n->arrived(n);
        n = next;
    }
}

void loop_free(struct loop **loop)
{
    struct loop *l = *loop;
    while (l->note != NULL)
        take_notes(l); /* for who does not listen any more */
    if (l->wheel.count != 0)
        law_broken("loop freed with %u timers armed", l->wheel.count);
    if (!list_is_empty(&l->soons))
        law_broken("loop freed with %u soons to run", l->soons.count);
    list_remove(&loops, &l->node);
    free(l);
    *loop = NULL;
}

struct world *loop_world(const struct loop *loop)
{
    return loop->world;
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

int64_t loop_refresh(struct loop *loop)
{
    for (struct list_node *n = list_head(&loops); n != NULL; n = list_next(&loops, n)) {
        struct loop *l = container_of(n, struct loop, node);
        l->now_us = world_time_us();
        if (l->kept != NULL)
            *l->kept = l->now_us;
    }
    return loop->now_us;
}

int64_t loop_glance(struct loop *loop)
{
    return loop_refresh(loop);
}

void loop_keep(struct loop *loop, int64_t *now_us)
{
    loop->kept = now_us;
    if (now_us != NULL)
        *now_us = loop->now_us;
}

static void run_soons(struct loop *l)
{
    for (int i = 0; !list_is_empty(&l->soons); i++) {
        CHECK(i < SOONS_A_TURN);
        struct soon *s = container_of(list_pop_head(&l->soons), struct soon, node);
        s->run(s);
    }
}

/* --- for the simulation ----------------------------------------------------------------------- */

void loop_sleep_until(struct loop *l, int64_t at_us)
{
    l->awake_us = at_us;
}

int64_t loop_awake_us(const struct loop *l)
{
    return l->awake_us;
}

bool loop_is_quiet(const struct loop *l)
{
    return list_is_empty(&l->soons) && l->note == NULL;
}

int64_t loop_next_us(struct loop *l)
{
    int64_t next_us = loop_is_quiet(l) ? wheel_next_us(&l->wheel) : l->now_us;
    return next_us > l->awake_us ? next_us : l->awake_us;
}

/* --- turns ------------------------------------------------------------------------------------ */

static void let_happen(void)
{
    while (world_step())
        ;
}

static void move_time(struct loop *l, int64_t until_us)
{
    int64_t to = wheel_next_us(&l->wheel);
    if (world_next_us() < to)
        to = world_next_us();
    if (until_us < to)
        to = until_us;
    CHECK(to != INT64_MAX); /* else the engine waits for what can never happen */
    if (to > world_time_us())
        world_move(to);
}

void loop_turn(struct loop *l, int64_t until_us)
{
    if (list_is_empty(&l->soons) && l->note == NULL)
        move_time(l, until_us);
    loop_refresh(l);
    if (unlikely_happens(TURN_FOR_NOTHING))
        return;
    bool world_first = world_below(l->world, 2) == 0;
    if (world_first)
        let_happen();
    wheel_turn(&l->wheel, l->now_us, TIMERS_A_TURN);
    if (!world_first)
        let_happen();
    take_notes(l);
    run_soons(l);
}

/* Nobody else has a loop here. */
int loop_fd(struct loop *l)
{
    (void)l;
    return -1;
}

void loop_step(struct loop *l)
{
    loop_turn(l, l->now_us);
}

void loop_stir(struct loop *l)
{
    (void)l;
}

void loop_arm(struct loop *l, struct timer *t, int64_t at_us)
{
    wheel_arm(&l->wheel, t, at_us);
}

void loop_disarm(struct loop *l, struct timer *t)
{
    wheel_disarm(&l->wheel, t);
}

void soon_init(struct soon *s, void (*run)(struct soon *s))
{
    *s = (struct soon){.run = run};
    node_init(&s->node);
}

void loop_soon(struct loop *l, struct soon *s)
{
    if (!node_is_listed(&s->node))
        list_push_tail(&l->soons, &s->node);
}

void loop_unsoon(struct loop *l, struct soon *s)
{
    list_remove(&l->soons, &s->node);
}

bool loop_leave(struct loop *l, struct note *n)
{
    loop_post(l, n);
    return false;
}

void loop_rouse(struct loop *l)
{
    (void)l;
}

void loop_expect(struct loop *l)
{
    (void)l;
}

void loop_post(struct loop *l, struct note *n)
{
    n->next = NULL;
    *l->note_end = n;
    l->note_end = &n->next;
}

/* This world has no descriptors, names or signals: whoever asks is told that it cannot be. */

void watch_init(struct watch *w, void (*ready)(struct watch *w, int events))
{
    *w = (struct watch){.ready = ready};
}

bool watch_is_on(const struct watch *w)
{
    return w->impl != NULL;
}

bool loop_watch(struct loop *loop, struct watch *w, int fd, int events)
{
    (void)loop, (void)w, (void)fd, (void)events;
    return false;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
    (void)loop, (void)w;
}

struct resolve *loop_resolve(struct loop *loop, const char *host, const char *service,
                             resolve_done *done, void *data)
{
    (void)loop, (void)host, (void)service, (void)done, (void)data;
    return NULL;
}

void resolve_forget(struct resolve **r)
{
    *r = NULL;
}

bool loop_signal(struct loop *loop, struct signal_watch *s, int signum)
{
    (void)loop, (void)s, (void)signum;
    return false;
}

void loop_unsignal(struct loop *loop, struct signal_watch *s)
{
    (void)loop, (void)s;
}
