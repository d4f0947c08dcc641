/* mailbox.h - what other workers have to say to one: messages of bytes, in the order in which they came.
 *
 * Any thread may post; one reads. Whoever posts wakes the loop of the reader, whose worker looks after
 * each turn (worker.c). Bounded in messages and in bytes; what is posted beyond that is refused, and
 * nobody waits. What cannot be refused has room of its own: what the process itself has to say, and that a
 * worker has left, which comes behind all that it had posted, or is back.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MAILBOX_MESSAGES_MOST 10000
#define MAILBOX_BYTES_MOST (16 << 20) /* of all messages in it; of one, too */
#define MAILBOX_WORKERS_MOST 64
#define MAILBOX_KEPT (4 * MAILBOX_WORKERS_MOST) /* messages more, for what is urgent */

struct nebula;

struct message {
    struct message *next;
    int32_t from;
    size_t size;
    char bytes[];
};

/* Of a worker that is no message. */
struct passage {
    int32_t worker; /* -1: there is none */
    bool is_back;   /* else it has left */
};

struct mailbox {
    pthread_mutex_t lock;  /* of all that follows */
    struct nebula *reader; /* to be woken; NULL: nobody reads yet, or any more */
    struct message *first, **last;
    int32_t count;
    size_t bytes;
    uint64_t posted, taken; /* messages, ever */
    uint64_t left;          /* the workers whose leaving was not read yet, a bit for each; */
    uint64_t behind[MAILBOX_WORKERS_MOST]; /* it is read behind so many messages */
    uint64_t back;                         /* those that are there again */
    bool is_closed;
    bool is_over; /* the reader has to end, with the code */
    int code;
    atomic_bool has_news; /* the one thing that is looked at without the lock */
};

void mailbox_init(struct mailbox *m);
void mailbox_fini(struct mailbox *m); /* nobody posts any more */

/* From now on whoever posts wakes this engine; NULL: nobody. */
void mailbox_read_by(struct mailbox *m, struct nebula *reader);
/* Nobody reads any more: what is in it is gone, and what is posted is refused. */
void mailbox_close(struct mailbox *m);

/* Whoever read from it is gone, and another one will; nothing is in it. */
void mailbox_reopen(struct mailbox *m);

/* Copies the bytes. ERROR_OK; or ERROR_FULL, ERROR_LIMIT when it could never be in it, ERROR_CLOSED,
 * ERROR_MEMORY. What is urgent has room where it is full: what the process says, a few words for each worker. */
enum error_code mailbox_post(struct mailbox *m, int32_t from, const void *bytes, size_t size,
                             bool is_urgent);
/* Before what is posted later, by whomever: by then a worker of that number may be there again. */
void mailbox_post_left(struct mailbox *m, int32_t worker);
/* It is there again, and was not said to be since it left. */
void mailbox_post_back(struct mailbox *m, int32_t worker);
/* The reader is to end its loop; the first code counts. */
void mailbox_end(struct mailbox *m, int code);

/* For the reader, after each turn. */
static inline bool mailbox_has_news(const struct mailbox *m)
{
    return atomic_load_explicit(&m->has_news, memory_order_acquire);
}
bool mailbox_is_over(struct mailbox *m, int *code_out);
/* The oldest message, which is the caller's to free; or NULL, and in *p who has left or is back, if
 * there is anything to read. */
struct message *mailbox_take(struct mailbox *m, struct passage *p);

#endif
