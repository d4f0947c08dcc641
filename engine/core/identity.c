#include "core/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/outage.h"
#include "core/resource.h"

/* With its length, so that no text looks like two. */
static void say(FILE *f, const char *text)
{
    fprintf(f, " %zu:%s", strlen(text), text);
}

/* How many there are of something in one worker is how many there are in another. */
static void say_places(FILE *f, const struct resource *r)
{
    fprintf(f, " %d %d", r->spec->roles, r->spec->endpoints);
    for (int32_t i = 0; i < r->spec->roles; i++)
        say(f, r->spec->role_name[i]);
    for (int32_t i = 0; i < r->spec->endpoints; i++)
        say(f, r->outlook->board->endpoint[i].name);
}

static void say_options(FILE *f, const struct resource *r)
{
    for (int32_t i = 0; i < r->options; i++) {
        const struct nebula_option *o = &r->option[i];
        fprintf(f, "\n%d %d", o->role, o->endpoint);
        say(f, o->name);
        if (!o->is_secret)
            say(f, o->value);
    }
}

char *identity_of(const struct resource *r, const char *sort, int32_t role)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fprintf(f, "%s %d", sort, role);
    say(f, r->driver->name);
    say(f, r->spec->kind);
    say(f, r->name);
    say_places(f, r);
    say_options(f, r);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}
