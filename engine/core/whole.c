#include "core/whole.h"

#include <string.h>
#include <unistd.h>

#include "core/counters.h"
#include "core/fold.h"
#include "core/inspect.h"

/* --- who is missing --------------------------------------------------------------------------- */

static double seconds(int64_t span_us)
{
    return (double)span_us / 1e6;
}

static json_t *of_worker(struct telling *t, int32_t worker)
{
    json_t *o = json_object();
    telling_number(t, o, "worker", worker);
    return o;
}

bool whole_is_missing(const struct finding *p)
{
    return !p->is_here || p->has_failed;
}

static json_t *missing_json(struct telling *t, struct gather *g, int32_t i)
{
    const struct finding *p = gather_finding(g, i);
    json_t *o = of_worker(t, p->worker);
    if (p->is_here)
        telling_text(t, o, "error", "memory");
    else
        telling_put(t, o, "seconds", json_real(seconds(gather_silent_us(g, i))));
    return o;
}

/* NULL when nobody is. */
static json_t *missing(struct telling *t, struct gather *g, int32_t parts)
{
    json_t *list = NULL;
    for (int32_t i = 0; i < parts; i++) {
        if (!whole_is_missing(gather_finding(g, i)))
            continue;
        list = list == NULL ? json_array() : list;
        telling_append(t, list, missing_json(t, g, i));
    }
    return list;
}

/* --- what is told ----------------------------------------------------------------------------- */

void whole_sign(struct telling *t, struct gather *g, json_t *o)
{
    json_t *silent = missing(t, g, gather_findings(g));
    if (gather_findings(g) > 1)
        telling_number(t, o, "workers", gather_findings(g));
    if (silent != NULL)
        telling_put(t, o, "silent", silent);
}

/* The first that has something to tell, and how many have. */
static struct finding *first_of(struct gather *g, int32_t *count_out)
{
    struct finding *first = NULL;
    *count_out = 0;
    for (int32_t i = 0; i < gather_findings(g); i++) {
        struct finding *p = gather_finding(g, i);
        if (whole_is_missing(p) || p->told == NULL)
            continue;
        first = first == NULL ? p : first;
        ++*count_out;
    }
    return first;
}

static void fold_others(struct telling *t, struct gather *g, struct finding *first,
                        enum order_what what)
{
    fold_begin(t, first, what);
    for (int32_t i = 0; i < gather_findings(g); i++) {
        struct finding *p = gather_finding(g, i);
        if (p != first && !whole_is_missing(p) && p->told != NULL)
            fold_in(t, first, p, what);
    }
    bool is_certain = true;
    for (int32_t i = 0; i < gather_findings(g); i++)
        is_certain = is_certain && !whole_is_missing(gather_finding(g, i));
    fold_end(t, first, is_certain);
}

json_t *whole_of_look(struct telling *t, struct gather *g, enum order_what what)
{
    int32_t count;
    struct finding *first = first_of(g, &count);
    if (gather_finding(g, 0)->has_failed)
        return NULL;
    if (first == NULL) {
        json_t *o = telling_failure(WHOLE_NO_RESOURCE);
        whole_sign(t, g, o);
        return o;
    }
    if (gather_findings(g) > 1)
        fold_others(t, g, first, what);
    whole_sign(t, g, first->told);
    return json_incref(first->told);
}

/* --- what is done ----------------------------------------------------------------------------- */

/* Beside the sentence its code: whoever asked may have to tell one failure from another. */
json_t *whole_result(struct telling *t, const struct error *why)
{
    bool is_done = why->code == ERROR_OK;
    json_t *o = is_done ? telling_success(t) : telling_failure(why->text);
    if (!is_done)
        telling_text(t, o, "code", error_name(why->code));
    telling_number(t, o, "pid", getpid());
    return o;
}

static json_t *refusal(struct telling *t, const struct finding *p, bool is_own)
{
    struct error e;
    if (is_own)
        return whole_result(t, &p->why);
    error_set(&e, p->why.code, "worker %d: %s", p->worker, p->why.text);
    return whole_result(t, &e);
}

static json_t *refused_json(struct telling *t, const struct finding *p)
{
    json_t *o = of_worker(t, p->worker);
    telling_text(t, o, "code", error_name(p->why.code));
    telling_text(t, o, "error", p->why.text);
    return o;
}

/* Of several each is listed; the first is the answer's own. */
static json_t *refusals(struct telling *t, struct gather *g, int32_t parts)
{
    json_t *o = NULL, *list = json_array();
    for (int32_t i = 0; i < parts; i++) {
        const struct finding *p = gather_finding(g, i);
        if (!p->is_here || p->is_absent || p->why.code == ERROR_OK)
            continue;
        o = o == NULL ? refusal(t, p, i == 0) : o;
        telling_append(t, list, refused_json(t, p));
    }
    if (o != NULL && parts > 1)
        telling_put(t, o, "refused", json_incref(list));
    json_decref(list);
    return o;
}

static bool is_absent_everywhere(struct gather *g, int32_t parts)
{
    bool is_absent = true;
    for (int32_t i = 0; i < parts; i++)
        is_absent = is_absent && gather_finding(g, i)->is_here && gather_finding(g, i)->is_absent;
    return is_absent;
}

json_t *whole_of_order(struct telling *t, struct gather *g, int32_t parts)
{
    json_t *o = refusals(t, g, parts), *silent;
    if (o == NULL && is_absent_everywhere(g, parts))
        return telling_failure(WHOLE_NO_RESOURCE);
    if (o == NULL)
        o = whole_result(t, &(struct error){.code = ERROR_OK});
    if (parts > 1 && (silent = missing(t, g, parts)) != NULL)
        telling_put(t, o, "silent", silent);
    return o;
}
