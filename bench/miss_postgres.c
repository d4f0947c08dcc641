/* miss_postgres.c - from asking for a connection that has to be opened to its first row, on
 * PostgreSQL.
 *
 * The other side connects with libpq alone, blocking, with the same settings, and runs the same
 * statement. Closing is not timed on either side: ours is over before the next open begins.
 */
#include <libpq-fe.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "stage.h"

#define PAIRS 25
#define OPENS 4 /* on each side in a pair */
#define GONE_US 10000

static const char text[] = "select balance from account where id = $1";

static double time_other(void)
{
    static const char *const name[] = {"options", "client_encoding", "gssencmode", NULL};
    static const char *const value[] = {
        "-c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=3 -c bytea_output=hex",
        "UTF8", "disable", NULL};
    static const char *const id[] = {"1"};
    double begun_us = bench_wall_us();
    PGconn *pg = PQconnectdbParams(name, value, 0);
    CHECK(PQstatus(pg) == CONNECTION_OK);
    PGresult *r = PQexecParams(pg, text, 1, NULL, id, NULL, NULL, 0);
    CHECK(PQresultStatus(r) == PGRES_TUPLES_OK);
    long balance = strtol(PQgetvalue(r, 0, 0), NULL, 10);
    double took_us = bench_wall_us() - begun_us;
    CHECK(balance == 7);
    PQclear(r);
    PQfinish(pg);
    nanosleep(&(struct timespec){.tv_nsec = GONE_US * 1000}, NULL);
    return took_us;
}

int main(void)
{
    struct bench_resource resource = {
        .name = "miss", .driver = "postgres", .max = 10, .idle_us = 1};
    struct nebula_option option[BENCH_POSTGRES_OPTIONS];
    bench_postgres(&resource, option);
    struct nebula *n = bench_open();
    int32_t number = bench_declare(n, &resource);
    for (int pair = 0; pair < PAIRS; pair++) {
        double ours = 0, other = 0;
        for (int i = 0; i < OPENS; i++) {
            ours += bench_balance_us(n, number, text, GONE_US) / OPENS;
            other += time_other() / OPENS;
        }
        bench_pair("pool.miss.pg", ours, other);
    }
    nebula_close(&n);
    return 0;
}
