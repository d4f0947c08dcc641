/* eject_envoy_spec.c - the scenarios of Envoy's documents on outlier detection, by the names that its settings have:
 * "Outlier detection" of its architecture overview, and the comments on config.cluster.v3.OutlierDetection, with the
 * numbers that are its defaults there. Where ours is another answer, on purpose, the scenario says why. */
#include "rules/eject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/error.h"
#include "rules/circuit.h"
#include "rules/eject_fleet.h"

#define HOSTS 10

static const struct eject_policy envoy = {.consecutive = 5,
                                          .factor = 1.9,
                                          .least_calls = 100,
                                          .least_endpoints = 5,
                                          .window_us = 10 * SECOND,
                                          .most = 0.1,
                                          .time_us = 30 * SECOND,
                                          .time_most_us = 300 * SECOND,
                                          .panic = 0.5};

struct cluster {
    struct eject host[HOSTS];
    struct eject_fleet fleet;
    struct eject_policy policy;
    int64_t now_us;
};

static void begin(struct cluster *c, int32_t hosts)
{
    *c = (struct cluster){.policy = envoy};
    c->fleet = (struct eject_fleet){.of = c->host, .count = hosts};
}

static void answers(struct cluster *c, int32_t host, bool is_well, int times)
{
    for (int i = 0; i < times; i++)
        eject_note(&c->fleet, &c->policy, host, is_well, c->now_us, 0);
}

static void fails(struct cluster *c, int32_t host, int times)
{
    answers(c, host, false, times);
}

/* Of a hundred calls so many go well, a failure in each place that keeps them from being five in a row. */
static void succeeds(struct cluster *c, int32_t host, int percent)
{
    c->policy.consecutive = 0;
    answers(c, host, true, percent);
    fails(c, host, 100 - percent);
}

static void pass(struct cluster *c, int64_t seconds)
{
    c->now_us += seconds * SECOND;
    eject_look(&c->fleet, &c->policy, c->now_us, 0);
}

static void are_ejected(const struct cluster *c, const char *hosts)
{
    char out[HOSTS + 1];
    name_those_out(&c->fleet, c->now_us, out);
    assert_string_equal(out, hosts);
}

/* --- in a row ----------------------------------------------------------------------------------- */

/* Five; a response that is none starts anew; and it is ejected with the fifth, not at the next interval. */
static void consecutive_5xx(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, HOSTS);
    fails(&c, 0, 4);
    answers(&c, 0, true, 1);
    fails(&c, 0, 4);
    are_ejected(&c, "");
    fails(&c, 0, 1);
    are_ejected(&c, "a");
}

/* consecutive_gateway_failure and consecutive_local_origin_failure count some of the failures alone, beside the others: 502
 * to 504, and what did not come so far as to be answered. Here an error says whom it blames, and what blames nobody but the
 * caller goes for an answer, as 4xx do there. */
static void consecutive_gateway_failure(void **unused)
{
    (void)unused;
    static const struct {
        enum error_code code;
        const char *out;
    } row[] = {{ERROR_LOST, "a"},        {ERROR_DEADLINE, "a"}, {ERROR_SERVER, "a"},
               {ERROR_PROTOCOL, "a"},    {ERROR_STORAGE, "a"},  {ERROR_QUERY, ""},
               {ERROR_CONSTRAINT, ""},   {ERROR_CONFLICT, ""},  {ERROR_DENIED, ""},
               {ERROR_UNREACHABLE, "a"}, {ERROR_BUSY, "a"},     {ERROR_OK, ""}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct cluster c;
        begin(&c, HOSTS);
        answers(&c, 0, !error_blames_server(row[i].code), 5);
        are_ejected(&c, row[i].out);
    }
}

/* split_external_local_origin_errors, false by default: whoever did not answer twice and then answers 500 has failed three
 * times. Ours are never counted apart: who cannot be reached at all is down, which is another matter than to be ejected. */
static void split_external_local_origin_errors(void **unused)
{
    (void)unused;
    static const enum error_code did[] = {ERROR_DEADLINE, ERROR_DEADLINE, ERROR_SERVER};
    struct cluster c;
    begin(&c, HOSTS);
    for (size_t i = 0; i < COUNT(did); i++)
        answers(&c, 0, !error_blames_server(did[i]), 1);
    assert_int_equal(c.host[0].streak, 3);
    fails(&c, 0, 2);
    are_ejected(&c, "a");
}

/* enforcing_consecutive_5xx, 0: it is looked at, and nothing is done. Here it is not looked at. */
static void enforcing_consecutive_5xx(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, HOSTS);
    c.policy.consecutive = 0;
    fails(&c, 0, 1000);
    are_ejected(&c, "");
}

/* --- how long, and how many --------------------------------------------------------------------- */

/* The base time, as often as it was ejected; an ejected host comes back by itself. Envoy brings it back at the next
 * interval, ours when its time is over. */
static void base_ejection_time(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, HOSTS);
    for (int times = 1; times <= 4; times++) {
        fails(&c, 0, 5);
        c.now_us += times * 30 * (int64_t)SECOND - 1;
        are_ejected(&c, "a");
        c.now_us++;
        are_ejected(&c, "");
    }
}

static void max_ejection_time(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, HOSTS);
    for (int times = 1; times <= 20; times++) {
        fails(&c, 0, 5);
        int64_t span_us = c.host[0].until_us - c.now_us;
        assert_int_equal(span_us, (times < 10 ? times * 30 : 300) * (int64_t)SECOND);
        c.now_us = c.host[0].until_us;
    }
}

/* An interval in which it was well takes one off the number by which the base time is multiplied. */
static void a_host_that_becomes_healthy_is_ejected_for_less(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, HOSTS);
    for (int times = 1; times <= 3; times++) {
        fails(&c, 0, 5);
        c.now_us = c.host[0].until_us;
    }
    pass(&c, 20);
    fails(&c, 0, 5);
    assert_int_equal(c.host[0].until_us - c.now_us, 60 * (int64_t)SECOND);
}

/* From the longest time to the base time it takes max_ejection_time / base_ejection_time x interval: 100 s with the defaults.
 * A second sooner it is a step more. */
static void it_takes_a_while_until_the_base_time_is_enough(void **unused)
{
    (void)unused;
    static const struct {
        int64_t well_s, out_s;
    } row[] = {{0, 300}, {10, 300}, {19, 300}, {20, 270}, {90, 60}, {99, 60}, {100, 30}, {900, 30}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct cluster c;
        begin(&c, HOSTS);
        for (int times = 1; times <= 10; times++) {
            fails(&c, 0, 5);
            c.now_us = c.host[0].until_us;
        }
        for (int64_t s = 0; s < row[i].well_s; s++) {
            pass(&c, 1);
            answers(&c, 0, true, 1);
        }
        fails(&c, 0, 5);
        assert_int_equal(c.host[0].until_us - c.now_us, row[i].out_s * SECOND);
    }
}

/* successful_active_health_check_uneject_host, true by default: who answers a check is back at once. Here nobody is checked
 * for that: what the calls were is known, and a check says less. However well calls go that were under way, it stays out. */
static void successful_active_health_check_uneject_host(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, HOSTS);
    fails(&c, 0, 5);
    c.now_us = 29 * (int64_t)SECOND;
    answers(&c, 0, true, 100);
    are_ejected(&c, "a");
    pass(&c, 1);
    are_ejected(&c, "");
}

/* max_ejection_time_jitter is added, and 0 by default. Ours is taken off, a tenth at most, so that time_most is a bound. */
static void max_ejection_time_jitter(void **unused)
{
    (void)unused;
    for (uint64_t dice = 0; dice < 1000; dice++) {
        struct cluster c;
        begin(&c, HOSTS);
        for (int i = 0; i < 5; i++)
            eject_note(&c.fleet, &c.policy, 0, false, 0, dice * UINT64_C(0x9e3779b97f4a7c15));
        assert_in_range(c.host[0].until_us, 27 * SECOND, 30 * SECOND);
    }
}

/* Of ten hosts one; the next one has to wait until it is back. */
static void max_ejection_percent(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, HOSTS);
    fails(&c, 0, 5);
    fails(&c, 1, 5);
    are_ejected(&c, "a");
    pass(&c, 30);
    fails(&c, 1, 1); /* its row goes on */
    are_ejected(&c, "b");
}

/* always_eject_one_host, false by default: a tenth of five is nobody. Before it had this setting Envoy ejected one
 * at any rate. */
static void always_eject_one_host(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, 5);
    fails(&c, 0, 100);
    are_ejected(&c, "");
}

/* --- the share of successes ----------------------------------------------------------------------- */

/* mean - factor x standard deviation: of 100, 100, 100, 100 and 60 that is 92 - 1.9 x 16 = 61.6. */
static void success_rate_stdev_factor(void **unused)
{
    (void)unused;
    static const struct {
        double factor;
        const char *out;
    } row[] = {{1.9, "e"}, {1.999, "e"}, {2.001, ""}, {2.1, ""}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct cluster c;
        begin(&c, 5);
        c.policy.most = 1;
        c.policy.factor = row[i].factor;
        for (int32_t host = 0; host < 5; host++)
            succeeds(&c, host, host == 4 ? 60 : 100);
        pass(&c, 9);
        are_ejected(&c, ""); /* only when the interval is over */
        pass(&c, 1);
        are_ejected(&c, row[i].out);
    }
}

static void success_rate_minimum_hosts(void **unused)
{
    (void)unused;
    for (int32_t hosts = 4; hosts <= 5; hosts++) {
        struct cluster c;
        begin(&c, hosts);
        c.policy.most = 1;
        for (int32_t host = 0; host < hosts; host++)
            succeeds(&c, host, host == 0 ? 0 : 100);
        pass(&c, 10);
        are_ejected(&c, hosts == 5 ? "a" : "");
    }
}

/* A host with fewer than a hundred is none of those, neither as one of the five nor to be ejected. */
static void success_rate_request_volume(void **unused)
{
    (void)unused;
    for (int32_t calls = 99; calls <= 100; calls++) {
        struct cluster c;
        begin(&c, 6);
        c.policy.most = 1;
        c.policy.consecutive = 0;
        fails(&c, 0, calls);
        for (int32_t host = 1; host < 6; host++)
            answers(&c, host, true, 100);
        pass(&c, 10);
        are_ejected(&c, calls == 100 ? "a" : "");
    }
}

/* What was seen in one interval says nothing about the next. */
static void interval(void **unused)
{
    (void)unused;
    struct cluster c;
    begin(&c, 5);
    c.policy.most = 1;
    for (int32_t host = 0; host < 5; host++)
        succeeds(&c, host, host == 4 ? 0 : 50);
    c.now_us = 10 * (int64_t)SECOND - 1;
    for (int32_t host = 0; host < 4; host++)
        succeeds(&c, host,
                 0); /* still in the first: all are as bad, but for one that had less to do */
    pass(&c, 1);
    are_ejected(&c, "e");
    begin(&c, 5);
    c.policy.most = 1;
    for (int32_t host = 0; host < 5; host++)
        succeeds(&c, host, host == 4 ? 0 : 100);
    pass(&c, 20); /* nobody looked in between: that interval is long over */
    are_ejected(&c, "");
}

/* --- the share of failures ------------------------------------------------------------------------- */

/* failure_percentage_threshold 85 of at least failure_percentage_request_volume 50 calls in 10 s, however the other hosts do:
 * that is a circuit of each endpoint (circuit.per). It is not enforced by default there, and not declared by default here. */
static void failure_percentage(void **unused)
{
    (void)unused;
    static const struct circuit_policy p = {.span_us = 10 * SECOND,
                                            .least = 50,
                                            .percent = 85,
                                            .probes = 1,
                                            .probe_us = SECOND,
                                            .pause_us = 30 * SECOND,
                                            .pause_max_us = 300 * (int64_t)SECOND};
    static const struct {
        int calls, failed;
        enum circuit_state state;
    } row[] = {{49, 49, CIRCUIT_CLOSED},
               {50, 43, CIRCUIT_OPEN},
               {50, 42, CIRCUIT_CLOSED},
               {100, 84, CIRCUIT_CLOSED},
               {100, 85, CIRCUIT_OPEN}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct circuit c = {.state = CIRCUIT_CLOSED};
        for (int n = 0; n < row[i].calls; n++) {
            uint64_t pass_of = circuit_allow(&c, &p, SECOND);
            bool is_well = n < row[i].calls - row[i].failed;
            circuit_record(&c, &p, pass_of, is_well ? CIRCUIT_WELL : CIRCUIT_FAILED, SECOND, 0);
        }
        if (c.state != row[i].state)
            fail_msg("%d of %d: %s", row[i].failed, row[i].calls, circuit_state_name(c.state));
    }
}

/* --- the panic threshold ----------------------------------------------------------------------------- */

/* "Panic threshold" of the overview of load balancing: with fewer than half of the hosts left all are used, as if none was
 * ejected. The shares are those of its tables, of a hundred hosts; where it has two priorities, and the first is not in
 * panic because the second has room, ours has nobody else: each role is alone. */
static void healthy_panic_threshold(void **unused)
{
    (void)unused;
    static const struct {
        int32_t healthy;
        bool is_panic;
    } row[] = {{100, false}, {72, false}, {71, false}, {65, false}, {60, false},
               {50, false},  {49, true},  {25, true},  {5, true},   {0, true}};
    struct eject_policy never = envoy;
    never.panic = 0;
    for (size_t i = 0; i < COUNT(row); i++) {
        assert_int_equal(eject_is_panic(&envoy, row[i].healthy, 100), row[i].is_panic);
        assert_false(eject_is_panic(&never, row[i].healthy, 100));
    }
    assert_false(eject_is_panic(&envoy, 1, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consecutive_5xx),
        cmocka_unit_test(consecutive_gateway_failure),
        cmocka_unit_test(split_external_local_origin_errors),
        cmocka_unit_test(enforcing_consecutive_5xx),
        cmocka_unit_test(base_ejection_time),
        cmocka_unit_test(max_ejection_time),
        cmocka_unit_test(a_host_that_becomes_healthy_is_ejected_for_less),
        cmocka_unit_test(it_takes_a_while_until_the_base_time_is_enough),
        cmocka_unit_test(successful_active_health_check_uneject_host),
        cmocka_unit_test(max_ejection_time_jitter),
        cmocka_unit_test(max_ejection_percent),
        cmocka_unit_test(always_eject_one_host),
        cmocka_unit_test(success_rate_stdev_factor),
        cmocka_unit_test(success_rate_minimum_hosts),
        cmocka_unit_test(success_rate_request_volume),
        cmocka_unit_test(interval),
        cmocka_unit_test(failure_percentage),
        cmocka_unit_test(healthy_panic_threshold),
    };
    return cmocka_run_group_tests_name("outliers", tests, NULL, NULL);
}
