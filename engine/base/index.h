/* index.h - things by name, found at once however many there are.
 *
 * Open addressing with linear probing; a name is borrowed for as long as its thing is there.
 */
#ifndef BASE_INDEX_H
#define BASE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

/* FNV-1a (Fowler, Noll, Vo), 64 bits, folded so that the low bits are as good as the others. */
static inline uint64_t index_hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3;
    return h ^ h >> 32;
}

struct index_entry {
    const char *name; /* NULL when free */
    void *thing;
};

struct index {
    struct index_entry *entry;
    uint32_t size, used; /* size is a power of two, or 0 */
    uint64_t sum;        /* of the hashes: the same for the same names, however they came */
};

void index_init(struct index *x); /* allocates nothing before the first */
void index_fini(struct index *x);

/* The name is not there yet. False when out of memory. */
bool index_add(struct index *x, const char *name, void *thing);
void index_drop(struct index *x, const char *name);       /* it is there */
void *index_get(const struct index *x, const char *name); /* NULL when it is not there */

#endif
