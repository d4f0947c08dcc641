#include "core/ear.h"

#include <stdlib.h>

#include "core/asking.h"
#include "core/far.h"
#include "core/resource.h"
#include "rules/retry.h"

#define PAUSE_FIRST_US 50000 /* after a loss; doubles, with full jitter */
#define PAUSE_MOST_US 5000000
#define CHECK_LEAST_US 1000000

static void step(struct ear *e);

static struct engine *engine_of(const struct ear *e)
{
    return e->pool->engine;
}

static const struct nebula_spec *spec_of(const struct ear *e)
{
    return e->pool->resource->spec;
}

static const char *name_of(const struct ear *e)
{
    return e->pool->resource->name;
}

static struct hearer *first_opening(const struct ear *e)
{
    struct list_node *n = list_head(&e->opening);
    return n == NULL ? NULL : container_of(n, struct hearer, in_opening);
}

bool ear_is_used(const struct ear *e)
{
    return !list_is_empty(&e->listeners) || !list_is_empty(&e->hearers);
}

/* Somebody has been promised to hear. */
static bool has_open_ones(const struct ear *e)
{
    return e->listeners.count + e->hearers.count > e->opening.count;
}

static void arm(struct ear *e, int64_t at_us)
{
    loop_arm(engine_of(e)->loop, &e->timer, at_us);
}

static void disarm(struct ear *e)
{
    loop_disarm(engine_of(e)->loop, &e->timer);
}

static void set_whole(struct ear *e, bool is_whole)
{
    e->is_whole = is_whole;
    e->since_us = engine_now(engine_of(e));
}

/* Nobody wants to hear. */
static void closed(struct ear *e)
{
    e->state = EAR_CLOSED;
    relay_go(&e->line);
}

/* Nothing is heard any more, and nothing of what was asked is answered. */
static void lose(struct ear *e, const struct error *why)
{
    e->state = EAR_CLOSED;
    e->why = *why;
    e->asked_for = NULL;
    disarm(e);
    asking_forget(e);
    if (e->is_whole) {
        bool is_planned = why->code == ERROR_CLOSED;
        if (is_planned || engine_now(engine_of(e)) - e->since_us > PAUSE_MOST_US)
            e->failures = 0;
        e->lost = *why;
        set_whole(e, false);
    }
    channels_lost(&e->channels);
}

static void pause_before_next(struct ear *e)
{
    const struct retry_policy pace = {.pause_us = PAUSE_FIRST_US, .pause_max_us = PAUSE_MOST_US};
    struct world *world = engine_of(e)->world;
    e->state = EAR_PAUSING;
    if (e->failures < INT32_MAX / 2)
        e->failures++;
    arm(e, engine_now(engine_of(e)) + PAUSE_FIRST_US / 5 +
               retry_pause_us(&pace, e->failures + 1, world->random(world)));
}

/* What it hears by is of no use. */
static void hang_up(struct ear *e, const struct error *why)
{
    if (e->conn != NULL) {
        conn_close(e->conn, why);
        return;
    }
    relay_go(&e->line);
    lose(e, why);
    pause_before_next(e);
}

static void hang_up_because(struct ear *e, enum error_code code, const char *what)
{
    struct error why;
    if (e->conn != NULL)
        error_set(&why, code, "%s: connection %u, which listens, %s", name_of(e), e->conn->id,
                  what);
    else
        error_set(&why, code, "%s: the listener by worker %d %s", name_of(e), e->line.home, what);
    hang_up(e, &why);
}

/* --- what is to be done on the connection ----------------------------------------------------- */

static void was_restored(struct ear *e, const struct error *why)
{
    channels_answered(&e->channels, why->code == ERROR_OK);
    if (why->code != ERROR_OK) {
        hang_up(e, why);
        return;
    }
    const struct gap g = {.why = e->lost, .span_us = engine_now(engine_of(e)) - e->since_us};
    ear_gap(e, &g);
    set_whole(e, true);
}

static void restore(struct ear *e)
{
    CHECK(channels_ask_known(&e->channels)); /* of an open listener at least */
    if (!asking_begin(e, false, was_restored))
        hang_up_because(e, ERROR_MEMORY, "has no memory for its words");
}

static void was_opened(struct ear *e, const struct error *why)
{
    struct hearer *h = e->asked_for;
    e->asked_for = NULL;
    channels_answered(&e->channels, why->code == ERROR_OK);
    if (why->code != ERROR_OK && h != NULL)
        h->type->failed(h, why);
}

static void opened(struct ear *e, struct hearer *h)
{
    list_remove(&e->opening, &h->in_opening);
    h->is_open = true;
    h->type->opened(h);
}

/* True when the server is being asked for the first of them. */
static bool open_next(struct ear *e)
{
    struct hearer *h;
    while ((h = first_opening(e)) != NULL) {
        struct error why;
        if (!hearer_ask_missing(h)) {
            opened(e, h);
            continue;
        }
        e->asked_for = h;
        if (asking_begin(e, false, was_opened))
            return true;
        error_set(&why, ERROR_MEMORY, "%s: no memory to listen", name_of(e));
        was_opened(e, &why);
    }
    return false;
}

static void has_left(struct ear *e, const struct error *why)
{
    channels_answered(&e->channels, false);
    if (why->code != ERROR_OK)
        hang_up(e, why);
}

/* True when the server is being asked to tell no more of what nobody wants to hear. */
static bool leave_next(struct ear *e)
{
    if (!channels_ask_left(&e->channels))
        return false;
    if (asking_begin(e, true, has_left))
        return true;
    channels_answered(&e->channels, true); /* and again with the next step */
    return false;
}

static void was_checked(struct ear *e, const struct error *why)
{
    if (why->code != ERROR_OK)
        hang_up(e, why);
}

static void check_later(struct ear *e)
{
    int64_t span_us = spec_of(e)->pool.check_us;
    if (span_us < 0 || e->state == EAR_FAR)
        return;
    if (span_us < CHECK_LEAST_US)
        span_us = CHECK_LEAST_US;
    span_us -= (int64_t)world_below(engine_of(e)->world, (uint64_t)span_us / 10);
    arm(e, engine_now(engine_of(e)) + span_us);
}

static void check(struct ear *e)
{
    if (asking_check(e, was_checked))
        e->pool->stats.checks++;
    else
        check_later(e);
}

static void give_back(struct ear *e)
{
    struct conn *c = e->conn;
    e->conn = NULL;
    e->failures = 0;
    e->asked_for = NULL;
    set_whole(e, false);
    disarm(e);
    asking_forget(e); /* of the home, which forgets it, too */
    channels_lost(&e->channels);
    closed(e);
    if (c != NULL)
        care_settle(c);
}

/* What the home is asked for nobody it need not answer. */
static bool is_busy(const struct ear *e)
{
    return e->done != NULL && (e->state != EAR_FAR || ear_is_used(e));
}

static void step(struct ear *e)
{
    if ((e->state != EAR_OPEN && e->state != EAR_FAR) || is_busy(e))
        return;
    if (!ear_is_used(e)) {
        give_back(e);
        return;
    }
    if (!e->is_whole && has_open_ones(e)) {
        restore(e);
        return;
    }
    if (!e->is_whole)
        set_whole(e, true);
    if (!open_next(e) && !leave_next(e))
        check_later(e);
}

/* --- the connection --------------------------------------------------------------------------- */

static void served(struct waiter *w, struct conn *c)
{
    struct ear *e = container_of(w, struct ear, waiter);
    conn_move(c, CONN_LISTENING);
    e->conn = c;
    e->state = EAR_OPEN;
    step(e);
}

static void refused(struct waiter *w, const struct error *why)
{
    struct ear *e = container_of(w, struct ear, waiter);
    struct hearer *h;
    e->state = EAR_CLOSED;
    e->why = *why;
    while ((h = first_opening(e)) != NULL)
        h->type->failed(h, why);
    if (ear_is_used(e))
        pause_before_next(e);
}

/* Whoever was promised to hear waits as long as it takes. */
static void take(struct ear *e)
{
    if (!relay_come(&e->line)) {
        e->state = EAR_FAR;
        step(e);
        return;
    }
    e->state = EAR_QUEUED;
    e->waiter = (struct waiter){.arrived_us = engine_now(engine_of(e)),
                                .deadline_us = INT64_MAX,
                                .is_fail_fast = spec_of(e)->pool.is_fail_fast && !has_open_ones(e),
                                .served = served,
                                .refused = refused};
    struct error why;
    struct conn *c = pool_take(e->pool, &e->waiter, &why);
    if (c != NULL)
        served(&e->waiter, c);
    else if (why.code != ERROR_OK)
        refused(&e->waiter, &why);
}

/* What the home has taken it will answer. */
static void give_up_letter(struct ear *e)
{
    struct error why;
    if (e->done == NULL || !relay_unwrite(&e->line))
        return;
    error_set(&why, ERROR_LOST, "%s: worker %d, by which all listen, has not turned for %lld ms",
              name_of(e), e->line.home, (long long)relay_silent_us(&e->line) / 1000);
    ear_answered(e, &why);
}

static void timer_fired(struct timer *t)
{
    struct ear *e = container_of(t, struct ear, timer);
    if (e->state == EAR_PAUSING)
        take(e);
    else if (e->state == EAR_FAR)
        give_up_letter(e);
    else if (e->done != NULL)
        hang_up_because(e, ERROR_LOST, "did not answer in time");
    else
        check(e);
}

void ear_lost(struct ear *e, const struct conn *c, const struct error *why)
{
    if (e->conn != c)
        return;
    e->conn = NULL;
    lose(e, why);
    if (ear_is_used(e))
        pause_before_next(e);
    else
        closed(e);
}

void ear_answered(struct ear *e, const struct error *why)
{
    ear_done *done = e->done;
    e->done = NULL;
    disarm(e);
    done(e, why);
    step(e);
}

/* --- the ears of other workers ---------------------------------------------------------------- */

void ear_moved(struct ear *e)
{
    struct error why;
    error_set(&why, ERROR_CLOSED, "%s: worker %d, by which all listened, does not listen any more",
              name_of(e), e->line.home);
    lose(e, &why);
    if (ear_is_used(e))
        take(e);
    else
        closed(e);
}

static void look_at_line(void *ear)
{
    struct ear *e = ear;
    if (e->state == EAR_FAR)
        far_read(e);
    else
        far_look(e);
}

/* --- who listens ------------------------------------------------------------------------------ */

static void look(struct soon *s)
{
    step(container_of(s, struct ear, look));
}

struct ear *ear_new(struct pool *p)
{
    struct ear *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->pool = p;
    if (!relay_join(&e->line, p, e, look_at_line)) {
        free(e);
        return NULL;
    }
    node_init(&e->waiter.node);
    list_init(&e->listeners);
    list_init(&e->hearers);
    list_init(&e->far);
    list_init(&e->opening);
    channels_init(&e->channels);
    timer_init(&e->timer, timer_fired);
    soon_init(&e->look, look);
    return e;
}

void ear_free(struct ear **ear)
{
    struct ear *e = *ear;
    *ear = NULL;
    CHECK(e->state == EAR_CLOSED && !ear_is_used(e) && list_is_empty(&e->far));
    relay_leave(&e->line);
    loop_unsoon(engine_of(e)->loop, &e->look);
    free(e);
}

static void add(struct ear *e, struct hearer *h)
{
    list_push_tail(h->type->is_far ? &e->hearers : &e->listeners, &h->in_ear);
}

void ear_join(struct ear *e, struct hearer *h)
{
    add(e, h);
    list_push_tail(&e->opening, &h->in_opening);
    if (e->state == EAR_CLOSED)
        take(e);
    else
        step(e);
}

void ear_add_open(struct ear *e, struct hearer *h)
{
    add(e, h);
    h->is_open = true;
}

void ear_look(struct ear *e)
{
    loop_soon(engine_of(e)->loop, &e->look);
}

void ear_leave(struct ear *e, struct hearer *h)
{
    list_remove(h->type->is_far ? &e->hearers : &e->listeners, &h->in_ear);
    list_remove(&e->opening, &h->in_opening);
    if (e->asked_for == h)
        e->asked_for = NULL;
    if (e->state == EAR_OPEN || e->state == EAR_FAR) {
        ear_look(e);
        return;
    }
    if (ear_is_used(e))
        return;
    if (e->state == EAR_QUEUED)
        pool_leave(e->pool, &e->waiter);
    disarm(e);
    closed(e);
}

void ear_hurry(struct ear *e)
{
    if (e->state == EAR_PAUSING)
        arm(e, engine_now(engine_of(e)));
}

void ear_stop(struct ear *e)
{
    struct error why;
    struct list_node *n;
    error_set(&why, ERROR_CLOSED, "%s: the engine is shutting down", name_of(e));
    far_drop_all(e);
    while ((n = list_head(&e->listeners)) != NULL) {
        struct hearer *h = container_of(n, struct hearer, in_ear);
        h->type->ended(h, &why);
    }
    if (e->conn != NULL)
        conn_close(e->conn, &why);
    if (e->state != EAR_FAR)
        return;
    lose(e, &why);
    closed(e);
}
