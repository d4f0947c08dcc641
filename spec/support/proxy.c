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
 *   corrupt up|down AHEAD COUNT SEED|=BYTE [once]
 *                            after so many more bytes that way so many become others, drawn from
 *                            the seed, or all that one; on each connection, or once, as above. Of
 *                            this and truncate the later one counts
 *   stats                    answers "ok LINKS ACCEPTED UP DOWN SPOILED": live, ever, and bytes
 *                            passed on each way, and of all those that became others
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void proxy_drop(struct proxy *p, int i, bool is_reset)
{
    link_free(p->link[i], is_reset);
    p->link[i] = p->link[--p->links];
}

static void make_ready(int fd)
{
    const int on = 1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void proxy_listen(struct proxy *p)
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
    else if (link_doom(l, &p->fate) != ALIVE)
        link_free(l, false);
    else
        p->link[p->links++] = l;
    if (p->is_once)
        p->fate = harmless;
}

static void turn(struct proxy *p)
{
    static struct pollfd side[2 + LINKS_MOST * WAYS];
    int64_t until = INT64_MAX;
    const int count = 2 + p->links * WAYS;
    side[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    side[1] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    const int64_t now = now_us();
    for (int i = 0; i < p->links; i++)
        link_gather(p->link[i], &p->sky, now, side + 2 + (ptrdiff_t)i * WAYS, &until);
    int64_t wait = until == INT64_MAX ? -1 : (until - now_us() + 999) / 1000;
    if (poll(side, (nfds_t)count, wait < -1 ? 0 : (int)wait) < 0)
        die("poll");
    for (int i = p->links; i-- > 0;) {
        enum state state =
            link_turn(p->link[i], &p->sky, side + 2 + (ptrdiff_t)i * WAYS, &p->bytes);
        if (state != ALIVE)
            proxy_drop(p, i, state == BROKEN);
    }
    if (side[1].revents != 0)
        accept_link(p);
    if (side[0].revents != 0)
        proxy_read_commands(p);
}

int main(int argc, char **argv)
{
    struct proxy p = {.server.sin_family = AF_INET, .door.sin_family = AF_INET, .fate = harmless};
    if (argc != 3 || inet_pton(AF_INET, argv[1], &p.server.sin_addr) != 1) {
        fputs("usage: proxy ADDRESS PORT\n", stderr);
        return 2;
    }
    p.server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    p.door.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    proxy_listen(&p);
    printf("%d\n", ntohs(p.door.sin_port));
    for (;;)
        turn(&p);
}
