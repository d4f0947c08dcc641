/* desk CLERKS SERVICE_US QUEUE - a server of lines, as HTTP is one, whose capacity and queue are real, and which fails
 * on command.
 *
 * It listens on a free port of 127.0.0.1 and prints it as its first line. A request is a line, and so is its answer;
 * a connection has one at a time, and as many as it likes one after another:
 *
 *   GET NAME ID | POST NAME ID    200 ID | 503 retry-after MS | 500 broken
 *   STOP                          499 stopped: what was asked before is not done any more, or was answered
 *   PING                          200 pong
 *   anything else                 400 what
 *
 * Each of the clerks serves one request at a time, which takes SERVICE_US; so many others wait in turn, one more is
 * answered 503. Who hangs up while he waits is served all the same: servers do not notice.
 *
 * Then each line on stdin is a command, answered by "ok NOW_US ..." once it is in force, or by "error ..."; it ends with
 * its stdin, or after an hour.
 *
 *   clerks N             so many serve
 *   slow PERCENT         what is begun takes so much of the usual time: 1000 is ten times
 *   fail PERCENT HOW MS  so many in a hundred, evenly, are answered at once by HOW: 503, asking for a pause of MS, 500,
 *                        or lost: it hangs up
 *   blackhole            it listens, hears, counts, and never answers; nor what it was asked before
 *   refuse               new connections are refused; the old ones live
 *   cut                  every connection is reset
 *   down                 both, and what was asked is forgotten, as if it had died
 *   pass                 all of it is undone; what was swallowed stays so
 *   counts               ok NOW SEEN IDS MOST UNDER_WAY HIGHEST WASTED OK BAD STOPPED BROKEN BUSY LOST: requests, different
 *                        ids, the most requests with one id, how many wait or are served, the most at a time, those served
 *                        for somebody who had left, and answers of each kind
 *   forget               they begin anew
 *   slices FROM_US UNTIL_US MS
 *                        ok NOW SEEN/OK ...: requests, and answers 200, in each so many ms from then to then, by slices of
 *                        10 ms; of the last ten minutes
 */
#include "desk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIFE_S 3600

int64_t now_us(void)
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

/* --- answers ------------------------------------------------------------------------------------ */

/* What is not taken at once is not said: then the client has stopped listening. */
static void say(struct client *c, const char *line)
{
    size_t size = strlen(line);
    if (send(c->fd, line, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
        c->is_gone = true;
    c->is_asking = false;
}

void desk_answer(struct desk *d, struct client *c, enum status status, int64_t id)
{
    char line[64];
    if (d->fault.is_black)
        return;
    counts_answer(&d->counts, status);
    switch (status) {
    case OK:
        snprintf(line, sizeof line, "200 %lld\n", (long long)id);
        say(c, line);
        return;
    case BAD:
        say(c, "400 what\n");
        return;
    case STOPPED:
        say(c, "499 stopped\n");
        return;
    case BROKEN:
        say(c, "500 broken\n");
        return;
    case BUSY:
        snprintf(line, sizeof line, "503 retry-after %d\n", (int)d->fault.retry_ms);
        say(c, line);
        return;
    case LOST:
    case STATUSES:
        c->is_gone = true;
        return;
    }
}

/* --- requests ----------------------------------------------------------------------------------- */

static bool is_to_fail(struct desk *d)
{
    d->owed += d->fault.percent;
    if (d->owed < 100)
        return false;
    d->owed -= 100;
    return true;
}

static void ask(struct desk *d, struct client *c, int64_t id)
{
    counts_see(&d->counts, id);
    if (d->fault.is_black)
        return;
    if (is_to_fail(d))
        desk_answer(d, c, d->fault.status, id);
    else if (!work_take(d, c, id))
        desk_answer(d, c, BUSY, id);
}

static void hear_line(struct desk *d, struct client *c, const char *line)
{
    char verb[8] = "", name[32];
    long long id;
    int words = sscanf(line, "%7s %31s %lld", verb, name, &id);
    c->is_asking = true;
    if (words == 3 && (strcmp(verb, "GET") == 0 || strcmp(verb, "POST") == 0)) {
        ask(d, c, id);
    } else if (strcmp(verb, "STOP") == 0) {
        work_leave(&d->work, c, true);
        desk_answer(d, c, STOPPED, 0);
    } else if (strcmp(verb, "PING") != 0) {
        desk_answer(d, c, BAD, 0);
    } else if (!d->fault.is_black) {
        say(c, "200 pong\n");
    }
}

/* Who has asked is heard again when he was answered, or takes it back. */
static void hear_lines(struct desk *d, struct client *c)
{
    char *end;
    while (!c->is_gone && (end = memchr(c->said, '\n', c->size)) != NULL) {
        *end = '\0';
        bool may_go_on = !c->is_asking || strcmp(c->said, "STOP") == 0;
        if (!may_go_on) {
            *end = '\n';
            return;
        }
        hear_line(d, c, c->said);
        c->size -= (size_t)(end + 1 - c->said);
        memmove(c->said, end + 1, c->size);
    }
}

static void hear(struct desk *d, struct client *c)
{
    ssize_t got = recv(c->fd, c->said + c->size, sizeof c->said - c->size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        c->is_gone = true;
        return;
    }
    c->size += (size_t)got;
    hear_lines(d, c); /* in the order in which they came */
    if (c->size == sizeof c->said)
        c->is_gone = true;
}

/* --- clients ------------------------------------------------------------------------------------ */

void desk_listen(struct desk *d)
{
    const int on = 1;
    socklen_t size = sizeof d->door;
    d->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(d->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(d->listener, (struct sockaddr *)&d->door, size) < 0 || listen(d->listener, 512) < 0 ||
        getsockname(d->listener, (struct sockaddr *)&d->door, &size) < 0)
        die("listen");
}

void desk_refuse(struct desk *d)
{
    if (d->listener >= 0)
        close(d->listener);
    d->listener = -1;
}

void desk_cut(struct desk *d)
{
    for (int32_t i = 0; i < d->clients; i++)
        d->client[i]->is_gone = d->client[i]->is_reset = true;
}

static void welcome(struct desk *d)
{
    const int on = 1;
    int fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct client *c = d->clients < CLIENTS_MOST ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->fd = fd;
    d->client[d->clients++] = c;
}

static void part_from(struct desk *d, struct client *c)
{
    const struct linger at_once = {.l_onoff = 1};
    work_leave(&d->work, c, false);
    if (c->is_reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->fd);
    free(c);
}

static void sweep(struct desk *d)
{
    for (int32_t i = d->clients; i-- > 0;)
        if (d->client[i]->is_gone) {
            part_from(d, d->client[i]);
            d->client[i] = d->client[--d->clients];
        }
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void wait_for(struct desk *d, struct pollfd *side, nfds_t count)
{
    int64_t due_us = work_due_us(&d->work), wait_us = due_us - now_us();
    struct timespec wait = {0};
    if (wait_us > 0) {
        wait.tv_sec = wait_us / 1000000;
        wait.tv_nsec = wait_us % 1000000 * 1000;
    }
    if (ppoll(side, count, due_us == INT64_MAX ? NULL : &wait, NULL) < 0)
        die("poll");
}

static void turn(struct desk *d)
{
    static struct pollfd side[2 + CLIENTS_MOST];
    int32_t clients = d->clients;
    side[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    side[1] = (struct pollfd){.fd = d->listener, .events = POLLIN};
    for (int32_t i = 0; i < clients; i++)
        side[2 + i] = (struct pollfd){.fd = d->client[i]->fd, .events = POLLIN};
    wait_for(d, side, 2 + (nfds_t)clients);
    for (int32_t i = 0; i < clients; i++)
        if (side[2 + i].revents != 0)
            hear(d, d->client[i]);
    if (side[1].revents != 0)
        welcome(d);
    if (side[0].revents != 0)
        desk_read_commands(d);
    work_turn(d);
    for (int32_t i = 0; i < clients; i++)
        hear_lines(d, d->client[i]); /* what was said before the answer */
    sweep(d);
}

int main(int argc, char **argv)
{
    static struct desk d;
    if (argc != 4) {
        fputs("usage: desk CLERKS SERVICE_US QUEUE\n", stderr);
        return 2;
    }
    d.usual.clerks = (int32_t)strtol(argv[1], NULL, 10);
    d.usual.takes_us = strtoll(argv[2], NULL, 10);
    d.usual.waiting_most = (int32_t)strtol(argv[3], NULL, 10);
    if (d.usual.clerks < 1 || d.usual.clerks > CLERKS_MOST)
        return 2;
    d.work = d.usual;
    d.work.last = &d.work.first;
    d.door.sin_family = AF_INET;
    d.door.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(LIFE_S);
    desk_listen(&d);
    printf("%d\n", ntohs(d.door.sin_port));
    for (;;)
        turn(&d);
}
