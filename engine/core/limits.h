/* limits.h - so many calls under way at once in all workers; the others wait in one queue, and some are shed.
 *
 * The bound is declared, or found (rules/limit). Who comes when as many are under way waits in a queue that all
 * workers have together (rules/bulkhead), and is served by whoever's call ends: first come, first served, or who is
 * due first where the rules say so (rules/shed). While the queue is too slow some of those who come out of it are
 * refused.
 *
 * Who is served, or shed, in another worker hears of it as news. Until then the permit is his: so none is lost, and
 * whoever leaves before he heard gives it back.
 */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include "base/error.h"
#include "core/guards.h"
#include "rules/limit.h"
#include "rules/shed.h"

struct limits; /* a worker's part */

enum limited_state {
    LIMITED_OUT = 0, /* it wants nothing */
    LIMITED_WAITING,
    LIMITED_SERVED, /* and has not heard of it */
    LIMITED_SHED,   /* the same */
    LIMITED_IN      /* under way */
};

/* One call, as the limit sees it. All zero is OUT. */
struct limited {
    struct list_node node; /* in the queue, or of those of its worker that have not heard */
    enum limited_state state;
    struct limit_pass pass;
    int32_t worker;
    struct shed_waiter waiter; /* the caller's to fill */
    int64_t due_us;
    bool is_fail_fast; /* the caller's to fill: it does not wait */
    int64_t ends_us;   /* of its wait, the caller's to fill; never served from then on */
    void (*served)(struct limited *l,
                   const struct error *why); /* its wait is over; why NULL: it is IN */
};

/* IN; or WAITING, and served() follows or limits_leave(); or OUT, and *why says why. */
enum limited_state limits_enter(struct guards *g, struct limited *one, struct error *why);
/* One that is IN has ended, so long after it was sent; is_well: nothing that the server is to blame for. Not sent:
 * took_us < 0. */
void limits_return(struct guards *g, struct limited *one, bool is_well, int64_t took_us);
/* One that waits, or has not heard, waits no more. */
void limits_leave(struct guards *g, struct limited *one);
/* Why one that waits until now has not been served. */
void limits_explain(const struct guards *g, const struct limited *l, enum error_code code,
                    struct error *out);

void limits_changed(struct guards *g);
void limits_free(struct limits **l); /* *l may be NULL; no call of this worker is in it */

/* For people. */
struct limits_view {
    int32_t under, waiting, most;
    int32_t found;                /* about which `most` is tried; 0: it is declared */
    int64_t latency_us, least_us; /* and what by: of calls now, and the lowest; 0: nobody knows */
    int64_t ran, queued, refused, shed;
};
bool limits_view(struct guards *g, struct limits_view *out); /* false: there is none yet */

#endif
