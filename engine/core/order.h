/* order.h - what an operator asks: to be told, or that something is done. The verbs of the control socket,
 * in one table; what has a number here has a name there.
 *
 * An order is a value: it is read once, and then goes to every worker of the process.
 */
#ifndef CORE_ORDER_H
#define CORE_ORDER_H

#include <jansson.h>

#include "core/context.h"
#include "core/resource.h"

enum order_what {
    ORDER_LS = 0,
    ORDER_INSPECT,
    ORDER_STATS,
    ORDER_EXPLAIN,
    ORDER_PAUSE, /* from here on something is done */
    ORDER_RESUME,
    ORDER_DRAIN,
    ORDER_RECONNECT,
    ORDER_RESIZE,
    ORDER_SIZE, /* a strategy's: nobody asks for it by name */
    ORDERS
};

struct order {
    enum order_what what;
    const char *name; /* of a resource; NULL: of all */
    const char *role; /* RESIZE: NULL: of the whole */
    uint64_t known;   /* LS: by whoever asks, see inspect.h; 0: nothing */
    int64_t number;   /* of those that are done: the larger one is the later one; see crew.h */
    int64_t within_us, every_us;
    int32_t percent, min, max; /* -1: as it is */
    int32_t pool, size;        /* SIZE: the number of a role, and how many it may have */
    int32_t last;              /* EXPLAIN: at most so many calls, */
    bool has_trace;            /* of this trace alone */
    uint8_t trace[TRACE_ID_SIZE];
};

static inline bool order_is_done(enum order_what what)
{
    return what >= ORDER_PAUSE;
}

const char *order_name(enum order_what what);
/* What is asked by a request, whose texts it borrows. False with the sentence in *why when it is none, or
 * lacks something. The members beside "verb" and "name" of one that has some are those of its own. */
bool order_read(const json_t *request, struct order *o, struct error *why);
/* Does it in this worker, unless a later one of its sort was given for the same resource. */
enum error_code order_obey(struct resource *r, const struct order *o, struct error *why);

#endif
