/* inspect.h - what one engine tells about itself. The process as a whole: see answer.h. */
#ifndef CORE_INSPECT_H
#define CORE_INSPECT_H

#include "core/resource.h"
#include "core/telling.h"
#include "core/window.h"

/* `ls`: what it tells beside its resources, and a resource; see listing.h. */
json_t *inspect_head(struct telling *t);
json_t *inspect_summary(struct telling *t, const struct resource *r);
/* Which resources there are: by their names, in whatever order they were declared; never 0. */
uint64_t inspect_known(const struct engine *e);
/* There is nothing to add to what whoever else knows of it tells. */
bool inspect_is_untouched(const struct resource *r);

json_t *inspect_one(struct telling *t, struct resource *r);
/* The numbers of a resource, and of each role those of its own with the window if it was used. */
json_t *inspect_stats(struct telling *t, struct resource *r);

json_t *inspect_figures(struct telling *t, const struct window *w);
json_t *inspect_window(struct telling *t, const struct window *w); /* with the advice */

#endif
