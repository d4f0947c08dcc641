#include "told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

json_t *told_in(struct shift *w, int i, const char *request)
{
    struct rig *r = &w->of[i];
    int32_t ticket = nebula_ask_all(r->nebula, request);
    shift_come(w, i, ticket);
    json_t *answer = json_loads(nebula_asked(r->nebula, ticket), 0, NULL);
    assert_non_null(answer);
    assert_int_equal(rig_await(r, ticket, NULL), ERROR_OK);
    return answer;
}

const char *told_state(struct shift *w, int i)
{
    static char state[32];
    json_t *answer = told_in(w, i, TOLD_INSPECT);
    snprintf(state, sizeof state, "%s", told_text(told_at(answer, "resource"), "state"));
    json_decref(answer);
    return state;
}

json_t *told_at(const json_t *o, const char *key)
{
    json_t *value = json_object_get(o, key);
    if (value == NULL)
        fail_msg("no %s", key);
    return value;
}

int64_t told_number(const json_t *o, const char *key)
{
    return json_integer_value(told_at(o, key));
}

const char *told_text(const json_t *o, const char *key)
{
    return json_string_value(told_at(o, key));
}
