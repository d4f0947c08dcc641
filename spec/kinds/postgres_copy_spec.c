/* postgres_copy_spec.c - COPY from and to the client is refused by name, at as little cost as can
 * be. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/check.h"
#include "support/pg_lone.h"

static void copy_is_refused_by_name(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct lone l;
        pg_lone_open(&l);
        pg_lone_expect(&l, i ? NEBULA_SCRIPT : NEBULA_RUN, "copy (select 1) to stdout",
                       ERROR_NOT_YET, "");
        assert_true(lone_wait(&l, SAID_FAILED, 1));
        lone_close(&l);
    }
}

/* The server waits for rows, so it can be told that there are none. */
static void a_refused_copy_from_the_client_keeps_the_session(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(&l, "create temp table filled (a int)");
    for (int i = 0; i < 6; i++) { /* prepared anew, prepared, and as a script */
        pg_lone_expect(&l, i < 4 ? NEBULA_RUN : NEBULA_SCRIPT,
                       i % 2 ? "copy filled from stdin" : "copy filled from stdin csv",
                       ERROR_NOT_YET, "");
        assert_int_equal(pg_lone_integer(&l, "select count(*) from filled"), 0);
    }
    pg_lone_expect(&l, NEBULA_STREAM, "copy filled from stdin", ERROR_NOT_YET, "");
    pg_lone_expect(&l, NEBULA_SCRIPT, "insert into filled values (1); copy filled from stdin",
                   ERROR_NOT_YET, "");
    assert_int_equal(pg_lone_integer(&l, "select count(*) from filled"), 0);
    pg_lone_say(&l, "begin");
    pg_lone_expect(&l, NEBULA_RUN, "copy filled from stdin", ERROR_NOT_YET, "");
    pg_lone_expect(&l, NEBULA_RUN, "select 1", ERROR_QUERY, "25P02");
    pg_lone_say(&l, "rollback");
    assert_int_equal(l.said[SAID_FAILED], 0);
    lone_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_is_refused_by_name),
        cmocka_unit_test(a_refused_copy_from_the_client_keeps_the_session),
    };
    return pg_lone_run(tests, COUNT(tests));
}
