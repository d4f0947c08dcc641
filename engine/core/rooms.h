/* rooms.h - memory for calls: what one leaves behind is the next one's.
 *
 * A call is larger than what malloc() keeps at hand, so that it takes as long as all else that is done for a call
 * which is refused.
 */
#ifndef CORE_ROOMS_H
#define CORE_ROOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SANITIZE_ADDRESS__
#define ROOMS_MOST 0 /* who uses one that he gave back is seen */
#else
#define ROOMS_MOST 64 /* that nobody uses; more are given back to malloc() */
#endif
#define ROOM_SIZE 2048

/* All zero has none. */
struct rooms {
    struct room *first;
    int32_t count;
};

/* One of so many bytes, the first so many of which are zero; NULL when out of memory. */
void *rooms_take(struct rooms *r, size_t size, size_t zeros);
/* One that was taken for so many bytes. */
void rooms_give(struct rooms *r, void *memory, size_t size);
void rooms_fini(struct rooms *r);

#endif
