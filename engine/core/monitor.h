/* monitor.h - what the last minutes of a pool were like: how long a connection was waited for, how long
 * it was held, how much of the pool was in use, and how large it should be by that.
 *
 * What is told is of the last two to four minutes: totals are noted every two, histograms forget by
 * halves (base/histogram.h), and both take their turn together, at the keeper's look, for which it wakes
 * up as long as there is a connection, and before they are read. A histogram comes with the first wait
 * or hold there is to record, mostly less than 1 kB each; without memory for it the figure is missing and
 * nothing else.
 *
 * The short path records nothing. A lease that comes home in the turn of the loop in which it was lent,
 * and so was held through no wait of whatever kind, goes by the short path and counts as held for 0 us: less
 * than it was, by what the program computed meanwhile. Any other one takes the long path home, where the
 * time from turn to turn is recorded. So of each hold both ends are as late as the loop was, as all times
 * of an engine are. Of a connection that several calls share, each is held until the next one comes.
 *
 * A hold is recorded when it ends. In use is a connection from the moment it is lent.
 */
#ifndef CORE_MONITOR_H
#define CORE_MONITOR_H

#include "core/window.h"

struct conn;
struct pool;

#define MONITOR_HALF_US 120000000

/* Of the pool since it was made. */
struct monitor_totals {
    int64_t at_us;
    int64_t leased_us; /* of all connections together, up to at_us */
    int64_t room_us;   /* the same, had max of them been leased all the time */
    uint64_t leases, ended, waited, refused;
    uint64_t noted; /* holds that lasted beyond a turn */
};

struct monitor {
    struct monitor_totals first, middle; /* where the window and its newer half begin */
    int64_t held_us;                     /* by all leases that ended */
    int64_t room_us, bounded_us; /* the room until max became what it is, and when that was */
    uint64_t noted;
    struct histogram *wait, *hold; /* NULL before first use */
};

/* What its last minutes were like; the histograms are borrowed until the next turn of the loop. */
void monitor_window(struct pool *p, struct window *w);

/* --- for the pool ------------------------------------------------------------------------------ */

void monitor_init(struct pool *p);
void monitor_fini(struct pool *p);
void monitor_bounds(struct pool *p); /* max will be another one from now on */
/* A waiter was lent one, and counted. */
void monitor_waited(struct pool *p, int64_t waited_us);
/* c, if it is leased, was held until now, which is noted: what comes is another hold. */
void monitor_held(struct conn *c);
/* The keeper's: turns the window when it is time. */
void monitor_look(struct pool *p);
int64_t monitor_next(const struct pool *p); /* when to look again, INT64_MAX: not soon */

#endif
