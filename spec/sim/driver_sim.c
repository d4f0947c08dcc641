/* driver_sim.c - the drivers `sim` and `sim_plain`: the engine's end of a wire to a model of a
 * server.
 *
 * `sim_plain` cannot cancel. A batch goes to the server statement by statement, within `begin` and
 * `commit` when it is all or nothing, and brings no rows. What is shared goes when what was sent before
 * it has ended; it counts as sent at once. Option `server` names the server, and `wants` what it must
 * be. It is strict: what core/driver.h
 * forbids the core is a broken law here.
 */
#include "core/driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "loop_sim.h"
#include "script.h"
#include "server.h"
#include "unlikely.h"

struct cells {
    struct result result;
    int64_t first;
};

#define DEPTH_MOST 8

struct behind {
    struct request *request;
    struct cells *cells; /* NULL: there is no memory for them */
};

struct link {
    struct wire wire;
    struct conn *conn;
    struct request *request; /* under way */
    struct cells *cells;     /* made ready for its reply */
    struct behind behind[DEPTH_MOST];
    int behinds, depth;
    struct request *cancelled; /* while cancelling */
    struct soon sorry;         /* there is no memory for them */
    struct soon news;          /* what happened while it was away */
    int32_t at;                /* of a batch: the part under way, or one of the two below */
    bool is_open, is_cancelling, is_closing;
    bool is_away; /* between two workers */
};

static void cell(const struct result *r, int32_t row, int32_t column, struct nebula_value *out)
{
    const struct cells *c = (const struct cells *)r;
    CHECK(row >= 0 && row < r->rows && column == 0);
    *out = (struct nebula_value){.type = NEBULA_INT, .integer = c->first + row};
}

static void column_of(const struct result *r, int32_t column, struct nebula_column *out)
{
    CHECK(column < r->columns);
    *out = (struct nebula_column){.name = "n", .size = 1};
}

static void cells_free(struct result *r)
{
    free(r);
}

static const struct result_type cells_type = {
    .cell = cell, .column = column_of, .free = cells_free};

enum { AT_BEGIN = -1, AT_UNDO = -2 }; /* and the commit is behind the last part */

static struct link *link_of(struct wire *w)
{
    return container_of(w, struct link, wire);
}

/* The request is the core's again. */
static struct request *end_request(struct link *l)
{
    struct request *r = l->request;
    l->request = NULL;
    return r;
}

static void drop_cells(struct link *l)
{
    free(l->cells);
    l->cells = NULL;
}

static void drop_all(struct link *l)
{
    l->request = NULL;
    drop_cells(l);
    while (l->behinds > 0)
        free(l->behind[--l->behinds].cells);
}

/* Behind the one that has ended. */
static void send_next(struct link *l)
{
    if (l->behinds == 0)
        return;
    l->request = l->behind[0].request;
    l->cells = l->behind[0].cells;
    memmove(l->behind, l->behind + 1, (size_t)--l->behinds * sizeof *l->behind);
    if (l->cells == NULL)
        loop_soon(conn_loop(l->conn), &l->sorry);
    else
        wire_send_again(&l->wire, l->request->text);
}

static void opened(struct wire *w)
{
    struct link *l = link_of(w);
    l->is_open = true;
    conn_opened(l->conn);
}

static void failed(struct wire *w, enum error_code code, const char *state, const char *text)
{
    struct link *l = link_of(w);
    struct error e;
    if (l->is_away) {
        l->is_open = false;
        return;
    }
    error_set(&e, code, "%s: %s", conn_resource(l->conn), text);
    memcpy(e.state, state, strlen(state) + 1);
    l->is_open = l->is_cancelling = false;
    drop_all(l);
    conn_failed(l->conn, &e);
}

static void fill(const struct link *l, struct reply *reply, const struct answer *a)
{
    *reply = (struct reply){.changed = a->changed,
                            .more = a->more,
                            .wants_writer = a->wants_writer,
                            .wants_input = a->wants_input};
    if (a->code == ERROR_OK)
        return;
    error_set(&reply->error, a->code, "%s: %s", conn_resource(l->conn), a->text);
    memcpy(reply->error.state, a->state, strlen(a->state) + 1);
}

/* --- batches ---------------------------------------------------------------------------------- */

static void end_batch(struct link *l)
{
    struct request *r = end_request(l);
    for (int32_t i = 0; i < r->parts && !r->is_each; i++) {
        struct reply *reply = &r->part[i].request.reply;
        reply->is_unanswered = false;
        if (r->reply.error.code != ERROR_OK && i + 1 != r->reply.part)
            reply->error = r->reply.error;
    }
    drop_cells(l);
    conn_replied(l->conn, r);
}

/* "word L", L being who says the parts: "add L ID". */
static bool say_word(struct link *l, const char *word)
{
    char text[32];
    const char *who = strchr(l->request->part[0].request.text, ' ');
    CHECK(who != NULL);
    snprintf(text, sizeof text, "%s %lld", word, strtoll(who, NULL, 10));
    return wire_send(&l->wire, NEBULA_SCRIPT, text, 0);
}

static bool send_part(struct link *l)
{
    struct request *r = l->request;
    if (l->at == AT_BEGIN || l->at == AT_UNDO)
        return say_word(l, l->at == AT_BEGIN ? "begin" : "undo");
    if (l->at == r->parts)
        return say_word(l, "commit");
    return wire_send(&l->wire, NEBULA_RUN, r->part[l->at].request.text, 0);
}

/* The whole is as good as on its way with its first word, or not at all. */
static void send_batch(struct link *l)
{
    struct request *r = l->request;
    l->at = r->is_each ? 0 : AT_BEGIN;
    bool is_sent = send_part(l);
    for (int32_t i = 0; i < r->parts; i++)
        r->part[i].request.is_sent = is_sent;
}

static void part_of_each_replied(struct link *l, const struct answer *a)
{
    struct request *r = l->request;
    fill(l, &r->part[l->at++].request.reply, a);
    bool is_unsent = !r->part[0].request.is_sent;
    if (is_unsent)
        fill(l, &r->reply, a);
    else if (l->is_cancelling && l->at < r->parts)
        fill(l, &r->reply, &(struct answer){.code = ERROR_CANCELLED, .state = "", .text = "over"});
    if (is_unsent || l->is_cancelling || l->at == r->parts)
        end_batch(l);
    else
        send_part(l);
}

static void part_of_all_replied(struct link *l, const struct answer *a)
{
    struct request *r = l->request;
    bool has_part = l->at >= 0 && l->at < r->parts;
    if (l->at == AT_UNDO || (a->code == ERROR_OK && l->at == r->parts)) {
        end_batch(l);
    } else if (a->code == ERROR_OK && !l->is_cancelling) {
        l->at++;
        send_part(l);
    } else {
        fill(l, &r->reply, a);
        if (a->code == ERROR_OK)
            error_set(&r->reply.error, ERROR_CANCELLED, "over");
        r->reply.part = has_part ? l->at + 1 : 0;
        if (has_part)
            r->part[l->at].request.reply = r->reply;
        l->at = AT_UNDO;
        if (l->is_cancelling || (a->bits & SESSION_IN_TRANSACTION) == 0)
            end_batch(l);
        else
            send_part(l);
    }
}

static void replied(struct wire *w, const struct answer *a)
{
    struct link *l = link_of(w);
    CHECK(l->request != NULL);
    l->conn->session = a->bits;
    if (l->request->parts > 0 && l->request->is_each) {
        part_of_each_replied(l, a);
        return;
    }
    if (l->request->parts > 0) {
        part_of_all_replied(l, a);
        return;
    }
    struct request *r = end_request(l);
    struct reply *reply = &r->reply;
    fill(l, reply, a);
    reply->wants_again = a->code == ERROR_CANCELLED && r != l->cancelled;
    if (a->rows > 0) {
        l->cells->first = a->cell;
        l->cells->result.rows = a->rows;
        reply->result = &l->cells->result;
        l->cells = NULL;
    }
    drop_cells(l);
    if (a->is_turned)
        conn_turned(l->conn);
    send_next(l);
    conn_replied(l->conn, r);
}

static void cancelled(struct wire *w)
{
    struct link *l = link_of(w);
    l->is_cancelling = false;
    conn_cancelled(l->conn);
}

static void told(struct wire *w, int64_t channel, int64_t number)
{
    struct link *l = link_of(w);
    char name[24], text[24];
    snprintf(name, sizeof name, "%lld", (long long)channel);
    int size = snprintf(text, sizeof text, "%lld", (long long)number);
    conn_told(l->conn,
              &(struct told){.channel = name, .bytes = text, .size = (uint32_t)size, .from = 7});
}

static void closed(struct wire *w)
{
    conn_closed(link_of(w)->conn);
}

/* Between two workers nobody is asleep. */
static int64_t awake_us(const struct wire *w)
{
    const struct link *l = container_of(w, struct link, wire);
    return l->is_away ? 0 : loop_awake_us(conn_loop(l->conn));
}

static int64_t timer_us(const struct wire *w)
{
    const struct link *l = container_of(w, struct link, wire);
    return l->is_away ? INT64_MAX : loop_next_us(conn_loop(l->conn));
}

/* The request was not sent: there is no memory for its answer. */
static void tell_news(struct soon *s)
{
    failed(&container_of(s, struct link, news)->wire, ERROR_LOST, "", "the connection broke");
}

static void say_sorry(struct soon *s)
{
    struct link *l = container_of(s, struct link, sorry);
    struct request *r = end_request(l);
    r->reply = (struct reply){.changed = -1};
    error_set(&r->reply.error, ERROR_MEMORY, "%s: no memory for the answer",
              conn_resource(l->conn));
    send_next(l);
    conn_replied(l->conn, r);
}

static void sim_open(struct conn *c, const struct target *t)
{
    struct link *l = conn_driver(c);
    l->wire = (struct wire){.opened = opened,
                            .failed = failed,
                            .replied = replied,
                            .cancelled = cancelled,
                            .told = told,
                            .closed = closed,
                            .awake_us = awake_us,
                            .timer_us = timer_us,
                            .wants = t->is_easy ? NULL : target_get(t, "wants", NULL)};
    l->conn = c;
    l->depth = t->depth;
    soon_init(&l->sorry, say_sorry);
    soon_init(&l->news, tell_news);
    struct server *s = server_find(target_get(t, "server", ""));
    CHECK(s != NULL);
    wire_connect(&l->wire, s, t->role);
}

static struct cells *new_cells(void)
{
    struct cells *cells = malloc(sizeof *cells);
    if (cells != NULL)
        *cells = (struct cells){.result = {.type = &cells_type, .columns = 1}};
    return cells;
}

static void queue(struct link *l, struct request *r)
{
    if (!r->is_shared || !l->request->is_shared || l->behinds + 1 >= l->depth) {
        law_broken("a statement was sent behind %d others", l->behinds + 1);
        return;
    }
    r->is_sent = true;
    wire_announce(&l->wire, r->text);
    l->behind[l->behinds++] = (struct behind){.request = r, .cells = new_cells()};
}

static void sim_send(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    if (l->is_open && !l->is_closing && l->request != NULL) {
        queue(l, r);
        return;
    }
    if (node_is_listed(&l->news.node)) { /* it broke on its way: what is sent now is lost */
        l->request = r;
        r->is_sent = true;
        wire_announce(&l->wire, r->parts > 0 ? r->part[0].request.text : r->text);
        return;
    }
    if (!l->is_open || l->is_closing) {
        law_broken("a statement was sent on a connection that is %s",
                   l->is_closing ? "closed" : "not open");
        return;
    }
    l->request = r;
    l->cells = new_cells();
    if (l->cells == NULL) {
        loop_soon(conn_loop(c), &l->sorry);
        return;
    }
    if (r->parts > 0) {
        send_batch(l);
        return;
    }
    r->is_sent = wire_send(&l->wire, r->verb, r->text, r->window);
}

static void sim_cancel(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    if (l->request != r || l->is_cancelling || l->is_closing) {
        law_broken("a cancel was sent %s", l->is_cancelling ? "twice" : "for nothing under way");
        return;
    }
    l->is_cancelling = true;
    l->cancelled = r;
    wire_cancel(&l->wire, l->behinds > 0);
}

static void sim_close(struct conn *c)
{
    struct link *l = conn_driver(c);
    if (l->is_closing) {
        law_broken("a connection was closed twice");
        return;
    }
    l->is_closing = true;
    loop_unsoon(conn_loop(c), &l->sorry);
    loop_unsoon(conn_loop(c), &l->news);
    drop_all(l);
    wire_hang_up(&l->wire);
}

static bool sim_detach(struct conn *c)
{
    struct link *l = conn_driver(c);
    if (l->is_away || l->request != NULL || l->is_cancelling || l->is_closing)
        law_broken("a connection was let go of that has something under way");
    if (!l->is_open || unlikely_happens(DETACH_IS_REFUSED))
        return false;
    l->is_away = true;
    if (unlikely_happens(BREAKS_ON_ITS_WAY))
        wire_break(&l->wire);
    return true;
}

static void sim_attach(struct conn *c, const struct target *t)
{
    struct link *l = conn_driver(c);
    (void)t;
    if (!l->is_away)
        law_broken("a connection came that was not on its way");
    l->is_away = false;
    if (!l->is_open)
        loop_soon(conn_loop(c), &l->news);
}

static bool sim_may_share(const struct driver *d, const struct request *r)
{
    (void)d;
    return strncmp(r->text, "get ", 4) == 0 || strncmp(r->text, "put ", 4) == 0;
}

static const struct driver sim = {.name = "sim",
                                  .size = sizeof(struct link),
                                  .takes_batches = true,
                                  .depth = DEPTH_MOST,
                                  .may_share = sim_may_share,
                                  .open = sim_open,
                                  .send = sim_send,
                                  .cancel = sim_cancel,
                                  .close = sim_close,
                                  .detach = sim_detach,
                                  .attach = sim_attach};

static const struct driver sim_plain = {.name = "sim_plain",
                                        .size = sizeof(struct link),
                                        .takes_batches = true,
                                        .depth = DEPTH_MOST,
                                        .may_share = sim_may_share,
                                        .open = sim_open,
                                        .send = sim_send,
                                        .close = sim_close};

const struct driver *driver_find(const char *name, struct error *e)
{
    if (strcmp(name, sim.name) == 0)
        return &sim;
    if (strcmp(name, sim_plain.name) == 0)
        return &sim_plain;
    if (strcmp(name, script_driver.name) == 0)
        return &script_driver;
    if (strcmp(name, script_plain_driver.name) == 0)
        return &script_plain_driver;
    error_set(e, ERROR_CONFIG, "there is no driver %s", name);
    return NULL;
}

void driver_return(const struct driver *d)
{
    (void)d;
}
