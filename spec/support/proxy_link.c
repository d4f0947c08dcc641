#include "proxy_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HELD_MOST (1 << 20) /* bytes of one way: beyond, nothing is read */
#define CHUNK (16 * 1024)

struct chunk {
    struct chunk *next;
    int64_t due_us;
    size_t size, sent;
    char bytes[CHUNK];
};

const struct fate harmless = {.left = {ANY, ANY}};

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

_Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

struct link *link_new(int client, int server)
{
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        die("memory");
    l->fd[UP] = client;
    l->fd[DOWN] = server;
    l->fate = harmless;
    for (int w = UP; w < WAYS; w++)
        l->way[w].tail = &l->way[w].head;
    return l;
}

static void drop_head(struct way *w)
{
    struct chunk *c = w->head;
    w->head = c->next;
    w->held -= c->size;
    if (w->head == NULL)
        w->tail = &w->head;
    free(c);
}

void link_free(struct link *l, bool is_reset)
{
    const struct linger at_once = {.l_onoff = 1};
    for (int w = UP; w < WAYS; w++) {
        while (l->way[w].head != NULL)
            drop_head(&l->way[w]);
        if (is_reset)
            setsockopt(l->fd[w], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(l->fd[w]);
    }
    free(l);
}

/* It has come to its limit. */
static enum state end_link(struct link *l)
{
    for (int w = UP; l->fate.is_silent && w < WAYS; w++)
        while (l->way[w].head != NULL)
            drop_head(&l->way[w]);
    l->is_mute = l->fate.is_silent;
    return l->is_mute ? ALIVE : OVER;
}

enum state link_doom(struct link *l, const struct fate *fate)
{
    l->fate = *fate;
    return fate->left[UP] == 0 || fate->left[DOWN] == 0 ? end_link(l) : ALIVE;
}

static int64_t due_us(const struct weather *sky, struct way *w, size_t size)
{
    int64_t now = now_us();
    if (sky->rate == 0)
        return now + sky->delay_us;
    w->free_us = (w->free_us > now ? w->free_us : now) + (int64_t)size * 1000000 / sky->rate;
    return w->free_us + sky->delay_us;
}

static uint64_t roll(struct spoil *s, uint64_t below)
{
    s->dice ^= s->dice << 13;
    s->dice ^= s->dice >> 7;
    s->dice ^= s->dice << 17;
    return (s->dice >> 33) % below;
}

/* Never itself: a bit of it, any other, the ends of the scale, or what often stands in messages. */
static char other_byte(struct spoil *s, char byte)
{
    static const char often[] = "RSKZCDTENAGHWQPBXcdfntvs0123456789 \n\t;\\.IN";
    char other = byte;
    switch (roll(s, 5)) {
    case 0:
        break;
    case 1:
        other = (char)roll(s, 256);
        break;
    case 2:
        other = 0;
        break;
    case 3:
        other = (char)255;
        break;
    default:
        other = often[roll(s, sizeof often - 1)];
    }
    return other == byte ? (char)(byte ^ (1 << roll(s, 8))) : other;
}

static void spoil(struct spoil *s, char *bytes, size_t size, uint64_t *spoiled)
{
    for (size_t i = 0; i < size && s->count > 0; i++) {
        if (s->ahead > 0) {
            s->ahead--;
            continue;
        }
        bytes[i] = s->letter < 0 ? other_byte(s, bytes[i]) : (char)s->letter;
        s->count--;
        ++*spoiled;
    }
}

static enum state read_way(struct link *l, const struct weather *sky, int which, uint64_t *spoiled)
{
    struct way *w = &l->way[which];
    struct chunk *c = malloc(sizeof *c);
    if (c == NULL)
        die("memory");
    ssize_t size = read(l->fd[which], c->bytes, sizeof c->bytes);
    if (size <= 0) {
        free(c);
        w->is_ended = size == 0;
        return size == 0 || errno == EAGAIN ? ALIVE : BROKEN;
    }
    spoil(&l->fate.spoil[which], c->bytes, (size_t)size, spoiled);
    c->next = NULL;
    c->size = (size_t)size;
    c->sent = 0;
    c->due_us = due_us(sky, w, c->size);
    *w->tail = c;
    w->tail = &c->next;
    w->held += c->size;
    return ALIVE;
}

static enum state swallow(const struct link *l, int which)
{
    char bytes[CHUNK];
    ssize_t size = read(l->fd[which], bytes, sizeof bytes);
    return size > 0 || (size < 0 && errno == EAGAIN) ? ALIVE : size == 0 ? OVER : BROKEN;
}

/* Passes on what is due. */
static enum state write_way(struct link *l, int which, uint64_t *passed)
{
    struct way *w = &l->way[which];
    while (w->head != NULL && w->head->due_us <= now_us()) {
        struct chunk *c = w->head;
        size_t size = c->size - c->sent;
        if (size > (size_t)l->fate.left[which])
            size = (size_t)l->fate.left[which];
        ssize_t sent = send(l->fd[!which], c->bytes + c->sent, size, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? ALIVE : BROKEN;
        *passed += (uint64_t)sent;
        c->sent += (size_t)sent;
        if (l->fate.left[which] != ANY && (l->fate.left[which] -= sent) == 0)
            return end_link(l);
        if (c->sent == c->size)
            drop_head(w);
    }
    if (w->is_ended && !w->is_shut && w->head == NULL) {
        shutdown(l->fd[!which], SHUT_WR);
        w->is_shut = true;
    }
    return ALIVE;
}

void link_half(struct link *l, int which)
{
    struct way *w = &l->way[which];
    while (w->head != NULL)
        drop_head(w);
    w->is_ended = w->is_shut = true;
    shutdown(l->fd[!which], SHUT_WR);
}

void link_gather(const struct link *l, const struct weather *sky, int64_t now, struct pollfd *side,
                 int64_t *until_us)
{
    for (int w = UP; w < WAYS; w++)
        side[w] = (struct pollfd){.fd = l->fd[w]};
    for (int w = UP; w < WAYS; w++) {
        const struct way *way = &l->way[w];
        if (sky->is_black[w])
            continue;
        if (!way->is_ended && way->held < HELD_MOST)
            side[w].events |= POLLIN;
        if (way->head != NULL && way->head->due_us <= now)
            side[!w].events |= POLLOUT;
        else if (way->head != NULL && way->head->due_us < *until_us)
            *until_us = way->head->due_us;
    }
    for (int w = UP; w < WAYS; w++)
        if (side[w].events == 0)
            side[w].fd = -1; /* or poll would report a hang-up that nobody may hear of yet */
}

enum state link_turn(struct link *l, const struct weather *sky, const struct pollfd *side,
                     struct bytes *bytes)
{
    for (int w = UP; w < WAYS; w++) {
        enum state state = ALIVE;
        if (sky->is_black[w])
            continue;
        if ((side[w].events & POLLIN) && side[w].revents != 0)
            state = l->is_mute ? swallow(l, w) : read_way(l, sky, w, &bytes->spoiled);
        if (state == ALIVE)
            state = write_way(l, w, &bytes->passed[w]);
        if (state != ALIVE)
            return state;
    }
    return l->way[UP].is_shut && l->way[DOWN].is_shut ? OVER : ALIVE;
}
