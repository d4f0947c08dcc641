/* mistakes_spec.c - what a program in C may get wrong and is told, or what ends it with the place that
 * noticed. Numbers that mean nothing: core/border_sim_spec.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nebula.h"
#include "nebula_balance.h"

#define IN_MEMORY "sqlite 'shop' { file = ':memory:', pool = { max = 1 } }"

static struct nebula *open_engine(void)
{
    const struct nebula_options options = {.name = "mistakes", .log_level = 4, .log_fd = 2};
    struct nebula *n = nebula_open(&options, NULL, 0);
    assert_non_null(n);
    return n;
}

static int32_t declare(struct nebula *n, const char *text)
{
    return nebula_declare_source(n, &(struct nebula_source){.text = text}, NULL);
}

/* --- what is wrong is said ----------------------------------------------------------------------- */

static void a_wrong_declaration_is_told_to_who_wants_no_list(void **state)
{
    (void)state;
    struct nebula *n = open_engine();
    char *why;
    assert_int_equal(nebula_start(n, 7),
                     -NEBULA_ERROR_USAGE); /* which leaves a sentence of its own */
    assert_int_equal(declare(n, "sqlite 'a' { file = 5 }\nsqlite 'b' { fil = 'x' }"),
                     -NEBULA_ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "text:1:14: a.file: expected a text, got a number");
    const struct nebula_source nowhere = {.text = IN_MEMORY, .home = "/nowhere"};
    assert_int_equal(nebula_declare_source(n, &nowhere, &why), -NEBULA_ERROR_CONFIG);
    assert_string_equal(nebula_error(n), why);
    nebula_free(why);
    assert_int_equal(declare(n, IN_MEMORY), 1);
    assert_int_equal(declare(n, IN_MEMORY), -NEBULA_ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "text:1:1: shop: declared twice");
    nebula_close(&n);
}

static void what_stands_in_front_of_calls_in_lua_is_refused_in_c(void **state)
{
    (void)state;
    struct nebula *n = open_engine();
    assert_int_equal(declare(n, "policy 'p' { cache = { ttl = '5s' } }\n"
                                "sqlite 'a' { file = 'x', policy = 'p' }"),
                     -NEBULA_ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "text:2:1: the policy p has a cache or a fallback, which "
                                         "stand in front of calls in Lua alone");
    assert_int_equal(declare(n, "policy 'p' { cache = { entries = 5 } }\n"
                                "sqlite 'a' { file = 'x', policy = 'p' }"),
                     1);
    assert_int_equal(declare(n, "strategy 's' { size = function() end }\n"
                                "sqlite 'b' { file = 'x', pool = { strategy = 's' } }"),
                     -NEBULA_ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "text:2:1: its pool has a strategy, which is asked in Lua "
                                         "alone: see nebula_size()");
    nebula_close(&n);
}

static void a_balance_is_declared_in_lua_and_in_c(void **state)
{
    (void)state;
    struct nebula *n = open_engine();
    const char *words = "{\"verb\":\"inspect\",\"name\":\"reads\"}";
    assert_int_equal(declare(n,
                             "postgres 'reads' { host = 'a,b', balance = 'p2c', slow_start = '2s', "
                             "eject = { most = '50%' } }"),
                     1);
    assert_non_null(strstr(nebula_ask(n, words), "\"balance\":{\"rule\":\"p2c\""));
    const struct nebula_balance sticky = {
        .rule = NEBULA_STICKY, .window_us = 1000000, .time_us = 1000000, .time_most_us = 1000000};
    assert_int_equal(nebula_balance(n, nebula_find(n, "reads"), &sticky), 0);
    assert_non_null(strstr(nebula_ask(n, words), "\"balance\":{\"rule\":\"sticky\""));
    assert_int_equal(declare(n, "sqlite 'b' { file = 'x', balance = 'p2c' }"),
                     -NEBULA_ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "text:1:26: b.balance: not in force here: it has one "
                                         "endpoint, so there is nothing to choose from");
    nebula_close(&n);
}

/* A call that is too late is told with the line at which the text says by when it had to be there. */
static void a_decision_names_the_line_of_a_text(void **state)
{
    (void)state;
    struct nebula *n = open_engine();
    struct nebula_event event;
    static const char statement[] =
        "with recursive n (i) as (values (1) union all select i + 1 from n) "
        "select count(*) from n";
    assert_int_equal(
        declare(n, "policy 'brief' {\n like = 'standard',\n call = { deadline = '50ms' } }\n"
                   "sqlite 'shop' { file = ':memory:', pool = { max = 1 }, policy = 'brief' }"),
        1);
    const struct nebula_request r = {.resource = nebula_find(n, "shop"),
                                     .verb = NEBULA_RUN,
                                     .text = statement,
                                     .text_size = sizeof statement - 1};
    int32_t ticket = nebula_call(n, &r);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    assert_int_equal(event.code, NEBULA_ERROR_DEADLINE);
    nebula_done(n, ticket);
    const char *told = nebula_ask(n, "{\"verb\":\"explain\",\"name\":\"shop\"}");
    const char *place = strstr(told, "\"code\":\"deadline\"");
    assert_non_null(place);
    assert_non_null(strstr(place, "\"file\":\"text\",\"line\":3"));
    nebula_close(&n);
}

/* How a call of the first resource ends that is of this operation. */
static int32_t call_of(struct nebula *n, int32_t operation)
{
    const struct nebula_request request = {.resource = 1,
                                           .verb = NEBULA_RUN,
                                           .text = "select 1",
                                           .text_size = 8,
                                           .operation = operation};
    int32_t ticket = nebula_call(n, &request);
    struct nebula_event event;
    struct nebula_reply reply;
    assert_true(ticket > 0);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    nebula_reply(n, ticket, &reply);
    nebula_done(n, ticket);
    return reply.code;
}

static void rules_and_operations_are_declared_in_lua(void **state)
{
    (void)state;
    struct nebula *n = open_engine();
    assert_int_equal(
        declare(n, "policy 'two' { limit = { rate = { calls = '1/h', burst = 2 } } } "
                   "sqlite 'shop' { file = ':memory:', pool = { max = 1 }, policy = 'two', "
                   "operations = { a = { policy = 'two', apart = true }, b = 'batch' } }"),
        1);
    assert_int_equal(call_of(n, 1), 0); /* a has a rate of its own, b that of the others */
    assert_int_equal(call_of(n, 1), 0);
    assert_int_equal(call_of(n, 1), NEBULA_ERROR_RATE);
    assert_int_equal(call_of(n, 2), 0);
    assert_int_equal(call_of(n, 0), 0);
    assert_int_equal(call_of(n, 2), NEBULA_ERROR_RATE);
    const char *told = nebula_ask(n, "{\"verb\":\"explain\",\"name\":\"shop\"}");
    for (int i = 0; i < 2; i++) { /* that of each is named */
        told = strstr(told, "\"rate_refused\"");
        assert_non_null(told);
        told = strstr(told, "\"file\":\"text\",\"line\":1");
        assert_non_null(told);
    }
    assert_int_equal(declare(n, "policy 'odd' { hedge = { copies = 6 } }"), -NEBULA_ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "text:1:26: odd.hedge.copies: is more than 5");
    nebula_close(&n);
}

static void chaos_is_declared_in_lua_where_it_is_allowed(void **state)
{
    (void)state;
    const char *text = "sqlite 'calm' { file = 'x' }\n"
                       "chaos 'bad' { on = 'calm', fail = 0.5, code = 'locked', during = '1m' }";
    struct nebula *n = open_engine();
    assert_int_equal(declare(n, text), -NEBULA_ERROR_USAGE);
    assert_string_equal(nebula_error(n),
                        "text:1:1: calm: chaos: the engine was not opened to allow it");
    nebula_close(&n);
    const struct nebula_options options = {.log_level = 4, .log_fd = 2, .allow_chaos = true};
    n = nebula_open(&options, NULL, 0);
    assert_non_null(n);
    assert_int_equal(declare(n, text), 1);
    assert_non_null(
        strstr(nebula_ask(n, "{\"verb\":\"ls\"}"), "50 % of the requests fail with locked"));
    const char *told = nebula_ask(n, "{\"verb\":\"explain\",\"name\":\"calm\"}");
    told = strstr(told, "\"chaos_began\"");
    assert_non_null(told);
    assert_non_null(strstr(told, "\"during_us\":60000000,\"file\":\"text\",\"line\":2"));
    assert_int_equal(declare(n, "sqlite 'b' { file = 'x' } chaos 'b' { on = 'c', fail = 1 }"),
                     -NEBULA_ERROR_CONFIG);
    nebula_close(&n);
}

static void an_engine_has_its_name_without_a_control_socket(void **state)
{
    (void)state;
    struct nebula *n = open_engine();
    const char *said = nebula_ask(n, "{\"verb\":\"ls\"}");
    assert_non_null(strstr(said, "\"program\":\"mistakes\""));
    nebula_close(&n);
}

static void an_engine_is_closed_once(void **state)
{
    (void)state;
    struct nebula *n = open_engine();
    nebula_close(&n);
    assert_null(n);
    nebula_close(&n);
}

/* --- another thread's engine ---------------------------------------------------------------------- */

static void find(struct nebula *n)
{
    nebula_find(n, "shop");
}

static void ask_for_the_ticket(struct nebula *n)
{
    nebula_ticket(n);
}

static void ask_for_the_sentence(struct nebula *n)
{
    nebula_error(n);
}

static void lease(struct nebula *n)
{
    nebula_lease(n, 1, 0, 0, false);
}

static void release(struct nebula *n)
{
    nebula_release(n, 1, NEBULA_GOOD);
}

static void declare_nonsense(struct nebula *n)
{
    declare(n, "nonsense");
}

static void declare_nothing(struct nebula *n)
{
    declare(n, "");
}

static void step(struct nebula *n)
{
    nebula_step(n);
}

static void close_it(struct nebula *n)
{
    nebula_close(&n);
}

struct trespass {
    struct nebula *n;
    void (*call)(struct nebula *n);
};

static void *elsewhere(void *given)
{
    const struct trespass *t = given;
    t->call(t->n);
    return NULL;
}

/* How a process ends whose second thread calls the function. */
static int ends_with(void (*call)(struct nebula *n))
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2); /* where it names the place */
        struct trespass t = {.n = open_engine(), .call = call};
        pthread_t thread;
        if (declare(t.n, IN_MEMORY) == 1 && pthread_create(&thread, NULL, elsewhere, &t) == 0)
            pthread_join(thread, NULL);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void whoever_calls_from_another_thread_is_stopped(void **state)
{
    (void)state;
    void (*const call[])(struct nebula * n) = {
        find,     ask_for_the_ticket, ask_for_the_sentence, lease,
        release,  declare_nonsense,   declare_nothing,      step,
        close_it,
    };
    for (size_t i = 0; i < sizeof call / sizeof *call; i++)
        assert_int_equal(ends_with(call[i]), SIGABRT);
    assert_int_equal(ends_with(nebula_interrupt), 0); /* the one that any thread may call */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_declaration_is_told_to_who_wants_no_list),
        cmocka_unit_test(what_stands_in_front_of_calls_in_lua_is_refused_in_c),
        cmocka_unit_test(a_balance_is_declared_in_lua_and_in_c),
        cmocka_unit_test(a_decision_names_the_line_of_a_text),
        cmocka_unit_test(rules_and_operations_are_declared_in_lua),
        cmocka_unit_test(chaos_is_declared_in_lua_where_it_is_allowed),
        cmocka_unit_test(an_engine_has_its_name_without_a_control_socket),
        cmocka_unit_test(an_engine_is_closed_once),
        cmocka_unit_test(whoever_calls_from_another_thread_is_stopped),
    };
    return cmocka_run_group_tests_name("mistakes", tests, NULL, NULL);
}
