#include "support/sqlite_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* In memory where there is such a place: what is tested is not the disk. */
void place_init(struct place *p)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    p->world = world_real();
    p->loop = loop_new(p->world);
    assert_non_null(p->loop);
    snprintf(p->folder, sizeof p->folder, "%s/nebula-sqlite-XXXXXX", parent);
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->file, sizeof p->file, "%s/some.db", p->folder);
}

void place_fini(struct place *p)
{
    char command[100];
    loop_free(&p->loop);
    free(p->world);
    snprintf(command, sizeof command, "rm -rf %s", p->folder);
    assert_int_equal(system(command), 0);
}

void place_run(void (*test)(struct place *p))
{
    struct place p;
    place_init(&p);
    test(&p);
    place_fini(&p);
}

void place_open(struct place *p, struct lone *l, int32_t role)
{
    const char *option[] = {"file", p->file, NULL};
    lone_init(l, p->loop, &driver_sqlite, option, role);
    if (lone_open(l) != ERROR_OK)
        fail_msg("%s: %s", p->file, l->error.text);
}

static void call(struct lone *l, struct request *r)
{
    if (lone_call(l, r) != ERROR_OK)
        fail_msg("%s: %s", r->text, r->reply.error.text);
}

void place_good(struct lone *l, enum nebula_verb verb, const char *text)
{
    struct request r = lone_request(verb, text);
    call(l, &r);
    reply_fini(&r.reply);
}

void place_bad(struct lone *l, struct request r, enum error_code code, const char *says)
{
    enum error_code got = lone_call(l, &r);
    if (got != code || strstr(r.reply.error.text, says) == NULL)
        fail_msg("%s: %s: %s", r.text, error_name(got), r.reply.error.text);
    assert_null(r.reply.result);
}

int64_t place_number(struct lone *l, const char *text)
{
    struct request r = lone_request(NEBULA_RUN, text);
    struct nebula_value v;
    call(l, &r);
    assert_int_equal(r.reply.result->rows, 1);
    r.reply.result->type->cell(r.reply.result, 0, 0, &v);
    assert_int_equal(v.type, NEBULA_INT);
    reply_fini(&r.reply);
    return v.integer;
}

void place_stream(struct lone *l, const char *text, int32_t window, int32_t rows)
{
    struct request r = lone_request(NEBULA_STREAM, text);
    r.window = window;
    call(l, &r);
    assert_int_equal(r.reply.result->rows, rows);
    assert_int_equal(r.reply.more, rows == window);
    reply_fini(&r.reply);
}
