/* sqlite_place.h - a loop, and a folder in which a SQLite database may lie, for one test.
 *
 * Everything here fails the running cmocka test when it does not come out as its name says.
 */
#ifndef SPEC_SQLITE_PLACE_H
#define SPEC_SQLITE_PLACE_H

#include "drivers/drivers.h"
#include "support/lone_conn.h"

enum { READER = 0, WRITER = 1 };

/* Statements: one that never ends, and those of the numbers 1, 2, 3 ... */
#define FOREVER                                                                                    \
    "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
#define NUMBERS "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"
#define TEN_NUMBERS NUMBERS " limit 10"

struct place {
    struct world *world;
    struct loop *loop;
    char folder[64];
    char file[80]; /* not there yet */
};

void place_init(struct place *p);
void place_fini(struct place *p);
void place_run(void (*test)(struct place *p)); /* in a place of its own */

void place_open(struct place *p, struct lone *l, int32_t role);

void place_good(struct lone *l, enum nebula_verb verb, const char *text);
/* The request fails, in words that contain `says`. */
void place_bad(struct lone *l, struct request r, enum error_code code, const char *says);
int64_t place_number(struct lone *l, const char *text); /* the statement's one integer */
/* Begins a stream, whose first reply has so many rows; there are more when the window is full. */
void place_stream(struct lone *l, const char *text, int32_t window, int32_t rows);

#endif
