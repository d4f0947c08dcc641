/* reconnect.h - another connection for each that there is, a share at a time.
 *
 * Those that exist when it begins leave softly: idle ones close, leased ones close as they come home.
 * A new one is opened first wherever there is room for it, so that the minimum stays warm; where
 * there is none, because the pool is full, they leave one by one. While connecting fails nobody
 * leaves: what is there is worth more than what cannot be had.
 */
#ifndef CORE_RECONNECT_H
#define CORE_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

struct reconnect {
    uint32_t last;    /* connections up to this number leave; 0: nothing is under way */
    int32_t all;      /* as many of them there were */
    int32_t step;     /* as many begin to leave at once, in all workers */
    int32_t ahead;    /* those of other workers that leave first */
    int32_t due;      /* should be leaving by now, and still stay */
    int64_t every_us; /* from step to step */
    int64_t next_us;  /* the next step */
};

/* The first step is at once. One that is under way goes on with what there is now, at the new pace. The
 * workers of an order, which has a number, take turns: percent is of all connections together. */
void reconnect_begin(struct pool *p, int32_t percent, int64_t every_us, int64_t number);
int32_t reconnect_left(const struct pool *p); /* that are not closed yet */
bool reconnect_is_over(const struct pool *p); /* or none was begun */

/* --- for the keeper --------------------------------------------------------------------------- */

void reconnect_look(struct pool *p);          /* retires those who are due and may leave */
int64_t reconnect_next(const struct pool *p); /* when to look again, INT64_MAX: never */
int32_t reconnect_due(const struct pool *p);

#endif
