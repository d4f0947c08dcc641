/* postgres_driver_spec.c - the driver alone against a real server: opening, and values. */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "support/pg_lone.h"

#define APP                                                                                        \
    "host", "127.0.0.1", "port", pg_lone_server()->port, "user", "app", "password", "sesame-open"

/* --- opening ---------------------------------------------------------------------------------- */

static void opens_by_address_name_and_socket(void **unused)
{
    (void)unused;
    const char *const way[][2] = {{"host", "127.0.0.1"},
                                  {"host", "localhost"},
                                  {"hostaddr", "127.0.0.1"},
                                  {"host", pg_lone_server()->folder}};
    for (size_t i = 0; i < COUNT(way); i++) {
        struct lone l;
        pg_lone_init(&l, (const char *const[]){way[i][0], way[i][1], "port", pg_lone_server()->port,
                                               "user", "app", "password", "sesame-open", NULL});
        assert_int_equal(lone_open(&l), ERROR_OK);
        struct request r = lone_request(
            NEBULA_RUN, "select current_setting('application_name'), "
                        "current_setting('client_encoding'), current_setting('DateStyle')");
        assert_int_equal(lone_call(&l, &r), ERROR_OK);
        pg_lone_is_text(pg_lone_cell(&r, 0, 0), "nebula lone");
        pg_lone_is_text(pg_lone_cell(&r, 0, 1), "UTF8");
        pg_lone_is_text(pg_lone_cell(&r, 0, 2), "ISO, MDY");
        reply_fini(&r.reply);
        lone_close(&l);
    }
}

static void options_of_the_declaration_win(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_init(&l, (const char *const[]){APP, "application_name", "shop", "options",
                                           "-c IntervalStyle=iso_8601 -c work_mem=3MB", NULL});
    assert_int_equal(lone_open(&l), ERROR_OK);
    struct request r =
        lone_request(NEBULA_RUN, "select current_setting('application_name'), interval '1 day', "
                                 "current_setting('work_mem')");
    assert_int_equal(lone_call(&l, &r), ERROR_OK);
    pg_lone_is_text(pg_lone_cell(&r, 0, 0), "shop");
    pg_lone_is_text(pg_lone_cell(&r, 0, 1), "P1D");
    pg_lone_is_text(pg_lone_cell(&r, 0, 2), "3MB");
    reply_fini(&r.reply);
    lone_close(&l);
}

/* A pooler whose server is away: one client, one answer. Returns its port. */
static const char *tell_08p01(void)
{
    static const char words[] = "E\0\0\0\x32SFATAL\0C08P01\0Mserver login has been failing\0";
    static char port[8];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(20);
        char asked[512];
        int client = accept(fd, NULL, NULL);
        bool is_told = read(client, asked, sizeof asked) > 0 &&
                       write(client, words, sizeof words) == (ssize_t)sizeof words;
        _exit(is_told ? 0 : 1);
    }
    close(fd);
    return port;
}

static void refusals_say_what_to_do(void **unused)
{
    (void)unused;
    pg_server_ask(pg_lone_server(), "create database private");
    pg_server_ask(pg_lone_server(), "revoke connect on database private from public");
    const struct {
        const char *option[16];
        enum error_code code;
        const char *state, *text;
    } row[] = {
        {{"host", "127.0.0.1", "port", "1"}, ERROR_UNREACHABLE, "", "refused"},
        {{"host", "no-such-host.invalid"}, ERROR_UNREACHABLE, "", "no-such-host.invalid"},
        {{"host", "/nowhere/at/all"}, ERROR_UNREACHABLE, "", "/nowhere/at/all"},
        {{APP, "password", "swordfish"}, ERROR_DENIED, "28P01", "password"},
        {{"host", "127.0.0.1", "port", pg_lone_server()->port, "user", "app"},
         ERROR_DENIED,
         "",
         "password"},
        {{APP, "dbname", "atlantis"}, ERROR_CONFIG, "3D000", "atlantis"},
        {{APP, "user", "secure", "dbname", "private", "sslmode", "require"},
         ERROR_DENIED,
         "42501",
         "private"},
        {{APP, "options", "-c no_such_setting=1"}, ERROR_CONFIG, "42704", "no_such_setting"},
        {{APP, "options", "rubbish"}, ERROR_CONFIG, "42601", "rubbish"},
        {{APP, "host", pg_lone_server()->folder, "requirepeer", "nobody"},
         ERROR_CONFIG,
         "",
         "requirepeer"},
        {{APP, "gssencmode", "require"}, ERROR_CONFIG, "", "GSSAPI"},
        {{"host", "127.0.0.1", "port", tell_08p01(), "sslmode", "disable"},
         ERROR_UNREACHABLE,
         "08P01",
         "login has been failing"},
        {{APP, "user", "narrow"}, ERROR_BUSY, "53300", "narrow"},
        {{APP, "sslmode", "perhaps"}, ERROR_CONFIG, "", "perhaps"},
        {{APP, "tcp_user_timeuot", "1"}, ERROR_CONFIG, "", "tcp_user_timeuot"},
        {{"host", "a,b"}, ERROR_CONFIG, "", "a list"},
        {{"service", "shop"}, ERROR_CONFIG, "", "service"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct lone l;
        const char *option[17] = {0};
        memcpy(option, row[i].option, sizeof row[i].option);
        pg_lone_init(&l, option);
        if (lone_open(&l) != row[i].code || strstr(l.error.text, row[i].text) == NULL)
            fail_msg("row %zu: %s: %s", i, error_name(l.error.code), l.error.text);
        assert_string_equal(l.error.state, row[i].state);
        assert_null(strstr(l.error.text, "sesame-open"));
        assert_null(strstr(l.error.text, "swordfish"));
        assert_null(strchr(l.error.text, '\n'));
        lone_close(&l);
    }
}

static void tls_modes_are_libpqs(void **unused)
{
    (void)unused;
    char ca[96], other[96];
    snprintf(ca, sizeof ca, "%s/ca.crt", pg_lone_server()->folder);
    snprintf(other, sizeof other, "%s/other.crt", pg_lone_server()->folder);
    const struct {
        const char *option[12];
        enum error_code code;
    } row[] = {
        {{"host", "127.0.0.1"}, ERROR_OK}, /* prefer */
        {{"host", "127.0.0.1", "sslmode", "disable"}, ERROR_DENIED},
        {{"host", "127.0.0.1", "sslmode", "require"}, ERROR_OK},
        {{"host", "127.0.0.1", "sslmode", "verify-ca", "sslrootcert", ca}, ERROR_OK},
        {{"host", "127.0.0.1", "sslmode", "verify-full", "sslrootcert", ca}, ERROR_OK},
        {{"host", "localhost", "sslmode", "verify-full", "sslrootcert", ca}, ERROR_OK},
        {{"host", "db.example", "hostaddr", "127.0.0.1", "sslmode", "verify-full", "sslrootcert",
          ca},
         ERROR_CONFIG},
        {{"host", "localhost", "sslmode", "verify-full", "sslrootcert", other}, ERROR_CONFIG},
        {{"host", "localhost", "sslmode", "verify-full", "sslrootcert", "/nowhere"}, ERROR_CONFIG},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct lone l;
        const char *option[19] = {"port", pg_lone_server()->port, "user", "secure", "dbname",
                                  "app"};
        memcpy(option + 6, row[i].option, sizeof row[i].option);
        pg_lone_init(&l, option);
        if (lone_open(&l) != row[i].code)
            fail_msg("row %zu: %s: %s", i, error_name(l.error.code), l.error.text);
        if (row[i].code == ERROR_OK)
            assert_int_equal(pg_lone_integer(&l, "select ssl::int from pg_stat_ssl "
                                                 "where pid = pg_backend_pid()"),
                             1);
        lone_close(&l);
    }
}

/* --- values ----------------------------------------------------------------------------------- */

static void values_come_as_what_they_are(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    const struct {
        const char *sql;
        int type;
        int64_t integer;
        double number;
        const char *text;
    } row[] = {
        {"(-32768)::int2", NEBULA_INT, -32768, 0, NULL},
        {"2147483647", NEBULA_INT, 2147483647, 0, NULL},
        {"9223372036854775808", NEBULA_TEXT, 0, 0, "9223372036854775808"}, /* numeric */
        {"(-9223372036854775808)::int8", NEBULA_INT, INT64_MIN, 0, NULL},
        {"4294967295::oid", NEBULA_INT, 4294967295, 0, NULL},
        {"0.1::float8", NEBULA_FLOAT, 0, 0.1, NULL},
        {"'-Infinity'::float8", NEBULA_FLOAT, 0, -INFINITY, NULL},
        {"'infinity'::float4", NEBULA_FLOAT, 0, INFINITY, NULL},
        {"5e-324::float8", NEBULA_FLOAT, 0, 5e-324, NULL},
        {"true", NEBULA_BOOL, 1, 0, NULL},
        {"false", NEBULA_BOOL, 0, 0, NULL},
        {"null::int", NEBULA_NULL, 0, 0, NULL},
        {"''::text", NEBULA_TEXT, 0, 0, ""},
        {"'ü'::text", NEBULA_TEXT, 0, 0, "ü"},
        {"'\\x00ff5c'::bytea", NEBULA_BYTES, 3, 0, "\0\xff\\"},
        {"''::bytea", NEBULA_BYTES, 0, 0, ""},
        {"123456789012345678901234567890.123456789", NEBULA_TEXT, 0, 0,
         "123456789012345678901234567890.123456789"},
        {"'{}'::int[]", NEBULA_TEXT, 0, 0, "{}"},
        {"array[1,null,3]", NEBULA_TEXT, 0, 0, "{1,NULL,3}"},
        {"'infinity'::timestamptz", NEBULA_TEXT, 0, 0, "infinity"},
        {"timestamp '2001-02-03 04:05:06.789'", NEBULA_TEXT, 0, 0, "2001-02-03 04:05:06.789"},
        {"'{\"a\": [1]}'::jsonb", NEBULA_TEXT, 0, 0, "{\"a\": [1]}"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "select %s", row[i].sql);
        struct request r = lone_request(NEBULA_RUN, sql);
        assert_int_equal(lone_call(&l, &r), ERROR_OK);
        struct nebula_value v = pg_lone_cell(&r, 0, 0);
        assert_int_equal(v.type, row[i].type);
        if (v.type == NEBULA_INT || v.type == NEBULA_BOOL)
            assert_true(v.integer == row[i].integer);
        if (v.type == NEBULA_FLOAT)
            assert_true(v.number == row[i].number);
        if (v.type == NEBULA_TEXT)
            pg_lone_is_text(v, row[i].text);
        if (v.type == NEBULA_BYTES) {
            assert_int_equal(v.size, row[i].integer);
            assert_memory_equal(v.bytes, row[i].text, v.size);
        }
        assert_int_equal(r.reply.changed, -1);
        reply_fini(&r.reply);
    }
    lone_close(&l);
}

static void not_a_number_is_one(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct nebula_value nan_value = {.type = NEBULA_FLOAT, .number = NAN};
    struct request r =
        pg_lone_run_values(&l, "select $1::float8, $1::float8 = 'NaN'", &nan_value, 1);
    assert_true(isnan(pg_lone_cell(&r, 0, 0).number));
    assert_int_equal(pg_lone_cell(&r, 0, 1).integer, 1);
    reply_fini(&r.reply);
    lone_close(&l);
}

static void columns_have_names_and_types(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    struct request r =
        lone_request(NEBULA_RUN, "select 1::int8 as big, 'x'::uuid_name as named where false");
    pg_lone_script(&l, "drop domain if exists uuid_name; create domain uuid_name as bytea");
    assert_int_equal(lone_call(&l, &r), ERROR_OK);
    assert_int_equal(r.reply.result->rows, 0);
    assert_int_equal(r.reply.result->columns, 2);
    struct nebula_column c;
    r.reply.result->type->column(r.reply.result, 0, &c);
    assert_string_equal(c.name, "big");
    assert_int_equal(c.size, 3);
    assert_int_equal(c.type, 20);
    r.reply.result->type->column(r.reply.result, 1, &c);
    assert_int_equal(c.type, 17); /* a domain is what it is made of */
    reply_fini(&r.reply);
    lone_close(&l);
}

static void bytes_survive_whatever_the_session_says(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    static char all[3 * 256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i < 256 ? i : i < 512 ? '\\' : i * 7);
    struct nebula_value v[2] = {{.type = NEBULA_BYTES, .size = sizeof all, .bytes = all},
                                {.type = NEBULA_BYTES, .size = 0}};
    const char *const style[] = {"hex", "escape"};
    for (size_t i = 0; i < COUNT(style); i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "set bytea_output = %s", style[i]);
        pg_lone_script(&l, sql);
        struct request r =
            pg_lone_run_values(&l, "select $1, $2, null::bytea, '\\x5c78'::bytea", v, 2);
        assert_int_equal(r.reply.error.code, ERROR_OK);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(pg_lone_cell(&r, 0, 0).type, NEBULA_BYTES);
            assert_int_equal(pg_lone_cell(&r, 0, 0).size, sizeof all);
            assert_memory_equal(pg_lone_cell(&r, 0, 0).bytes, all, sizeof all);
            assert_int_equal(pg_lone_cell(&r, 0, 1).size, 0);
            assert_int_equal(pg_lone_cell(&r, 0, 1).type, NEBULA_BYTES);
            assert_int_equal(pg_lone_cell(&r, 0, 2).type, NEBULA_NULL);
            assert_memory_equal(pg_lone_cell(&r, 0, 3).bytes, "\\x", 2);
        }
        reply_fini(&r.reply);
    }
    lone_close(&l);
}

static void floats_go_and_come_exactly(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    srand(7);
    for (int i = 0; i < 2000; i++) {
        union {
            double number;
            uint64_t bits;
        } f = {.bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand()};
        if (isnan(f.number) || isinf(f.number))
            continue;
        struct nebula_value v = {.type = NEBULA_FLOAT, .number = f.number};
        struct request r =
            pg_lone_run_values(&l, "select $1::float8, float8send($1::float8)", &v, 1);
        assert_int_equal(r.reply.error.code, ERROR_OK);
        assert_true(pg_lone_cell(&r, 0, 0).number == f.number);
        uint64_t sent = 0;
        for (int b = 0; b < 8; b++)
            sent = sent << 8 | (unsigned char)pg_lone_cell(&r, 0, 1).bytes[b];
        assert_true(sent == f.bits); /* the server's own view of it */
        reply_fini(&r.reply);
    }
    lone_close(&l);
}

static void parameters_fit_what_the_statement_needs(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    pg_lone_script(
        &l, "create temp table t (a int8, b numeric, c text, d bool, e float8, f bytea, g jsonb)");
    struct nebula_value v[7] = {{.type = NEBULA_INT, .integer = INT64_MIN},
                                {.type = NEBULA_FLOAT, .number = 0.1},
                                {.type = NEBULA_TEXT, .size = 3, .bytes = "abcdef"},
                                {.type = NEBULA_BOOL, .integer = 1},
                                {.type = NEBULA_NULL},
                                {.type = NEBULA_BYTES, .size = 2, .bytes = "\0\1"},
                                {.type = NEBULA_TEXT, .size = 2, .bytes = "{}"}};
    for (int i = 0; i < 3; i++) { /* unprepared, being prepared, prepared */
        struct request r =
            pg_lone_run_values(&l, "insert into t values ($1,$2,$3,$4,$5,$6,$7)", v, 7);
        assert_int_equal(r.reply.error.code, ERROR_OK);
        assert_int_equal(r.reply.changed, 1);
        assert_null(r.reply.result);
        assert_true(r.is_sent);
    }
    assert_int_equal(
        pg_lone_integer(&l, "select count(*) from t where a = -9223372036854775808 and b = 0.1 "
                            "and c = 'abc' and d and e is null and f = '\\x0001'"),
        3);
    struct nebula_value zero = {.type = NEBULA_TEXT, .size = 3, .bytes = "a\0b"};
    struct request r = pg_lone_run_values(&l, "select $1", &zero, 1);
    assert_int_equal(r.reply.error.code, ERROR_QUERY);
    assert_false(r.is_sent);
    pg_lone_say(&l, "select 1");
    lone_close(&l);
}

/* The server's code for that is also its code for bytes that it cannot understand. */
static void values_that_are_missing_are_a_mistake_and_cost_no_session(void **unused)
{
    (void)unused;
    struct lone l;
    pg_lone_open(&l);
    int64_t pid = pg_lone_integer(&l, "select pg_backend_pid()");
    struct request r = lone_request(NEBULA_RUN, "select $1::int");
    assert_int_equal(lone_call(&l, &r), ERROR_QUERY);
    assert_string_equal(r.reply.error.state, "08P01");
    assert_false(l.conn->session & SESSION_SPOILED);
    assert_int_equal(pg_lone_integer(&l, "select pg_backend_pid()"), pid);
    lone_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_by_address_name_and_socket),
        cmocka_unit_test(options_of_the_declaration_win),
        cmocka_unit_test(refusals_say_what_to_do),
        cmocka_unit_test(tls_modes_are_libpqs),
        cmocka_unit_test(values_come_as_what_they_are),
        cmocka_unit_test(not_a_number_is_one),
        cmocka_unit_test(columns_have_names_and_types),
        cmocka_unit_test(bytes_survive_whatever_the_session_says),
        cmocka_unit_test(floats_go_and_come_exactly),
        cmocka_unit_test(parameters_fit_what_the_statement_needs),
        cmocka_unit_test(values_that_are_missing_are_a_mistake_and_cost_no_session),
    };
    return pg_lone_run(tests, COUNT(tests));
}
