/* outage.h - what the workers of a process know of the endpoints of a resource: which are down, since when and
 * why, how many connect to each, and what each is good for.
 *
 * After an attempt that failed one connection of the process probes, whichever worker's it is, and each
 * that opens doubles how many may connect at once (rules/fill). An attempt counts from outage_begin() to
 * its one end. One that should be over for long, because its worker is stuck, counts no more, and
 * another worker probes; when it fails after all, nobody believes it. Who leaves ends his attempts.
 *
 * This is touched when an attempt begins and when it ends. Between these a worker sees its outlook,
 * which is how things were then; whoever found no room is told when there is some, and all are told what
 * else they go by. An engine that is alone has nothing but its outlook.
 */
#ifndef CORE_OUTAGE_H
#define CORE_OUTAGE_H

#include "core/board.h"

struct conn;
struct engine;
struct outage;
struct pool;
struct resource;

#define OUTAGE_GRACE_US 1000000 /* behind the bound of an attempt: its worker is stuck */

/* How it looks to one worker. */
struct outlook {
    struct resource *resource;
    struct pool *pool;     /* the only one that it is for; NULL: all of the resource */
    struct outage *outage; /* NULL: the engine is alone, or nothing was used yet */
    struct board *board;
};

/* Of all endpoints that the resource names, whose names are kept; or for the pool's one. NULL when out of
 * memory. */
struct outlook *outlook_new(struct resource *r, struct pool *own, const char *const *name);
void outlook_free(struct outlook **o); /* no attempt is under way; *o may be NULL */
/* Before the first use. False when out of memory. */
bool outlook_join(struct outlook *o);
struct seen *outlook_seen(const struct outlook *o, int32_t at, int32_t role);
/* What people call it; it lives as long as the engine. */
static inline const char *outlook_name(const struct outlook *o, int32_t at)
{
    return o->board->endpoint[at].name;
}
int32_t outlook_last(const struct outlook *o, int32_t role);

/* As far as is known here, one more of the role may connect, to whichever endpoint. */
bool outage_has_room(const struct pool *p);
/* One more attempt at this endpoint, if there may be one; is_easy: fit or not. */
bool outage_begin(struct pool *p, int32_t at, bool is_easy);
/* Its end: nothing is known of it; it failed (UNFIT: it answered and is not what the role needs); it
 * opened. */
void outage_gave_up(struct pool *p, int32_t at);
void outage_failed(struct pool *p, int32_t at, const struct error *why);
void outage_opened(struct pool *p, int32_t at, bool is_easy);
/* A connection that was what the role needs is no more. */
void outage_turned(struct conn *c);

#endif
