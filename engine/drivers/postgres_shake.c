/* postgres_shake.c - the part of a handshake that computes, on a thread.
 *
 * Proving a password by SCRAM-SHA-256 takes thousands of rounds of a hash inside PQconnectPoll(),
 * some milliseconds in which the loop would stand still. So while the server's answers to the
 * password are awaited, each PQconnectPoll() runs on a thread that lives as long as the handshake.
 * Meanwhile nobody else touches the PGconn: the watch is off, and close waits for the thread, which
 * never waits itself.
 */
#include <stdlib.h>

#include "base/check.h"
#include "core/blocking.h"
#include "drivers/postgres.h"

struct pg_shake {
    struct blocking *thread;
    struct job job;
    PGconn *pg;
    PostgresPollingStatusType polled;
    bool is_under_way;
    void (*polled_to)(void *data, PostgresPollingStatusType polled);
    void *data;
};

static void poll_once(struct job *j)
{
    struct pg_shake *s = container_of(j, struct pg_shake, job);
    s->polled = PQconnectPoll(s->pg);
}

static void came_back(struct job *j)
{
    struct pg_shake *s = container_of(j, struct pg_shake, job);
    s->is_under_way = false;
    s->polled_to(s->data, s->polled);
}

struct pg_shake *pg_shake_new(struct loop *loop,
                              void (*polled_to)(void *data, PostgresPollingStatusType polled),
                              void *data)
{
    struct pg_shake *s = malloc(sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (struct pg_shake){.job = {.run = poll_once, .done = came_back},
                           .polled_to = polled_to,
                           .data = data,
                           .thread = blocking_new(loop, "nebula-shake")};
    if (s->thread != NULL)
        return s;
    free(s);
    return NULL;
}

void pg_shake_poll(struct pg_shake *s, PGconn *pg)
{
    CHECK(!s->is_under_way);
    s->pg = pg;
    s->is_under_way = true;
    blocking_run(s->thread, &s->job);
}

bool pg_shake_is_under_way(const struct pg_shake *s)
{
    return s != NULL && s->is_under_way;
}

void pg_shake_free(struct pg_shake **s_in)
{
    struct pg_shake *s = *s_in;
    if (s == NULL)
        return;
    *s_in = NULL;
    CHECK(!s->is_under_way);
    blocking_free(&s->thread);
    free(s);
}
