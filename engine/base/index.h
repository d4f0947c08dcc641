/* index.h - things by name, found at once however many there are.
 *
 * Open addressing with linear probing; a name is borrowed for as long as its thing is there.
 */
#ifndef BASE_INDEX_H
#define BASE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct index_entry {
    const char *name; /* NULL when free */
    void *thing;
};

struct index {
    struct index_entry *entry;
    uint32_t size, used; /* size is a power of two, or 0 */
};

void index_init(struct index *x); /* allocates nothing before the first */
void index_fini(struct index *x);

/* The name is not there yet. False when out of memory. */
bool index_add(struct index *x, const char *name, void *thing);
void index_drop(struct index *x, const char *name);       /* it is there */
void *index_get(const struct index *x, const char *name); /* NULL when it is not there */

#endif
