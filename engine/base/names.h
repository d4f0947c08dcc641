/* names.h - short texts that many things share, each kept once: kinds, roles, files, words of a
 * kind.
 *
 * A name lives as long as the collection. Not for what is different in each thing.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include "base/index.h"

struct names {
    struct index known;
};

void names_init(struct names *n); /* allocates nothing before the first */
void names_fini(struct names *n);

/* The one copy of text; NULL when out of memory. */
const char *names_keep(struct names *n, const char *text);

#endif
