/* desk.h - what the files of the line server share. See desk.c for what it does.
 *
 *   desk.c           clients come, ask and leave, and the loop
 *   desk_work.c      who waits and who is served
 *   desk_counts.c    what is counted
 *   desk_commands.c  what is asked of it
 *
 * All times are of the monotonic clock in us, which all processes of a machine have in common.
 */
#ifndef SPEC_DESK_H
#define SPEC_DESK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_MOST 1024
#define CLERKS_MOST 64
#define SLICE_US 10000
#define SLICES 60000 /* ten minutes */

/* How a request is answered. LOST: by hanging up. */
enum status { OK = 0, BAD, STOPPED, BROKEN, BUSY, LOST, STATUSES };

struct client;

/* A request on its way to a clerk, or with one. */
struct job {
    struct job *next;
    struct client *client; /* NULL: it has left, and the work is done all the same */
    int64_t id, came_us, due_us;
};

struct client {
    int fd;
    struct job *job;
    bool is_asking; /* it waits for an answer */
    bool is_gone;   /* to be freed at the end of the turn */
    bool is_reset;  /* and not closed in order */
    size_t size;
    char said[256];
};

struct work {
    int32_t clerks, busy;
    struct job *
        serving[CLERKS_MOST]; /* as many as are busy: more than clerks, where some have just left */
    struct job *first, **last; /* who waits, in turn */
    int32_t waiting, waiting_most;
    int64_t takes_us; /* what is begun from now on */
};

/* What there was in a slice of time, which is the number-th since the clock began. */
struct slice {
    int64_t number;
    int32_t seen, ok;
};

struct seen {
    int64_t id;
    int32_t times; /* 0: the place is free */
};

struct counts {
    int64_t seen, answered[STATUSES];
    int64_t wasted; /* served when the client had left */
    int32_t highest;
    struct seen *id; /* a hash of `room` places */
    size_t ids, room;
    int32_t most; /* of one id */
    struct slice slice[SLICES];
};

/* What is wrong with it now. */
struct fault {
    int32_t percent; /* that are answered so */
    enum status status;
    int32_t retry_ms; /* what BUSY asks for */
    bool is_black;
};

struct desk {
    struct sockaddr_in door;
    int listener; /* -1 while refusing */
    struct client *client[CLIENTS_MOST];
    int32_t clients;
    struct work work;
    struct work usual; /* as it began: clerks, time and queue */
    struct fault fault;
    int32_t owed; /* percent, of which each hundred is a request that fails */
    struct counts counts;
    char line[128]; /* of a command, as far as it came */
    size_t line_size;
};

int64_t now_us(void);

void desk_listen(struct desk *d);
void desk_refuse(struct desk *d);
/* Every connection is reset; what was asked on it stays with the clerks. */
void desk_cut(struct desk *d);
void desk_answer(struct desk *d, struct client *c, enum status status, int64_t id);

/* False: too many wait already. */
bool work_take(struct desk *d, struct client *c, int64_t id);
/* Whoever is due is answered, and the next are begun. */
void work_turn(struct desk *d);
/* The client has left, or wants no answer. is_over: nor is the work to be done. */
void work_leave(struct work *w, struct client *c, bool is_over);
/* All of it; no client may point to a job any more. */
void work_forget(struct work *w);
int32_t work_under_way(const struct work *w);
/* When somebody is due next; INT64_MAX: nobody. */
int64_t work_due_us(const struct work *w);

void counts_see(struct counts *c, int64_t id);
void counts_answer(struct counts *c, enum status status);
/* What there was in the slices from that of from_us to before that of until_us. */
struct slice counts_between(const struct counts *c, int64_t from_us, int64_t until_us);
void counts_forget(struct counts *c);

/* Reads and obeys; ends the process with its stdin. */
void desk_read_commands(struct desk *d);

#endif
