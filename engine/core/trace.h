/* trace.h - the seam at which everything the engine does can be watched.
 *
 * One line for each thing that happens to a connection, a waiter or a ticket. Nobody listens in the
 * normal run, and then it costs one predicted branch. The simulation listens to compare runs byte
 * for byte.
 */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include <stdint.h>

enum trace_what {
    TRACE_CONN_MOVED = 0, /* a = connection, b = state left, c = state entered */
    TRACE_CONN_OPENED,    /* a = connection */
    TRACE_CONN_FAILED,    /* a = connection, b = error code */
    TRACE_CONN_CLOSED,    /* a = connection */
    TRACE_SENT,           /* a = connection, b = verb */
    TRACE_REPLIED,        /* a = connection, b = verb, c = error code */
    TRACE_CANCEL_SENT,    /* a = connection */
    TRACE_CANCELLED,      /* a = connection */
    TRACE_WAITS,          /* a = waiters now */
    TRACE_SERVED,         /* a = connection, b = waited us */
    TRACE_REFUSED,        /* a = error code */
    TRACE_RETRIES,        /* a = ticket, 0 for a transaction, b = attempt, c = pause us */
    TRACE_TICKET_ENDED,   /* a = ticket, b = error code */
    TRACE_TOLD,           /* a = connection, b = bytes */
    TRACE_GAP,            /* a = error code, b = us in which nothing was heard */
    TRACE_CIRCUIT,        /* a = state left, b = state entered, c = why it opened last */
    TRACE_CHAOS, /* a = connection, b = error code, 0: it is held back alone, c = for so long, us */
    TRACE_WHATS
};

struct tracer {
    void (*happened)(struct tracer *t, enum trace_what what, int64_t now_us, int32_t resource,
                     int64_t a, int64_t b, int64_t c);
};

const char *trace_name(enum trace_what what); /* "conn_moved" */

#endif
