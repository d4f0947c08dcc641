/* inspect.h - what one engine tells about itself. The process as a whole: see answer.h. */
#ifndef CORE_INSPECT_H
#define CORE_INSPECT_H

#include "core/resource.h"
#include "core/telling.h"
#include "core/window.h"

/* `ls`. Who knows of the same resources is not told of those that nobody used here: of 100,000 that would be
 * a second's work for each worker, and nothing to add. */
json_t *inspect_all(struct telling *t, uint64_t known);
/* By their names, in whatever order they were declared; never 0. */
uint64_t inspect_known(const struct engine *e);
json_t *inspect_one(struct telling *t, struct resource *r);
/* The numbers of a resource, and of each role those of its own with the window if it was used. */
json_t *inspect_stats(struct telling *t, struct resource *r);

json_t *inspect_figures(struct telling *t, const struct window *w);
json_t *inspect_window(struct telling *t, const struct window *w); /* with the advice */

#endif
