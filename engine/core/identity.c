#include "core/identity.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/resource.h"

char *identity_of(const struct resource *r, const char *sort, int32_t role)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fprintf(f, "%s %d %s %s", sort, role, r->driver->name, r->name);
    for (int32_t i = 0; i < r->options; i++) {
        const struct nebula_option *o = &r->option[i];
        if (!o->is_secret)
            fprintf(f, "\n%d %d %s = %s", o->role, o->endpoint, o->name, o->value);
    }
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}
