/* postgres_flights.c - the requests in flight, in the order in which they were sent and end.
 *
 * As a rule it is one. Requests that are shared go out one behind the other, each with a Sync of its
 * own, up to the depth that was declared; room for them is made when the connection opens, so that
 * sending cannot fail for it.
 */
#include <stdlib.h>

#include "base/check.h"
#include "drivers/postgres.h"

bool pg_flights_init(struct pg_flights *s, int depth)
{
    s->depth = depth > 1 ? depth : 1;
    s->ring = s->depth == 1 ? &s->own : calloc((size_t)s->depth, sizeof *s->ring);
    return s->ring != NULL;
}

void pg_flights_drop(struct postgres *p)
{
    struct pg_flights *s = &p->flights;
    for (; s->count > 0; s->count--) {
        pg_flight_fini(&s->ring[s->first]);
        s->first = (s->first + 1) % s->depth;
    }
    p->head = NULL;
}

void pg_flights_fini(struct postgres *p)
{
    struct pg_flights *s = &p->flights;
    pg_flights_drop(p);
    if (s->ring != &s->own)
        free(s->ring);
    s->ring = NULL;
}

struct pg_flight *pg_flight_push(struct postgres *p, struct request *r)
{
    struct pg_flights *s = &p->flights;
    CHECK(s->count < s->depth);
    struct pg_flight *f = &s->ring[(s->first + s->count++) % s->depth];
    *f = (struct pg_flight){.request = r, .changed = -1};
    if (s->count == 1)
        p->head = f;
    return f;
}

void pg_flight_pop(struct postgres *p)
{
    struct pg_flights *s = &p->flights;
    CHECK(s->count > 0);
    s->first = (s->first + 1) % s->depth;
    p->head = --s->count == 0 ? NULL : &s->ring[s->first];
    if (p->head != NULL && p->head->is_answered)
        pg_owe(p, PG_OWES_ANSWER);
}

void pg_flights_expose(struct postgres *p)
{
    const struct pg_flights *s = &p->flights;
    for (int i = 1; i < s->count; i++)
        s->ring[(s->first + i) % s->depth].is_exposed = true;
}

void pg_answer(struct postgres *p, struct pg_flight *f)
{
    f->is_answered = true;
    if (f == p->head)
        pg_owe(p, PG_OWES_ANSWER);
}

void pg_fill_reply(struct pg_flight *f)
{
    struct reply *reply = &f->request->reply;
    bool is_ok = reply->error.code == ERROR_OK;
    reply->changed = f->changed;
    reply->is_partial = !is_ok && f->is_kept;
    if (is_ok && f->rows != NULL && pg_rows_has_columns(f->rows)) {
        reply->result = pg_rows_result(f->rows);
        f->rows = NULL;
    }
    if (is_ok && f->chunk != NULL && (reply->result = pg_chunk_result(f->chunk)) != NULL)
        f->chunk = NULL;
}

void pg_flight_fini(struct pg_flight *f)
{
    for (int32_t i = 0; f->part != NULL && i < f->request->parts; i++)
        pg_flight_fini(&f->part[i]);
    free(f->part);
    f->part = NULL;
    pg_rows_free(&f->rows);
    pg_chunk_free(&f->chunk);
    pg_statement_leave(&f->statement);
}
