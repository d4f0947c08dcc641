#include "core/alike.h"

#include <stdlib.h>
#include <string.h>

/* As many are looked through: what is declared one after another is alike, and a longer search would
 * cost more than what it finds. */
#define LOOK_MOST 16

struct alike {
    struct list_node node; /* the last one used first */
    int32_t users;
    struct nebula_spec spec;
};

/* Without what is a resource's own. Equal texts are the same pointer. False when out of memory. */
static bool reduce(struct names *names, struct nebula_spec *s)
{
    const char **text[] = {&s->kind,  &s->driver, &s->policy_name, &s->tenant,  &s->rollback,
                           &s->check, &s->reset,  &s->listen,      &s->unlisten};
    s->name = s->file = NULL;
    s->line = s->options = s->pool.min = s->pool.max = 0;
    s->option = NULL;
    s->endpoint_name = NULL;
    memset(s->role_max, 0, sizeof s->role_max);
    for (size_t i = 0; i < COUNT(text); i++)
        if (*text[i] != NULL && (*text[i] = names_keep(names, *text[i])) == NULL)
            return false;
    for (int32_t i = 0; i < ROLES_MOST; i++)
        if (i >= s->roles)
            s->role_name[i] = NULL;
        else if ((s->role_name[i] = names_keep(names, s->role_name[i])) == NULL)
            return false;
    return true;
}

/* Padding is compared too: what differs in it is kept twice, and that is all. */
static bool is_same(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct nebula_spec)) == 0;
}

static struct alike *find(struct engine *e, const struct nebula_spec *spec)
{
    struct list_node *n = list_head(&e->alike);
    for (int i = 0; n != NULL && i < LOOK_MOST; i++, n = list_next(&e->alike, n)) {
        struct alike *a = container_of(n, struct alike, node);
        if (is_same(&a->spec, spec))
            return a;
    }
    return NULL;
}

const struct nebula_spec *alike_keep(struct engine *e, const struct nebula_spec *spec)
{
    struct nebula_spec reduced;
    memcpy(&reduced, spec, sizeof reduced);
    if (!reduce(&e->said, &reduced))
        return NULL;
    struct alike *a = find(e, &reduced);
    if (a == NULL) {
        a = malloc(sizeof *a);
        if (a == NULL)
            return NULL;
        a->users = 0;
        node_init(&a->node);
        memcpy(&a->spec, &reduced, sizeof reduced);
    } else {
        list_remove(&e->alike, &a->node);
    }
    list_push_head(&e->alike, &a->node);
    a->users++;
    return &a->spec;
}

void alike_return(struct engine *e, const struct nebula_spec *kept)
{
    if (kept == NULL)
        return;
    struct alike *a = container_of(kept, struct alike, spec);
    if (--a->users > 0)
        return;
    list_remove(&e->alike, &a->node);
    free(a);
}
