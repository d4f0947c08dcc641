#include <string.h>

#include "core/pool.h"
#include "core/resource.h"

/* A request of our own: the kind's words for a check, a rollback, a reset; or the end of a stream.
 */
struct care {
    struct request request;
    struct conn *conn;
    void (*after)(struct conn *c);
};

static void care_ended(struct request *r)
{
    struct care *care = container_of(r, struct care, request);
    struct conn *c = care->conn;
    void (*after)(struct conn *) = care->after;
    struct error error = r->reply.error;
    reply_fini(&r->reply);
    free(care);
    if (c->state == CONN_CLOSING || c->state == CONN_CANCELLING)
        return; /* the connection sees to itself */
    if (error.code != ERROR_OK)
        conn_close(c, &error);
    else
        after(c);
}

/* False when out of memory; the connection is closing then. */
static bool ask(struct conn *c, enum nebula_verb verb, const char *text,
                void (*after)(struct conn *c))
{
    struct care *care = calloc(1, sizeof *care);
    if (care == NULL) {
        struct error why;
        error_set(&why, ERROR_MEMORY, "%s: no memory to look after connection %u", conn_resource(c),
                  c->id);
        conn_close(c, &why);
        return false;
    }
    care->conn = c;
    care->after = after;
    care->request.verb = verb;
    care->request.text = text;
    care->request.text_size = (uint32_t)strlen(text);
    care->request.ended = care_ended;
    care->request.deadline_us =
        engine_now(c->pool->engine) + c->pool->resource->spec->pool.connect_us;
    if (c->state != CONN_CANCELLING)
        keep_bound(c, care->request.deadline_us);
    conn_send(c, &care->request);
    return true;
}

/* Others may wait for their turn to be asked, and one that is idle again may be so for too long. */
static void is_alive(struct conn *c)
{
    struct pool *p = c->pool;
    care_settle(c);
    keep_soon(p);
}

void care_check(struct conn *c)
{
    conn_note(c, NOTE_REST, conn_idle_since(c));
    conn_move(c, CONN_CHECKING);
    c->pool->stats.checks++;
    ask(c, NEBULA_SCRIPT, c->pool->resource->spec->check, is_alive);
}

bool care_stop_stream(struct conn *c)
{
    return ask(c, NEBULA_STOP, "", NULL);
}

static void was_rolled_back(struct conn *c)
{
    struct error why;
    if ((c->session & SESSION_IN_TRANSACTION) == 0) {
        care_settle(c);
        return;
    }
    error_set(&why, ERROR_PROTOCOL, "%s: still in a transaction after a rollback",
              conn_resource(c));
    conn_close(c, &why);
}

static void was_reset(struct conn *c)
{
    c->session &= (uint8_t)~SESSION_DIRTY;
    c->is_said_dirty = false;
    care_settle(c);
}

/* The kind's words for what is unclean; without words the connection closes. */
static void clean(struct conn *c)
{
    bool in_transaction = (c->session & SESSION_IN_TRANSACTION) != 0;
    const struct nebula_spec *spec = c->pool->resource->spec;
    const char *words = in_transaction ? spec->rollback : spec->reset;
    struct error why;
    if (words == NULL) {
        error_set(&why, ERROR_USAGE, "%s: the kind has no words to clean the session",
                  c->pool->resource->name);
        conn_close(c, &why);
        return;
    }
    if (c->state != CONN_RESETTING)
        conn_move(c, CONN_RESETTING);
    c->pool->stats.resets++;
    ask(c, NEBULA_SCRIPT, words, in_transaction ? was_rolled_back : was_reset);
}

static bool is_over(const struct conn *c)
{
    return c->pool->engine->is_stopping || engine_now(c->pool->engine) >= c->life_end_us ||
           pool_has_excess(c->pool) ||
           ((c->pool->gate & GATE_EXCESS) != 0 && permits_doom(&c->pool->stake));
}

void care_settle(struct conn *c)
{
    CHECK(ring_is_empty(&c->requests) && !c->is_cancel_sent);
    struct error why;
    if ((c->session & SESSION_SPOILED) != 0) {
        error_set(&why, ERROR_LOST, "%s: the session of connection %u cannot be used again",
                  conn_resource(c), c->id);
        conn_failed(c, &why);
    } else if (is_over(c) || (c->session & SESSION_STREAMING) != 0) {
        error_set(&why, ERROR_CLOSED, "%s: connection %u has served its time", conn_resource(c),
                  c->id);
        conn_close(c, &why);
    } else if ((c->session & (SESSION_IN_TRANSACTION | SESSION_DIRTY)) != 0) {
        clean(c);
    } else {
        lease_part(&c->pool->engine->leases, c);
        pool_settled(c->pool, c);
    }
}
