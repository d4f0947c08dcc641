/* hub_inner.h - what the files of the hub share: hub.c (who is in it, channels) and hub_line.c (who
 * waits, and what goes from whom to whom).
 *
 * All of it is guarded by the hub's mutex, but for a member's own. While somebody waits to receive,
 * nothing lies in the channel and nobody waits to send; while somebody waits to send, there is no
 * room for the first of them.
 */
#ifndef HUB_INNER_H
#define HUB_INNER_H

#include "hub.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/index.h"

struct hub_member {
    pthread_mutex_t mutex; /* of the next two: who wakes it holds it, so that it is not gone */
    void (*wake)(void *data);
    void *data;
    struct list waits; /* all of its waits */
    struct list told;  /* those of them that have an end which their task has not seen */
    atomic_uint told_count;
    bool is_in;
};

struct hub {
    pthread_mutex_t mutex;
    struct index channels;
    struct list loose; /* channels to be looked at before the lock is let go: see loosen() */
    uint64_t to_wake;  /* members, a bit for each: when the lock is let go */
    struct hub_member member[HUB_WORKERS_MOST];
};

struct hub_channel {
    struct list_node loose;
    uint32_t known; /* how many open it, and wait at it */
    bool is_closed;
    uint64_t most, held; /* bytes */
    uint64_t next_number;
    uint64_t waiting_bytes; /* of the senders */
    struct list messages;   /* in the order of their numbers */
    struct list receivers, senders;
    char name[];
};

/* Of somebody who waits, in one line. */
struct place {
    struct list_node node;
    struct hub_wait *wait;
    struct hub_channel *channel;
    struct hub_message *message; /* to be sent, or what was received */
    bool is_sending;
};

struct hub_wait {
    struct list_node node, told; /* of its member */
    int32_t worker, ticket;
    enum hub_end end;
    int32_t at;
    int32_t count;
    struct place place[];
};

void hub_lock(struct hub *h);
/* What became possible happens, then the lock is let go, then those are woken who have something. */
void hub_unlock(struct hub *h);
/* Under the lock: whether nobody can tell it from a new one. It is out of the names then, and the
 * caller's to free once the lock was let go. */
bool hub_is_forgotten(struct hub *h, struct hub_channel *ch);

/* --- hub_line.c, all under the lock ---------------------------------------------------------- */

/* The oldest message, also of who waits to send one; NULL when there is none. */
struct hub_message *hub_line_take(struct hub *h, struct hub_channel *ch);
/* What lies in a channel goes to who waits for it, and who waits to send gets the room. */
void hub_line_move(struct hub *h, struct hub_channel *ch);
/* All who wait there are told that it was closed. */
void hub_line_close(struct hub *h, struct hub_channel *ch);
/* Takes a wait out of everything. What is not the caller's any more goes back. */
struct hub_outcome hub_line_finish(struct hub *h, struct hub_wait *w, bool is_abandoned);
/* After that and without the lock: frees it, and the channels that it was the last to know. */
void hub_line_discard(struct hub_wait *w);

#endif
