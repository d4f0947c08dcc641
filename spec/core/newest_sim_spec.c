/* newest_sim_spec.c - of several workers that say different rules of one thing, those that were said last are in force
 * for all: whoever said them, and whenever he came to have a part in it. */
#include <stdio.h>
#include <string.h>

#include "sim/ruled.h"

#define HOUR (3600 * (int64_t)SECOND)

/* A rule that is told apart by one number. */
struct sort {
    const char *name;
    struct nebula_rules (*rules)(int32_t number);
    int32_t (*in_force)(struct shift *w, int i, struct nebula_request request);
};

/* --- the sorts ---------------------------------------------------------------------------------- */

/* Number 1 refuses all, any other one nobody. */
static struct nebula_rules circuit_of(int32_t number)
{
    int32_t mode = number == 1 ? NEBULA_CIRCUIT_OPEN : NEBULA_CIRCUIT_CLOSED;
    return (struct nebula_rules){.circuit = {.mode = mode,
                                             .window = 10,
                                             .least = 10,
                                             .percent = 50,
                                             .probes = 1,
                                             .probe_us = SECOND,
                                             .pause_us = SECOND,
                                             .pause_max_us = SECOND}};
}

static int32_t circuit_in_force(struct shift *w, int i, struct nebula_request request)
{
    int32_t code = shift_await(w, i, ruled_ask(&w->of[i], request));
    assert_true(code == ERROR_OK || code == ERROR_OPEN);
    return code == ERROR_OPEN ? 1 : 2;
}

/* So many at once. */
static struct nebula_rules limit_of(int32_t number)
{
    return (struct nebula_rules){.limit = {.concurrent = number, .queue = 0}};
}

static int32_t limit_in_force(struct shift *w, int i, struct nebula_request request)
{
    int32_t ticket[8], under = 0;
    server_pace(w->of[0].server, 50 * MS);
    for (int n = 0; n < 8; n++)
        ticket[n] = ruled_ask(&w->of[i], request);
    for (int n = 0; n < 8; n++)
        under += shift_await(w, i, ticket[n]) == ERROR_OK;
    server_pace(w->of[0].server, 0);
    return under;
}

/* So many in an hour, each a long time after the one before. */
static struct nebula_rules rate_of(int32_t number)
{
    return (struct nebula_rules){
        .rate = {.shape = NEBULA_RATE_LEAKY, .tokens = number, .span_us = HOUR}};
}

/* By key, of which all calls have the same. */
static struct nebula_rules rate_of_key(int32_t number)
{
    struct nebula_rules rules = rate_of(number);
    rules.rate.per = NEBULA_PER_KEY;
    return rules;
}

static int32_t number_in(const char *text)
{
    int32_t number = 0;
    const char *from = strstr(text, " now than ");
    assert_non_null(from);
    assert_int_equal(sscanf(from, " now than %d in 3600000 ms", &number), 1);
    return number;
}

static int32_t rate_in_force(struct shift *w, int i, struct nebula_request request)
{
    for (;;) {
        struct nebula_reply reply;
        int32_t ticket = ruled_ask(&w->of[i], request), number = 0;
        shift_come(w, i, ticket);
        assert_int_equal(nebula_reply(w->of[i].nebula, ticket, &reply), 0);
        if (reply.code != ERROR_OK) /* its text goes with the ticket */
            number = number_in(reply.text);
        shift_await(w, i, ticket);
        if (number > 0)
            return number;
    }
}

static const struct sort sorts[] = {{"circuit", circuit_of, circuit_in_force},
                                    {"limit", limit_of, limit_in_force},
                                    {"rate", rate_of, rate_in_force},
                                    {"rate of a key", rate_of_key, rate_in_force}};

/* --- stories ------------------------------------------------------------------------------------ */

static void say(struct shift *w, int i, struct nebula_rules rules)
{
    assert_int_equal(nebula_rules(w->of[i].nebula, w->of[i].shop, &rules), 0);
}

/* A call in worker i, if it goes or not, so that it has a part in what all have. */
static void join(struct shift *w, int i)
{
    shift_await(w, i, rig_call(&w->of[i], 0, "get 1 1"));
}

/* A story is words: "a1" worker a says number 1, "a." it has its first call, "a?2" and finds number 2 in force. */
static void play(const struct sort *s, const char *story)
{
    struct shift w;
    shift_begin(&w, 3);
    w.spec->pool.max = 8;
    shift_open_all(&w);
    for (const char *at = story; *at != '\0'; at += strspn(at, " ")) {
        int i = *at - 'a';
        if (at[1] == '.') {
            join(&w, i);
            at += 2;
        } else if (at[1] == '?') {
            int32_t found = s->in_force(&w, i, get);
            if (found != at[2] - '0')
                fail_msg("%s: \"%s\": in force is %d at \"%s\"", s->name, story, found, at);
            at += 3;
        } else {
            say(&w, i, s->rules(at[1] - '0'));
            at += 2;
        }
    }
    shift_end(&w);
}

static void what_was_said_last_is_in_force_for_all(void **unused)
{
    (void)unused;
    static const char *const story[] = {
        "a1 a?1 b2 b?2 a?2",       /* a later one comes, with what is newer */
        "b2 a1 a?1 b?1 a?1",       /* with what is older */
        "a1 b2 c2 a. b?2 c?2 a?2", /* all have said it before any has called */
        "a1 b1 a. b. a2 b?2 c1 c?1 b?1 a?1",
        "a2 a. b2 b. b1 a?1 b?1 a2 b?2 a?2", /* in turn */
        "c1 a2 b2 a. b. b1 b2 c?2 a?2",      /* the one that comes last said it first */
        "a1 a?1 b2 a?1 b?2 a?2",             /* said, and not heard of before it has a part in it */
    };
    for (size_t n = 0; n < COUNT(sorts); n++)
        for (size_t i = 0; i < COUNT(story); i++)
            play(&sorts[n], story[i]);
}

static void of_an_operation_that_is_apart_too(void **unused)
{
    (void)unused;
    for (size_t n = 0; n < COUNT(sorts); n++) {
        struct shift w;
        struct nebula_request request = get;
        const struct sort *s = &sorts[n];
        shift_begin(&w, 2);
        w.spec->pool.max = 8;
        shift_open_all(&w);
        for (int i = 1; i >= 0; i--) {
            const struct nebula_rules rules = s->rules(i + 1);
            request.operation = nebula_operation(w.of[i].nebula, w.of[i].shop, "pay",
                                                 &w.spec->policy, &rules, true);
            assert_true(request.operation > 0);
        }
        assert_int_equal(s->in_force(&w, 0, request), 1);
        assert_int_equal(s->in_force(&w, 1, request), 1);
        const struct nebula_rules rules = s->rules(2);
        nebula_operation(w.of[1].nebula, w.of[1].shop, "pay", &w.spec->policy, &rules, true);
        assert_int_equal(s->in_force(&w, 0, request), 2);
        shift_end(&w);
    }
}

/* A tenant's are said when those of all tenants are, however late he comes. */
static void a_tenant_that_comes_late_says_nothing_new(void **unused)
{
    (void)unused;
    for (size_t n = 0; n < COUNT(sorts); n++) {
        struct shift w;
        const struct sort *s = &sorts[n];
        struct nebula_request pay = get;
        shift_begin(&w, 2);
        w.of[0].option.value = "{tenant}";
        w.of[0].option.has_tenant = true;
        w.spec->tenants = 2;
        w.spec->pool.max = 8;
        shift_open_all(&w);
        for (int i = 1; i >= 0; i--) {
            const struct nebula_rules rules = s->rules(i + 1);
            say(&w, i, rules);
            pay.operation = nebula_operation(w.of[i].nebula, w.of[i].shop, "pay", &w.spec->policy,
                                             &rules, true);
            assert_int_equal(nebula_task_tenant(w.of[i].nebula, "shop"), 0);
        }
        assert_int_equal(s->in_force(&w, 0, get), 1);
        assert_int_equal(s->in_force(&w, 0, pay), 1);
        assert_int_equal(s->in_force(&w, 1, get), 1);
        assert_int_equal(s->in_force(&w, 1, pay), 1);
        shift_end(&w);
    }
}

/* Those that wait hear of a wider bound from whoever comes with it. */
static void who_waits_is_served_by_a_wider_bound_that_comes(void **unused)
{
    (void)unused;
    struct shift w;
    struct nebula_rules narrow = limit_of(1), wide = limit_of(3);
    int32_t ticket[2];
    narrow.limit.queue = wide.limit.queue = 4;
    shift_begin(&w, 2);
    w.spec->pool.max = 8;
    shift_open_all(&w);
    say(&w, 0, narrow);
    server_pace(w.of[0].server, 100 * MS);
    for (int n = 0; n < 2; n++)
        ticket[n] = rig_call(&w.of[0], 0, "get 1 1");
    shift_pass(&w, MS);
    assert_int_equal(ruled_limit(&w.of[0]).waiting, 1);
    say(&w, 1, wide);
    int32_t other = rig_call(&w.of[1], 0, "get 1 1");
    shift_pass(&w, MS);
    assert_int_equal(ruled_limit(&w.of[0]).waiting, 0);
    assert_int_equal(ruled_limit(&w.of[0]).under, 3);
    for (int n = 0; n < 2; n++)
        assert_int_equal(shift_await(&w, 0, ticket[n]), ERROR_OK);
    assert_int_equal(shift_await(&w, 1, other), ERROR_OK);
    shift_end(&w);
}

/* Its slice is as old as 10 ms at most. */
static void a_slice_goes_by_what_was_said_before_it_was_taken(void **unused)
{
    (void)unused;
    struct shift w;
    struct nebula_rules many = {
        .rate = {.shape = NEBULA_RATE_WINDOW, .tokens = 100000, .span_us = SECOND}};
    struct nebula_rules few = {.rate = {.shape = NEBULA_RATE_WINDOW, .tokens = 1, .span_us = HOUR}};
    shift_begin(&w, 2);
    w.spec->pool.max = 8;
    shift_open_all(&w);
    for (int i = 0; i < 2; i++)
        say(&w, i, many);
    for (int n = 0; n < 50; n++)
        assert_int_equal(shift_await(&w, 0, rig_call(&w.of[0], 0, "get 1 1")), ERROR_OK);
    say(&w, 1, few);
    join(&w, 1);
    shift_pass(&w, 11 * MS);
    assert_int_equal(shift_await(&w, 0, rig_call(&w.of[0], 0, "get 1 1")), ERROR_RATE);
    say(&w, 1, many); /* and what one says himself, at once */
    for (int n = 0; n < 50; n++)
        assert_int_equal(shift_await(&w, 1, rig_call(&w.of[1], 0, "get 1 1")), ERROR_OK);
    say(&w, 1, few);
    assert_int_equal(shift_await(&w, 1, rig_call(&w.of[1], 0, "get 1 1")), ERROR_RATE);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_last_is_in_force_for_all),
        cmocka_unit_test(of_an_operation_that_is_apart_too),
        cmocka_unit_test(a_tenant_that_comes_late_says_nothing_new),
        cmocka_unit_test(who_waits_is_served_by_a_wider_bound_that_comes),
        cmocka_unit_test(a_slice_goes_by_what_was_said_before_it_was_taken),
    };
    return cmocka_run_group_tests_name("newest", tests, NULL, NULL);
}
