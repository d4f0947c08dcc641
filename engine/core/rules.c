#include "core/rules.h"

#include <stdlib.h>
#include <string.h>

struct kept {
    struct list_node node; /* the last one used first */
    int32_t users;
    struct rules rules;
};

/* Padding is compared too: what differs in it is kept twice, and that is all. */
static bool is_same(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct rules)) == 0;
}

static struct kept *find(struct engine *e, const struct rules *said)
{
    for (struct list_node *n = list_head(&e->rules); n != NULL; n = list_next(&e->rules, n)) {
        struct kept *k = container_of(n, struct kept, node);
        if (is_same(&k->rules, said))
            return k;
    }
    return NULL;
}

const struct rules *rules_keep(struct engine *e, const struct rules *said)
{
    struct kept *k = find(e, said);
    if (k == NULL) {
        k = malloc(sizeof *k);
        if (k == NULL)
            return NULL;
        k->users = 0;
        k->rules = *said;
        node_init(&k->node);
    } else {
        list_remove(&e->rules, &k->node);
    }
    list_push_head(&e->rules, &k->node);
    k->users++;
    return &k->rules;
}

void rules_return(struct engine *e, const struct rules *kept)
{
    if (kept == NULL)
        return;
    struct kept *k = container_of(kept, struct kept, rules);
    if (--k->users > 0)
        return;
    list_remove(&e->rules, &k->node);
    free(k);
}
