/* odd.c - a driver for foreign_spec.lua: each text is a thing that a driver may do. It is compiled
 * against the first nebula_driver.h as well. */
#include <nebula_driver.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct nebula_driver nebula_driver; /* NOLINT(readability-redundant-declaration) */

struct odd {
    struct nebula_conn conn;
    const struct nebula_driver_request *asked;
    bool is_open, is_bad, is_closing, is_cancelled, fails;
    int32_t resets;
    char said[64]; /* "": nothing to say yet */
};

static struct odd *odd_of(struct nebula_conn *c)
{
    return (struct odd *)c;
}

static void cell(const void *text, int32_t row, int32_t column, struct nebula_value *out)
{
    (void)row;
    (void)column;
    *out =
        (struct nebula_value){.type = NEBULA_TEXT, .size = (uint32_t)strlen(text), .bytes = text};
}

static void column(const void *text, int32_t column, struct nebula_column *out)
{
    (void)text;
    (void)column;
    *out = (struct nebula_column){.name = "said", .size = 4};
}

static const struct nebula_result_type said_type = {.cell = cell, .column = column, .free = free};

static bool is_asked(const struct odd *o, const char *text)
{
    return o->asked != NULL && strcmp(o->asked->text, text) == 0;
}

static struct nebula_driver_reply what(const struct odd *o)
{
    if (is_asked(o, "refuse"))
        return (struct nebula_driver_reply){
            .code = NEBULA_ERROR_QUERY, .text = "that is refused", .state = "XX1"};
    if (is_asked(o, "unsent"))
        return (struct nebula_driver_reply){
            .code = NEBULA_ERROR_LOST, .text = "it never left", .session = NEBULA_UNUSABLE};
    if (o->is_cancelled)
        return (struct nebula_driver_reply){.code = NEBULA_ERROR_CANCELLED, .text = "stopped"};
    return (struct nebula_driver_reply){
        .rows = 1, .columns = 1, .result = strdup(o->said), .result_type = &said_type};
}

/* What stands behind a reply is nobody's business, whatever other headers have there. */
static void reply(struct odd *o)
{
    struct {
        struct nebula_driver_reply reply;
        unsigned char behind[64];
    } r = {.reply = what(o)};
    memset(r.behind, 0xff, sizeof r.behind);
    r.reply.session |= is_asked(o, "dirty") ? NEBULA_DIRTY : 0;
    o->asked = NULL;
    o->said[0] = '\0';
    o->conn.engine->replied(&o->conn, &r.reply);
}

static void soon(struct nebula_conn *c)
{
    struct odd *o = odd_of(c);
    if (o->is_closing) {
        c->engine->closed(c);
    } else if (o->is_bad || o->fails) {
        c->engine->failed(c, o->fails ? NEBULA_ERROR_LOST : NEBULA_ERROR_DENIED, "no more of this");
    } else if (!o->is_open) {
        o->is_open = true;
        c->engine->opened(c);
    } else if (o->is_cancelled) {
        reply(o);
        o->is_cancelled = false;
        c->engine->cancelled(c);
    } else if (o->asked != NULL) {
        bool is_twice = is_asked(o, "twice");
        reply(o);
        if (is_twice)
            reply(o);
    }
}

static void open_odd(struct nebula_conn *c, const struct nebula_target *to)
{
    odd_of(c)->is_bad = strcmp(c->engine->option(c, "mood", "good"), "bad") == 0;
    (void)to;
    c->engine->soon(c);
}

/* On a thread. */
static void take_time(struct nebula_conn *c)
{
    usleep(is_asked(odd_of(c), "slow") ? 300000 : 1000);
    snprintf(odd_of(c)->said, sizeof odd_of(c)->said, "worked");
}

static void worked(struct nebula_conn *c)
{
    soon(c);
}

static void resolved(struct nebula_conn *c, const struct nebula_addresses *found, const char *why)
{
    struct odd *o = odd_of(c);
    snprintf(o->said, sizeof o->said, "%s",
             found != NULL && found->count > 0 && found->size[0] > 0 ? "resolved" : why);
    soon(c);
}

static void send_odd(struct nebula_conn *c, const struct nebula_driver_request *r)
{
    struct odd *o = odd_of(c);
    o->asked = r;
    o->resets += is_asked(o, "reset");
    o->fails = is_asked(o, "fail");
    if (is_asked(o, "size"))
        snprintf(o->said, sizeof o->said, "%u bytes", nebula_driver.size);
    else
        snprintf(o->said, sizeof o->said, "%d resets, %d values", o->resets, r->count);
    if (is_asked(o, "work") || is_asked(o, "slow"))
        c->engine->work(c, take_time);
    else if (is_asked(o, "resolve"))
        c->engine->resolve(c, "localhost", "80");
    else if (is_asked(o, "inside"))
        reply(o);
    else if (!is_asked(o, "hang"))
        c->engine->soon(c);
}

static void cancel_odd(struct nebula_conn *c)
{
    odd_of(c)->is_cancelled = true;
    if (!is_asked(odd_of(c), "slow"))
        c->engine->soon(c);
}

static void close_odd(struct nebula_conn *c)
{
    odd_of(c)->is_closing = true;
    c->engine->soon(c);
}

const struct nebula_driver nebula_driver = {
    .abi = NEBULA_DRIVER_ABI,
    .size = sizeof nebula_driver,
    .conn_size = sizeof(struct odd),
    .open = open_odd,
    .send = send_odd,
    .cancel = cancel_odd,
    .close = close_odd,
    .soon = soon,
    .resolved = resolved,
    .worked = worked,
};
