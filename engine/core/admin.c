#include "core/admin.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/answer.h"

#define REST_US 100000

struct client {
    struct admin *admin;
    struct watch watch;
    int fd;
    size_t in, out, out_size; /* bytes read; bytes written of out_size */
    struct answer *asked; /* the other workers, NULL when they are not; nothing is read meanwhile */
    char *answer;         /* what is being written, NULL when nothing is */
    char line[ADMIN_LINE];
};

struct admin {
    struct engine *engine;
    struct watch watch;
    struct timer rest; /* while the process has no descriptor left */
    int fd;
    char *path;
    struct client *client[ADMIN_CLIENTS]; /* NULL when free */
};

/* --- clients --------------------------------------------------------------------------------- */

static void hang_up(struct client *c)
{
    loop_unwatch(c->admin->engine->loop, &c->watch);
    close(c->fd);
    for (int i = 0; i < ADMIN_CLIENTS; i++)
        if (c->admin->client[i] == c)
            c->admin->client[i] = NULL;
    answer_forget(&c->asked);
    free(c->answer);
    free(c);
}

/* False when the client is gone. */
static bool want(struct client *c, int events)
{
    if (loop_watch(c->admin->engine->loop, &c->watch, c->fd, events))
        return true;
    hang_up(c);
    return false;
}

/* Writes what is left of the answer. True when all of it is out. */
static bool flush(struct client *c)
{
    while (c->out < c->out_size) {
        ssize_t n = send(c->fd, c->answer + c->out, c->out_size - c->out, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            want(c, WATCH_WRITE);
            return false;
        }
        if (n < 0) {
            hang_up(c);
            return false;
        }
        c->out += (size_t)n;
    }
    free(c->answer);
    c->answer = NULL;
    return true;
}

/* True when all of it is out. */
static bool say(struct client *c, char *line)
{
    if (line == NULL) {
        hang_up(c);
        return false;
    }
    c->answer = line;
    c->out = 0;
    c->out_size = strlen(line);
    return flush(c);
}

static void answered(void *data, char *line);

/* Answers the lines that are complete, one after the other. False when the client is gone or slow, or the
 * other workers are asked. */
static bool answer_lines(struct client *c)
{
    char *end;
    while ((end = memchr(c->line, '\n', c->in)) != NULL) {
        size_t size = (size_t)(end - c->line);
        char *line;
        c->asked = answer_begin(c->admin->engine, c->line, size, answered, c, &line);
        c->in -= size + 1;
        memmove(c->line, end + 1, c->in);
        if (c->asked != NULL) {
            loop_unwatch(c->admin->engine->loop, &c->watch);
            return false;
        }
        if (!say(c, line))
            return false;
    }
    return true;
}

static void answered(void *data, char *line)
{
    struct client *c = data;
    c->asked = NULL;
    if (say(c, line) && answer_lines(c))
        want(c, WATCH_READ);
}

static void client_ready(struct watch *w, int events)
{
    struct client *c = container_of(w, struct client, watch);
    if ((events & WATCH_WRITE) != 0 && (!flush(c) || !answer_lines(c) || !want(c, WATCH_READ)))
        return;
    if ((events & WATCH_READ) == 0)
        return;
    ssize_t n = read(c->fd, c->line + c->in, sizeof c->line - c->in);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    c->in += (size_t)n;
    if (answer_lines(c) && c->in == sizeof c->line)
        hang_up(c); /* a line without an end */
}

static bool is_our_user(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static struct client **free_place(struct admin *a)
{
    for (int i = 0; i < ADMIN_CLIENTS; i++)
        if (a->client[i] == NULL)
            return &a->client[i];
    return NULL;
}

/* The client stays in the kernel's queue; asking for it again and again would only burn the turn.
 */
static void rest(struct admin *a)
{
    struct loop *loop = a->engine->loop;
    loop_unwatch(loop, &a->watch);
    loop_arm(loop, &a->rest, loop_now_us(loop) + REST_US);
}

static void rested(struct timer *t)
{
    struct admin *a = container_of(t, struct admin, rest);
    if (!loop_watch(a->engine->loop, &a->watch, a->fd, WATCH_READ))
        rest(a);
}

static void accept_client(struct watch *w, int events)
{
    (void)events;
    struct admin *a = container_of(w, struct admin, watch);
    int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            rest(a);
        return;
    }
    struct client **place = free_place(a);
    struct client *c = place != NULL && is_our_user(fd) ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        close(fd);
        return;
    }
    *place = c;
    c->admin = a;
    c->fd = fd;
    watch_init(&c->watch, client_ready);
    want(c, WATCH_READ);
}

/* --- the socket ------------------------------------------------------------------------------ */

/* Without a path it would be a socket of no file, which nobody's rights protect. */
bool admin_address(struct sockaddr_un *at, const char *path, struct error *e)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof at->sun_path) {
        error_set(e, ERROR_CONFIG, "control socket %s: a path of 1 to %zu bytes", path,
                  sizeof at->sun_path - 1);
        return false;
    }
    strcpy(at->sun_path, path);
    return true;
}

/* The file gets the mode that the socket has when it is bound: no moment in which others may open it,
 * and no umask() of a process that is not ours alone. */
static int bind_at(const struct sockaddr_un *at, struct error *e)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_bound =
        fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)at, sizeof *at) == 0;
    if (is_bound && listen(fd, ADMIN_CLIENTS) == 0)
        return fd;
    error_set(e, ERROR_CONFIG, "control socket %s: %s", at->sun_path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A socket that a dead engine left behind is ours to take; a file that is none never is. One that
 * is alive may be too busy to let us in, and we do not wait. */
static void clear_path(const struct sockaddr_un *at)
{
    struct stat found;
    if (lstat(at->sun_path, &found) != 0 || !S_ISSOCK(found.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED)
        unlink(at->sun_path);
    close(fd);
}

struct admin *admin_open(struct engine *engine, const char *path, struct error *e)
{
    struct sockaddr_un at;
    if (!admin_address(&at, path, e))
        return NULL;
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL || (a->path = strdup(path)) == NULL) {
        free(a);
        error_set(e, ERROR_MEMORY, "no memory for the control socket");
        return NULL;
    }
    a->engine = engine;
    watch_init(&a->watch, accept_client);
    timer_init(&a->rest, rested);
    clear_path(&at);
    a->fd = bind_at(&at, e);
    if (a->fd >= 0 && loop_watch(engine->loop, &a->watch, a->fd, WATCH_READ))
        return a;
    if (a->fd >= 0)
        error_set(e, ERROR_MEMORY, "control socket %s: it cannot be watched", path);
    admin_close(&a);
    return NULL;
}

void admin_close(struct admin **admin)
{
    struct admin *a = *admin;
    *admin = NULL;
    for (int i = 0; i < ADMIN_CLIENTS; i++)
        if (a->client[i] != NULL)
            hang_up(a->client[i]);
    loop_unwatch(a->engine->loop, &a->watch);
    loop_disarm(a->engine->loop, &a->rest);
    if (a->fd >= 0) {
        unlink(a->path);
        close(a->fd);
    }
    free(a->path);
    free(a);
}
