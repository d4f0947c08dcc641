/* memory.h - the allocator under the engine, counted, and failing on demand.
 *
 * The linker wraps malloc() and its family (-Wl,--wrap=malloc ...), so what our own code allocates
 * comes through here and what libraries allocate for themselves does not. What belongs to the model
 * of the outside, and not to the engine, takes outside_new(): it never fails and is not counted.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Counts anew; nothing fails. */
void memory_begin(void);
int64_t memory_live(void);  /* blocks allocated since then and not freed */
int64_t memory_asked(void); /* allocations asked for since then */
/* The allocation number nth from here on fails, and only that one. 0: none. */
void memory_fail(int64_t nth);
int64_t memory_failed(void); /* how many have failed since memory_begin() */

void *outside_new(size_t size); /* zeroed */
void *outside_resize(void *block, size_t size);
void outside_free(void *block);

#endif
