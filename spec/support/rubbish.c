#include "rubbish.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "rubbish_words.h"

#define CLIENTS_MOST 8
#define STARTUP 196608
#define CANCEL 80877102
#define TLS 80877103

struct client {
    int fd; /* -1: none */
    bool is_started;
    struct turn turn;
    struct words words;
    size_t size;
    unsigned char said[65536];
};

struct rubbish {
    pthread_t thread;
    int listener, stop[2];
    char port[8];
    _Atomic uint64_t seed;
    _Atomic int percent;
    struct client client[CLIENTS_MOST];
};

static uint32_t number_at(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void drop(struct client *c)
{
    close(c->fd);
    c->fd = -1;
}

/* What is not taken at once is not said: then the client has stopped listening. */
static void answer(struct rubbish *r, struct client *c)
{
    struct words *w = &c->words;
    bool is_rubbish = (int)words_roll(w, 100) < atomic_load(&r->percent);
    uint32_t how = words_roll(w, 10);
    if (is_rubbish && how < 3 && !c->turn.is_first)
        words_babble(w);
    else
        words_answer(w, &c->turn);
    if (is_rubbish && how > 1)
        words_spoil(w);
    c->turn = (struct turn){.is_first = false};
    send(c->fd, w->bytes, w->size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (is_rubbish && words_roll(w, 4) == 0)
        drop(c);
}

/* Before a session is there: its bytes that were used, 0 as long as it is not whole. */
static size_t hear_first(struct rubbish *r, struct client *c)
{
    if (c->size < 8 || c->size < number_at(c->said))
        return 0;
    size_t size = number_at(c->said);
    switch (number_at(c->said + 4)) {
    case TLS:
        send(c->fd, "N", 1, MSG_NOSIGNAL);
        return size;
    case STARTUP:
        c->is_started = c->turn.is_first = true;
        answer(r, c);
        return size;
    default: /* CANCEL, too */
        drop(c);
        return size;
    }
}

static size_t hear_next(struct rubbish *r, struct client *c)
{
    if (c->size < 5 || c->size < 1 + number_at(c->said + 1))
        return 0;
    size_t size = 1 + number_at(c->said + 1);
    c->turn.parses += c->said[0] == 'P';
    c->turn.binds += c->said[0] == 'B';
    c->turn.describes += c->said[0] == 'D';
    c->turn.executes += c->said[0] == 'E';
    c->turn.syncs += c->said[0] == 'S';
    c->turn.is_query |= c->said[0] == 'Q';
    if (c->said[0] == 'X')
        drop(c);
    else if (strchr("QSpcf", c->said[0]) != NULL)
        answer(r, c);
    return size;
}

static void hear(struct rubbish *r, struct client *c)
{
    ssize_t got = recv(c->fd, c->said + c->size, sizeof c->said - c->size, MSG_DONTWAIT);
    if (got <= 0) {
        drop(c);
        return;
    }
    c->size += (size_t)got;
    for (size_t used = 1; c->fd >= 0 && used > 0;) {
        used = c->is_started ? hear_next(r, c) : hear_first(r, c);
        c->size -= used;
        memmove(c->said, c->said + used, c->size);
    }
    if (c->fd >= 0 && c->size == sizeof c->said)
        drop(c);
}

static void welcome(struct rubbish *r)
{
    int fd = accept(r->listener, NULL, NULL);
    struct client *c = r->client;
    while (c < r->client + CLIENTS_MOST && c->fd >= 0)
        c++;
    if (fd >= 0 && c == r->client + CLIENTS_MOST) {
        close(fd);
    } else if (fd >= 0) {
        memset(c, 0, offsetof(struct client, said));
        c->fd = fd;
        c->words.dice = atomic_load(&r->seed) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    }
}

static void *serve(void *data)
{
    struct rubbish *r = data;
    for (;;) {
        struct pollfd poll_for[CLIENTS_MOST + 2] = {{.fd = r->stop[0], .events = POLLIN},
                                                    {.fd = r->listener, .events = POLLIN}};
        for (int i = 0; i < CLIENTS_MOST; i++)
            poll_for[i + 2] = (struct pollfd){.fd = r->client[i].fd, .events = POLLIN};
        poll(poll_for, COUNT(poll_for), -1);
        if (poll_for[0].revents != 0)
            break;
        for (int i = 0; i < CLIENTS_MOST; i++)
            if (poll_for[i + 2].revents != 0)
                hear(r, &r->client[i]);
        if (poll_for[1].revents != 0)
            welcome(r);
    }
    for (int i = 0; i < CLIENTS_MOST; i++)
        if (r->client[i].fd >= 0)
            drop(&r->client[i]);
    return NULL;
}

struct rubbish *rubbish_start(void)
{
    struct rubbish *r = calloc(1, sizeof *r);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    CHECK(r != NULL && pipe(r->stop) == 0);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(r->listener, (struct sockaddr *)&a, size) == 0 && listen(r->listener, 64) == 0);
    CHECK(getsockname(r->listener, (struct sockaddr *)&a, &size) == 0);
    snprintf(r->port, sizeof r->port, "%d", ntohs(a.sin_port));
    for (int i = 0; i < CLIENTS_MOST; i++)
        r->client[i].fd = -1;
    CHECK(pthread_create(&r->thread, NULL, serve, r) == 0);
    return r;
}

void rubbish_stop(struct rubbish **rubbish)
{
    struct rubbish *r = *rubbish;
    *rubbish = NULL;
    CHECK(write(r->stop[1], "", 1) == 1);
    pthread_join(r->thread, NULL);
    close(r->listener);
    close(r->stop[0]);
    close(r->stop[1]);
    free(r);
}

const char *rubbish_port(const struct rubbish *r)
{
    return r->port;
}

void rubbish_seed(struct rubbish *r, uint64_t seed, int percent)
{
    atomic_store(&r->seed, seed);
    atomic_store(&r->percent, percent);
}
