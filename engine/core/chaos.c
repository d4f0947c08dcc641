#include "core/chaos.h"

#include <stdlib.h>

#include "core/batch.h"
#include "core/pool.h"
#include "core/tale.h"
#include "rules/fault.h"

#define SEEDS_APART UINT64_C(0x9e3779b97f4a7c15) /* those of two workers */

struct chaos {
    struct resource *resource;
    struct nebula_chaos said;
    struct fault_delay delay;
    int64_t until_us;
    struct timer end;
    uint64_t dice; /* the state of its own ones, where it has a seed */
    bool is_told;  /* to the log */
    struct list wires;
};

enum fate {
    FATE_IS_SENT = 0,
    FATE_FAILS,
    FATE_CUT_THERE, /* it does not come to the server, as far as anybody knows */
    FATE_CUT_BACK   /* its answer does not come back */
};

/* A connection, while a fault has a part in what is under way on it: in one request. */
struct wire {
    struct list_node node;
    struct chaos *chaos;
    struct conn *conn;
    struct request *request; /* first of those that are queued */
    enum fate fate;
    enum error_code code; /* with which it ends */
    bool is_due;          /* it was held back for long enough */
    bool is_doomed;       /* the driver has it, and nobody gets the answer */
    struct timer timer;
    struct soon soon; /* it fails: not inside the verb */
};

static struct chaos *chaos_of(const struct conn *c)
{
    return c->pool->resource->chaos;
}

static struct engine *engine_of(const struct chaos *h)
{
    return h->resource->engine;
}

static uint64_t roll(struct chaos *h)
{
    struct world *world = engine_of(h)->world;
    return h->said.seed == 0 ? world->random(world) : world_of_seed(&h->dice);
}

static void count(struct chaos *h, uint32_t conn, enum error_code code, int64_t delay_us)
{
    h->resource->faults++;
    engine_trace(engine_of(h), TRACE_CHAOS, h->resource->number, conn, code, delay_us);
}

/* Where there is a call, in its tale. */
static void tell_call(const struct chaos *h, struct request *r, enum record_planted what,
                      enum error_code code, int64_t delay_us)
{
    r->is_held = true;
    if (r->tale != NULL)
        tale_chaos(h->resource, r->tale, what, code, delay_us);
}

/* --- wires ------------------------------------------------------------------------------------ */

static void held_for_long_enough(struct timer *t);
static void fail(struct soon *s);

static struct wire *find(const struct conn *c)
{
    const struct list *all = &chaos_of(c)->wires;
    for (struct list_node *n = list_head(all); n != NULL; n = list_next(all, n)) {
        struct wire *w = container_of(n, struct wire, node);
        if (w->conn == c)
            return w;
    }
    return NULL;
}

static struct wire *wire_new(struct chaos *h, struct conn *c)
{
    struct wire *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->chaos = h;
    w->conn = c;
    node_init(&w->node);
    timer_init(&w->timer, held_for_long_enough);
    soon_init(&w->soon, fail);
    list_push_tail(&h->wires, &w->node);
    return w;
}

static void wire_free(struct wire *w)
{
    struct loop *loop = engine_of(w->chaos)->loop;
    loop_disarm(loop, &w->timer);
    loop_unsoon(loop, &w->soon);
    list_remove(&w->chaos->wires, &w->node);
    free(w);
}

/* --- what happens to a request ---------------------------------------------------------------- */

static void mark_sent(struct request *r)
{
    r->is_sent = true;
    for (int32_t i = 0; i < r->parts; i++)
        r->part[i].request.is_sent = true;
}

/* What is held fails, as the driver would have it, which has nothing of this connection now. */
static void fail(struct soon *s)
{
    struct wire *w = container_of(s, struct wire, soon);
    struct conn *c = w->conn;
    struct request *r = w->request;
    struct error why;
    error_set(&why, w->code, "%s: %s", conn_resource(c),
              w->fate == FATE_FAILS ? "failed by chaos, before it was sent"
                                    : "cut off by chaos, on its way");
    why.is_planted = true;
    if (w->fate == FATE_CUT_THERE)
        mark_sent(r);
    bool is_broken = chaos_breaks((int32_t)w->code);
    wire_free(w);
    CHECK(c->lent == 0 && conn_head(c) == r);
    c->lent++;
    r->is_lent = true;
    if (is_broken) {
        conn_failed(c, &why);
        return;
    }
    reply_init(&r->reply);
    r->reply.error = why;
    conn_replied(c, r);
    conn_go_on(c);
}

/* What was held back for long enough. True: it is sent. What fails does so when all before it have ended. */
static bool pass(struct wire *w)
{
    if (w->fate == FATE_IS_SENT) {
        wire_free(w);
        return true;
    }
    if (w->fate == FATE_CUT_BACK) {
        w->is_doomed = true;
        return true;
    }
    if (w->conn->lent == 0)
        loop_soon(engine_of(w->chaos)->loop, &w->soon);
    return false;
}

static void held_for_long_enough(struct timer *t)
{
    struct wire *w = container_of(t, struct wire, timer);
    w->is_due = true;
    conn_go_on(w->conn);
}

/* A stream would go on at the server, so what goes on with it is lost or nothing. */
static enum error_code draw_code(struct chaos *h, const struct request *r)
{
    bool is_hit = fault_hits(h->said.fail, roll(h));
    bool is_possible = chaos_breaks(h->said.code) || !request_goes_on(r);
    return is_hit && is_possible ? (enum error_code)h->said.code : ERROR_OK;
}

static enum fate draw_fate(struct chaos *h, enum error_code code)
{
    if (code == ERROR_OK)
        return FATE_IS_SENT;
    if (!h->said.is_cut)
        return FATE_FAILS;
    return fault_hits(0.5, roll(h)) ? FATE_CUT_THERE : FATE_CUT_BACK;
}

static int64_t draw_delay_us(struct chaos *h)
{
    if (h->said.delay_us + h->said.delay_most_us == 0 || !fault_hits(h->said.delay_share, roll(h)))
        return 0;
    return fault_delay_us(&h->delay, roll(h));
}

static enum record_planted planted_by(enum fate fate)
{
    static const enum record_planted planted[] = {[FATE_IS_SENT] = PLANTED_HELD,
                                                  [FATE_FAILS] = PLANTED_FAILURE,
                                                  [FATE_CUT_THERE] = PLANTED_CUT_THERE,
                                                  [FATE_CUT_BACK] = PLANTED_CUT_BACK};
    return planted[fate];
}

static bool begin(struct conn *c, struct request *r)
{
    struct chaos *h = chaos_of(c);
    enum error_code code = draw_code(h, r);
    enum fate fate = draw_fate(h, code);
    int64_t delay_us = draw_delay_us(h);
    struct wire *w = code != ERROR_OK || delay_us > 0 ? wire_new(h, c) : NULL;
    if (w == NULL)
        return true;
    count(h, c->id, code, delay_us);
    tell_call(h, r, planted_by(fate), code, delay_us);
    w->request = r;
    w->code = code;
    w->fate = fate;
    w->is_due = delay_us == 0;
    if (!w->is_due)
        loop_arm(engine_of(h)->loop, &w->timer, engine_in(engine_of(h), delay_us));
    return w->is_due && pass(w);
}

/* Somebody before it was not sent either, and goes first. */
static bool is_behind(const struct conn *c, const struct request *r)
{
    return conn_head(c) != r && !container_of(r->node.prev, struct request, node)->is_lent;
}

/* Nobody of those that are on it gets an answer any more. */
static void mark_cut(struct conn *c)
{
    for (struct list_node *n = c->requests.first; n != NULL; n = ring_next(&c->requests, n))
        container_of(n, struct request, node)->is_cut = true;
}

bool chaos_lets(struct conn *c, struct request *r)
{
    struct wire *w = find(c);
    if (c->state == CONN_CANCELLING || (w != NULL && w->is_doomed))
        return true;
    if (w == NULL)
        return !is_behind(c, r) && begin(c, r);
    if (w->request != r)
        tell_call(w->chaos, r, PLANTED_BEHIND, ERROR_OK, 0);
    return w->is_due && pass(w);
}

bool chaos_eats(struct conn *c, struct request *r)
{
    const struct wire *w = find(c);
    struct error why;
    if (w == NULL || w->request != r)
        return false;
    batch_unanswer(r);
    error_set(&why, ERROR_LOST, "%s: connection %u was cut by chaos", conn_resource(c), c->id);
    mark_cut(c);
    conn_break(c, &why);
    return true;
}

bool chaos_refuses(struct conn *c)
{
    struct chaos *h = chaos_of(c);
    struct error why;
    if (!fault_hits(h->said.connect, roll(h)))
        return false;
    count(h, c->id, ERROR_UNREACHABLE, 0);
    error_set(&why, ERROR_UNREACHABLE, "%s: not reached, by chaos", conn_resource(c));
    why.is_planted = true;
    conn_failed(c, &why);
    return true;
}

void chaos_unsent(struct conn *c, const struct request *r)
{
    struct wire *w = find(c);
    if (w == NULL || w->request != r)
        return;
    wire_free(w);
    conn_go_on(c);
}

void chaos_forget(struct conn *c)
{
    struct wire *w = find(c);
    if (w != NULL)
        wire_free(w);
}

/* --- its beginning and its end ---------------------------------------------------------------- */

static void tell(const struct chaos *h, const char *text)
{
    char what[CHAOS_TEXT_SIZE];
    struct engine *e = engine_of(h);
    chaos_explain(&h->said, what);
    const struct log_field field[] = {{.key = "resource", .text = h->resource->name},
                                      {.key = "what", .text = what},
                                      {.key = "ms", .number = h->said.during_us / 1000},
                                      {.key = "faults", .number = (int64_t)h->resource->faults}};
    if (h->is_told && e->worker == 0) /* for all of them */
        engine_log(e, LOG_WARN, text, field, COUNT(field));
}

/* What is held goes on, and what is doomed is answered. */
static void end(struct chaos *h)
{
    h->resource->chaos = NULL;
    loop_disarm(engine_of(h)->loop, &h->end);
    for (struct list_node *n = list_head(&h->wires), *next; n != NULL; n = next) {
        struct wire *w = container_of(n, struct wire, node);
        struct conn *c = w->conn;
        next = list_next(&h->wires, n);
        wire_free(w);
        conn_go_on(c);
    }
    free(h);
}

static void time_is_up(struct timer *t)
{
    struct chaos *h = container_of(t, struct chaos, end);
    tell(h, "chaos is over");
    tale_chaos_over(h->resource);
    end(h);
}

static struct chaos *chaos_new(struct resource *r)
{
    struct chaos *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->resource = r;
    timer_init(&h->end, time_is_up);
    list_init(&h->wires);
    return h;
}

/* What is under way keeps its fate. */
static bool put(struct resource *r, const struct nebula_chaos *said, int64_t until_us)
{
    struct engine *e = r->engine;
    struct chaos *h = r->chaos == NULL ? chaos_new(r) : r->chaos;
    if (h == NULL)
        return false;
    h->said = *said;
    h->delay = (struct fault_delay){.delay_us = said->delay_us,
                                    .most_us = said->delay_most_us,
                                    .quantile = said->delay_quantile};
    h->dice = said->seed + (uint64_t)e->worker * SEEDS_APART;
    h->until_us = until_us;
    h->is_told = false;
    tale_chaos_began(r, said->during_us);
    loop_arm(e->loop, &h->end, until_us);
    r->chaos = h;
    return true;
}

bool chaos_say(struct resource *r, const struct nebula_chaos *said, bool is_told)
{
    if (said->during_us == 0) {
        if (r->chaos != NULL)
            time_is_up(&r->chaos->end);
        return true;
    }
    if (!put(r, said, engine_in(r->engine, said->during_us)))
        return false;
    r->chaos->is_told = is_told;
    tell(r->chaos, "chaos begins");
    return true;
}

bool chaos_take(struct resource *r, const struct resource *mould)
{
    const struct chaos *of = mould->chaos;
    return of == NULL || put(r, &of->said, of->until_us);
}

void chaos_free(struct chaos **chaos)
{
    struct chaos *h = *chaos;
    *chaos = NULL;
    if (h == NULL)
        return;
    CHECK(list_is_empty(&h->wires));
    loop_disarm(engine_of(h)->loop, &h->end);
    free(h);
}

const struct nebula_chaos *chaos_said(const struct chaos *c)
{
    return &c->said;
}

int64_t chaos_left_us(const struct chaos *c)
{
    return c->until_us - engine_now(engine_of(c));
}
