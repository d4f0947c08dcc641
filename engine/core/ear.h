/* ear.h - the one connection of a pool by which all who listen to its resource hear.
 *
 * It waits for a connection as anybody does, keeps it while there are listeners, and gives it back to
 * be reset when the last one leaves. So max counts it, and it takes its turn. The server is asked for
 * each channel once, however many listen to it, in the kind's words.
 *
 * After a loss it pauses, takes another connection and asks for all channels in one script; each
 * listener is told of a gap then, and of nothing else before. Not sooner: who looks for himself while
 * nothing is heard yet would miss what comes between his look and the first word. The end of a
 * connection's life is a loss as well: two connections would hear the same twice, and nothing in what
 * they hear tells that it is the same.
 *
 * While nobody says anything, the connection is asked now and then whether it lives.
 */
#ifndef CORE_EAR_H
#define CORE_EAR_H

#include "core/channel.h"
#include "core/pool.h"
#include "core/value.h"

struct asking;
struct listener;

enum ear_state {
    EAR_CLOSED = 0, /* nobody listens */
    EAR_QUEUED,     /* waits for a connection */
    EAR_OPEN,       /* has one */
    EAR_PAUSING,    /* until it tries again */
    EAR_STATES
};

struct ear {
    struct pool *pool;
    enum ear_state state;
    struct waiter waiter;
    struct conn *conn;          /* while OPEN, and LISTENING itself */
    struct asking *asking;      /* what the server is being asked, NULL: nothing */
    struct timer timer;         /* the end of a pause, the bound of an asking, or the next check */
    struct soon look;           /* somebody left */
    struct list listeners;      /* of whatever state */
    struct list opening;        /* who waits for the server to agree, the first one next */
    struct listener *asked_for; /* for whom it is being asked; NULL: he has left, or nobody */
    struct channels channels;
    bool is_whole;     /* all that open listeners want to hear is heard */
    int32_t failures;  /* in a row */
    int64_t since_us;  /* whole, or not, since then */
    struct error why;  /* what hindered it last */
    struct error lost; /* why it is not whole any more */
    uint64_t told, gaps;
};

/* NULL when out of memory. */
struct ear *ear_new(struct pool *p);
void ear_free(struct ear **e); /* no connection and no listener is left */

/* l wants to hear; it is told by listen_ended(), maybe at once. */
void ear_join(struct ear *e, struct listener *l);
/* l has left its channels and does not want to hear any more. */
void ear_leave(struct ear *e, struct listener *l);
/* Why somebody who asked then does not hear yet. */
void ear_explain(const struct ear *e, int64_t begun_us, struct error *out);
/* What it pauses for may be over. */
void ear_hurry(struct ear *e);
/* Ends all listeners, and the connection with them: the engine stops. */
void ear_stop(struct ear *e);

/* --- for its connection ----------------------------------------------------------------------- */

void ear_told(struct ear *e, const struct told *t);
/* c is of no more use, which may be nothing to the ear. */
void ear_lost(struct ear *e, const struct conn *c, const struct error *why);

const char *ear_state_name(const struct ear *e);

#endif
