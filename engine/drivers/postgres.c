/* postgres.c - PostgreSQL through libpq, without blocking: the four verbs, and who says what when.
 *
 * The socket is watched for reading whenever a stream does not hold it back, also when nothing is
 * under way: a server that ends the session is noticed at once and with its own words. Nothing is
 * said inside a verb; what is due without the socket is owed, and said from the top of the loop.
 *
 * libpq may close its socket inside any call, so the watch stops as soon as that shows.
 */
#include "drivers/drivers.h"
#include "drivers/postgres.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define PAUSE_US 50000      /* before the first cancel that is sent again; each is twice as long */
#define PATIENCE_US 1000000 /* PQcancel() takes some milliseconds; see postgres_cancel.c */

const char *pg_resource(struct postgres *p)
{
    return conn_resource(conn_of(p));
}

void pg_watch(struct postgres *p, int events)
{
    if (events == p->events)
        return;
    struct loop *loop = conn_loop(conn_of(p));
    p->events = events;
    if (events == 0) {
        loop_unwatch(loop, &p->watch);
    } else if (PQsocket(p->pg) < 0) {
        p->events = 0;
        pg_lose(p, NULL);
    } else if (!loop_watch(loop, &p->watch, PQsocket(p->pg), events)) {
        struct error e;
        error_set(&e, ERROR_MEMORY, "%s: the socket cannot be watched", pg_resource(p));
        pg_lose(p, &e);
    }
}

void pg_owe(struct postgres *p, int what)
{
    p->owes |= what;
    loop_soon(conn_loop(conn_of(p)), &p->soon);
}

/* A given reason goes before the server's last words, and these before what libpq says. */
static void explain(struct postgres *p, const struct error *why)
{
    if (why == NULL && p->why != NULL)
        return;
    if (p->why == NULL)
        p->why = malloc(sizeof *p->why);
    if (p->why == NULL)
        return;
    if (why != NULL)
        *p->why = *why;
    else
        pg_error_of_loss(p->why, pg_resource(p), p->pg);
}

/* Says why it is lost. What the reason lies in goes with the connection, maybe inside. */
static void fail(struct postgres *p)
{
    struct error why;
    if (p->why != NULL)
        why = *p->why;
    else
        error_set(&why, p->opening != NULL ? ERROR_MEMORY : ERROR_LOST,
                  "%s: the connection is lost, and there was no memory to say why", pg_resource(p));
    conn_failed(conn_of(p), &why);
}

void pg_lose(struct postgres *p, const struct error *why)
{
    if (p->phase == PG_LOST)
        return;
    p->phase = PG_LOST;
    explain(p, why);
    p->owes = 0;
    pg_watch(p, 0);
    pg_owe(p, PG_OWES_LOSS);
}

/* --- what is due ------------------------------------------------------------------------------ */

static bool has_cancelled(const struct postgres *p)
{
    return p->is_cancelling && p->phase != PG_LOST && !pg_is_being_cancelled(p) &&
           !pg_cancel_is_under_way(p->cancel);
}

static void say(struct soon *s)
{
    struct postgres *p = container_of(s, struct postgres, soon);
    int owes = p->owes;
    p->owes = 0;
    if (p->phase == PG_CLOSED) {
        conn_closed(conn_of(p));
    } else if (owes & PG_OWES_LOSS) {
        if (pg_reply_refused(p))
            return;
        pg_flights_drop(p);
        fail(p);
    } else if (owes & PG_OWES_ANSWER) {
        pg_reply_answered(p);
    } else if (owes & PG_OWES_READING) {
        pg_watch(p, p->events | WATCH_READ);
        pg_read(p);
    } else if (has_cancelled(p)) {
        p->is_cancelling = false;
        loop_disarm(conn_loop(conn_of(p)), &p->again);
        conn_cancelled(conn_of(p));
    }
}

/* Notifications may come at any time, also between the parts of an answer. Whoever hears of one may
 * do nothing to the connection before the next turn. */
static void tell(struct postgres *p)
{
    PGnotify *n;
    while (p->phase < PG_LOST && (n = PQnotifies(p->pg)) != NULL) {
        const struct told told = {.channel = n->relname,
                                  .bytes = n->extra,
                                  .size = (uint32_t)strlen(n->extra),
                                  .from = n->be_pid};
        conn_told(conn_of(p), &told);
        PQfreemem(n);
    }
}

/* The server speaks without being asked: notices go to noticed(), a farewell becomes our loss. What is
 * no message makes libpq close its socket, whose number another connection may have at once: nobody
 * may watch it any more. */
static void hear(struct postgres *p, bool is_alive)
{
    (void)PQisBusy(p->pg); /* parses what came */
    if (PQstatus(p->pg) == CONNECTION_BAD) {
        is_alive = false;
        pg_watch(p, 0);
    }
    tell(p);
    if (!is_alive || p->why != NULL)
        pg_lose(p, NULL);
    else if (p->is_spoiled)
        pg_disbelieve(p, "said something that nobody had asked for");
}

static void ready(struct watch *w, int events)
{
    struct postgres *p = container_of(w, struct postgres, watch);
    if (p->phase == PG_CONNECTING) {
        pg_open_ready(p);
        return;
    }
    bool is_alive = true;
    pg_copy_look(p);
    if (events & WATCH_READ)
        is_alive = PQconsumeInput(p->pg) != 0;
    if (!is_alive)
        pg_watch(p, 0);
    else if (events & WATCH_WRITE)
        pg_flush(p);
    bool is_idle = p->phase == PG_IDLE || p->phase == PG_HELD;
    if (is_idle ||
        (p->owes & PG_OWES_ANSWER)) { /* what ends without the server is not read either */
        hear(p, is_alive);
    } else if (p->phase == PG_BUSY && (p->owes & PG_OWES_READING) == 0) {
        pg_read(p);
        tell(p); /* also what came with the end of the answer: it makes nothing readable any more */
    }
}

/* --- cancel ----------------------------------------------------------------------------------- */

static void cancel_again(struct timer *t)
{
    struct postgres *p = container_of(t, struct postgres, again);
    if (pg_is_being_cancelled(p))
        pg_cancel_send(p->cancel);
}

/* A cancel travels on a connection of its own. One that overtook its statement met a session with
 * nothing to stop, and had no effect. */
static void cancel_returned(void *data)
{
    struct postgres *p = data;
    struct loop *loop = conn_loop(conn_of(p));
    if (pg_is_being_cancelled(p)) {
        loop_arm(loop, &p->again, loop_now_us(loop) + p->pause_us);
        p->pause_us *= 2;
        return;
    }
    if (p->phase != PG_CLOSED) {
        pg_owe(p, 0);
        return;
    }
    loop_disarm(loop, &p->patience);
    pg_cancel_free(&p->cancel);
    conn_closed(conn_of(p));
}

/* --- the verbs -------------------------------------------------------------------------------- */

static uint32_t statements_most(const struct target *t)
{
    const char *declared = target_get(t, "statements", NULL);
    return declared == NULL ? PG_STATEMENTS_MOST : (uint32_t)strtoul(declared, NULL, 10);
}

static void postgres_open(struct conn *c, const struct target *t)
{
    struct postgres *p = conn_driver(c);
    p->target = t;
    watch_init(&p->watch, ready);
    soon_init(&p->soon, say);
    timer_init(&p->again, cancel_again);
    pg_statements_init(&p->statements, statements_most(t));
    struct error e;
    if (pg_open_init(p) && pg_trace_init(&p->trace, t) && pg_flights_init(&p->flights, t->depth)) {
        pg_open(p);
    } else {
        error_set(&e, ERROR_MEMORY, "%s: no memory for a connection", pg_resource(p));
        pg_lose(p, &e);
    }
}

static void postgres_send(struct conn *c, struct request *r)
{
    struct postgres *p = conn_driver(c);
    if (p->phase ==
        PG_LOST) /* conn_failed() is on its way and ends this too; nothing of it was sent */
        return;
    CHECK(p->phase == PG_IDLE || p->phase == PG_HELD ||
          (p->phase == PG_BUSY && r->is_shared && p->head->request->is_shared));
    reply_init(&r->reply);
    pg_send(p, pg_flight_push(p, r));
}

static void postgres_cancel(struct conn *c, struct request *r)
{
    struct postgres *p = conn_driver(c);
    p->is_cancelling = true;
    p->cancelled = r;
    pg_flights_expose(p);
    if (p->phase == PG_LOST)
        return;
    if (p->cancel == NULL)
        p->cancel = pg_cancel_new(conn_loop(c), p->pg, cancel_returned, p);
    if (p->cancel != NULL) {
        p->pause_us = PAUSE_US;
        pg_cancel_send(p->cancel);
        return;
    }
    struct error e;
    error_set(&e, ERROR_MEMORY, "%s: no memory or thread for a cancel", pg_resource(p));
    pg_lose(p, &e);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void give_up(struct timer *t)
{
    struct postgres *p = container_of(t, struct postgres, patience);
    if (pg_cancel_abandon(&p->cancel))
        conn_closed(conn_of(p));
}

void pg_closed(struct postgres *p)
{
    struct loop *loop = conn_loop(conn_of(p));
    PQfinish(p->pg);
    p->pg = NULL;
    free(p->trace);
    free(p->why);
    p->trace = NULL;
    p->why = NULL;
    if (pg_cancel_is_under_way(p->cancel)) {
        timer_init(&p->patience, give_up);
        loop_arm(loop, &p->patience, loop_now_us(loop) + PATIENCE_US);
    } else {
        pg_cancel_free(&p->cancel);
        pg_owe(p, 0);
    }
}

static void postgres_close(struct conn *c)
{
    struct postgres *p = conn_driver(c);
    struct loop *loop = conn_loop(c);
    pg_open_stop(p);
    loop_unwatch(loop, &p->watch);
    loop_unsoon(loop, &p->soon);
    loop_disarm(loop, &p->again);
    pg_flights_fini(p);
    pg_statements_fini(&p->statements);
    p->phase = PG_CLOSED;
    if (p->opening == NULL)
        pg_closed(p);
}

/* --- from worker to worker -------------------------------------------------------------------- */

static bool postgres_detach(struct conn *c)
{
    struct postgres *p = conn_driver(c);
    if (p->phase != PG_IDLE || p->owes != 0 || p->is_cancelling ||
        pg_cancel_is_under_way(p->cancel))
        return false;
    pg_watch(p, 0);
    loop_unsoon(conn_loop(c), &p->soon);
    return true;
}

/* What the server said meanwhile makes the socket readable here. */
static void postgres_attach(struct conn *c, const struct target *t)
{
    struct postgres *p = conn_driver(c);
    p->target = t;
    if (p->cancel != NULL)
        pg_cancel_move(p->cancel, conn_loop(c));
    pg_watch(p, WATCH_READ);
}

const struct driver driver_postgres = {.name = "postgres",
                                       .size = sizeof(struct postgres),
                                       .takes_batches = true,
                                       .depth = PG_DEPTH_MOST,
                                       .may_share = pg_may_share,
                                       .open = postgres_open,
                                       .send = postgres_send,
                                       .cancel = postgres_cancel,
                                       .close = postgres_close,
                                       .detach = postgres_detach,
                                       .attach = postgres_attach,
                                       .check = pg_open_check};
