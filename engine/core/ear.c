#include "core/ear.h"

#include <stdlib.h>
#include <string.h>

#include "core/listen.h"
#include "core/listener.h"
#include "core/resource.h"
#include "rules/retry.h"

#define PAUSE_FIRST_US 50000 /* after a loss; doubles, with full jitter */
#define PAUSE_MOST_US 5000000
#define CHECK_LEAST_US 1000000

/* What the server is asked, on a connection that may be lost first. */
struct asking {
    struct request request;
    struct ear *ear; /* NULL: nobody wants to know any more */
    void (*done)(struct ear *e, const struct error *why);
    char words[];
};

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

static struct listener *first_opening(const struct ear *e)
{
    struct list_node *n = list_head(&e->opening);
    return n == NULL ? NULL : container_of(n, struct listener, in_opening);
}

/* Somebody has been promised to hear. */
static bool has_open_ones(const struct ear *e)
{
    return e->listeners.count > e->opening.count;
}

/* It never opened, so nobody knows of it. */
static void fail(struct listener *l, const struct error *why)
{
    listener_end(l, why);
    listener_free(l);
}

static void close_because(struct ear *e, enum error_code code, const char *what)
{
    struct error why;
    error_set(&why, code, "%s: connection %u, which listens, %s", name_of(e), e->conn->id, what);
    conn_close(e->conn, &why);
}

/* --- askings ---------------------------------------------------------------------------------- */

static void arm(struct ear *e, int64_t at_us)
{
    loop_arm(engine_of(e)->loop, &e->timer, at_us);
}

static void disarm(struct ear *e)
{
    loop_disarm(engine_of(e)->loop, &e->timer);
}

static void asking_ended(struct request *r)
{
    struct asking *asking = container_of(r, struct asking, request);
    struct ear *e = asking->ear;
    void (*done)(struct ear *, const struct error *) = asking->done;
    const struct error why = r->reply.error;
    reply_fini(&r->reply);
    free(asking);
    if (e == NULL)
        return;
    e->asking = NULL;
    disarm(e);
    done(e, &why);
    step(e);
}

/* With room for so many bytes of words; NULL when out of memory. */
static struct asking *asking_new(struct ear *e, size_t size,
                                 void (*done)(struct ear *e, const struct error *why))
{
    struct asking *asking = calloc(1, sizeof *asking + size + 1);
    if (asking == NULL)
        return NULL;
    asking->ear = e;
    asking->done = done;
    asking->request.verb = NEBULA_SCRIPT;
    asking->request.text = asking->words;
    asking->request.text_size = (uint32_t)size;
    asking->request.ended = asking_ended;
    return asking;
}

static void dispatch(struct ear *e, struct asking *asking)
{
    e->asking = asking;
    asking->request.deadline_us = engine_now(engine_of(e)) + spec_of(e)->pool.connect_us;
    arm(e, asking->request.deadline_us);
    conn_send(e->conn, &asking->request);
}

/* --- what is to be done on the connection ----------------------------------------------------- */

/* Says the words for all channels that are to be asked for. False when out of memory. */
static bool ask(struct ear *e, const char *words,
                void (*done)(struct ear *e, const struct error *why))
{
    struct asking *asking = asking_new(e, channels_words(&e->channels, words, NULL), done);
    if (asking == NULL)
        return false;
    channels_words(&e->channels, words, asking->words);
    dispatch(e, asking);
    return true;
}

static void set_whole(struct ear *e, bool is_whole)
{
    e->is_whole = is_whole;
    e->since_us = engine_now(engine_of(e));
}

static void tell_gap(struct ear *e)
{
    const struct gap g = {.why = e->lost, .span_us = engine_now(engine_of(e)) - e->since_us};
    e->gaps++;
    engine_trace(engine_of(e), TRACE_GAP, e->pool->resource->number, g.why.code, g.span_us, 0);
    for (struct list_node *n = list_head(&e->listeners); n != NULL;
         n = list_next(&e->listeners, n)) {
        struct listener *l = container_of(n, struct listener, in_ear);
        if (l->is_open)
            listener_gap(l, &g);
    }
}

static void was_restored(struct ear *e, const struct error *why)
{
    channels_answered(&e->channels, why->code == ERROR_OK);
    if (why->code != ERROR_OK) {
        conn_close(e->conn, why);
        return;
    }
    tell_gap(e);
    set_whole(e, true);
}

static void restore(struct ear *e)
{
    CHECK(channels_ask_known(&e->channels)); /* of an open listener at least */
    if (!ask(e, spec_of(e)->listen, was_restored))
        close_because(e, ERROR_MEMORY, "has no memory for its words");
}

static void was_opened(struct ear *e, const struct error *why)
{
    struct listener *l = e->asked_for;
    e->asked_for = NULL;
    channels_answered(&e->channels, why->code == ERROR_OK);
    if (why->code != ERROR_OK && l != NULL)
        fail(l, why);
}

static void opened(struct ear *e, struct listener *l)
{
    list_remove(&e->opening, &l->in_opening);
    l->is_open = true;
    listen_ended(l->listen, &(struct error){.code = ERROR_OK});
    l->listen = NULL;
}

/* True when the server is being asked for the first of them. */
static bool open_next(struct ear *e)
{
    struct listener *l;
    while ((l = first_opening(e)) != NULL) {
        struct error why;
        if (!listener_ask_missing(l)) {
            opened(e, l);
            continue;
        }
        e->asked_for = l;
        if (ask(e, spec_of(e)->listen, was_opened))
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
        conn_close(e->conn, why);
}

/* True when the server is being asked to tell no more of what nobody wants to hear. */
static bool leave_next(struct ear *e)
{
    if (!channels_ask_left(&e->channels))
        return false;
    if (ask(e, spec_of(e)->unlisten, has_left))
        return true;
    channels_answered(&e->channels, true); /* and again with the next step */
    return false;
}

static void was_checked(struct ear *e, const struct error *why)
{
    if (why->code != ERROR_OK)
        conn_close(e->conn, why);
}

static void check_later(struct ear *e)
{
    int64_t span_us = spec_of(e)->pool.check_us;
    if (span_us < 0)
        return;
    if (span_us < CHECK_LEAST_US)
        span_us = CHECK_LEAST_US;
    span_us -= (int64_t)world_below(engine_of(e)->world, (uint64_t)span_us / 10);
    arm(e, engine_now(engine_of(e)) + span_us);
}

static void check(struct ear *e)
{
    size_t size = strlen(spec_of(e)->check);
    struct asking *asking = asking_new(e, size, was_checked);
    if (asking == NULL) {
        check_later(e);
        return;
    }
    memcpy(asking->words, spec_of(e)->check, size);
    e->pool->stats.checks++;
    dispatch(e, asking);
}

static void give_back(struct ear *e)
{
    struct conn *c = e->conn;
    e->conn = NULL;
    e->state = EAR_CLOSED;
    e->failures = 0;
    set_whole(e, false);
    disarm(e);
    channels_lost(&e->channels);
    care_settle(c);
}

static void step(struct ear *e)
{
    if (e->state != EAR_OPEN || e->asking != NULL)
        return;
    if (list_is_empty(&e->listeners)) {
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
    struct listener *l;
    e->state = EAR_CLOSED;
    e->why = *why;
    while ((l = first_opening(e)) != NULL)
        fail(l, why);
    if (!list_is_empty(&e->listeners))
        pause_before_next(e);
}

/* Whoever was promised to hear waits as long as it takes. */
static void take(struct ear *e)
{
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

static void timer_fired(struct timer *t)
{
    struct ear *e = container_of(t, struct ear, timer);
    if (e->state == EAR_PAUSING)
        take(e);
    else if (e->asking != NULL)
        close_because(e, ERROR_LOST, "did not answer in time");
    else
        check(e);
}

void ear_lost(struct ear *e, const struct conn *c, const struct error *why)
{
    if (e->conn != c)
        return;
    e->conn = NULL;
    e->state = EAR_CLOSED;
    e->why = *why;
    e->asked_for = NULL;
    disarm(e);
    if (e->asking != NULL)
        e->asking->ear = NULL;
    e->asking = NULL;
    if (e->is_whole) {
        bool is_planned = why->code == ERROR_CLOSED;
        if (is_planned || engine_now(engine_of(e)) - e->since_us > PAUSE_MOST_US)
            e->failures = 0;
        e->lost = *why;
        set_whole(e, false);
    }
    channels_lost(&e->channels);
    if (!list_is_empty(&e->listeners))
        pause_before_next(e);
}

void ear_told(struct ear *e, const struct told *t)
{
    const struct channel *c = e->is_whole ? channels_find(&e->channels, t->channel) : NULL;
    e->told++;
    if (c == NULL)
        return;
    for (struct list_node *n = list_head(&c->members); n != NULL; n = list_next(&c->members, n)) {
        struct listener *l = container_of(n, struct member, in_channel)->listener;
        if (l->is_open)
            listener_tell(l, t);
    }
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
    node_init(&e->waiter.node);
    list_init(&e->listeners);
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
    CHECK(e->state == EAR_CLOSED && list_is_empty(&e->listeners));
    loop_unsoon(engine_of(e)->loop, &e->look);
    free(e);
}

void ear_join(struct ear *e, struct listener *l)
{
    list_push_tail(&e->listeners, &l->in_ear);
    list_push_tail(&e->opening, &l->in_opening);
    if (e->state == EAR_CLOSED)
        take(e);
    else
        step(e);
}

void ear_leave(struct ear *e, struct listener *l)
{
    list_remove(&e->listeners, &l->in_ear);
    list_remove(&e->opening, &l->in_opening);
    if (e->asked_for == l)
        e->asked_for = NULL;
    if (e->state == EAR_OPEN) {
        loop_soon(engine_of(e)->loop, &e->look);
        return;
    }
    if (!list_is_empty(&e->listeners))
        return;
    if (e->state == EAR_QUEUED)
        pool_leave(e->pool, &e->waiter);
    disarm(e);
    e->state = EAR_CLOSED;
}

void ear_explain(const struct ear *e, int64_t begun_us, struct error *out)
{
    long long ms = (engine_now(engine_of(e)) - begun_us) / 1000;
    if (e->state == EAR_QUEUED)
        pool_explain_wait(e->pool, begun_us, true, out);
    else if (e->state == EAR_PAUSING)
        error_set(out, e->why.code, "%s: nothing to listen by within %lld ms: %s", name_of(e), ms,
                  e->why.text);
    else
        error_set(out, ERROR_DEADLINE, "%s: no answer by the deadline, after %lld ms", name_of(e),
                  ms);
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
    while ((n = list_head(&e->listeners)) != NULL) {
        struct listener *l = container_of(n, struct listener, in_ear);
        if (l->is_open)
            listener_end(l, &why);
        else
            fail(l, &why);
    }
    if (e->conn != NULL)
        conn_close(e->conn, &why);
}

const char *ear_state_name(const struct ear *e)
{
    static const char *const name[EAR_STATES] = {
        [EAR_CLOSED] = "closed",
        [EAR_QUEUED] = "waiting for a connection",
        [EAR_OPEN] = "open",
        [EAR_PAUSING] = "pausing",
    };
    return name[e->state];
}
