/* window.h - what the last minutes of a pool were like, in numbers that add up: the windows of all workers
 * that use a pool are one. Rates are added, because each window has a length of its own; of what all
 * share (max, and what it was) there is one.
 *
 * It borrows the monitor's histograms until it keeps copies of them, for another thread.
 */
#ifndef CORE_WINDOW_H
#define CORE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"

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

struct window {
    int64_t span_us;
    uint64_t leases, waited, refused, ended;
    uint64_t noted; /* holds that lasted beyond a turn */
    double arrivals_per_s, in_use;
    double room; /* what max was in it, on average */
    int32_t max, listening;
    int32_t least; /* so many are needed for each endpoint to have one; 0: calls are not balanced */
    bool is_fixed; /* the kind says max */
    struct histogram wait, hold;
};

/* Its own histograms from here on, until window_fini(). False when out of memory: it has none then. */
bool window_keep(struct window *w);
void window_fini(struct window *w);
/* w keeps, the other one need not. False when out of memory: some times are missing. */
bool window_add(struct window *w, const struct window *other);

const char *figure_name(enum figure f);
bool figure_is_whole(enum figure f);
/* Fills number[FIGURES]. */
void window_read(const struct window *w, double *number);
/* The recommendation with its arithmetic, cut off at size. */
void window_advice(const struct window *w, char *out, size_t size);

#endif
