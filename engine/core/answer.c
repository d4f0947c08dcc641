#include "core/answer.h"

#include <stdlib.h>
#include <string.h>

#include "core/crew.h"
#include "core/explain.h"
#include "core/gather.h"
#include "core/inspect.h"
#include "core/listing.h"
#include "core/pool.h"
#include "core/whole.h"

struct answer {
    struct engine *engine;
    struct gather *gather;   /* NULL: nobody else is asked */
    struct listing *listing; /* of ls, as soon as the parts of the others are there */
    struct timer turn;       /* the next one, in which it goes on */
    answer_ready *ready;
    void *data;
    enum order_what what;
};

/* --- a part ----------------------------------------------------------------------------------- */

static json_t *look_at(struct telling *t, const struct order *o, struct resource *r)
{
    if (o->what == ORDER_EXPLAIN)
        return explain_one(t, o, r);
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

static void look(struct engine *e, const struct order *o, struct resource *r, struct finding *p)
{
    struct telling t = {.engine = e};
    p->told = look_at(&t, o, r);
    bool is_needed = crew_others(e) > 0 && o->what != ORDER_EXPLAIN;
    p->has_failed = t.has_failed || p->told == NULL || (is_needed && !keep_windows(p, r));
}

static bool find_out(struct engine *e, const struct order *o, struct finding *p)
{
    p->why.code = ERROR_OK;
    if (o->what == ORDER_LS) /* the asker's own is told when the others' are there */
        return p->is_here || listing_part(e, o, p);
    struct resource *r = resource_find(e, o->name);
    p->is_absent = r == NULL;
    if (p->is_absent)
        return true;
    if (!order_is_done(o->what))
        look(e, o, r, p);
    else if (order_obey(r, o, &p->why) != ERROR_OK)
        log_refusal(e, o, p);
    return true;
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

/* In one turn. */
static char *list_at_once(struct engine *e)
{
    struct listing *l = listing_begin(e, NULL);
    while (l != NULL && !listing_go_on(l))
        ;
    return l == NULL ? NULL : listing_end(&l);
}

/* Of an engine that has nobody to ask. */
static char *alone(struct engine *e, const struct order *o)
{
    struct telling t = {.engine = e};
    if (o->what == ORDER_LS)
        return list_at_once(e);
    struct resource *r = resource_find(e, o->name);
    struct error why = {.code = ERROR_OK};
    if (r == NULL)
        return failure(WHOLE_NO_RESOURCE);
    if (!order_is_done(o->what))
        return line_of(&t, look_at(&t, o, r));
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

/* False: it goes on with the next turn. */
static bool list(struct answer *a, char **line_out)
{
    if (a->listing == NULL)
        a->listing = listing_begin(a->engine, a->gather);
    if (a->listing != NULL && !listing_go_on(a->listing)) {
        loop_arm(a->engine->loop, &a->turn, 0);
        return false;
    }
    *line_out = a->listing == NULL ? NULL : listing_end(&a->listing);
    return true;
}

/* Of what was gathered. */
static bool conclude(struct answer *a, char **line_out)
{
    if (a->what == ORDER_LS)
        return list(a, line_out);
    *line_out = together(a->engine, a->gather, a->what);
    return true;
}

static void conclude_later(struct answer *a)
{
    answer_ready *ready = a->ready;
    void *to = a->data;
    char *line;
    if (!conclude(a, &line))
        return;
    answer_forget(&a);
    ready(to, line);
}

static void gathered(struct gather *g, void *data)
{
    (void)g;
    conclude_later(data);
}

static void turned(struct timer *t)
{
    conclude_later(container_of(t, struct answer, turn));
}

/* NULL with the line when it is there at once; without it when out of memory. */
static struct answer *ask(struct engine *e, struct order *o, char **line_out)
{
    bool is_alone = crew_others(e) == 0;
    if (o->what == ORDER_LS)
        o->known = inspect_known(e);
    struct answer *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    *a = (struct answer){.engine = e, .what = o->what};
    timer_init(&a->turn, turned);
    if (!is_alone)
        a->gather = gather_begin(e, o, find_out, gathered, a);
    bool has_failed = !is_alone && a->gather == NULL;
    bool is_gathered = is_alone || (!has_failed && gather_is_over(a->gather));
    if (has_failed || (is_gathered && conclude(a, line_out)))
        answer_forget(&a);
    return a;
}

struct answer *answer_begin(struct engine *e, const char *request, size_t size, answer_ready *ready,
                            void *data, char **line_out)
{
    struct order o;
    json_t *asked;
    struct answer *a = NULL;
    *line_out = NULL;
    if (understand(e, request, size, &o, &asked, line_out)) {
        if (crew_others(e) == 0 && o.what != ORDER_LS)
            *line_out = alone(e, &o);
        else
            a = ask(e, &o, line_out);
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
    loop_disarm(a->engine->loop, &a->turn);
    listing_forget(&a->listing);
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
