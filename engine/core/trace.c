#include "core/trace.h"

#include "base/check.h"

const char *trace_name(enum trace_what what)
{
    static const char *const name[TRACE_WHATS] = {
        [TRACE_CONN_MOVED] = "conn_moved",
        [TRACE_CONN_OPENED] = "conn_opened",
        [TRACE_CONN_FAILED] = "conn_failed",
        [TRACE_CONN_CLOSED] = "conn_closed",
        [TRACE_SENT] = "sent",
        [TRACE_REPLIED] = "replied",
        [TRACE_CANCEL_SENT] = "cancel_sent",
        [TRACE_CANCELLED] = "cancelled",
        [TRACE_WAITS] = "waits",
        [TRACE_SERVED] = "served",
        [TRACE_REFUSED] = "refused",
        [TRACE_RETRIES] = "retries",
        [TRACE_TICKET_ENDED] = "ticket_ended",
        [TRACE_TOLD] = "told",
        [TRACE_GAP] = "gap",
        [TRACE_CIRCUIT] = "circuit",
        [TRACE_CHAOS] = "chaos",
    };
    CHECK((size_t)what < TRACE_WHATS);
    return name[what];
}
