/* hearer.h - whoever hears by an ear (ear.h): a task's listener here, or another worker (far.h).
 *
 * It is in some channels, which the ear has the server asked for before it is open. What is told on one
 * of them, and each gap, it gets by its type's functions, which may not take it out of the ear.
 */
#ifndef CORE_HEARER_H
#define CORE_HEARER_H

#include "core/channel.h"
#include "core/message.h"
#include "core/value.h"

struct ear;
struct hearer;

struct hearer_type {
    bool is_far;                      /* it hears for another worker */
    void (*opened)(struct hearer *h); /* the server has agreed to all of its channels */
    void (*failed)(struct hearer *h, const struct error *why); /* it did not; ends it */
    void (*ended)(struct hearer *h, const struct error *why);  /* the ear does; ends it */
    void (*told)(struct hearer *h, const struct told *t);
    void (*gap)(struct hearer *h, const struct gap *g); /* before whatever is told from now on */
};

struct hearer {
    const struct hearer_type *type;
    struct ear *ear; /* NULL: nothing is told any more */
    struct list_node in_ear;
    struct list_node in_opening; /* while the server has not agreed to all its channels */
    struct list members;
    bool is_open; /* hears whatever is told */
};

void hearer_init(struct hearer *h, const struct hearer_type *type, struct ear *ear);
/* At one channel more. False when out of memory, or the ear has no room for it. */
bool hearer_add(struct hearer *h, const char *channel);
bool hearer_add_new(struct hearer *h, const char *channel); /* it is in no channel of this name */
/* Those of its channels that are not in force are to be asked for. False when all are. */
bool hearer_ask_missing(const struct hearer *h);
void hearer_leave_channel(struct hearer *h, const char *channel); /* if it is in it */
void hearer_leave_channels(struct hearer *h);
/* It is in the channels of from, which are none of its own, instead of that. */
void hearer_take_over(struct hearer *h, struct hearer *from);

#endif
