#include "script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

struct script script;

struct link {
    struct conn *conn;
    struct request *request;
    struct said said;
    struct soon soon;
    int32_t role;
    bool is_open, is_cancelled, is_closing;
};

static void no_rows(struct result *r)
{
    free(r);
}

static const struct result_type rows_type = {.free = no_rows};

static void bring_rows(struct reply *r)
{
    r->result = calloc(1, sizeof *r->result);
    r->result->type = &rows_type;
}

static void fill(struct request *r, const struct said *said)
{
    for (int32_t i = 0; i < r->parts; i++) {
        struct reply *reply = &r->part[i].request.reply;
        reply->is_unanswered = false;
        bring_rows(reply);
        if (i == 0 && said->part_fails)
            error_set(&reply->error, ERROR_QUERY, "a part fails");
    }
    if (said->has_rows)
        bring_rows(&r->reply);
    r->reply.is_partial = said->is_partial;
    r->reply.wants_again = said->wants_again;
    r->reply.wants_writer = said->wants_writer;
    if (said->code != ERROR_OK)
        error_set(&r->reply.error, said->code, "as written");
}

static void answer(struct link *l)
{
    struct request *r = l->request;
    struct error why;
    l->request = NULL;
    if (l->said.is_lost) {
        error_set(&why, l->said.code, "as written");
        conn_failed(l->conn, &why);
        return;
    }
    fill(r, &l->said);
    conn_replied(l->conn, r);
}

static void speak(struct soon *s)
{
    struct link *l = container_of(s, struct link, soon);
    if (l->is_closing) {
        conn_closed(l->conn);
    } else if (!l->is_open) {
        l->is_open = true;
        conn_opened(l->conn);
    } else if (l->is_cancelled) {
        l->is_cancelled = false;
        l->said = (struct said){.code = ERROR_CANCELLED};
        answer(l);
        conn_cancelled(l->conn);
    } else {
        answer(l);
    }
}

static void script_open(struct conn *c, const struct target *t)
{
    struct link *l = conn_driver(c);
    script.conn = c;
    l->conn = c;
    l->role = t->role;
    soon_init(&l->soon, speak);
    loop_soon(conn_loop(c), &l->soon);
}

static void note(struct link *l, const struct request *r)
{
    CHECK(script.count < SCRIPT_MOST);
    script.given[script.count++] = (struct given){.at_us = world_time_us(),
                                                  .deadline_us = r->deadline_us,
                                                  .context = r->context,
                                                  .role = l->role,
                                                  .is_sent = r->is_sent};
    l->said = (struct said){.code = ERROR_OK};
    if (script.left > 0) {
        l->said = *script.said++;
        script.left--;
    }
}

static void script_send(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    l->request = r;
    if (r->parts == 0 && strcmp(r->text, "reset") == 0) {
        script.resets++;
        l->said = (struct said){.is_sent = true};
    } else {
        note(l, r);
    }
    r->is_sent = r->is_sent || l->said.is_sent;
    for (int32_t i = 0; i < r->parts; i++)
        r->part[i].request.is_sent = true;
    if (!l->said.is_nothing)
        loop_soon(conn_loop(c), &l->soon);
}

static void script_cancel(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    CHECK(l->request == r);
    l->is_cancelled = true;
    loop_soon(conn_loop(c), &l->soon);
}

static void script_close(struct conn *c)
{
    struct link *l = conn_driver(c);
    l->is_closing = true;
    if (!script.is_close_slow)
        loop_soon(conn_loop(c), &l->soon);
}

const struct driver script_driver = {.name = "script",
                                     .size = sizeof(struct link),
                                     .takes_batches = true,
                                     .open = script_open,
                                     .send = script_send,
                                     .cancel = script_cancel,
                                     .close = script_close};

const struct driver script_plain_driver = {.name = "script_plain",
                                           .size = sizeof(struct link),
                                           .open = script_open,
                                           .send = script_send,
                                           .cancel = script_cancel,
                                           .close = script_close};

/* --- for specs -------------------------------------------------------------------------------- */

void script_begin(struct rig *r, const struct said *said, int count)
{
    script = (struct script){.said = said, .left = count};
    rig_begin(r);
    r->spec.driver = script_plain_driver.name;
    r->spec.pool.max = 1;
    r->spec.policy.wait_us = 80 * MS;
    r->spec.policy.pause_us = r->spec.policy.pause_max_us = 50 * MS;
    r->spec.policy.budget = r->spec.policy.budget_least = 100;
}

struct nebula_reply script_ask(struct rig *r, struct nebula_request request)
{
    struct nebula_reply reply;
    request.text = "as written";
    rig_await(r, rig_request(r, request), &reply);
    return reply;
}

void script_says(struct rig *r, int32_t ticket, const char *text)
{
    struct nebula_reply reply;
    rig_come(r, ticket);
    nebula_reply(r->nebula, ticket, &reply);
    assert_string_equal(reply.text, text);
}

void script_closed(void)
{
    struct link *l = conn_driver(script.conn);
    CHECK(l->is_closing);
    loop_soon(conn_loop(script.conn), &l->soon);
}
