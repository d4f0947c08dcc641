/* ear.h - how all who listen to a resource hear, by one connection of the process.
 *
 * It waits for a connection as anybody does, keeps it while there are listeners, and gives it back to
 * be reset when the last one leaves. So max counts it, and it takes its turn. The server is asked for
 * each channel once, however many listen to it, in the kind's words. Of several workers' ears one has the
 * connection and is home; the others ask that one as they would ask the server (relay.h), and for it they
 * are hearers like its own listeners (far.h).
 *
 * After a loss it pauses, takes another connection and asks for all channels in one script; each
 * listener is told of a gap then, and of nothing else before. Not sooner: who looks for himself while
 * nothing is heard yet would miss what comes between his look and the first word. The end of a
 * connection's life is a loss as well: two connections would hear the same twice, and nothing in what
 * they hear tells that it is the same. So is another home, for the same reason.
 *
 * While nobody says anything, the connection is asked now and then whether it lives.
 */
#ifndef CORE_EAR_H
#define CORE_EAR_H

#include "core/channel.h"
#include "core/hearer.h"
#include "core/pool.h"
#include "core/relay.h"

struct asking;

enum ear_state {
    EAR_CLOSED = 0, /* nobody listens */
    EAR_QUEUED,     /* waits for a connection */
    EAR_OPEN,       /* has one */
    EAR_PAUSING,    /* until it tries again */
    EAR_FAR,        /* hears by another worker's */
    EAR_STATES
};

typedef void ear_done(struct ear *e, const struct error *why);

struct ear {
    struct pool *pool;
    enum ear_state state;
    struct waiter waiter;
    struct conn *conn;        /* while OPEN, and LISTENING itself */
    struct line line;         /* to the ears of other workers */
    struct asking *asking;    /* what the server is being asked */
    ear_done *done;           /* hears what it said, or the home; NULL: nothing is being asked */
    struct timer timer;       /* the end of a pause, the bound of an asking, or the next check */
    struct soon look;         /* somebody left */
    struct list listeners;    /* here, of whatever state */
    struct list hearers;      /* those for other workers */
    struct list far;          /* these workers: see far.c */
    struct list opening;      /* who waits for the server to agree, the first one next */
    struct hearer *asked_for; /* for whom it is being asked; NULL: he has left, or nobody */
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

/* h wants to hear; its type is told, maybe at once. */
void ear_join(struct ear *e, struct hearer *h);
/* What is in force already is heard by h, too. */
void ear_add_open(struct ear *e, struct hearer *h);
/* h has left its channels and does not want to hear any more. */
void ear_leave(struct ear *e, struct hearer *h);
/* Somebody has left a channel. */
void ear_look(struct ear *e);
bool ear_is_used(const struct ear *e);
/* Tells all who are open. */
void ear_gap(struct ear *e, const struct gap *g);
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

/* --- for what it asks (asking.h), and what comes from the home (far.h) ------------------------- */

void ear_answered(struct ear *e, const struct error *why);
/* There is a gap for all that it hears. */
void ear_missed(struct ear *e, const struct gap *g);
/* The one that was home is it no more, and all that it said was heard. */
void ear_moved(struct ear *e);

const char *ear_state_name(const struct ear *e);

#endif
