/* overhead.c - the client's CPU time of a prepared one-row select, beside libpq and epoll alone.
 *
 * Both sides keep eight queries under way on eight connections, each with a random key and its
 * answer read as a number. What is timed is the processor's time of the process, of which each side
 * in turn is all there is.
 */
#include <libpq-fe.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/check.h"
#include "stage.h"

#define PAIRS 31
#define QUERIES 1000 /* of a side at a time */
#define ROUNDS 4     /* of each side in a pair */
#define CONNECTIONS 8
#define ACCOUNTS 10000

static const char text[] = "select balance from account where id = $1";

struct sides {
    struct nebula *n;
    int32_t resource;
    PGconn *pg[CONNECTIONS];
    int epoll;
    uint64_t seed;
};

static int random_id(struct sides *s)
{
    s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
    return 1 + (int)((s->seed >> 33) % ACCOUNTS);
}

/* --- ours ------------------------------------------------------------------------------------- */

static void begin_ours(struct sides *s)
{
    struct nebula_value id = {.type = NEBULA_INT, .integer = random_id(s)};
    struct nebula_request request = {.resource = s->resource,
                                     .verb = NEBULA_RUN,
                                     .count = 1,
                                     .value = &id,
                                     .text = text,
                                     .text_size = sizeof text - 1,
                                     .is_idempotent = true};
    bench_must(s->n, nebula_call(s->n, &request) > 0, "a call");
}

static int64_t end_ours(struct sides *s, const struct nebula_event *event)
{
    struct nebula_value balance;
    bench_must(s->n, event->code == 0, "an answer");
    nebula_cell(s->n, event->ticket, 0, 0, &balance);
    CHECK(balance.type == NEBULA_INT);
    nebula_done(s->n, event->ticket);
    return balance.integer;
}

static int64_t run_ours(struct sides *s)
{
    int64_t sum = 0;
    int begun = 0, ended = 0;
    for (; begun < CONNECTIONS; begun++)
        begin_ours(s);
    while (ended < QUERIES) {
        nebula_turn(s->n, INT64_MAX);
        struct nebula_event event;
        while (nebula_next(s->n, &event)) {
            sum += end_ours(s, &event);
            ended++;
            if (begun++ < QUERIES)
                begin_ours(s);
        }
    }
    return sum;
}

/* --- the library alone ------------------------------------------------------------------------ */

static void open_other(struct sides *s)
{
    s->epoll = epoll_create1(0);
    for (int i = 0; i < CONNECTIONS; i++) {
        s->pg[i] = PQconnectdb("");
        CHECK(PQstatus(s->pg[i]) == CONNECTION_OK);
        PGresult *r = PQprepare(s->pg[i], "one", text, 1, NULL);
        CHECK(PQresultStatus(r) == PGRES_COMMAND_OK);
        PQclear(r);
        CHECK(PQsetnonblocking(s->pg[i], 1) == 0);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        CHECK(epoll_ctl(s->epoll, EPOLL_CTL_ADD, PQsocket(s->pg[i]), &event) == 0);
    }
}

static void begin_other(struct sides *s, PGconn *pg)
{
    char id[16];
    snprintf(id, sizeof id, "%d", random_id(s));
    const char *value[] = {id};
    CHECK(PQsendQueryPrepared(pg, "one", 1, value, NULL, NULL, 0) == 1);
    CHECK(PQflush(pg) == 0);
}

/* Reads what there is; whether the answer is whole. */
static bool end_other(PGconn *pg, int64_t *sum)
{
    bool is_whole = false;
    CHECK(PQconsumeInput(pg) == 1);
    while (PQisBusy(pg) == 0) {
        PGresult *r = PQgetResult(pg);
        if (r == NULL)
            return is_whole;
        CHECK(PQresultStatus(r) == PGRES_TUPLES_OK);
        *sum += strtol(PQgetvalue(r, 0, 0), NULL, 10);
        PQclear(r);
        is_whole = true;
    }
    return false;
}

static int64_t run_other(struct sides *s)
{
    int64_t sum = 0;
    int begun = 0, ended = 0;
    for (; begun < CONNECTIONS; begun++)
        begin_other(s, s->pg[begun]);
    while (ended < QUERIES) {
        struct epoll_event event[CONNECTIONS];
        int ready = epoll_wait(s->epoll, event, CONNECTIONS, -1);
        for (int i = 0; i < ready; i++) {
            PGconn *pg = s->pg[event[i].data.u32];
            if (!end_other(pg, &sum))
                continue;
            ended++;
            if (begun++ < QUERIES)
                begin_other(s, pg);
        }
    }
    return sum;
}

static double time_cpu(struct sides *s, int64_t (*run)(struct sides *s))
{
    double begun_us = bench_cpu_us();
    CHECK(run(s) > 0);
    return (bench_cpu_us() - begun_us) / QUERIES;
}

int main(void)
{
    struct bench_resource resource = {
        .name = "overhead", .driver = "postgres", .min = CONNECTIONS, .max = CONNECTIONS};
    struct nebula_option option[BENCH_POSTGRES_OPTIONS];
    struct sides s = {.n = bench_open(), .seed = 1};
    bench_postgres(&resource, option);
    s.resource = bench_declare(s.n, &resource);
    open_other(&s);
    run_ours(&s);
    run_other(&s);
    for (int pair = 0; pair < PAIRS; pair++) {
        double ours = 0, other = 0;
        for (int i = 0; i < ROUNDS; i += 2) { /* each is first as often as the other */
            ours += time_cpu(&s, run_ours) / ROUNDS;
            other += time_cpu(&s, run_other) / ROUNDS;
            other += time_cpu(&s, run_other) / ROUNDS;
            ours += time_cpu(&s, run_ours) / ROUNDS;
        }
        bench_pair("pg.overhead.cpu", ours, other);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        PQfinish(s.pg[i]);
    nebula_close(&s.n);
    return 0;
}
