/* miss_sqlite.c - from asking for a connection that has to be opened to its first row, on SQLite.
 *
 * The other side opens the file with the library alone, on its own thread, with the same settings,
 * and runs the same statement. Closing is not timed on either side: ours is over before the next
 * open begins.
 */
#include <sqlite3.h>

#include "base/check.h"
#include "stage.h"

#define PAIRS 41
#define OPENS 20 /* on each side in a pair */
#define GONE_US 3000

static const char text[] = "select balance from account where id = ?1";

static void make_file(const char *path)
{
    sqlite3 *db;
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db,
                       "pragma journal_mode=wal;"
                       "create table account (id integer primary key, balance integer not null);"
                       "insert into account values (1, 7), (2, 14);",
                       NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

static int busy(void *data, int n)
{
    (void)data;
    return n < 100;
}

static int never(void *data)
{
    (void)data;
    return 0;
}

static int allow(void *data, int what, const char *a, const char *b, const char *c, const char *d)
{
    (void)data;
    (void)what;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return SQLITE_OK;
}

static void set_up(sqlite3 *db)
{
    sqlite3_extended_result_codes(db, 1);
    CHECK(sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL) == SQLITE_OK);
    CHECK(sqlite3_busy_handler(db, busy, NULL) == SQLITE_OK);
    sqlite3_progress_handler(db, 2000, never, NULL);
    sqlite3_commit_hook(db, never, NULL);
    CHECK(sqlite3_exec(db, "pragma journal_mode", NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "pragma cache_size=-8192", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_set_authorizer(db, allow, NULL);
}

static double time_other(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    double begun_us = bench_wall_us();
    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
          SQLITE_OK);
    set_up(db);
    CHECK(sqlite3_prepare_v3(db, text, sizeof text, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) ==
          SQLITE_OK);
    CHECK(sqlite3_bind_int64(stmt, 1, 1) == SQLITE_OK);
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    int64_t balance = sqlite3_column_int64(stmt, 0);
    CHECK(sqlite3_step(stmt) == SQLITE_DONE);
    double took_us = bench_wall_us() - begun_us;
    CHECK(balance == 7);
    sqlite3_finalize(stmt);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    return took_us;
}

int main(void)
{
    const char *path = bench_setting("BENCH_SQLITE");
    const struct nebula_option option[] = {{.name = "file", .value = path},
                                           {.name = "cache_size", .value = "8388608"}};
    make_file(path);
    struct nebula *n = bench_open();
    int32_t resource = bench_declare(n, &(struct bench_resource){.name = "miss",
                                                                 .driver = "sqlite",
                                                                 .option = option,
                                                                 .options = 2,
                                                                 .max = 10,
                                                                 .idle_us = 1});
    for (int pair = 0; pair < PAIRS; pair++) {
        double ours = 0, other = 0;
        for (int i = 0; i < OPENS; i++) {
            ours += bench_balance_us(n, resource, text, GONE_US) / OPENS;
            other += time_other(path) / OPENS;
        }
        bench_pair("pool.miss.sqlite", ours, other);
    }
    nebula_close(&n);
    return 0;
}
