/* counters.h - what is counted of a resource and of each of its roles, in one table: name, what kind of
 * number it is, manual text.
 *
 * The listings, nebula_stats() and docs/reference/counters.md take names and texts from here.
 */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include <stdint.h>

#include "base/error.h"

struct pool;
struct resource;

/* clang-format off */
/*    name              key                kind   manual text */
#define COUNTER_TABLE(X) \
    X(OPENING,          "opening",         NOW,   "Connections that are being opened.") \
    X(IDLE,             "idle",            NOW,   "Connections that are clean and nobody's.") \
    X(LEASED,           "leased",          NOW,   "Connections that are somebody's, those of one-shot calls included.") \
    X(LISTENING,        "listening",       NOW,   "Connections by which listeners hear.") \
    X(CHECKING,         "checking",        NOW,   "Connections that are asked whether they still live.") \
    X(RESETTING,        "resetting",       NOW,   "Connections that are being made clean.") \
    X(CANCELLING,       "cancelling",      NOW,   "Connections whose caller was answered and whose work is being brought to an end.") \
    X(CLOSING,          "closing",         NOW,   "Connections of no more use, until their driver is done with them.") \
    X(WAITING,          "waiting",         NOW,   "How many wait for a connection.") \
    X(LISTENERS,        "listeners",       NOW,   "How many listen.") \
    X(MIN,              "min",             NOW,   "Connections kept open without any traffic.") \
    X(MAX,              "max",             NOW,   "Never more connections than these.") \
    X(LEASES,           "leases",          TOTAL, "Connections given out, to one-shot calls too.") \
    X(WAITED,           "waited",          TOTAL, "Of these, how many were waited for.") \
    X(WAITED_US,        "waited_us",       TOTAL, "How long they were waited for, all together, in microseconds.") \
    X(REFUSED,          "refused",         TOTAL, "How many asked for a connection and got none, for whatever reason.") \
    X(REFUSED_FULL,     "refused_full",    TOTAL, "Of these, because the queue was full or the caller may not wait in it.") \
    X(REFUSED_LATE,     "refused_late",    TOTAL, "Of these, because their time in the queue was over.") \
    X(REFUSED_PAUSED,   "refused_paused",  TOTAL, "Of these, because the resource was paused or drained.") \
    X(REFUSED_TROUBLE,  "refused_trouble", TOTAL, "Of these, because no connection could be had.") \
    X(OPENED,           "opened",          TOTAL, "Connections opened.") \
    X(OPEN_FAILED,      "open_failed",     TOTAL, "Attempts to connect that failed.") \
    X(CLOSED,           "closed",          TOTAL, "Connections that were open and are closed, for whatever reason.") \
    X(LOST,             "lost",            TOTAL, "Connections that broke, or did not answer in time.") \
    X(RETIRED,          "retired",         TOTAL, "Connections that were told to leave before their time.") \
    X(CHECKS,           "checks",          TOTAL, "Connections asked whether they still live.") \
    X(KEEPALIVES,       "keepalives",      TOTAL, "Of these, because nobody had used them for long.") \
    X(RESETS,           "resets",          TOTAL, "Sessions made clean: rolled back, or reset.") \
    X(CANCELS,          "cancels",         TOTAL, "Connections whose work was cancelled under way.") \
    X(TOLD,             "told",            TOTAL, "What the server told those who listen.") \
    X(GAPS,             "gaps",            TOTAL, "How often they heard nothing for a time.") \
    X(HOLDS,            "holds",           TOTAL, "Leases reported because they were held for too long; again when twice as long.") \
    X(RECLAIMS,         "reclaims",        TOTAL, "Of these, the leases that were taken away.") \
    X(CALLS,            "calls",           TOTAL, "Calls begun.") \
    X(RETRIES,          "retries",         TOTAL, "Attempts beside the first of a call.") \
    X(FAILED,           "failed",          TOTAL, "Calls proven not applied.") \
    X(IN_DOUBT,         "in_doubt",        TOTAL, "Calls of which nobody knows whether they were applied.") \
    X(CHAOS,            "chaos",           TOTAL, "Requests and attempts to connect that were hit by chaos.")
/* clang-format on */

enum counter {
#define X(name, key, kind, text) COUNTER_##name,
    COUNTER_TABLE(X)
#undef X
        COUNTERS
};

/* Those from here on are of the resource as a whole. */
#define COUNTERS_OF_ROLE COUNTER_CALLS

/* Why somebody who asked for a connection got none. */
enum refusal { REFUSAL_FULL = 0, REFUSAL_LATE, REFUSAL_PAUSED, REFUSAL_TROUBLE, REFUSALS };
enum refusal refusal_of(enum error_code code);

const char *counter_name(enum counter c);
/* Of one role, used or not; its numbers are added to number[COUNTERS_OF_ROLE]. */
void counters_add_role(const struct resource *r, int32_t role, int64_t *number);
/* Of all roles together, and of the resource; of all its tenants, when it is one for each. Fills
 * number[COUNTERS]. */
void counters_of(const struct resource *r, int64_t *number);

#endif
