/* pg_lone.h - what the specs of the PostgreSQL driver share: a server, a loop, and short words for
 * asking.
 *
 * One spec has one server and one loop; its tests have connections of their own. A cmocka assertion
 * fails where an answer is not the expected one.
 */
#ifndef SPEC_PG_LONE_H
#define SPEC_PG_LONE_H

#include "support/lone_conn.h"
#include "support/pg.h"

#define MS INT64_C(1000)
#define SECOND (1000 * MS)

struct CMUnitTest;

/* Runs the tests between the start of a server and its end; what main() returns. */
int pg_lone_run(const struct CMUnitTest *test, size_t count);
struct pg *pg_lone_server(void);

/* option: name, value, ..., NULL; nothing is begun. */
void pg_lone_init(struct lone *l, const char *const *option);
/* As the role app, in its database. */
void pg_lone_init_app(struct lone *l);
void pg_lone_open(struct lone *l);

/* Sends and waits; reply_fini(&r.reply) is the caller's. */
struct request pg_lone_run_values(struct lone *l, const char *text,
                                  const struct nebula_value *value, int32_t count);
/* The reply thrown away: its code and SQLSTATE must be these. */
void pg_lone_expect(struct lone *l, enum nebula_verb verb, const char *text, enum error_code code,
                    const char *state);
void pg_lone_script(struct lone *l, const char *text); /* must succeed */
void pg_lone_say(struct lone *l, const char *text);    /* the same as RUN */
int64_t pg_lone_integer(struct lone *l, const char *text);

struct nebula_value pg_lone_cell(const struct request *r, int32_t row, int32_t column);
void pg_lone_is_text(struct nebula_value v, const char *text);

/* Turns the loop until the administrator's question has this answer, at most 20 s. */
void pg_lone_turn_until(struct lone *l, const char *answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
