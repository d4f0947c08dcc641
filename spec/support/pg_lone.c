#include "pg_lone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/drivers.h"

static struct pg server;
static struct world *world;
static struct loop *loop;

int pg_lone_run(const struct CMUnitTest *test, size_t count)
{
    pg_server_start(&server);
    world = world_real();
    loop = loop_new(world);
    int failed = _cmocka_run_group_tests("postgres", test, count, NULL, NULL);
    if (failed == 0) /* else a test has left things on it */
        loop_free(&loop);
    free(world);
    pg_server_stop(&server);
    return failed;
}

struct pg *pg_lone_server(void)
{
    return &server;
}

void pg_lone_init(struct lone *l, const char *const *option)
{
    lone_init(l, loop, &driver_postgres, option, 0);
}

void pg_lone_init_app(struct lone *l)
{
    pg_lone_init(l, (const char *const[]){"host", "127.0.0.1", "port", server.port, "user", "app",
                                          "dbname", "app", "password", "sesame-open", NULL});
}

void pg_lone_open(struct lone *l)
{
    pg_lone_init_app(l);
    assert_int_equal(lone_open(l), ERROR_OK);
}

struct request pg_lone_run_values(struct lone *l, const char *text,
                                  const struct nebula_value *value, int32_t count)
{
    struct request r = lone_request(NEBULA_RUN, text);
    r.value = value;
    r.count = count;
    lone_call(l, &r);
    return r;
}

void pg_lone_expect(struct lone *l, enum nebula_verb verb, const char *text, enum error_code code,
                    const char *state)
{
    struct request r = lone_request(verb, text);
    if (lone_call(l, &r) != code || strcmp(r.reply.error.state, state) != 0)
        fail_msg("%s: %s [%s] %s", text, error_name(r.reply.error.code), r.reply.error.state,
                 r.reply.error.text);
    reply_fini(&r.reply);
}

void pg_lone_script(struct lone *l, const char *text)
{
    pg_lone_expect(l, NEBULA_SCRIPT, text, ERROR_OK, "");
}

void pg_lone_say(struct lone *l, const char *text)
{
    pg_lone_expect(l, NEBULA_RUN, text, ERROR_OK, "");
}

int64_t pg_lone_integer(struct lone *l, const char *text)
{
    struct request r = lone_request(NEBULA_RUN, text);
    if (lone_call(l, &r) != ERROR_OK)
        fail_msg("%s: %s", text, r.reply.error.text);
    struct nebula_value v = pg_lone_cell(&r, 0, 0);
    assert_int_equal(v.type, NEBULA_INT);
    reply_fini(&r.reply);
    return v.integer;
}

struct nebula_value pg_lone_cell(const struct request *r, int32_t row, int32_t column)
{
    struct nebula_value v;
    if (r->reply.result == NULL)
        fail_msg("%s: no rows: %s", r->text, r->reply.error.text);
    r->reply.result->type->cell(r->reply.result, row, column, &v);
    return v;
}

void pg_lone_is_text(struct nebula_value v, const char *text)
{
    assert_int_equal(v.type, NEBULA_TEXT);
    assert_int_equal(v.size, strlen(text));
    assert_memory_equal(v.bytes, text, v.size);
}

void pg_lone_turn_until(struct lone *l, const char *answer, const char *format, ...)
{
    char sql[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    int64_t until_us = loop_refresh(l->loop) + 20 * SECOND;
    while (strcmp(pg_server_ask(&server, "%s", sql), answer) != 0) {
        if (loop_now_us(l->loop) > until_us)
            fail_msg("%s is never %s", sql, answer);
        lone_turn(l, 5 * MS);
    }
}
