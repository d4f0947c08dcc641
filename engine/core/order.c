#include "core/order.h"

#include <string.h>

#include "core/operate.h"

#define WITHIN_US 10000000
#define PERCENT 25
#define EVERY_US 1000000

/* A member of a request that is a whole number, and where it goes. */
struct member {
    const char *name;
    int64_t least, most;
    int64_t *number; /* as it is when the request says nothing */
};

static const struct member *find(const struct member *member, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(member[i].name, name) == 0)
            return &member[i];
    return NULL;
}

static enum error_code read(const struct member *m, const json_t *value, struct error *why)
{
    if (!json_is_integer(value))
        return error_set(why, ERROR_USAGE, "the member \"%s\" is a whole number", m->name);
    *m->number = json_integer_value(value);
    if (*m->number < m->least || *m->number > m->most)
        return error_set(why, ERROR_USAGE, "the member \"%s\" is %lld to %lld", m->name,
                         (long long)m->least, (long long)m->most);
    return ERROR_OK;
}

/* text may be NULL: the one member that is a text, by its name. */
static enum error_code read_all(const json_t *request, const struct member *member, int count,
                                const char *text, struct error *why)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)request, name, value)
    {
        const struct member *m = find(member, count, name);
        if (strcmp(name, "verb") == 0 || strcmp(name, "name") == 0)
            continue;
        if (text != NULL && strcmp(name, text) == 0 && json_is_string(value))
            continue;
        if (m == NULL)
            return error_set(why, ERROR_USAGE,
                             "the request has a member that its verb does not know");
        if (read(m, value, why) != ERROR_OK)
            return why->code;
    }
    return ERROR_OK;
}

enum error_code order_pause(struct resource *r, const json_t *request, struct error *why)
{
    if (read_all(request, NULL, 0, NULL, why) != ERROR_OK)
        return why->code;
    resource_pause(r);
    return ERROR_OK;
}

enum error_code order_resume(struct resource *r, const json_t *request, struct error *why)
{
    if (read_all(request, NULL, 0, NULL, why) != ERROR_OK)
        return why->code;
    resource_resume(r);
    return ERROR_OK;
}

enum error_code order_drain(struct resource *r, const json_t *request, struct error *why)
{
    int64_t within_us = WITHIN_US;
    const struct member member[] = {{"within_us", 0, INT64_MAX, &within_us}};
    if (read_all(request, member, COUNT(member), NULL, why) != ERROR_OK)
        return why->code;
    return operate_drain(r, within_us, why);
}

enum error_code order_reconnect(struct resource *r, const json_t *request, struct error *why)
{
    int64_t percent = PERCENT, every_us = EVERY_US;
    const struct member member[] = {{"percent", 1, 100, &percent},
                                    {"every_us", 0, INT64_MAX, &every_us}};
    if (read_all(request, member, COUNT(member), NULL, why) != ERROR_OK)
        return why->code;
    return operate_reconnect(r, (int32_t)percent, every_us, why);
}

static int32_t role_of(const struct resource *r, const char *name)
{
    for (int32_t role = 0; role < r->spec->roles; role++)
        if (strcmp(r->spec->role_name[role], name) == 0)
            return role;
    return ROLES_MOST;
}

enum error_code order_resize(struct resource *r, const json_t *request, struct error *why)
{
    int64_t min = -1, max = -1;
    const struct member member[] = {{"min", 0, INT32_MAX, &min}, {"max", 1, INT32_MAX, &max}};
    if (read_all(request, member, COUNT(member), "role", why) != ERROR_OK)
        return why->code;
    const char *name = json_string_value(json_object_get(request, "role"));
    int32_t role = name == NULL ? -1 : role_of(r, name);
    if (role == ROLES_MOST)
        return error_set(why, ERROR_USAGE, "%s has no role of this name", r->name);
    return operate_resize(r, role, (int32_t)min, (int32_t)max, why);
}
