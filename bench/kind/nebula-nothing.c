/* nebula-nothing.c - a driver whose server does nothing and answers at once: what is left of a call is the engine's.
 *
 * An end is said from soon(), as early as a driver may say it: in the next turn, which waits for nothing then.
 */
#include "nebula_driver.h"

struct nothing {
    struct nebula_conn conn; /* first */
    enum { OPENING = 0, IDLE, ASKED, CLOSING } state;
};

static struct nothing *nothing_of(struct nebula_conn *c)
{
    return (struct nothing *)c;
}

static void begin_open(struct nebula_conn *c, const struct nebula_target *to)
{
    (void)to;
    c->engine->soon(c);
}

static void begin_send(struct nebula_conn *c, const struct nebula_driver_request *r)
{
    (void)r;
    nothing_of(c)->state = ASKED;
    c->engine->soon(c);
}

static void begin_close(struct nebula_conn *c)
{
    nothing_of(c)->state = CLOSING;
    c->engine->soon(c);
}

static void end(struct nebula_conn *c)
{
    static const struct nebula_driver_reply done = {.changed = -1};
    struct nothing *n = nothing_of(c);
    int state = n->state;
    if (state == CLOSING) {
        c->engine->closed(c); /* n is gone */
        return;
    }
    n->state = IDLE;
    if (state == OPENING)
        c->engine->opened(c);
    else if (state == ASKED)
        c->engine->replied(c, &done);
}

const struct nebula_driver nebula_driver = {.abi = NEBULA_DRIVER_ABI,
                                            .size = sizeof(struct nebula_driver),
                                            .conn_size = sizeof(struct nothing),
                                            .open = begin_open,
                                            .send = begin_send,
                                            .close = begin_close,
                                            .soon = end};
