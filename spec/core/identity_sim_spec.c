/* What workers have together is of things that are the same: who declares another thing by a name shares nothing of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/identity.h"
#include "sim/shift.h"

static const char *const host[] = {"one", "two", "three", "four"};

static void begin(struct shift *w)
{
    shift_begin(w, 2);
    w->spec->pool.max = 1;
    w->spec->endpoints = 1;
    w->spec->endpoint_name = host;
    shift_open(w, 0);
}

/* One of two who declare it alike waits for the other. */
static bool both_have_one(struct shift *w)
{
    int64_t a = shift_lease(w, 0, 100 * MS), b = shift_lease(w, 1, 100 * MS);
    assert_true(a > 0);
    rig_release(&w->of[0], a);
    shift_pass(w, 10 * MS);
    if (b != 0)
        rig_release(&w->of[1], b);
    return b != 0;
}

static void what_is_declared_alike_is_shared(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    shift_open(&w, 1);
    assert_false(both_have_one(&w));
    shift_end(&w);
}

static void with_other_endpoints_it_is_another_thing(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    w.spec->endpoints = 4;
    shift_open(&w, 1);
    assert_true(both_have_one(&w));
    shift_end(&w);

    begin(&w);
    w.spec->endpoint_name = host + 1;
    shift_open(&w, 1);
    assert_true(both_have_one(&w));
    shift_end(&w);
}

static void with_other_roles_or_of_another_kind_too(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    w.spec->roles = 2;
    w.spec->role_name[1] = "other";
    shift_open(&w, 1);
    assert_true(both_have_one(&w));
    shift_end(&w);

    begin(&w);
    w.spec->kind = "sham";
    shift_open(&w, 1);
    assert_true(both_have_one(&w));
    shift_end(&w);
}

/* Of a shop with two options, which are all that is said of it. */
static char *identity_with(const char *first, const char *name, const char *value)
{
    struct shift w;
    shift_begin(&w, 1);
    shift_open(&w, 0);
    struct resource *r = resource_find(w.of[0].engine, "shop");
    const struct nebula_option *was = r->option;
    const struct nebula_option option[] = {{.name = "first", .value = first},
                                           {.name = name, .value = value}};
    int32_t options = r->options;
    r->option = option;
    r->options = 2;
    char *identity = identity_of(r, "permits", 0);
    r->option = was;
    r->options = options;
    assert_non_null(identity);
    char *kept = test_malloc(strlen(identity) + 1);
    strcpy(kept, identity);
    free(identity);
    shift_end(&w);
    return kept;
}

static void what_no_worker_can_hand_on_is_for_one(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, 2);
    w.spec->name = "plain";
    shift_open(&w, 0);
    struct nebula *n = w.of[0].nebula;
    struct nebula_spec data = *w.spec;
    data.is_data = true;
    data.name = "handed on";
    assert_true(nebula_declare(n, &data) > 0);
    data.name = "kept";
    data.driver = "sim_plain";
    assert_int_equal(nebula_declare(n, &data), -ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "kept: its session is the data, and its driver cannot "
                                         "hand one to another worker: it is for one worker, not 2");
    shift_end(&w);
}

static void no_text_looks_like_two(void **unused)
{
    (void)unused;
    char *text[] = {
        identity_with("1\n0 0 a = b", "c", "d"),
        identity_with("1", "a", "b\n0 0 c = d"),
        identity_with("1", "a = b", "c"),
        identity_with("1", "a", "b = c"),
        identity_with("1", "a", "b"),
    };
    for (size_t i = 0; i < COUNT(text); i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(text[i], text[k]);
    for (size_t i = 0; i < COUNT(text); i++)
        test_free(text[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_declared_alike_is_shared),
        cmocka_unit_test(with_other_endpoints_it_is_another_thing),
        cmocka_unit_test(with_other_roles_or_of_another_kind_too),
        cmocka_unit_test(what_no_worker_can_hand_on_is_for_one),
        cmocka_unit_test(no_text_looks_like_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
