#include "core/sizing.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/pool.h"

bool sizing_say(struct resource *r, const struct nebula_strategy *said)
{
    const struct nebula_strategy kept = {
        .name = names_keep(&r->engine->said, said->name),
        .file = names_keep(&r->engine->said, said->file == NULL ? "" : said->file),
        .line = said->line,
        .every_us = said->every_us,
    };
    if (kept.name == NULL || kept.file == NULL)
        return false;
    if (r->sizing == NULL)
        r->sizing = calloc(1, sizeof *r->sizing);
    if (r->sizing == NULL)
        return false;
    r->sizing->said = kept;
    return true;
}

/* Of one that is paused or drained the figures tell nothing. */
bool sizing_is_due(const struct resource *r, int32_t role)
{
    const struct pool *p = resource_peek(r, role);
    return p != NULL && p->is_home && !r->spec->role_is_fixed[role] && !r->is_paused &&
           !r->is_draining;
}

void sizing_note(struct resource *r, int32_t role, const struct nebula_sized *told)
{
    struct sized *s = &r->sizing->of[role];
    s->was_asked = true;
    s->asked_us = r->engine->world->wall_us(r->engine->world);
    snprintf(s->why, sizeof s->why, "%s", told->why == NULL ? "" : told->why);
    if (told->size == 0)
        return;
    s->has_answer = true;
    s->answered_us = s->asked_us;
    s->answer = told->answer;
}

/* --- telling ---------------------------------------------------------------------------------- */

static json_t *sized_json(struct telling *t, const struct resource *r, int32_t role)
{
    const struct sized *s = &r->sizing->of[role];
    json_t *o = json_object();
    telling_text(t, o, "role", r->spec->role_name[role]);
    telling_number(t, o, "size", resource_size(r, role).max);
    telling_put(t, o, "asked", json_real((double)s->asked_us / 1e6));
    if (s->has_answer) {
        telling_put(t, o, "answer", json_real(s->answer));
        telling_put(t, o, "answered", json_real((double)s->answered_us / 1e6));
    }
    if (s->why[0] != '\0')
        telling_masked(t, o, "why", s->why);
    return o;
}

json_t *sizing_json(struct telling *t, const struct resource *r)
{
    const struct nebula_strategy *said = &r->sizing->said;
    json_t *o = json_object(), *pools = json_array();
    telling_text(t, o, "name", said->name);
    telling_text(t, o, "file", said->file);
    telling_number(t, o, "line", said->line);
    telling_put(t, o, "every", json_real((double)said->every_us / 1e6));
    for (int32_t role = 0; role < r->spec->roles; role++)
        if (r->sizing->of[role].was_asked)
            telling_append(t, pools, sized_json(t, r, role));
    telling_put(t, o, "pools", pools);
    return o;
}
