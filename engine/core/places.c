#include "core/places.h"

#include <stdlib.h>

static bool is_same(const struct places *p, const struct nebula_place *of)
{
    for (int i = 0; i < NEBULA_SETTINGS; i++)
        if (p->of[i].file != of[i].file || p->of[i].line != of[i].line)
            return false;
    return true;
}

static struct places *find(struct engine *e, const struct nebula_place *of)
{
    for (struct list_node *n = list_head(&e->places); n != NULL; n = list_next(&e->places, n)) {
        struct places *p = container_of(n, struct places, node);
        if (is_same(p, of))
            return p;
    }
    return NULL;
}

static struct places *make(struct engine *e, const struct nebula_place *of)
{
    struct places *p = malloc(sizeof *p);
    if (p == NULL)
        return NULL;
    p->users = 0;
    memcpy(p->of, of, sizeof p->of);
    node_init(&p->node);
    list_push_head(&e->places, &p->node);
    return p;
}

bool places_say(struct engine *e, struct places **to, const struct nebula_place *said,
                int32_t count)
{
    struct nebula_place of[NEBULA_SETTINGS] = {{.file = NULL}};
    for (int32_t i = 0; i < count; i++) {
        if (said[i].file == NULL)
            continue;
        of[i] = (struct nebula_place){names_keep(&e->said, said[i].file), said[i].line};
        if (of[i].file == NULL)
            return false;
    }
    struct places *p = find(e, of);
    if (p == NULL && (p = make(e, of)) == NULL)
        return false;
    p->users++;
    places_return(e, to);
    *to = p;
    return true;
}

struct places *places_share(struct places *p)
{
    if (p != NULL)
        p->users++;
    return p;
}

void places_return(struct engine *e, struct places **places)
{
    struct places *p = *places;
    *places = NULL;
    if (p == NULL || --p->users > 0)
        return;
    list_remove(&e->places, &p->node);
    free(p);
}
