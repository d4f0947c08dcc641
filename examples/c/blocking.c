/* blocking.c - a program that does one thing after the other: it asks, and turns the engine until the
 * answer is there.
 *
 *   cc blocking.c $(pkg-config --cflags --libs nebula) -o blocking
 *   ./blocking              on a database in memory
 *   ./blocking FOLDER       on the resource "shop" that FOLDER/resources/NAME.lua declare
 */
#include <inttypes.h>
#include <nebula.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* A ticket's end. What it says lives until nebula_done(). */
static struct nebula_reply wait_for(struct nebula *n, int32_t ticket, const char *what)
{
    struct nebula_event event;
    struct nebula_reply reply;
    if (ticket < 0)
        die(what, nebula_error(n));
    while (!nebula_next(n, &event)) /* one ticket is under way, so the next event is its own */
        nebula_turn(n, INT64_MAX);
    nebula_reply(n, ticket, &reply);
    if (reply.code != 0)
        die(what, reply.text);
    return reply;
}

static int32_t ask(struct nebula *n, struct nebula_request r, const char *text)
{
    r.text = text;
    r.text_size = (uint32_t)strlen(text);
    return nebula_call(n, &r);
}

/* For statements whose rows nobody wants. */
static void run(struct nebula *n, struct nebula_request to, const char *text)
{
    int32_t ticket = ask(n, to, text);
    wait_for(n, ticket, text);
    nebula_done(n, ticket);
}

/* Two statements that happen both or not at all: they need a connection of their own. */
static void pay(struct nebula *n, int32_t shop, int64_t bill)
{
    int32_t writer = nebula_role(n, shop, "writer"); /* SQLite has one, other kinds do without */
    int64_t lease = nebula_lease(n, shop, writer < 0 ? 0 : writer, 0, false);
    if (lease == 0) { /* nobody was idle: the lease comes with a ticket */
        int32_t ticket = nebula_ticket(n);
        lease = wait_for(n, ticket, "lease").lease;
        nebula_done(n, ticket);
    }
    struct nebula_request on = {.lease = lease, .verb = NEBULA_SCRIPT};
    struct nebula_value id = {.type = NEBULA_INT, .integer = bill};
    run(n, on, "begin");
    on.verb = NEBULA_RUN;
    on.value = &id;
    on.count = 1;
    run(n, on, "update bills set state = 'paid' where id = $1");
    run(n, on, "insert into receipts (bill) values ($1)");
    on.verb = NEBULA_SCRIPT;
    on.count = 0;
    run(n, on, "commit");
    nebula_release(n, lease, NEBULA_GOOD);
}

static void show(struct nebula *n, int32_t ticket, int32_t rows)
{
    for (int32_t row = 0; row < rows; row++) {
        struct nebula_value id, state;
        nebula_cell(n, ticket, row, 0, &id);
        nebula_cell(n, ticket, row, 1, &state);
        printf("%" PRId64 " %.*s\n", id.integer, (int)state.size, state.bytes);
    }
}

/* A result of any size, two rows at a time. */
static void list(struct nebula *n, int32_t shop)
{
    int64_t lease = nebula_lease(n, shop, 0, 0, false);
    if (lease == 0) {
        int32_t ticket = nebula_ticket(n);
        lease = wait_for(n, ticket, "lease").lease;
        nebula_done(n, ticket);
    }
    struct nebula_request on = {.lease = lease, .verb = NEBULA_STREAM, .window = 2};
    bool more = true;
    while (more) {
        int32_t ticket = ask(n, on, "select id, state from bills order by id");
        struct nebula_reply reply = wait_for(n, ticket, "stream");
        show(n, ticket, reply.rows);
        more = reply.more;
        nebula_done(n, ticket);
        on.verb = NEBULA_PULL;
    }
    nebula_release(n, lease, NEBULA_GOOD);
}

int main(int count, char **argument)
{
    char text[256], *why;
    const struct nebula_options options = {
        .name = "blocking", .log_format = 2, .log_level = 2, .log_fd = 2};
    struct nebula *n = nebula_open(&options, text, sizeof text);
    if (n == NULL)
        die("nebula", text);

    struct nebula_source source = {.folder = argument[1]};
    if (count < 2)
        source.text = "sqlite 'shop' { file = ':memory:', pool = { max = 1 } }";
    if (nebula_declare_source(n, &source, &why) < 0)
        die("declarations", why);
    int32_t shop = nebula_find(n, "shop");
    struct nebula_request to = {.resource = shop, .verb = NEBULA_RUN};

    run(n, to, "create table bills (id integer primary key, state text)");
    run(n, to, "create table receipts (bill integer)");
    run(n, to, "insert into bills values (1, 'due'), (2, 'due'), (3, 'due')");
    pay(n, shop, 2);
    list(n, shop);
    run(n, to, "drop table receipts");
    run(n, to, "drop table bills");
    nebula_close(&n);
    return 0;
}
