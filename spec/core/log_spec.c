/* log_spec.c - every line is one well-formed line, whatever is put into it. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define NOON INT64_C(1714564800123456) /* 2024-05-01T12:00:00.123456Z */

struct desk {
    int pipe[2];
    struct secrets secrets;
    struct log log;
    char line[3 * LOG_LINE];
    ssize_t size;
};

static int set_up(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    assert_non_null(d);
    assert_int_equal(pipe2(d->pipe, O_NONBLOCK), 0);
    secrets_init(&d->secrets);
    setenv("TZ", "UTC", 1);
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *d = *state;
    secrets_fini(&d->secrets);
    close(d->pipe[0]);
    close(d->pipe[1]);
    free(d);
    return 0;
}

static void begin(struct desk *d, enum log_format format)
{
    log_init(&d->log, d->pipe[1], format, LOG_INFO, &d->secrets);
}

static const char *read_line(struct desk *d)
{
    d->size = read(d->pipe[0], d->line, sizeof d->line - 1);
    d->line[d->size < 0 ? 0 : d->size] = '\0';
    return d->line;
}

static const struct log_field fields[] = {
    {.key = "resource", .text = "orders"},
    {.key = "what", .text = "a \"b\"\n"},
    {.key = "us", .number = -42},
    {.key = "none", .text = ""},
};

static void json_is_an_object_a_line(void **state)
{
    struct desk *d = *state;
    begin(d, LOG_JSON);
    log_write(&d->log, LOG_WARN, NOON, "slow", fields, COUNT(fields));
    assert_string_equal(read_line(d),
                        "{\"time\":\"2024-05-01T12:00:00.123456Z\",\"level\":\"warn\","
                        "\"text\":\"slow\",\"resource\":\"orders\","
                        "\"what\":\"a \\\"b\\\"\\n\",\"us\":-42,\"none\":\"\"}\n");
}

static void logfmt_quotes_what_needs_it(void **state)
{
    struct desk *d = *state;
    begin(d, LOG_LOGFMT);
    log_write(&d->log, LOG_ERROR, NOON, "very slow", fields, COUNT(fields));
    assert_string_equal(read_line(d),
                        "time=2024-05-01T12:00:00.123456Z level=error text=\"very slow\" "
                        "resource=orders what=\"a \\\"b\\\"\\n\" us=-42 none=\"\"\n");
}

static void pretty_is_for_people(void **state)
{
    struct desk *d = *state;
    begin(d, LOG_PRETTY);
    assert_false(d->log.is_coloured); /* a pipe is no terminal */
    log_write(&d->log, LOG_INFO, NOON, "it \"is\" up", fields, 1);
    assert_string_equal(read_line(d), "12:00:00.123 info  it \"is\" up  resource=orders\n");
    d->log.is_coloured = true;
    log_write(&d->log, LOG_ERROR, NOON, "down", fields, 1);
    assert_string_equal(read_line(d), "\x1b[2m12:00:00.123\x1b[0m \x1b[31merror\x1b[0m down  "
                                      "\x1b[2mresource=\x1b[0morders\n");
    d->log.is_coloured = false;
    log_write(&d->log, LOG_WARN, NOON, "held\n  here", &fields[1], 1);
    assert_string_equal(read_line(d),
                        "12:00:00.123 warn  held\n      here  what=\"a \\\"b\\\"\\n\"\n");
}

static void colours_are_for_terminals_that_want_them(void **unused)
{
    (void)unused;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    struct log l;
    unsetenv("NO_COLOR");
    log_init(&l, terminal, LOG_PRETTY, LOG_INFO, NULL);
    assert_true(l.is_coloured);
    log_init(&l, terminal, LOG_JSON, LOG_INFO, NULL);
    assert_false(l.is_coloured);
    setenv("NO_COLOR", "1", 1);
    log_init(&l, terminal, LOG_PRETTY, LOG_INFO, NULL);
    assert_false(l.is_coloured);
    unsetenv("NO_COLOR");
    close(terminal);
}

static void below_its_level_nothing_is_written(void **state)
{
    struct desk *d = *state;
    begin(d, LOG_JSON);
    log_write(&d->log, LOG_DEBUG, NOON, "no", NULL, 0);
    assert_string_equal(read_line(d), "");
    d->log.level = LOG_NOTHING;
    log_write(&d->log, LOG_ERROR, NOON, "no", NULL, 0);
    assert_string_equal(read_line(d), "");
    d->log.level = LOG_DEBUG;
    log_write(&d->log, LOG_DEBUG, NOON, "yes", NULL, 0);
    assert_non_null(strstr(read_line(d), "\"debug\""));
}

static void secrets_do_not_get_into_a_line(void **state)
{
    struct desk *d = *state;
    const char *secret = "p\"ss=/wrd";
    secrets_add(&d->secrets, secret, strlen(secret));
    const struct log_field told[] = {{.key = "dsn", .text = "postgres://u:p%22ss%3D%2Fwrd@h"},
                                     {.key = "raw", .text = secret},
                                     {.key = "json", .text = "{\"p\":\"p\\\"ss=/wrd\"}"}};
    for (int format = LOG_JSON; format <= LOG_PRETTY; format++) {
        begin(d, (enum log_format)format);
        log_write(&d->log, LOG_INFO, NOON, "it is p\"ss=/wrd, cut: p\"ss=", told, COUNT(told));
        read_line(d);
        assert_non_null(strstr(d->line, "it is ***, cut: ***"));
        assert_non_null(strstr(d->line, "u:***@h"));
        assert_null(strstr(d->line, "ss"));
        assert_null(strstr(d->line, "wrd"));
    }
}

static void bytes_that_are_no_text_do_no_harm(void **state)
{
    static const struct {
        const char *text, *then;
    } row[] = {
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91"},
        {"\x1b[31mred", "\\u001b[31mred"},
        {"\x7f\xc2\x9b", "\\u007f\\u009b"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\x80", "\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xc3(", "\xef\xbf\xbd("},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf8\x88\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    struct desk *d = *state;
    begin(d, LOG_PRETTY);
    for (size_t i = 0; i < COUNT(row); i++) {
        char then[128];
        snprintf(then, sizeof then, "12:00:00.123 info  %s \n", row[i].then);
        log_write(&d->log, LOG_INFO, NOON, row[i].text, NULL, 0);
        assert_string_equal(read_line(d), then);
    }
}

/* Texts of every length around the bound: a line, cut or not, is whole for who reads it. */
static void a_long_line_is_cut_and_says_so(void **state)
{
    struct desk *d = *state;
    static char text[LOG_LINE + 100];
    const struct log_field more[] = {{.key = "long", .text = text}, {.key = "last", .number = 1}};
    int cut = 0;
    begin(d, LOG_JSON);
    for (size_t size = 0; size<sizeof text - 2; size += size> LOG_LINE / 2 - 80 ? 1 : 97) {
        memset(text, '\n', size); /* two bytes each in the line */
        memcpy(text + size, "\xc3\xa9", 3);
        log_write(&d->log, LOG_INFO, NOON, "x", more, COUNT(more));
        read_line(d);
        assert_true(d->size <= LOG_LINE);
        json_error_t error;
        json_t *line = json_loadb(d->line, (size_t)d->size, 0, &error);
        assert_non_null(line);
        bool is_cut = json_is_true(json_object_get(line, "truncated"));
        assert_int_equal(is_cut, json_object_get(line, "last") == NULL);
        cut += is_cut;
        json_decref(line);
        memset(text, 0, sizeof text);
    }
    assert_true(cut > 10);
    assert_int_equal(d->log.lost, 0);
}

static void who_writes_stands_before_the_text(void **state)
{
    static const char *const head[] = {
        "{\"time\":\"2024-05-01T12:00:00.123456Z\",\"level\":\"warn\",\"worker\":3,\"text\":\"xx",
        "time=2024-05-01T12:00:00.123456Z level=warn worker=3 text=xx",
        "12:00:00.123 warn  worker=3 xx"};
    struct desk *d = *state;
    static char text[2 * LOG_LINE];
    memset(text, 'x', sizeof text - 1);
    for (int format = LOG_JSON; format <= LOG_PRETTY; format++) {
        begin(d, (enum log_format)format);
        d->log.writer = (struct log_field){.key = "worker", .number = 3};
        log_write(&d->log, LOG_WARN, NOON, text, NULL, 0); /* it is cut, and says so all the same */
        assert_memory_equal(read_line(d), head[format], strlen(head[format]));
    }
}

static void every_format_marks_a_cut(void **state)
{
    static const char *const mark[] = {"\",\"truncated\":true}\n", "x truncated=true\n", "x...\n"};
    struct desk *d = *state;
    static char text[2 * LOG_LINE];
    memset(text, 'x', sizeof text - 1);
    for (int format = LOG_JSON; format <= LOG_PRETTY; format++) {
        begin(d, (enum log_format)format);
        log_write(&d->log, LOG_INFO, NOON, text, fields, COUNT(fields));
        read_line(d);
        assert_true(d->size <= LOG_LINE && d->size > LOG_LINE - 100);
        assert_string_equal(d->line + d->size - strlen(mark[format]), mark[format]);
    }
}

static void a_line_that_cannot_be_written_is_counted(void **state)
{
    struct desk *d = *state;
    begin(d, LOG_JSON);
    for (int i = 0; i < 4000 && d->log.lost == 0; i++) /* until the pipe is full */
        log_write(&d->log, LOG_INFO, NOON, "x", NULL, 0);
    assert_int_equal(d->log.lost, 1);
}

/* Lines of every size, into a pipe that nobody reads and that would wait. */
static void a_reader_that_does_not_read_stops_nobody(void **state)
{
    struct desk *d = *state;
    static char text[2 * LOG_LINE];
    int64_t lost;
    begin(d, LOG_JSON);
    assert_int_equal(fcntl(d->pipe[1], F_SETFL, 0), 0);
    alarm(20); /* waiting would be for ever */
    for (size_t size = 1; size < sizeof text; size = size * 2 + 1) {
        memset(text, 'x', size);
        for (int i = 0; i < 100; i++)
            log_write(&d->log, LOG_INFO, NOON, text, NULL, 0);
    }
    alarm(0);
    assert_true(d->log.lost > 100);
    lost = (int64_t)d->log.lost;
    while (read_line(d)[0] != '\0')
        ;
    log_write(&d->log, LOG_INFO, NOON, "again", NULL, 0);
    log_write(&d->log, LOG_INFO, NOON, "and again", NULL, 0);
    char told[512];
    snprintf(told, sizeof told,
             "\"level\":\"error\",\"text\":\"lines of the log were lost here\",\"lines\":%lld}\n",
             (long long)lost);
    const char *at = strstr(read_line(d), told);
    assert_non_null(at);
    assert_non_null(strstr(at, "\"again\""));
    assert_non_null(strstr(at, "\"and again\""));
    assert_null(strstr(at + strlen(told), "lost"));
    assert_int_equal(d->log.lost, lost);
}

static void a_reader_that_has_gone_kills_nobody(void **state)
{
    struct desk *d = *state;
    begin(d, LOG_JSON);
    close(d->pipe[0]);
    d->pipe[0] = open("/dev/null", O_RDONLY);
    log_write(&d->log, LOG_INFO, NOON, "x", NULL, 0); /* SIGPIPE would end the spec here */
    assert_int_equal(d->log.lost, 1);
    sigset_t pending;
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGPIPE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_is_an_object_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logfmt_quotes_what_needs_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pretty_is_for_people, set_up, tear_down),
        cmocka_unit_test(colours_are_for_terminals_that_want_them),
        cmocka_unit_test_setup_teardown(below_its_level_nothing_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_do_not_get_into_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut_and_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_writes_stands_before_the_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_format_marks_a_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_cannot_be_written_is_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reader_that_does_not_read_stops_nobody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reader_that_has_gone_kills_nobody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
