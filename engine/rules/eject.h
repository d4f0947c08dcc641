/* eject.h - which endpoints are left alone for a while, by what came of the calls to them.
 *
 * Outlier detection, as Envoy does it (architecture overview, "Outlier detection"), by what was seen of
 * real calls alone:
 *
 * - so many failures in a row;
 * - of a window, a share of successes below mean - factor x standard deviation of the shares of all that
 *   had enough calls, when those are enough endpoints.
 *
 * A share of failures that is too much whatever the others do is for a circuit of each endpoint (rules/circuit).
 *
 * No more than a share of all are out at a time; who would be one too many stays, and is judged again.
 * One is out for `time` x how often it was out lately, `time_most` at most, and up to a tenth less by the
 * dice, so that not all come back together; each window in which it is in takes one off that count.
 * When fewer than the share `panic` are left that can be used, all are: a few would be trampled.
 *
 * Pure: what came of a call in, with time and dice.
 */
#ifndef RULES_EJECT_H
#define RULES_EJECT_H

#include <stdbool.h>
#include <stdint.h>

struct eject_policy {
    int32_t consecutive;     /* failures in a row; 0: they are not looked at */
    double factor;           /* 0: the share of successes is not looked at */
    int32_t least_calls;     /* in the window */
    int32_t least_endpoints; /* that had so many */
    int64_t window_us;       /* positive */
    double most;             /* share of all, 0..1 */
    int64_t time_us, time_most_us;
    double panic; /* share of all, 0..1; 0: never */
};

enum eject_why { EJECT_NOT = 0, EJECT_CONSECUTIVE, EJECT_SUCCESS };

/* One endpoint. All zero is one of which nothing is known. */
struct eject {
    int64_t well[2], failed[2]; /* in the window under way, and in the one before */
    int64_t until_us;   /* out until then; later it says when it came back. 0: it never was */
    int32_t streak;     /* failures in a row */
    int32_t times;      /* out lately */
    int32_t ejections;  /* ever */
    enum eject_why why; /* it was out last */
};

/* All of them, and when the window began. */
struct eject_fleet {
    struct eject *of;
    int32_t count;
    int64_t since_us;
};

/* A call to the one at this place ended. Who is out from here on is told by eject_is_out(). */
void eject_note(struct eject_fleet *f, const struct eject_policy *p, int32_t at, bool is_well,
                int64_t now_us, uint64_t dice);
/* Ends the windows that are over; judges by the last one. To be called before looking, too. */
void eject_look(struct eject_fleet *f, const struct eject_policy *p, int64_t now_us, uint64_t dice);
static inline bool eject_is_out(const struct eject *e, int64_t now_us)
{
    return now_us < e->until_us;
}
/* Of all, so many can be used: neither down nor out. */
bool eject_is_panic(const struct eject_policy *p, int32_t usable, int32_t all);
const char *eject_reason(enum eject_why why); /* "consecutive" "success"; "none" */

#endif
