/* proxy HOST PORT - a network that fails on command, between a client and the server at HOST PORT.
 *
 * It listens on a free port of 127.0.0.1 and prints it as its first line. Then each line on stdin
 * is a command, answered by "ok" or "error ..." once it is in force; it ends with its stdin. `up`
 * is from client to server, `down` back.
 *
 *   pass                     everything below is undone; what was held goes on
 *   delay MS                 each byte arrives that much later, both ways
 *   rate BYTES               at most so many bytes a second on each connection and way
 *   blackhole up|down|both   nothing arrives any more, and nobody is told
 *   refuse                   new connections are refused; the old ones live
 *   cut                      every connection is reset
 *   half up|down             that way is closed in order (FIN), the other stays
 *   truncate up|down BYTES close|silence [once]
 *                            so many more bytes go that way on each connection, new ones too, or
 *                            once: on those that there are, or else on the next one. Then it is
 *                            closed, or all is swallowed, both ways, until one side or `pass` ends
 *                            it
 *   stats                    answers "ok LINKS ACCEPTED UP DOWN": live, ever, and bytes passed on
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { UP = 0, DOWN, WAYS };
enum state { ALIVE = 0, OVER, BROKEN };

#define LINKS_MOST 256
#define HELD_MOST (1 << 20) /* bytes of one way: beyond, nothing is read */
#define CHUNK (16 * 1024)
#define ANY INT64_MAX

/* Bytes that were read and are not due yet, oldest first. */
struct chunk {
    struct chunk *next;
    int64_t due_us;
    size_t size, sent;
    char bytes[CHUNK];
};

/* One way of a link: from its `from` side to the other. */
struct way {
    struct chunk *head, **tail;
    size_t held;
    int64_t free_us; /* the rate lets the next byte pass then */
    bool is_ended;   /* the reading side said FIN */
    bool is_shut;    /* the writing side was told */
};

/* Where a link ends. */
struct limit {
    int64_t left[WAYS]; /* bytes that may still pass; ANY */
    bool is_silent;
};
static const struct limit unlimited = {.left = {ANY, ANY}};

struct link {
    int fd[WAYS]; /* fd[UP] is the client's, read for the way up; fd[DOWN] the server's */
    struct way way[WAYS];
    struct limit limit;
    bool is_mute; /* its end was reached in silence */
};

struct proxy {
    struct sockaddr_in server, door;
    int listener; /* -1 while refusing */
    struct link *link[LINKS_MOST];
    int links;
    int64_t delay_us, rate; /* rate 0: unbounded */
    struct limit limit;     /* of a new link */
    bool is_once;           /* of the next one alone */
    bool is_black[WAYS];
    uint64_t accepted, passed[WAYS];
    char line[128]; /* of a command, as far as it came */
    size_t line_size;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* --- links ------------------------------------------------------------------------------------ */

static struct link *link_new(int client, int server)
{
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        die("memory");
    l->fd[UP] = client;
    l->fd[DOWN] = server;
    l->limit = unlimited;
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

static void link_free(struct link *l, bool is_reset)
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

static void drop_link(struct proxy *p, int i, bool is_reset)
{
    link_free(p->link[i], is_reset);
    p->link[i] = p->link[--p->links];
}

/* It has come to its limit. */
static enum state end_link(struct link *l)
{
    for (int w = UP; l->limit.is_silent && w < WAYS; w++)
        while (l->way[w].head != NULL)
            drop_head(&l->way[w]);
    l->is_mute = l->limit.is_silent;
    return l->is_mute ? ALIVE : OVER;
}

static enum state limit_link(struct link *l, const struct limit *limit)
{
    l->limit = *limit;
    return limit->left[UP] == 0 || limit->left[DOWN] == 0 ? end_link(l) : ALIVE;
}

static int64_t due_us(const struct proxy *p, struct way *w, size_t size)
{
    int64_t now = now_us();
    if (p->rate == 0)
        return now + p->delay_us;
    w->free_us = (w->free_us > now ? w->free_us : now) + (int64_t)size * 1000000 / p->rate;
    return w->free_us + p->delay_us;
}

static enum state read_way(const struct proxy *p, struct link *l, int which)
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
    c->next = NULL;
    c->size = (size_t)size;
    c->sent = 0;
    c->due_us = due_us(p, w, c->size);
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
static enum state write_way(struct proxy *p, struct link *l, int which)
{
    struct way *w = &l->way[which];
    while (w->head != NULL && w->head->due_us <= now_us()) {
        struct chunk *c = w->head;
        size_t size = c->size - c->sent;
        if (size > (size_t)l->limit.left[which])
            size = (size_t)l->limit.left[which];
        ssize_t sent = send(l->fd[!which], c->bytes + c->sent, size, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? ALIVE : BROKEN;
        p->passed[which] += (uint64_t)sent;
        c->sent += (size_t)sent;
        if (l->limit.left[which] != ANY && (l->limit.left[which] -= sent) == 0)
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

/* --- connections ------------------------------------------------------------------------------ */

static void make_ready(int fd)
{
    const int on = 1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void listen_at_door(struct proxy *p)
{
    const int on = 1;
    socklen_t size = sizeof p->door;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(p->listener, (struct sockaddr *)&p->door, size) < 0 || listen(p->listener, 128) < 0 ||
        getsockname(p->listener, (struct sockaddr *)&p->door, &size) < 0)
        die("listen");
    make_ready(p->listener);
}

static void accept_link(struct proxy *p)
{
    int client = accept(p->listener, NULL, NULL);
    if (client < 0)
        return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    make_ready(client);
    make_ready(server);
    struct link *l = link_new(client, server);
    bool is_begun = connect(server, (struct sockaddr *)&p->server, sizeof p->server) == 0 ||
                    errno == EINPROGRESS;
    p->accepted++;
    if (!is_begun || p->links == LINKS_MOST)
        link_free(l, true);
    else if (limit_link(l, &p->limit) != ALIVE)
        link_free(l, false);
    else
        p->link[p->links++] = l;
    if (p->is_once)
        p->limit = unlimited;
}

/* --- commands --------------------------------------------------------------------------------- */

static void pass(struct proxy *p)
{
    p->delay_us = p->rate = 0;
    p->is_black[UP] = p->is_black[DOWN] = false;
    p->limit = unlimited;
    for (int i = p->links; i-- > 0;) {
        p->link[i]->limit = unlimited;
        if (p->link[i]->is_mute)
            drop_link(p, i, false);
    }
    if (p->listener < 0)
        listen_at_door(p);
}

static void refuse(struct proxy *p)
{
    if (p->listener >= 0)
        close(p->listener);
    p->listener = -1;
}

static void half(struct proxy *p, int which)
{
    for (int i = 0; i < p->links; i++) {
        struct way *w = &p->link[i]->way[which];
        while (w->head != NULL)
            drop_head(w);
        w->is_ended = w->is_shut = true;
        shutdown(p->link[i]->fd[!which], SHUT_WR);
    }
}

/* UP, DOWN, WAYS for both, -1 for no such word. */
static int way_named(const char *word)
{
    static const char *const name[] = {"up", "down", "both"};
    for (int w = UP; w <= WAYS; w++)
        if (strcmp(word, name[w]) == 0)
            return w;
    return -1;
}

static bool obey_number(struct proxy *p, const char *verb, int64_t number)
{
    if (number < 0)
        return false;
    if (strcmp(verb, "delay") == 0)
        p->delay_us = number * 1000;
    else if (strcmp(verb, "rate") == 0)
        p->rate = number;
    else
        return false;
    return true;
}

static bool obey_way(struct proxy *p, const char *verb, int which)
{
    if (strcmp(verb, "blackhole") == 0)
        for (int w = UP; w < WAYS; w++)
            p->is_black[w] |= which == WAYS || which == w;
    else if (strcmp(verb, "half") == 0 && which != WAYS)
        half(p, which);
    else
        return false;
    return true;
}

static bool truncate_links(struct proxy *p, const char *line)
{
    char way[8], how[8], once[8] = "";
    long long bytes = -1;
    int words = sscanf(line, "%*s %7s %lld %7s %7s", way, &bytes, how, once);
    int which = words >= 3 ? way_named(way) : -1;
    bool is_silent = words >= 3 && strcmp(how, "silence") == 0;
    if (which < 0 || which == WAYS || bytes < 0 || (!is_silent && strcmp(how, "close") != 0))
        return false;
    p->is_once = strcmp(once, "once") == 0;
    p->limit = unlimited;
    p->limit.left[which] = bytes;
    p->limit.is_silent = is_silent;
    bool is_done = p->is_once && p->links > 0;
    for (int i = p->links; i-- > 0;)
        if (limit_link(p->link[i], &p->limit) != ALIVE)
            drop_link(p, i, false);
    if (is_done)
        p->limit = unlimited;
    return true;
}

static bool obey(struct proxy *p, const char *line)
{
    char verb[16], word[32] = "";
    int words = sscanf(line, "%15s %31s", verb, word);
    if (words == 2 && strcmp(verb, "truncate") == 0)
        return truncate_links(p, line);
    if (words == 2) {
        char *end;
        long long number = strtoll(word, &end, 10);
        int which = way_named(word);
        return which >= 0 ? obey_way(p, verb, which) : *end == '\0' && obey_number(p, verb, number);
    }
    if (words != 1)
        return false;
    if (strcmp(verb, "pass") == 0)
        pass(p);
    else if (strcmp(verb, "refuse") == 0)
        refuse(p);
    else if (strcmp(verb, "cut") == 0)
        while (p->links > 0)
            drop_link(p, 0, true);
    else
        return false;
    return true;
}

static void answer(struct proxy *p, const char *line)
{
    if (strcmp(line, "stats") == 0)
        printf("ok %d %llu %llu %llu\n", p->links, (unsigned long long)p->accepted,
               (unsigned long long)p->passed[UP], (unsigned long long)p->passed[DOWN]);
    else if (obey(p, line))
        puts("ok");
    else
        printf("error: no such command: %s\n", line);
}

static void read_commands(struct proxy *p)
{
    ssize_t size = read(STDIN_FILENO, p->line + p->line_size, sizeof p->line - 1 - p->line_size);
    if (size <= 0)
        exit(0);
    p->line_size += (size_t)size;
    for (;;) {
        char *end = memchr(p->line, '\n', p->line_size);
        if (end == NULL)
            break;
        *end = '\0';
        answer(p, p->line);
        p->line_size -= (size_t)(end + 1 - p->line);
        memmove(p->line, end + 1, p->line_size);
    }
    if (p->line_size == sizeof p->line - 1)
        p->line_size = 0; /* no command is that long */
}

/* --- the loop --------------------------------------------------------------------------------- */

/* What poll is to look at: stdin, the listener, two descriptors for each link. */
static int gather(const struct proxy *p, struct pollfd *poll, int64_t *until_us)
{
    poll[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    poll[1] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    int64_t now = now_us();
    for (int i = 0; i < p->links; i++) {
        const struct link *l = p->link[i];
        struct pollfd *side = poll + 2 + (ptrdiff_t)i * WAYS;
        for (int w = UP; w < WAYS; w++)
            side[w] = (struct pollfd){.fd = l->fd[w]};
        for (int w = UP; w < WAYS; w++) {
            const struct way *way = &l->way[w];
            if (p->is_black[w])
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
    return 2 + p->links * WAYS;
}

static enum state turn_link(struct proxy *p, struct link *l, const struct pollfd *side)
{
    for (int w = UP; w < WAYS; w++) {
        enum state state = ALIVE;
        if (p->is_black[w])
            continue;
        if ((side[w].events & POLLIN) && side[w].revents != 0)
            state = l->is_mute ? swallow(l, w) : read_way(p, l, w);
        if (state == ALIVE)
            state = write_way(p, l, w);
        if (state != ALIVE)
            return state;
    }
    return l->way[UP].is_shut && l->way[DOWN].is_shut ? OVER : ALIVE;
}

static void turn(struct proxy *p)
{
    static struct pollfd side[2 + LINKS_MOST * WAYS];
    int64_t until = INT64_MAX;
    int count = gather(p, side, &until);
    int64_t wait = until == INT64_MAX ? -1 : (until - now_us() + 999) / 1000;
    if (poll(side, (nfds_t)count, wait < -1 ? 0 : (int)wait) < 0)
        die("poll");
    for (int i = p->links; i-- > 0;) {
        enum state state = turn_link(p, p->link[i], side + 2 + (ptrdiff_t)i * WAYS);
        if (state != ALIVE)
            drop_link(p, i, state == BROKEN);
    }
    if (side[1].revents != 0)
        accept_link(p);
    if (side[0].revents != 0)
        read_commands(p);
}

int main(int argc, char **argv)
{
    struct proxy p = {.server.sin_family = AF_INET, .door.sin_family = AF_INET, .limit = unlimited};
    if (argc != 3 || inet_pton(AF_INET, argv[1], &p.server.sin_addr) != 1) {
        fputs("usage: proxy ADDRESS PORT\n", stderr);
        return 2;
    }
    p.server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    p.door.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    listen_at_door(&p);
    printf("%d\n", ntohs(p.door.sin_port));
    for (;;)
        turn(&p);
}
