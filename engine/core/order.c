#include "core/order.h"

#include <string.h>

#include "core/operate.h"
#include "core/record.h"
#include "core/standing.h"

#define WITHIN_US 10000000
#define PERCENT 25
#define EVERY_US 1000000
#define LAST 10

const char *order_name(enum order_what what)
{
    static const char *const name[ORDERS] = {
        [ORDER_LS] = "ls",           [ORDER_INSPECT] = "inspect",     [ORDER_STATS] = "stats",
        [ORDER_EXPLAIN] = "explain", [ORDER_PAUSE] = "pause",         [ORDER_RESUME] = "resume",
        [ORDER_DRAIN] = "drain",     [ORDER_RECONNECT] = "reconnect", [ORDER_RESIZE] = "resize",
        [ORDER_SIZE] = "size",
    };
    CHECK((size_t)what < ORDERS);
    return name[what];
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A member of a request that is a whole number, and where it goes. */
struct member {
    const char *name;
    enum order_what what; /* whose member it is */
    int64_t least, most;
    int64_t number; /* as it is when the request says nothing */
};

static struct member *find(struct member *member, size_t count, const struct order *o,
                           const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (member[i].what == o->what && strcmp(member[i].name, name) == 0)
            return &member[i];
    return NULL;
}

static enum error_code read(struct member *m, const json_t *value, struct error *why)
{
    if (!json_is_integer(value))
        return error_set(why, ERROR_USAGE, "the member \"%s\" is a whole number", m->name);
    m->number = json_integer_value(value);
    if (m->number < m->least || m->number > m->most)
        return error_set(why, ERROR_USAGE, "the member \"%s\" is %lld to %lld", m->name,
                         (long long)m->least, (long long)m->most);
    return ERROR_OK;
}

static bool read_text(struct order *o, const char *name, const json_t *value, struct error *why)
{
    const char *text = json_string_value(value);
    if (o->what == ORDER_RESIZE && strcmp(name, "role") == 0 && text != NULL) {
        o->role = text;
        return true;
    }
    if (o->what != ORDER_EXPLAIN || strcmp(name, "trace") != 0) {
        error_set(why, ERROR_USAGE, "the request has a member that its verb does not know");
        return false;
    }
    size_t size = text == NULL ? 0 : strlen(text);
    o->has_trace = size == 2 * sizeof o->trace && context_trace(text, o->trace);
    if (!o->has_trace)
        error_set(why, ERROR_USAGE, "the member \"trace\" is 32 small hex digits, not all 0");
    return o->has_trace;
}

static bool read_members(const json_t *request, struct order *o, struct error *why)
{
    enum { IS_WITHIN = 0, IS_PERCENT, IS_EVERY, IS_MIN, IS_MAX, IS_LAST };
    struct member member[] = {
        [IS_WITHIN] = {"within_us", ORDER_DRAIN, 0, INT64_MAX, WITHIN_US},
        [IS_PERCENT] = {"percent", ORDER_RECONNECT, 1, 100, PERCENT},
        [IS_EVERY] = {"every_us", ORDER_RECONNECT, 0, INT64_MAX, EVERY_US},
        [IS_MIN] = {"min", ORDER_RESIZE, 0, INT32_MAX, -1},
        [IS_MAX] = {"max", ORDER_RESIZE, 1, INT32_MAX, -1},
        [IS_LAST] = {"last", ORDER_EXPLAIN, 1, RECORDS_OF_CALLS, 0},
    };
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)request, name, value)
    {
        struct member *m = find(member, COUNT(member), o, name);
        if (strcmp(name, "verb") == 0 || strcmp(name, "name") == 0)
            continue;
        if (m != NULL && read(m, value, why) != ERROR_OK)
            return false;
        if (m == NULL && !read_text(o, name, value, why))
            return false;
    }
    o->within_us = member[IS_WITHIN].number;
    o->percent = (int32_t)member[IS_PERCENT].number;
    o->every_us = member[IS_EVERY].number;
    o->min = (int32_t)member[IS_MIN].number;
    o->max = (int32_t)member[IS_MAX].number;
    o->last = (int32_t)member[IS_LAST].number;
    if (o->last == 0)
        o->last = o->has_trace ? RECORDS_OF_CALLS : LAST;
    return true;
}

static void no_such_verb(struct error *why)
{
    error_set(why, ERROR_USAGE, "no such verb; there are:");
    for (enum order_what i = 0; i < ORDER_SIZE; i++)
        error_append(why, "%s %s", i == 0 ? "" : ",", order_name(i));
}

static bool has_members(enum order_what what)
{
    return order_is_done(what) || what == ORDER_EXPLAIN;
}

bool order_read(const json_t *request, struct order *o, struct error *why)
{
    const char *verb = json_string_value(json_object_get(request, "verb"));
    *o = (struct order){.name = json_string_value(json_object_get(request, "name"))};
    if (verb == NULL) {
        error_set(why, ERROR_USAGE, "a request is a JSON object with the member \"verb\"");
        return false;
    }
    while (o->what < ORDERS && (o->what == ORDER_SIZE || strcmp(order_name(o->what), verb) != 0))
        o->what++;
    if (o->what == ORDERS)
        no_such_verb(why);
    else if (o->what != ORDER_LS && o->name == NULL)
        error_set(why, ERROR_USAGE, "the member \"name\" is missing");
    else
        return !has_members(o->what) || read_members(request, o, why);
    return false;
}

/* --- doing ------------------------------------------------------------------------------------ */

static int32_t role_of(const struct resource *r, const char *name)
{
    for (int32_t role = 0; role < r->spec->roles; role++)
        if (strcmp(r->spec->role_name[role], name) == 0)
            return role;
    return ROLES_MOST;
}

static enum error_code resize(struct resource *r, const struct order *o, struct error *why)
{
    int32_t role = o->role == NULL ? -1 : role_of(r, o->role);
    if (role == ROLES_MOST)
        return error_set(why, ERROR_USAGE, "%s has no role of this name", r->name);
    return operate_resize(r, role, o->min, o->max, why);
}

static enum error_code obey(struct resource *r, const struct order *o, struct error *why)
{
    switch (o->what) {
    case ORDER_PAUSE:
        resource_pause(r);
        return ERROR_OK;
    case ORDER_RESUME:
        resource_resume(r);
        return ERROR_OK;
    case ORDER_DRAIN:
        return operate_drain(r, o->within_us, why);
    case ORDER_RECONNECT:
        return operate_reconnect(r, o->percent, o->every_us, o->number, why);
    case ORDER_RESIZE:
        return resize(r, o, why);
    case ORDER_SIZE:
        return operate_size(r, o->pool, o->size, why);
    case ORDER_LS:
    case ORDER_INSPECT:
    case ORDER_STATS:
    case ORDER_EXPLAIN:
    case ORDERS:
        break;
    }
    UNREACHABLE();
}

enum error_code order_obey(struct resource *r, const struct order *o, struct error *why)
{
    if (standing_is_later(r, o))
        return ERROR_OK;
    enum error_code code = obey(r, o, why);
    if (code == ERROR_OK)
        standing_keep(r, o);
    return code;
}
