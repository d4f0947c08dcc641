/* message.h - what waits to be heard: what was told, and gaps, one behind the other. */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include "base/error.h"
#include "base/list.h"
#include "core/value.h"

/* Why something was missed. */
struct gap {
    struct error why; /* code OK: nothing was */
    int64_t missed;   /* messages that were dropped */
    int64_t span_us;  /* for so long nothing was told */
};

struct message {
    struct list_node node;
    bool is_gap;
    uint32_t channel_size, size;
    int64_t from;
    /* The channel and what was told, each with a NUL behind it; or a struct gap. */
    char bytes[] __attribute__((aligned(8)));
};

/* Freed with free(). NULL when out of memory. */
struct message *message_of_told(const struct told *t);
struct message *message_of_gap(const struct gap *g);
/* The gap that it is; NULL when it was told. */
struct gap *message_gap(struct message *m);

struct messages {
    struct list list;
    int64_t bytes; /* of all channels and all that was told on them */
};

void messages_init(struct messages *s);
void messages_push(struct messages *s, struct message *m);    /* behind the last */
void messages_unshift(struct messages *s, struct message *m); /* before the first */
struct message *messages_shift(struct messages *s);           /* the first; NULL: none */

#endif
