#include "core/instances.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_MOST = 1000 }; /* bytes that are kept and shown */

static void instance_free(struct instance *i)
{
    free(i->name);
    free(i->service);
    free(i->state);
    free(i->reason);
    free(i);
}

static struct instance *instance_new(struct engine *e, const char *name, const char *service)
{
    struct instance *i = calloc(1, sizeof *i);
    if (i == NULL)
        return NULL;
    i->name = strdup(name);
    i->service = strdup(service);
    if (i->name == NULL || i->service == NULL || !index_add(&e->instance_names, i->name, i)) {
        instance_free(i);
        return NULL;
    }
    struct instance **last = &e->instances;
    while (*last != NULL)
        last = &(*last)->next;
    *last = i;
    return i;
}

/* What a program fails with may be a whole document. It is cut behind the masking: half a secret would not be found any
 * more. */
static char *reason_of(const struct engine *e, const char *text)
{
    char *reason = strdup(text);
    if (reason == NULL)
        return NULL;
    size_t size = secret_mask(&e->secrets, reason, strlen(reason));
    if (size > REASON_MOST)
        snprintf(reason + REASON_MOST - 3, 4, "...");
    return reason;
}

bool instances_tell(struct engine *e, const struct nebula_instance *told)
{
    char name[96];
    snprintf(name, sizeof name, "%s %d", told->service, (int)told->number);
    char *state = strdup(told->state), *reason = reason_of(e, told->reason);
    struct instance *i = index_get(&e->instance_names, name);
    if (state != NULL && reason != NULL && i == NULL)
        i = instance_new(e, name, told->service);
    if (state == NULL || reason == NULL || i == NULL) {
        free(state);
        free(reason);
        return false;
    }
    free(i->state);
    free(i->reason);
    i->told = *told;
    i->told.service = i->service;
    i->told.state = i->state = state;
    i->told.reason = i->reason = reason;
    return true;
}

static json_t *instance_json(struct telling *t, const struct nebula_instance *i)
{
    json_t *o = json_object();
    telling_text(t, o, "service", i->service);
    telling_number(t, o, "number", i->number);
    telling_number(t, o, "worker", i->worker);
    telling_text(t, o, "state", i->state);
    telling_number(t, o, "since", i->since_s);
    telling_number(t, o, "restarts", i->restarts);
    telling_put(t, o, "pause", json_real(i->pause_s));
    telling_masked(t, o, "reason", i->reason);
    return o;
}

json_t *instances_json(struct telling *t)
{
    json_t *list = json_array();
    for (const struct instance *i = t->engine->instances; i != NULL; i = i->next)
        telling_append(t, list, instance_json(t, &i->told));
    return list;
}

void instances_fini(struct engine *e)
{
    struct instance *next;
    for (struct instance *i = e->instances; i != NULL; i = next) {
        next = i->next;
        instance_free(i);
    }
    index_fini(&e->instance_names);
}
