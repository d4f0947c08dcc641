#include "core/explain.h"

#include <unistd.h>

#include "core/outage.h"
#include "core/record.h"

static double seconds(int64_t span_us)
{
    return (double)span_us / 1e6;
}

/* --- a record --------------------------------------------------------------------------------- */

/* By the wall, whichever turn it was in. */
static json_t *when(const struct engine *e, int64_t at_us)
{
    struct world *w = e->world;
    return json_real(seconds(w->wall_us(w) - (w->now_us(w) - at_us)));
}

static void put_fields(struct telling *t, json_t *o, const struct record *one)
{
    const struct record_field *f = record_row(one->what)->field;
    for (int i = 0; f[i].name != NULL; i++)
        if (f[i].word == NULL)
            telling_number(t, o, f[i].name, one->number[i]);
        else
            telling_text(t, o, f[i].name, f[i].word(one->number[i]));
}

static json_t *record_json(struct telling *t, const struct resource *r, const struct record *one)
{
    json_t *o = json_object();
    telling_text(t, o, "what", record_row(one->what)->name);
    telling_put(t, o, "at", when(t->engine, one->at_us));
    if (one->attempt > 0)
        telling_number(t, o, "attempt", one->attempt);
    put_fields(t, o, one);
    if (one->endpoint > 0)
        telling_text(t, o, "endpoint", outlook_name(r->outlook, (int32_t)one->endpoint - 1));
    if (one->file != NULL) {
        telling_text(t, o, "file", one->file);
        telling_number(t, o, "line", one->line);
    }
    telling_number(t, o, "generation", one->generation);
    return o;
}

/* --- those of calls ---------------------------------------------------------------------------- */

/* Those of both rings, in the order in which they were made. */
struct tales {
    uint32_t count;
    const struct record *record[RECORDS_OF_CALLS + RECORDS_OF_FRONT];
};

static void collect(const struct records *all, struct tales *out)
{
    uint32_t i = 0, j = 0, front = records_of_front(all), calls = records_of_calls(all);
    out->count = 0;
    while (i < front || j < calls) {
        const struct record *a = i < front ? records_front(all, i) : NULL;
        const struct record *b = j < calls ? records_call(all, j) : NULL;
        bool is_front = b == NULL || (a != NULL && record_is_older(a, b));
        i += is_front;
        j += !is_front;
        out->record[out->count++] = is_front ? a : b;
    }
}

/* --- a call ----------------------------------------------------------------------------------- */

static bool is_meant(const struct order *o, const struct record *one)
{
    return !o->has_trace || memcmp(o->trace, one->trace, sizeof o->trace) == 0;
}

static bool has(const uint64_t *call, int32_t count, uint64_t number)
{
    for (int32_t i = 0; i < count; i++)
        if (call[i] == number)
            return true;
    return false;
}

/* The numbers of those that are meant, the one told of last first. How many. */
static int32_t find(const struct order *o, const struct tales *all, uint64_t *call)
{
    int32_t found = 0;
    for (uint32_t i = all->count; i > 0 && found < o->last; i--) {
        const struct record *one = all->record[i - 1];
        if (is_meant(o, one) && !has(call, found, one->call))
            call[found++] = one->call;
    }
    return found;
}

static void put_trace(struct telling *t, json_t *o, const struct record *one)
{
    static const uint8_t none[TRACE_ID_SIZE];
    char digits[2 * TRACE_ID_SIZE + 1];
    if (memcmp(one->trace, none, sizeof none) == 0)
        return;
    for (size_t i = 0; i < TRACE_ID_SIZE; i++)
        snprintf(digits + 2 * i, 3, "%02x", one->trace[i]);
    telling_text(t, o, "trace", digits);
}

static json_t *call_json(struct telling *t, const struct resource *r, const struct tales *all,
                         uint64_t call)
{
    json_t *o = json_object(), *list = json_array();
    const struct record *last = NULL;
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->record[i]->call != call)
            continue;
        last = all->record[i];
        telling_append(t, list, record_json(t, r, last));
    }
    CHECK(last != NULL);
    telling_number(t, o, "call", (int64_t)call);
    telling_put(t, o, "at", when(t->engine, last->at_us));
    put_trace(t, o, last);
    telling_put(t, o, "records", list);
    return o;
}

/* --- a resource ------------------------------------------------------------------------------- */

static json_t *calls_json(struct telling *t, const struct order *o, const struct resource *r)
{
    json_t *list = json_array();
    uint64_t call[RECORDS_OF_CALLS]; /* as many as may be asked for */
    struct tales tales = {.count = 0};
    if (r->records != NULL)
        collect(r->records, &tales);
    for (int32_t i = find(o, &tales, call); i > 0; i--)
        telling_append(t, list, call_json(t, r, &tales, call[i - 1]));
    return list;
}

static json_t *events_json(struct telling *t, const struct resource *r)
{
    json_t *list = json_array();
    const struct records *all = r->records;
    for (uint32_t i = 0; all != NULL && i < records_of_itself(all); i++)
        telling_append(t, list, record_json(t, r, records_itself(all, i)));
    return list;
}

json_t *explain_one(struct telling *t, const struct order *o, const struct resource *r)
{
    const struct engine *e = t->engine;
    json_t *told = telling_success(t);
    telling_number(t, told, "pid", getpid());
    telling_put(t, told, "now", json_real(seconds(e->world->wall_us(e->world))));
    telling_text(t, told, "name", r->name);
    telling_number(t, told, "last", o->last);
    telling_put(t, told, "calls", calls_json(t, o, r));
    telling_put(t, told, "events", events_json(t, r));
    return told;
}

/* --- of several workers ----------------------------------------------------------------------- */

static const char *const lists[] = {"calls", "events"};

void explain_sign(struct telling *t, json_t *told, int32_t worker)
{
    for (size_t i = 0; i < COUNT(lists); i++) {
        size_t at;
        json_t *one;
        json_array_foreach(json_object_get(told, lists[i]), at, one)
        {
            telling_number(t, one, "worker", worker);
        }
    }
}

static double at_of(const json_t *list, size_t i)
{
    return json_real_value(json_object_get(json_array_get(list, i), "at"));
}

static json_t *merge(struct telling *t, const json_t *a, const json_t *b)
{
    json_t *list = json_array();
    size_t i = 0, j = 0, left = json_array_size(a), right = json_array_size(b);
    while (i < left || j < right) {
        bool is_first = j == right || (i < left && at_of(a, i) <= at_of(b, j));
        telling_append(t, list,
                       json_incref(is_first ? json_array_get(a, i++) : json_array_get(b, j++)));
    }
    return list;
}

void explain_fold(struct telling *t, json_t *to, json_t *from)
{
    for (size_t i = 0; i < COUNT(lists); i++)
        telling_put(t, to, lists[i],
                    merge(t, json_object_get(to, lists[i]), json_object_get(from, lists[i])));
    json_t *calls = json_object_get(to, lists[0]);
    size_t last = (size_t)json_integer_value(json_object_get(to, "last"));
    while (json_array_size(calls) > last)
        json_array_remove(calls, 0);
}
