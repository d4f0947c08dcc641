/* hear.h - a ticket that ends with what a listener hears next. */
#ifndef CORE_HEAR_H
#define CORE_HEAR_H

#include "core/listener.h"
#include "core/ticket.h"

struct hear {
    struct ticket ticket;
    struct list_node node;     /* in its listener's waiting or served ones */
    struct listener *listener; /* NULL when it was closed, and when this got nothing */
    struct timer timer;
    int64_t begun_us;
    struct message *message; /* what it got: this, */
    struct gap gap;          /* or, when it is NULL, this */
    bool is_read;            /* somebody looked at it */
    struct error error;
};

/* The ticket's number, or a negative code. within_us: 0: without a bound but the task's. */
int32_t hear_begin(struct engine *e, int64_t listener, int64_t within_us);
/* Something was put into it. */
void hear_served(struct hear *h);
/* It will not get anything. */
void hear_refused(struct hear *h, const struct error *why);

/* The one behind a ticket; NULL when the ticket is of another kind. */
struct hear *hear_of(struct ticket *t);

#endif
