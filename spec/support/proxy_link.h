/* proxy_link.h - a connection through the proxy: what goes which way, when, and where it ends.
 *
 * A function that gives a state leaves it to its caller to free a link that is not ALIVE.
 */
#ifndef SPEC_PROXY_LINK_H
#define SPEC_PROXY_LINK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UP = 0, DOWN, WAYS };
enum state { ALIVE = 0, OVER, BROKEN };

#define ANY INT64_MAX

struct chunk;

/* One way of a link: from its `from` side to the other. */
struct way {
    struct chunk *head, **tail; /* what was read and is not passed on yet, oldest first */
    size_t held;
    int64_t free_us; /* the rate lets the next byte pass then */
    bool is_ended;   /* the reading side said FIN */
    bool is_shut;    /* the writing side was told */
};

/* Which bytes of a way become others. */
struct spoil {
    int64_t ahead, count; /* so many pass unchanged before so many that do not */
    uint64_t dice;        /* never 0 */
    int letter;           /* what each of them becomes; -1: it is drawn */
};

/* What will become of a link: where it ends, and what of it is spoiled. */
struct fate {
    int64_t left[WAYS]; /* bytes that may still pass; ANY */
    bool is_silent;
    struct spoil spoil[WAYS];
};
extern const struct fate harmless;

/* Bytes of all links together. */
struct bytes {
    uint64_t passed[WAYS], spoiled;
};

struct link {
    int fd[WAYS]; /* fd[UP] is the client's, read for the way up; fd[DOWN] the server's */
    struct way way[WAYS];
    struct fate fate;
    bool is_mute; /* its end was reached in silence */
};

/* What is done to all links alike. */
struct weather {
    int64_t delay_us, rate; /* rate 0: unbounded */
    bool is_black[WAYS];
};

int64_t now_us(void);
_Noreturn void die(const char *what);

/* Takes both descriptors, which do not block. */
struct link *link_new(int client, int server);
void link_free(struct link *l, bool is_reset);
enum state link_doom(struct link *l, const struct fate *fate);
/* That way is closed in order; what it held is lost. */
void link_half(struct link *l, int which);
/* Fills side[WAYS], and brings until_us forward to the time at which something is due. */
void link_gather(const struct link *l, const struct weather *sky, int64_t now, struct pollfd *side,
                 int64_t *until_us);
/* Reads and passes on what poll found. */
enum state link_turn(struct link *l, const struct weather *sky, const struct pollfd *side,
                     struct bytes *bytes);

#endif
