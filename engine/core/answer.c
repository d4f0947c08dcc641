#include "core/answer.h"

#include <stdlib.h>
#include <string.h>

#include "core/crew.h"
#include "core/gather.h"
#include "core/inspect.h"
#include "core/pool.h"
#include "core/whole.h"

struct answer {
    struct engine *engine;
    struct gather *gather;
    answer_ready *ready;
    void *data;
    enum order_what what;
};

/* --- a part ----------------------------------------------------------------------------------- */

/* known: see inspect.h. */
static json_t *look_at(struct telling *t, const struct order *o, struct resource *r, uint64_t known)
{
    if (o->what == ORDER_LS)
        return inspect_all(t, known);
    return o->what == ORDER_INSPECT ? inspect_one(t, r) : inspect_stats(t, r);
}

/* The asker's own is told to whoever ordered it. */
static void log_refusal(struct engine *e, const struct order *o, const struct finding *p)
{
    const struct log_field field[] = {{.key = "order", .text = order_name(o->what)},
                                      {.key = "error", .text = p->why.text}};
    if (!p->is_here)
        engine_log(e, LOG_WARN, "cannot do what was ordered of all workers", field, COUNT(field));
}

static bool keep_windows(struct finding *p, struct resource *r)
{
    for (int32_t role = 0; role < r->spec->roles; role++) {
        struct pool *pool = resource_peek(r, role);
        if (pool == NULL)
            continue;
        struct finding_window *w = &p->window[p->windows];
        monitor_window(pool, &w->window);
        if (!window_keep(&w->window))
            return false;
        p->windows++;
        w->role = strdup(r->spec->role_name[role]);
        if (w->role == NULL)
            return false;
    }
    return true;
}

static void find_out(struct engine *e, const struct order *o, struct finding *p)
{
    struct resource *r = o->name == NULL ? NULL : resource_find(e, o->name);
    struct telling t = {.engine = e};
    p->why.code = ERROR_OK;
    p->is_absent = r == NULL && o->what != ORDER_LS;
    if (p->is_absent)
        return;
    if (order_is_done(o->what)) {
        if (order_obey(r, o, &p->why) != ERROR_OK)
            log_refusal(e, o, p);
        return;
    }
    p->told = look_at(&t, o, r, p->is_here ? 0 : o->known); /* the asker's own tells all */
    bool is_needed = o->what != ORDER_LS && crew_others(e) > 0;
    p->has_failed = t.has_failed || p->told == NULL || (is_needed && !keep_windows(p, r));
}

/* --- a line ----------------------------------------------------------------------------------- */

static char *line_of(const struct telling *t, json_t *told)
{
    char *line = told == NULL || t->has_failed ? NULL : telling_line(told);
    json_decref(told);
    return line;
}

static char *failure(const char *text)
{
    return line_of(&(struct telling){.has_failed = false}, telling_failure(text));
}

/* Of an engine that has nobody to ask. */
static char *alone(struct engine *e, const struct order *o)
{
    struct telling t = {.engine = e};
    struct resource *r = o->name == NULL ? NULL : resource_find(e, o->name);
    struct error why = {.code = ERROR_OK};
    if (r == NULL && o->what != ORDER_LS)
        return failure(WHOLE_NO_RESOURCE);
    if (!order_is_done(o->what))
        return line_of(&t, look_at(&t, o, r, 0));
    order_obey(r, o, &why);
    return line_of(&t, whole_result(&t, &why));
}

static char *together(struct engine *e, struct gather *g, enum order_what what)
{
    struct telling t = {.engine = e};
    return line_of(&t, order_is_done(what) ? whole_of_order(&t, g, gather_findings(g))
                                           : whole_of_look(&t, g, what));
}

/* What it is; or false, with the answer in *line_out. The order borrows from *request_out. */
static bool understand(struct engine *e, const char *text, size_t size, struct order *o,
                       json_t **request_out, char **line_out)
{
    struct telling t = {.engine = e};
    struct error why;
    *request_out = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (*request_out == NULL) {
        *line_out = failure("the request is not a JSON object");
        return false;
    }
    if (!order_read(*request_out, o, &why)) {
        bool has_wrong_members = o->what < ORDERS && o->name != NULL;
        *line_out = has_wrong_members ? line_of(&t, whole_result(&t, &why)) : failure(why.text);
        return false;
    }
    if (order_is_done(o->what) && crew_is_full(e, &why)) {
        *line_out = line_of(&t, whole_result(&t, &why));
        return false;
    }
    o->number = order_is_done(o->what) ? crew_number(e) : 0;
    return true;
}

/* --- for the process -------------------------------------------------------------------------- */

static void gathered(struct gather *g, void *data)
{
    struct answer *a = data;
    answer_ready *ready = a->ready;
    void *to = a->data;
    char *line = together(a->engine, g, a->what);
    answer_forget(&a);
    ready(to, line);
}

/* NULL with the line when nobody else is asked; without it when out of memory. */
static struct answer *ask_all(struct engine *e, struct order *o, char **line_out)
{
    if (o->what == ORDER_LS)
        o->known = inspect_known(e);
    struct answer *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    *a = (struct answer){.engine = e, .what = o->what};
    a->gather = gather_begin(e, o, find_out, gathered, a);
    if (a->gather != NULL && !gather_is_over(a->gather))
        return a;
    if (a->gather != NULL)
        *line_out = together(e, a->gather, o->what);
    answer_forget(&a);
    return NULL;
}

struct answer *answer_begin(struct engine *e, const char *request, size_t size, answer_ready *ready,
                            void *data, char **line_out)
{
    struct order o;
    json_t *asked;
    struct answer *a = NULL;
    *line_out = NULL;
    if (understand(e, request, size, &o, &asked, line_out)) {
        if (crew_others(e) == 0)
            *line_out = alone(e, &o);
        else
            a = ask_all(e, &o, line_out);
    }
    json_decref(asked);
    if (a != NULL) {
        a->ready = ready;
        a->data = data;
    }
    return a;
}

void answer_forget(struct answer **answer)
{
    struct answer *a = *answer;
    *answer = NULL;
    if (a == NULL)
        return;
    gather_forget(&a->gather);
    free(a);
}

/* --- without waiting -------------------------------------------------------------------------- */

/* The others go on with it by themselves. */
static char *order_all(struct engine *e, const struct order *o)
{
    struct telling t = {.engine = e};
    struct gather *g = gather_begin(e, o, find_out, NULL, NULL);
    char *line = g == NULL ? NULL : line_of(&t, whole_of_order(&t, g, 1));
    gather_forget(&g);
    return line;
}

char *answer_alone(struct engine *e, const char *request, size_t size)
{
    struct order o;
    json_t *asked;
    char *line = NULL;
    if (understand(e, request, size, &o, &asked, &line)) {
        bool is_for_all = order_is_done(o.what) && crew_others(e) > 0;
        line = is_for_all ? order_all(e, &o) : alone(e, &o);
    }
    json_decref(asked);
    return line;
}

enum error_code answer_order(struct resource *r, struct order *o, struct error *why)
{
    if (crew_is_full(r->engine, why))
        return why->code;
    o->name = r->name;
    o->number = crew_number(r->engine);
    if (crew_others(r->engine) == 0)
        return order_obey(r, o, why);
    struct gather *g = gather_begin(r->engine, o, find_out, NULL, NULL);
    if (g == NULL)
        return error_set(why, ERROR_MEMORY, "%s: no memory to %s it", r->name, order_name(o->what));
    *why = gather_finding(g, 0)->why;
    gather_forget(&g);
    return why->code;
}
