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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct histogram;
struct pool;

#define MONITOR_HALF_US 120000000

/* clang-format off */
/*    name              key                kind   manual text */
#define FIGURE_TABLE(X) \
    X(WINDOW_US,        "window_us",       WHOLE, "How long the time is of which all these figures are.") \
    X(LEASES,           "leases",          WHOLE, "Connections given out in it, to one-shot calls too.") \
    X(WAITED,           "waited",          WHOLE, "Of these, how many were waited for.") \
    X(REFUSED,          "refused",         WHOLE, "How many got none, because the queue was full or their time in it was over.") \
    X(ARRIVALS_PER_S,   "arrivals_per_s",  REAL,  "Leases and these refusals together, a second.") \
    X(UTILISATION,      "utilisation",     REAL,  "How much of max was leased: 1 is all connections for all of the time.") \
    X(WAIT_P50_US,      "wait_p50_us",     WHOLE, "Half of the leases were waited for no longer than this; who was served at once waited 0.") \
    X(WAIT_P95_US,      "wait_p95_us",     WHOLE, "The same of 95 in 100 leases.") \
    X(WAIT_P99_US,      "wait_p99_us",     WHOLE, "The same of 99 in 100 leases.") \
    X(WAIT_MAX_US,      "wait_max_us",     WHOLE, "The longest wait.") \
    X(ENDED,            "ended",           WHOLE, "Leases that ended.") \
    X(HOLD_P50_US,      "hold_p50_us",     WHOLE, "Half of these were held no longer than this; one that was given back before anything was waited for was held 0.") \
    X(HOLD_P95_US,      "hold_p95_us",     WHOLE, "The same of 95 in 100.") \
    X(HOLD_P99_US,      "hold_p99_us",     WHOLE, "The same of 99 in 100.") \
    X(HOLD_MAX_US,      "hold_max_us",     WHOLE, "The longest hold.") \
    X(HOLD_MEAN_US,     "hold_mean_us",    WHOLE, "How long they were held on average.") \
    X(ADVISED_MAX,      "advised_max",     WHOLE, "Which max would do, by Little's law (docs/operating.md); 0 where fewer than 100 leases tell nothing, or the kind says max.")
/* clang-format on */

enum figure {
#define X(name, key, kind, text) FIGURE_##name,
    FIGURE_TABLE(X)
#undef X
        FIGURES
};

/* Of the pool since it was made. */
struct monitor_totals {
    int64_t at_us;
    int64_t leased_us; /* of all connections together, up to at_us */
    uint64_t leases, ended, waited, refused;
    uint64_t noted; /* holds that lasted beyond a turn */
};

struct monitor {
    struct monitor_totals first, middle; /* where the window and its newer half begin */
    int64_t held_us;                     /* by all leases that ended */
    uint64_t noted;
    struct histogram *wait, *hold; /* NULL before first use */
};

const char *figure_name(enum figure f);
bool figure_is_whole(enum figure f);
/* Fills number[FIGURES]. */
void monitor_read(struct pool *p, double *number);
/* The recommendation with its arithmetic, cut off at size. */
void monitor_advice(struct pool *p, char *out, size_t size);

/* --- for the pool ------------------------------------------------------------------------------ */

void monitor_init(struct pool *p);
void monitor_fini(struct pool *p);
/* A waiter was lent one, and counted. */
void monitor_waited(struct pool *p, int64_t waited_us);
/* c, if it is leased, was held until now, which is noted: what comes is another hold. */
void monitor_held(struct conn *c);
/* The keeper's: turns the window when it is time. */
void monitor_look(struct pool *p);
int64_t monitor_next(const struct pool *p); /* when to look again, INT64_MAX: not soon */

#endif
