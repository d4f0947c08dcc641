#include "base/names.h"

#include <stdlib.h>
#include <string.h>

void names_init(struct names *n)
{
    index_init(&n->known);
}

void names_fini(struct names *n)
{
    for (uint32_t i = 0; i < n->known.size; i++)
        free(n->known.entry[i].thing);
    index_fini(&n->known);
}

const char *names_keep(struct names *n, const char *text)
{
    char *kept = index_get(&n->known, text);
    if (kept != NULL || (kept = strdup(text)) == NULL)
        return kept;
    if (index_add(&n->known, kept, kept))
        return kept;
    free(kept);
    return NULL;
}
