/* shed_load_spec.c - queues that are too slow, in virtual time: how long those who are served waited,
 * and who was refused. */
#include "rules/shed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define MS 1000
#define SECOND 1000000
#define SERVICE_US 1000 /* of one call, on average; one at a time */
#define WAITERS 20000
#define CALLS 100000

static uint64_t dice_state;

static double dice(void)
{
    dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
    return (double)((dice_state >> 11) + 1) * 0x1p-53;
}

static int64_t pause_us(double mean_us)
{
    return 1 + (int64_t)(-log(dice()) * mean_us);
}

/* What is asked of the server. */
struct demand {
    struct shed_policy policy;
    double load;                /* calls for each that it could serve */
    double share[SHED_CLASSES]; /* of them; those of NORMAL are the rest */
    int64_t patient_us;         /* until the deadline */
};

struct outcome {
    int64_t served, refused, late; /* of calls */
    int64_t waited_us[CALLS];      /* by those who were served */
};

static struct queue {
    struct demand demand;
    struct shed shed;
    struct shed_waiter waiter[WAITERS]; /* the first is last */
    int32_t count;
    int64_t now_us, next_us; /* when another one arrives */
    struct outcome of[SHED_CLASSES];
} the_queue;

static struct queue *begin(uint64_t seed)
{
    struct queue *q = &the_queue;
    dice_state = seed;
    memset(q, 0, sizeof *q);
    q->now_us = q->next_us = SECOND;
    return q;
}

static enum shed_class roll_class(const struct demand *d)
{
    double at = dice();
    if (at < d->share[SHED_CRITICAL])
        return SHED_CRITICAL;
    return at < d->share[SHED_CRITICAL] + d->share[SHED_BATCH] ? SHED_BATCH : SHED_NORMAL;
}

/* To its place by the rule's order. */
static void enter(struct queue *q, int64_t at_us)
{
    assert_true(q->count < WAITERS);
    struct shed_waiter w = {.class = roll_class(&q->demand),
                            .arrived_us = at_us,
                            .deadline_us = at_us + q->demand.patient_us};
    int32_t at = q->count++;
    int32_t low = 0, high = at;
    while (low < high) { /* those before `low` go after it */
        int32_t middle = (low + high) / 2;
        if (shed_goes_first(&q->demand.policy, &w, &q->waiter[middle]))
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&q->waiter[low + 1], &q->waiter[low], (size_t)(at - low) * sizeof w);
    q->waiter[low] = w;
}

static void let_in(struct queue *q)
{
    for (; q->next_us <= q->now_us; q->next_us += pause_us(SERVICE_US / q->demand.load))
        enter(q, q->next_us);
}

/* The server is free: one comes out of the queue. */
static void turn(struct queue *q)
{
    struct shed_waiter w = q->waiter[--q->count];
    struct outcome *o = &q->of[w.class];
    int64_t waited_us = q->now_us - w.arrived_us;
    if (q->now_us > w.deadline_us) {
        o->late++;
    } else if (shed_refuses(&q->shed, &q->demand.policy, w.class, waited_us, q->count, q->now_us)) {
        o->refused++;
    } else {
        assert_true(o->served < CALLS);
        o->waited_us[o->served++] = waited_us;
        q->now_us += pause_us(SERVICE_US);
    }
}

static void run(struct queue *q, const struct demand *d, int64_t span_us)
{
    int64_t until_us = q->now_us + span_us;
    q->demand = *d;
    for (int class = 0; class < SHED_CLASSES; class ++)
        q->of[class].served = q->of[class].refused = q->of[class].late = 0;
    while (q->now_us < until_us) {
        let_in(q);
        if (q->count > 0)
            turn(q);
        else
            q->now_us = q->next_us;
    }
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int64_t quantile_us(struct outcome *o, int permille)
{
    assert_true(o->served > 0);
    qsort(o->waited_us, (size_t)o->served, sizeof *o->waited_us, compare);
    return o->waited_us[(o->served - 1) * permille / 1000];
}

static void expect(const char *what, int64_t is, int64_t least, int64_t most)
{
    if (is < least || is > most)
        fail_msg("%s: %lld, not %lld to %lld", what, (long long)is, (long long)least,
                 (long long)most);
}

/* --- one class -------------------------------------------------------------------------------- */

static struct demand normal(double load, int64_t target_ms, int64_t most_ms)
{
    return (struct demand){
        .load = load,
        .patient_us = 5 * SECOND,
        .policy = {.interval_us = 100 * MS,
                   .of = {[SHED_NORMAL] = {.target_us = target_ms * MS, .most_us = most_ms * MS}}}};
}

/* In the second ten seconds, of 10,000 calls that can be served. Without the rule they all wait until
 * their deadline; the law alone holds what is little too much, and with `most` the delay is about the
 * target whatever comes; and as many are served. */
static void the_delay_comes_down_to_about_the_target(void **unused)
{
    (void)unused;
    static const struct {
        double load;
        int64_t target_ms, most_ms, served, refused, refused_most, half_ms, half_most_ms;
    } row[] = {
        {0.5, 5, 10, 4700, 0, 0, 0, 1},          {0.8, 5, 10, 7600, 0, 100, 1, 5},
        {1.05, 0, 0, 9700, 0, 0, 300, 2000},     {1.05, 5, 0, 9600, 300, 1000, 10, 60},
        {1.05, 5, 10, 9300, 500, 1200, 5, 10},   {2, 0, 0, 9700, 0, 0, 4900, 5000},
        {2, 5, 0, 9600, 7000, 8000, 3000, 5000}, {2, 5, 10, 9700, 9500, 10500, 5, 10},
        {2, 5, 20, 9700, 9500, 10500, 10, 20},   {5, 5, 10, 9700, 39000, 41000, 5, 10},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct demand d = normal(row[i].load, row[i].target_ms, row[i].most_ms);
        struct queue *q = begin(7 + i);
        struct outcome *o = &q->of[SHED_NORMAL];
        run(q, &d, 10 * SECOND);
        run(q, &d, 10 * SECOND);
        print_message("# load %.2f, target %d ms, most %d ms: %d served, %d refused, %d late, "
                      "half of them waited %.1f ms\n",
                      d.load, (int)row[i].target_ms, (int)row[i].most_ms, (int)o->served,
                      (int)o->refused, (int)o->late, (double)quantile_us(o, 500) / MS);
        expect("served", o->served, row[i].served, 10300);
        expect("refused", o->refused, row[i].refused, row[i].refused_most);
        expect("half waited", quantile_us(o, 500), row[i].half_ms * MS, row[i].half_most_ms * MS);
    }
}

/* Of a thousand at once with half the load beside them: it is over in two seconds. */
static void a_burst_is_let_through_unless_most_is_short(void **unused)
{
    (void)unused;
    static const struct {
        int64_t most_ms, refused, refused_most;
    } row[] = {{0, 50, 120}, {5000, 50, 120}, {400, 500, 700}, {10, 900, 1000}};
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct demand d = normal(0.5, 5, row[i].most_ms);
        struct queue *q = begin(3);
        q->demand = d;
        for (int n = 0; n < 1000; n++)
            enter(q, q->now_us);
        run(q, &d, 3 * SECOND);
        expect("refused of the burst", q->of[SHED_NORMAL].refused, row[i].refused,
               row[i].refused_most);
        run(q, &d, 3 * SECOND);
        expect("refused later", q->of[SHED_NORMAL].refused, 0, 0);
    }
}

static void when_there_is_room_again_nobody_is_refused(void **unused)
{
    (void)unused;
    for (int64_t most_ms = 0; most_ms <= 10; most_ms += 10) {
        const struct demand much = normal(3, 5, most_ms), little = normal(0.5, 5, most_ms);
        struct queue *q = begin(11);
        run(q, &much, 5 * SECOND);
        expect("refused", q->of[SHED_NORMAL].refused, 500, 11000);
        run(q, &little, 12 * SECOND); /* as long as it takes to serve who waits */
        run(q, &little, 5 * SECOND);
        expect("refused again", q->of[SHED_NORMAL].refused, 0, 0);
        expect("half waited", quantile_us(&q->of[SHED_NORMAL], 500), 0, MS);
    }
}

/* --- classes ----------------------------------------------------------------------------------- */

static struct demand classes(double load, double critical, double batch)
{
    struct demand d = normal(load, 20, 40);
    d.share[SHED_CRITICAL] = critical;
    d.share[SHED_BATCH] = batch;
    d.policy.of[SHED_CRITICAL] = (struct shed_bounds){.target_us = 80 * MS, .most_us = 160 * MS};
    d.policy.of[SHED_BATCH] = (struct shed_bounds){.target_us = 5 * MS, .most_us = 10 * MS};
    return d;
}

static int64_t refused_permille(const struct outcome *o)
{
    int64_t calls = o->served + o->refused + o->late;
    return calls > 0 ? o->refused * 1000 / calls : -1;
}

/* First come, first served in one queue: what is enough of the lowest spares the others. */
static void the_lowest_is_shed_first(void **unused)
{
    (void)unused;
    static const struct {
        double load, critical, batch;
        int64_t batch_least, normal_least, normal_most, critical_least, critical_most;
    } row[] = {
        {0.5, 0.2, 0.5, 0, 0, 0, 0, 0},
        {1.5, 0.2, 0.5, 600, 0, 40, 0, 0},    /* a third is too much */
        {1.5, 0.2, 0.2, 950, 150, 300, 0, 5}, /* and batch is not enough */
        {3.0, 0.2, 0.2, 990, 700, 850, 0, 5},
        {3.0, 0.8, 0.1, 990, 990, 1000, 500, 650},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct demand d = classes(row[i].load, row[i].critical, row[i].batch);
        struct queue *q = begin(5 + i);
        run(q, &d, 5 * SECOND);
        run(q, &d, 10 * SECOND);
        expect("batch", refused_permille(&q->of[SHED_BATCH]), row[i].batch_least,
               row[i].batch_least > 0 ? 1000 : 5);
        expect("normal", refused_permille(&q->of[SHED_NORMAL]), row[i].normal_least,
               row[i].normal_most);
        expect("critical", refused_permille(&q->of[SHED_CRITICAL]), row[i].critical_least,
               row[i].critical_most);
    }
}

/* --- the order -------------------------------------------------------------------------------- */

static struct shed_waiter any_waiter(void)
{
    int64_t arrived_us = (int64_t)(dice() * 20);
    return (struct shed_waiter){.class = (enum shed_class)(dice() * SHED_CLASSES * 0.999),
                                .arrived_us = arrived_us,
                                .deadline_us = arrived_us + (int64_t)(dice() * 20)};
}

static void it_is_an_order_in_which_nobody_starves(void **unused)
{
    (void)unused;
    dice_state = 3;
    for (int i = 0; i < 200000; i++) {
        struct shed_policy p = {.interval_us = 1};
        for (int class = 0; class < SHED_CLASSES; class ++)
            p.of[class].patience_us = (int64_t)(dice() * 12);
        struct shed_waiter a = any_waiter(), b = any_waiter(), c = any_waiter();
        bool ab = shed_goes_first(&p, &a, &b), ba = shed_goes_first(&p, &b, &a);
        bool bc = shed_goes_first(&p, &b, &c), ac = shed_goes_first(&p, &a, &c);
        bool cb = shed_goes_first(&p, &c, &b), ca = shed_goes_first(&p, &c, &a);
        assert_false(ab && ba);
        assert_true(!(ab && bc) || ac);
        assert_true(!(!ab && !ba && !bc && !cb) ||
                    (!ac && !ca)); /* who are alike are so in threes */
        if (b.arrived_us > a.arrived_us + p.of[a.class].patience_us)
            assert_true(ab); /* its patience was over when the other one came */
        if (a.class == b.class && a.deadline_us == b.deadline_us)
            assert_int_equal(ab, a.arrived_us < b.arrived_us);
        if (a.deadline_us < b.deadline_us && a.deadline_us < b.arrived_us)
            assert_true(ab);
    }
}

/* So many critical ones that there is no room for others, and nobody is shed: batch waits for its
 * patience and for those who came before, and not for those who come later. */
static void who_was_patient_is_served_whatever_comes(void **unused)
{
    (void)unused;
    struct demand d = {.load = 1.1, .share = {[SHED_CRITICAL] = 0.95, [SHED_BATCH] = 0.05}};
    d.patient_us = 60 * (int64_t)SECOND;
    d.policy.of[SHED_BATCH].patience_us = SECOND;
    struct queue *q = begin(9);
    run(q, &d, 10 * SECOND);
    expect("batch served", q->of[SHED_BATCH].served, 300, 600);
    expect("batch waited", quantile_us(&q->of[SHED_BATCH], 1000), SECOND, 2500 * MS);
    expect("critical waited", quantile_us(&q->of[SHED_CRITICAL], 1000), 500 * MS, 1500 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delay_comes_down_to_about_the_target),
        cmocka_unit_test(a_burst_is_let_through_unless_most_is_short),
        cmocka_unit_test(when_there_is_room_again_nobody_is_refused),
        cmocka_unit_test(the_lowest_is_shed_first),
        cmocka_unit_test(it_is_an_order_in_which_nobody_starves),
        cmocka_unit_test(who_was_patient_is_served_whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
