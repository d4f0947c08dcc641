#include "lone_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define PATIENCE_US 20000000
#define CONNECT_US 1000000

static struct lone *lone_of(const struct conn *c)
{
    return (struct lone *)(void *)c->pool;
}

/* The core's end of a request that the driver will not end. */
static void end_all(struct conn *c, const struct error *why)
{
    for (struct request *r = conn_head(c); r != NULL; r = conn_head(c)) {
        ring_remove(&c->requests, &r->node);
        reply_fini(&r->reply);
        r->reply.error = *why;
        r->ended(r);
    }
}

/* Counts the sentence after the rule that holds for all of them. */
static struct lone *hear(struct conn *c, enum sentence sentence)
{
    struct lone *l = lone_of(c);
    CHECK(!l->is_inside);
    CHECK(!l->is_closing || sentence == SAID_CLOSED);
    l->said[sentence]++;
    return l;
}

/* --- what the driver says --------------------------------------------------------------------- */

struct loop *conn_loop(const struct conn *c)
{
    return lone_of(c)->loop;
}

int64_t conn_open_until_us(const struct conn *c)
{
    return lone_of(c)->open_until_us;
}

const char *conn_resource(const struct conn *c)
{
    return lone_of(c)->target.resource;
}

struct request *conn_head(const struct conn *c)
{
    struct list_node *n = c->requests.first;
    return n == NULL ? NULL : container_of(n, struct request, node);
}

void conn_opened(struct conn *c)
{
    struct lone *l = hear(c, SAID_OPENED);
    CHECK(l->is_opening);
    l->is_opening = false;
}

void conn_replied(struct conn *c, struct request *r)
{
    hear(c, SAID_REPLIED);
    CHECK(r == conn_head(c));
    ring_remove(&c->requests, &r->node);
    r->ended(r);
}

void conn_cancelled(struct conn *c)
{
    struct lone *l = hear(c, SAID_CANCELLED);
    CHECK(l->is_cancelling);
    l->is_cancelling = false;
}

void conn_turned(struct conn *c)
{
    hear(c, SAID_TURNED);
}

void conn_failed(struct conn *c, const struct error *why)
{
    struct lone *l = hear(c, SAID_FAILED);
    CHECK(why->code != ERROR_OK);
    CHECK(l->said[SAID_FAILED] == 1);
    l->is_opening = l->is_cancelling = false;
    l->error = *why;
    end_all(c, why);
    lone_begin_close(l); /* as the core does */
}

void conn_closed(struct conn *c)
{
    struct lone *l = hear(c, SAID_CLOSED);
    CHECK(l->is_closing);
    end_all(c, &(struct error){.code = ERROR_LOST, .text = "the connection was closed"});
    free(c);
    l->conn = NULL;
}

void conn_told(struct conn *c, const struct told *told)
{
    struct lone *l = hear(c, SAID_TOLD);
    snprintf(l->told, sizeof l->told, "%s: %.*s", told->channel, (int)told->size, told->bytes);
    l->told_by = told->from;
}

void conn_notice(struct conn *c, const char *text)
{
    struct lone *l = hear(c, SAID_NOTICE);
    strncpy(l->notice, text, sizeof l->notice - 1);
}

/* The core's own words of these are used where they are linked in. */
__attribute__((weak)) bool target_has(const struct target *t, const struct nebula_option *option)
{
    (void)t;
    (void)option;
    return true;
}

__attribute__((weak)) const char *target_get(const struct target *t, const char *name,
                                             const char *fallback)
{
    for (int32_t i = 0; i < t->options; i++)
        if (strcmp(t->option[i].name, name) == 0)
            return t->option[i].value;
    return fallback;
}

__attribute__((weak)) void reply_fini(struct reply *r)
{
    if (r->result != NULL)
        r->result->type->free(r->result);
    r->result = NULL;
}

/* --- what the core would do ------------------------------------------------------------------- */

void lone_init(struct lone *l, struct loop *loop, const struct driver *driver,
               const char *const *option, int32_t role)
{
    *l = (struct lone){.loop = loop};
    int32_t count = 0;
    for (; option[0] != NULL; option += 2) {
        CHECK((size_t)count < COUNT(l->option));
        l->option[count++] = (struct nebula_option){.name = option[0], .value = option[1]};
    }
    l->target =
        (struct target){.resource = "lone", .option = l->option, .options = count, .role = role};
    l->conn = calloc(1, sizeof *l->conn + driver->size);
    CHECK(l->conn != NULL);
    l->driver = driver;
    l->conn->pool = (struct pool *)(void *)l; /* the driver asks nobody but us */
}

void lone_begin_open(struct lone *l)
{
    l->is_opening = l->is_inside = true;
    l->open_until_us = loop_now_us(l->loop) + CONNECT_US;
    l->driver->open(l->conn, &l->target);
    l->is_inside = false;
}

void lone_begin_send(struct lone *l, struct request *r)
{
    CHECK(!l->is_cancelling);
    CHECK(conn_head(l->conn) == NULL);
    node_init(&r->node);
    ring_push_tail(&l->conn->requests, &r->node);
    l->is_inside = true;
    l->driver->send(l->conn, r);
    l->is_inside = false;
}

void lone_begin_cancel(struct lone *l)
{
    CHECK(!l->is_cancelling && conn_head(l->conn) != NULL);
    l->is_cancelling = l->is_inside = true;
    l->driver->cancel(l->conn, conn_head(l->conn));
    l->is_inside = false;
}

void lone_begin_close(struct lone *l)
{
    CHECK(!l->is_closing);
    l->is_closing = l->is_inside = true;
    l->driver->close(l->conn);
    l->is_inside = false;
}

bool lone_wait(struct lone *l, enum sentence sentence, uint32_t count)
{
    int64_t until_us = loop_refresh(l->loop) + PATIENCE_US;
    while (l->said[sentence] < count) {
        bool is_over = l->conn == NULL || (l->said[SAID_FAILED] > 0 && sentence != SAID_CLOSED);
        if (is_over || loop_now_us(l->loop) >= until_us)
            return false;
        loop_turn(l->loop, until_us);
    }
    return true;
}

void lone_turn(struct lone *l, int64_t span_us)
{
    int64_t until_us = loop_refresh(l->loop) + span_us;
    while (loop_now_us(l->loop) < until_us)
        loop_turn(l->loop, until_us);
}

enum error_code lone_open(struct lone *l)
{
    lone_begin_open(l);
    if (lone_wait(l, SAID_OPENED, 1))
        return ERROR_OK;
    CHECK(l->said[SAID_FAILED] == 1);
    return l->error.code;
}

void lone_close(struct lone *l)
{
    if (l->conn == NULL)
        return;
    if (!l->is_closing)
        lone_begin_close(l);
    CHECK(lone_wait(l, SAID_CLOSED, 1));
}

static void ended(struct request *r)
{
    r->ended = NULL;
}

bool lone_has_ended(const struct request *r)
{
    return r->ended == NULL;
}

struct request lone_request(enum nebula_verb verb, const char *text)
{
    struct request r = {.verb = verb, .window = 1, .deadline_us = INT64_MAX, .ended = ended};
    r.text = text;
    r.text_size = (uint32_t)strlen(text);
    return r;
}

enum error_code lone_call(struct lone *l, struct request *r)
{
    r->ended = ended;
    lone_begin_send(l, r);
    int64_t until_us = loop_refresh(l->loop) + PATIENCE_US;
    while (!lone_has_ended(r)) {
        CHECK(loop_now_us(l->loop) < until_us);
        loop_turn(l->loop, until_us);
    }
    return r->reply.error.code;
}

enum error_code lone_do(struct lone *l, enum nebula_verb verb, const char *text)
{
    struct request r = lone_request(verb, text);
    enum error_code code = lone_call(l, &r);
    reply_fini(&r.reply);
    return code;
}
