/* postgres_rubbish_spec.c - a server may say whatever it likes: the driver keeps the rules of
 * core/driver.h, every value and error can be read, and nothing is left. limit: 200 s
 *
 * Plain and deterministic: it is built like all else and replays by its number, under the
 * sanitizers, too. SEED=n is one, SEEDS=n that many (2,000; NEBULA_PROVE: 300,000).
 */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "drivers/drivers.h"
#include "support/lone_conn.h"
#include "support/rubbish.h"
#include "support/stage.h"

#define PATIENCE_US (5 * MS) /* a server that says nothing is not worth more */
#define RUBBISH_PERCENT 40

/* libpq forgets a result of its own when a COPY begins in the middle of rows. What it has given to
 * us, we give back. */
PGresult *__real_PQgetResult(PGconn *pg);
PGresult *__wrap_PQgetResult(PGconn *pg);
void __real_PQclear(PGresult *res);
void __wrap_PQclear(PGresult *res);
const char *__lsan_default_suppressions(void);

static int results; /* that are ours */

PGresult *__wrap_PQgetResult(PGconn *pg)
{
    PGresult *res = __real_PQgetResult(pg);
    results += res != NULL;
    return res;
}

void __wrap_PQclear(PGresult *res)
{
    results -= res != NULL;
    __real_PQclear(res);
}

const char *__lsan_default_suppressions(void)
{
    return "leak:PQisBusy\nleak:PQgetResult\n";
}

static struct rubbish *server;
static volatile sig_atomic_t seed_under_way;

/* --- reading all that came -------------------------------------------------------------------- */

static volatile unsigned char eye;

static void look(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        eye ^= (unsigned char)bytes[i];
}

static void look_at_result(const struct result *result)
{
    for (int32_t column = 0; column < result->columns; column++) {
        struct nebula_column c;
        result->type->column(result, column, &c);
        look(c.name, c.size);
        for (int32_t row = 0; row < result->rows; row++) {
            struct nebula_value v;
            result->type->cell(result, row, column, &v);
            if (v.type == NEBULA_TEXT || v.type == NEBULA_BYTES)
                look(v.bytes, v.size);
        }
    }
}

static void look_at_reply(struct reply *reply)
{
    if (reply->result != NULL)
        look_at_result(reply->result);
    CHECK(reply->error.code < ERROR_COUNT);
    CHECK(strlen(reply->error.text) < sizeof reply->error.text);
    CHECK(strlen(reply->error.state) < sizeof reply->error.state);
    reply_fini(reply);
}

/* --- one conversation ------------------------------------------------------------------------- */

static bool turn_until_heard(struct lone *l, enum sentence sentence, uint32_t count)
{
    int64_t until_us = loop_refresh(l->loop) + PATIENCE_US;
    while (l->said[sentence] < count && l->said[SAID_FAILED] == 0 && l->conn != NULL) {
        if (loop_now_us(l->loop) >= until_us)
            return false;
        loop_turn(l->loop, until_us);
    }
    return l->said[sentence] >= count && l->conn != NULL && !l->is_closing;
}

static struct request next_request(const struct lone *l, uint64_t dice)
{
    static const struct {
        enum nebula_verb verb;
        const char *text;
    } row[] = {{NEBULA_RUN, "select $1"},
               {NEBULA_RUN, "insert into t values (1)"},
               {NEBULA_SCRIPT, "select 1; select 2"},
               {NEBULA_PREPARE, "select 3"},
               {NEBULA_STREAM, "select 4"},
               {NEBULA_STREAM, "copy t to stdout"},
               {NEBULA_STREAM, "copy t from stdin"},
               {NEBULA_RUN, "call p()"}};
    static const enum nebula_verb on_stream[] = {NEBULA_PULL, NEBULA_PULL, NEBULA_STOP, NEBULA_PUSH,
                                                 NEBULA_FINISH};
    size_t at = dice % COUNT(row);
    struct request r = lone_request(row[at].verb, row[at].text);
    if ((l->conn->session & SESSION_STREAMING) != 0)
        r = lone_request(on_stream[dice % COUNT(on_stream)], "bytes");
    r.window = 1 + (int32_t)(dice / 8 % 4);
    return r;
}

/* Whatever comes: each request has one end, soon after the connection is closed at the latest. */
static void talk(struct lone *l, uint64_t dice)
{
    static const struct nebula_value value = {.type = NEBULA_INT, .integer = 7};
    for (uint32_t i = 1; i <= 6; i++, dice /= 7) {
        struct request r = next_request(l, dice);
        r.value = &value;
        r.count = strchr(r.text, '$') != NULL;
        lone_begin_send(l, &r);
        bool is_heard = turn_until_heard(l, SAID_REPLIED, i);
        if (!is_heard && l->conn != NULL && !l->is_closing && dice % 3 == 0) {
            lone_begin_cancel(l);
            is_heard = turn_until_heard(l, SAID_CANCELLED, l->said[SAID_CANCELLED] + 1);
        }
        if (!is_heard || !lone_has_ended(&r)) {
            lone_close(l);
            CHECK(lone_has_ended(&r));
        }
        look_at_reply(&r.reply);
        if (l->conn == NULL)
            return;
    }
}

static void converse(struct loop *loop, uint64_t seed)
{
    struct lone l;
    seed_under_way = (sig_atomic_t)seed;
    rubbish_seed(server, seed, RUBBISH_PERCENT);
    lone_init(&l, loop, &driver_postgres,
              (const char *const[]){"host", "127.0.0.1", "port", rubbish_port(server), "user", "u",
                                    "dbname", "d", "password", "p", NULL},
              0);
    lone_begin_open(&l);
    if (turn_until_heard(&l, SAID_OPENED, 1))
        talk(&l, seed * UINT64_C(0x9e3779b97f4a7c15) >> 8);
    lone_close(&l);
    CHECK(results == 0);
}

/* --- all of them ------------------------------------------------------------------------------ */

static void died(int signum)
{
    char text[80];
    int size = snprintf(text, sizeof text, "# replay: SEED=%d\n", (int)seed_under_way);
    if (write(STDOUT_FILENO, text, (size_t)size) == size)
        signal(signum, SIG_DFL);
    raise(signum);
}

static long count_of(const char *name, long usual)
{
    const char *said = getenv(name);
    return said != NULL ? strtol(said, NULL, 10) : usual;
}

static void whatever_a_server_says(void **state)
{
    struct stage *s = *state;
    long seed = count_of("SEED", 0);
    long seeds = count_of("SEEDS", getenv("NEBULA_PROVE") != NULL ? 300000 : 2000);
    if (seed != 0) {
        converse(s->loop, (uint64_t)seed);
        return;
    }
    for (long i = 1; i <= seeds; i++)
        converse(s->loop, (uint64_t)i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {STAGED(whatever_a_server_says)};
    signal(SIGABRT, died);
    signal(SIGSEGV, died);
    server = rubbish_start();
    int failed = cmocka_run_group_tests_name("rubbish", tests, NULL, NULL);
    rubbish_stop(&server);
    return failed;
}
