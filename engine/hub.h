/* hub.h - channels of the whole process: messages from worker to worker, in order, each to one
 * receiver.
 *
 * A channel has a name, by which every worker finds it. Messages are bytes, and a channel holds so
 * many bytes of them, and HUB_MESSAGES_MOST at most: who sends more waits. With a bound of 0 it holds none, and each message is
 * handed over when somebody waits for it. Who waits stands in one line, whatever worker he is of,
 * and is served in the order of arrival, by direct hand-over; a newcomer never overtakes.
 *
 * Whoever waits has a ticket of his worker. The hub says which ticket may look (hub_told()) and
 * wakes that worker when there is one; what became of the wait stands in the wait itself. So a
 * deadline that comes in the same moment takes nothing back. What was handed to somebody who does
 * not come for it goes back to its place in the channel: nothing is lost, and nothing is there
 * twice.
 *
 * One lock guards all of it: what is done under it are a few steps along lists, and a select() over
 * several channels is one step like any other. Memory is taken and given back outside of it.
 */
#ifndef HUB_H
#define HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define HUB_WORKERS_MOST 64
#define HUB_CHANNELS_MOST 10000
#define HUB_MESSAGES_MOST 1000000        /* in a channel, however small */
#define HUB_WAITING_MOST 10000           /* in a line */
#define HUB_WAITING_BYTES_MOST 134217728 /* of those who wait to send, in a channel */
#define HUB_NAME_MOST 200

struct hub;
struct hub_channel;
struct hub_wait;

struct hub_message {
    uint64_t number;       /* in the order in which the channel got them */
    struct list_node node; /* of the channel in which it lies */
    uint32_t size;
    char bytes[];
};

enum hub_end {
    HUB_WAITS = 0, /* nothing yet */
    HUB_DONE,      /* sent, or received */
    HUB_CLOSED,
    HUB_FULL, /* so many wait already */
    HUB_NO_MEMORY,
};

/* One of the things that somebody waits for. */
struct hub_case {
    struct hub_channel *channel;
    struct hub_message *message; /* to be sent; NULL: to receive. NULL too once the hub has it */
};

struct hub_outcome {
    enum hub_end end;
    int32_t at;                  /* which case */
    struct hub_message *message; /* the caller's, when it was to receive and is done */
};

struct hub_state {
    uint64_t bytes, most;
    uint32_t messages, receivers, senders;
    bool is_closed;
};

/* NULL when out of memory. At the end nobody is in it. */
struct hub *hub_new(void);
void hub_free(struct hub **h);

/* A worker comes in, before it does anything here. wake(data) is called from any thread when it has
 * something to look at (hub_told()), until it has left. */
void hub_join(struct hub *h, int32_t worker, void (*wake)(void *data), void *data);
/* It leaves, however it ended, and with it all who wait there; channels it has not forgotten stay.
 * What was handed to it and not taken goes back. */
void hub_leave(struct hub *h, int32_t worker);
/* The next of its tickets that may look; 0: none. Cheap when there is none. */
int32_t hub_told(struct hub *h, int32_t worker);

/* The channel of that name, made when there is none; known once more, until hub_forget(). NULL when
 * it cannot be: *most_out is then the bound that it has, when that is another one; else 0 for too
 * many channels, and -1 for no memory. */
struct hub_channel *hub_open(struct hub *h, const char *name, int64_t most, int64_t *most_out);
/* One that nobody knows and in which nothing lies is freed, and so is its name. */
void hub_forget(struct hub *h, struct hub_channel **ch);
/* Nothing can be sent any more; what lies in it can be received. Who waits is told. */
void hub_close(struct hub *h, struct hub_channel *ch);
struct hub_state hub_state(struct hub *h, const struct hub_channel *ch);

/* NULL when out of memory. What a channel holds is counted by its bytes, and in messages. */
struct hub_message *hub_message_new(const char *bytes, size_t size);
void hub_message_free(struct hub_message **m);

/* The first case that can be done at once is; HUB_WAITS: none can. */
struct hub_outcome hub_try(struct hub *h, struct hub_case *cases, int32_t count);
/* The same, and when none can be done at once the worker's ticket waits for all of them: then *out
 * says HUB_WAITS, and what is returned has to be ended. Nobody waits otherwise, and NULL. */
struct hub_wait *hub_wait(struct hub *h, int32_t worker, int32_t ticket, struct hub_case *cases,
                          int32_t count, struct hub_outcome *out);
/* The end of a wait, whatever ended it: what became of it. HUB_WAITS: nothing, and what was to be
 * sent was certainly not sent. With is_abandoned nobody takes what was received, which goes back. */
struct hub_outcome hub_wait_end(struct hub *h, struct hub_wait **w, bool is_abandoned);

#endif
