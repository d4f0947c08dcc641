#include "core/listing.h"

#include <stdlib.h>
#include <string.h>

#include "core/fold.h"
#include "core/inspect.h"
#include "core/line.h"
#include "core/whole.h"

/* A turn's share, about half a millisecond: to look at a resource costs 1, to tell it as much as to look at some dozens. */
enum { SHARE = 6400, TELLING = 50 };

struct listing {
    struct telling telling;
    struct gather *gather;
    struct line line;
    int64_t declared; /* resources there ever were when it began */
    int32_t at;       /* the own one that is next */
    int32_t part;     /* whose rest is next */
    bool is_certain;  /* all workers are in it */
    bool has_some;    /* resources */
};

static const char *name_in(const json_t *summary)
{
    return json_string_value(json_object_get(summary, "name"));
}

/* --- a part ----------------------------------------------------------------------------------- */

static void begin_part(struct telling *t, const struct order *o, struct finding *p)
{
    p->told = inspect_head(t);
    p->at = 1;
    p->is_known = o->known == inspect_known(t->engine);
    telling_put(t, p->told, "resources", json_object());
}

bool listing_part(struct engine *e, const struct order *o, struct finding *p)
{
    struct telling t = {.engine = e};
    if (p->told == NULL)
        begin_part(&t, o, p);
    json_t *all = json_object_get(p->told, "resources");
    for (int32_t left = SHARE; left > 0 && p->at < e->resources.size; left--, p->at++) {
        const struct resource *r = table_get(&e->resources, p->at);
        if (r == NULL || (p->is_known && inspect_is_untouched(r)))
            continue;
        json_t *one = inspect_summary(&t, r);
        telling_put(&t, all, name_in(one), one);
        left -= TELLING;
    }
    p->has_failed = t.has_failed;
    return p->has_failed || p->at >= e->resources.size;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int32_t parts(const struct listing *l)
{
    return l->gather == NULL ? 1 : gather_findings(l->gather);
}

/* What another worker told, by name; NULL: nothing. */
static json_t *told_by(const struct listing *l, int32_t part)
{
    const struct finding *p = gather_finding(l->gather, part);
    return whole_is_missing(p) ? NULL : json_object_get(p->told, "resources");
}

/* What the workers tell beside their resources. */
static void begin_line(struct listing *l)
{
    struct telling *t = &l->telling;
    json_t *o = inspect_head(t);
    for (int32_t i = 1; i < parts(l); i++) {
        const struct finding *p = gather_finding(l->gather, i);
        l->is_certain = l->is_certain && !whole_is_missing(p);
        if (!whole_is_missing(p))
            fold_head(t, o, p->told);
    }
    if (l->gather != NULL)
        whole_sign(t, l->gather, o);
    line_members(&l->line, o);
    line_text(&l->line, ",\"resources\":[");
    json_decref(o);
}

struct listing *listing_begin(struct engine *e, struct gather *g)
{
    struct listing *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->telling.engine = e;
    l->gather = g;
    l->declared = e->declared;
    l->at = l->part = 1;
    l->is_certain = true;
    begin_line(l);
    return l;
}

/* With what the parts from this one on have of it, which is theirs no more. */
static void tell(struct listing *l, json_t *summary, int32_t part)
{
    struct telling *t = &l->telling;
    const char *name = name_in(summary);
    for (; part < parts(l) && !t->has_failed; part++) {
        json_t *all = told_by(l, part), *one = json_object_get(all, name);
        if (one == NULL)
            continue;
        fold_summary(t, summary, one);
        json_object_del(all, name);
    }
    if (!l->is_certain && !t->has_failed)
        fold_doubt(t, summary);
    if (l->has_some)
        line_text(&l->line, ",");
    line_value(&l->line, summary);
    json_decref(summary);
    l->has_some = true;
}

/* One that was declared since then may have the name of one that was told, and is gone. */
static bool is_meant(const struct listing *l, const struct resource *r)
{
    return r != NULL && r->declared <= l->declared;
}

/* Of those that whoever asked does not know. False when there are no more. */
static bool tell_foreign(struct listing *l)
{
    for (; l->part < parts(l); l->part++) {
        json_t *all = told_by(l, l->part);
        json_t *one = json_incref(json_object_iter_value(json_object_iter(all)));
        if (one == NULL)
            continue;
        json_object_del(all, name_in(one));
        tell(l, one, l->part + 1);
        return true;
    }
    return false;
}

bool listing_go_on(struct listing *l)
{
    const struct table *own = &l->telling.engine->resources;
    int32_t left = SHARE;
    for (; left > 0 && l->at < own->size; left--, l->at++) {
        const struct resource *r = table_get(own, l->at);
        if (!is_meant(l, r))
            continue;
        tell(l, inspect_summary(&l->telling, r), 1);
        left -= TELLING;
    }
    while (left > 0 && tell_foreign(l))
        left -= TELLING;
    return left > 0 || l->telling.has_failed;
}

char *listing_end(struct listing **listing)
{
    struct listing *l = *listing;
    line_text(&l->line, "]}");
    char *text = l->telling.has_failed ? NULL : line_end(&l->line);
    listing_forget(listing);
    return text;
}

void listing_forget(struct listing **listing)
{
    struct listing *l = *listing;
    *listing = NULL;
    if (l == NULL)
        return;
    line_fini(&l->line);
    free(l);
}
