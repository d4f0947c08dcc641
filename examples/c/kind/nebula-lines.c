/* nebula-lines.c - a driver of one's own: lines over a Unix socket. docs/driver.md leads through it.
 *
 *   cc -shared -fPIC nebula-lines.c $(pkg-config --cflags nebula) -o nebula-lines.so
 */
#include <errno.h>
#include <nebula_driver.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MOST 65536 /* a longer answer is not one of this protocol */

struct lines {
    struct nebula_conn conn; /* first */
    int fd;
    enum { OPENING, IDLE, ASKED, REFUSED, FAILED, CLOSING } state;
    const char *why;                           /* FAILED */
    const struct nebula_driver_request *asked; /* ASKED, REFUSED */
    size_t sent, got;
    char answer[LINE_MOST];
};

static struct lines *lines_of(struct nebula_conn *c)
{
    return (struct lines *)c;
}

/* --- the answer -------------------------------------------------------------------------------- */

static void cell(const void *line, int32_t row, int32_t column, struct nebula_value *out)
{
    (void)row;
    (void)column;
    *out =
        (struct nebula_value){.type = NEBULA_TEXT, .size = (uint32_t)strlen(line), .bytes = line};
}

static void column(const void *line, int32_t column, struct nebula_column *out)
{
    (void)line;
    (void)column;
    *out = (struct nebula_column){.name = "line", .size = 4};
}

static const struct nebula_result_type line_type = {.cell = cell, .column = column, .free = free};

static void answered(struct lines *l, size_t size)
{
    char *line = strndup(l->answer, size);
    struct nebula_driver_reply reply = {.changed = -1};
    if (line != NULL) {
        reply.rows = reply.columns = 1;
        reply.result = line;
        reply.result_type = &line_type;
    } else {
        reply.code = NEBULA_ERROR_MEMORY;
        reply.is_partial = true; /* the server did it */
        reply.text = "no memory for an answer";
    }
    l->state = IDLE;
    l->conn.engine->replied(&l->conn, &reply); /* the next send() may come before this returns */
}

/* --- reading and writing ----------------------------------------------------------------------- */

static void fail(struct lines *l, int32_t code, const char *why)
{
    l->conn.engine->watch(&l->conn, l->fd, 0);
    l->conn.engine->failed(&l->conn, code, why);
}

/* The text, and a line's end behind it. False when the connection failed. */
static bool push(struct lines *l)
{
    size_t size = l->asked->text_size;
    while (l->sent <= size) {
        const char *from = l->sent < size ? l->asked->text + l->sent : "\n";
        ssize_t n = send(l->fd, from, l->sent < size ? size - l->sent : 1, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return l->conn.engine->watch(&l->conn, l->fd, NEBULA_READ | NEBULA_WRITE);
        if (n < 0)
            return false;
        l->sent += (size_t)n;
    }
    return l->conn.engine->watch(&l->conn, l->fd, NEBULA_READ);
}

static void pull(struct lines *l)
{
    ssize_t n = recv(l->fd, l->answer + l->got, sizeof l->answer - l->got, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || l->state != ASKED) {
        fail(l, n <= 0 ? NEBULA_ERROR_LOST : NEBULA_ERROR_PROTOCOL,
             n <= 0 ? "the server hung up" : "the server says something that nobody asked for");
        return;
    }
    const char *end = memchr(l->answer + l->got, '\n', (size_t)n);
    l->got += (size_t)n;
    if (end != NULL)
        answered(l, (size_t)(end - l->answer));
    else if (l->got == sizeof l->answer)
        fail(l, NEBULA_ERROR_PROTOCOL, "the server's line has no end");
}

static void ready(struct nebula_conn *c, int32_t events)
{
    struct lines *l = lines_of(c);
    if ((events & NEBULA_WRITE) != 0 && l->state == ASKED && !push(l))
        fail(l, NEBULA_ERROR_LOST, "the server takes nothing any more");
    else if ((events & NEBULA_READ) != 0)
        pull(l);
}

/* --- the verbs --------------------------------------------------------------------------------- */

/* What a verb knew at once is said here. */
static void soon(struct nebula_conn *c)
{
    struct lines *l = lines_of(c);
    struct nebula_driver_reply refused = {.code = NEBULA_ERROR_USAGE,
                                          .text = "lines are asked and answered, nothing else"};
    switch (l->state) {
    case OPENING:
        l->state = IDLE;
        c->engine->opened(c);
        return;
    case REFUSED:
        l->state = IDLE;
        c->engine->replied(c, &refused);
        return;
    case FAILED:
        c->engine->failed(c, NEBULA_ERROR_UNREACHABLE, l->why);
        return;
    case CLOSING:
        c->engine->closed(c);
        return;
    case IDLE:
    case ASKED:
        return;
    }
}

static bool connect_to(struct lines *l, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path)
        return false;
    memcpy(to.sun_path, path, strlen(path) + 1);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return l->fd >= 0 && connect(l->fd, (struct sockaddr *)&to, sizeof to) == 0 &&
           l->conn.engine->watch(&l->conn, l->fd, NEBULA_READ);
}

static void open_lines(struct nebula_conn *c, const struct nebula_target *to)
{
    struct lines *l = lines_of(c);
    (void)to;
    l->fd = -1;
    l->state = OPENING;
    if (!connect_to(l, c->engine->option(c, "path", ""))) {
        l->state = FAILED;
        l->why = "nobody listens at the path";
    }
    c->engine->soon(c);
}

static void send_line(struct nebula_conn *c, const struct nebula_driver_request *r)
{
    struct lines *l = lines_of(c);
    bool is_known = (r->verb == NEBULA_RUN || r->verb == NEBULA_SCRIPT) && r->count == 0;
    l->asked = r;
    l->sent = l->got = 0;
    l->state = is_known ? ASKED : REFUSED;
    if (!is_known) {
        c->engine->soon(c);
    } else if (!push(l)) {
        l->state = FAILED;
        l->why = "the server takes nothing any more";
        c->engine->soon(c);
    }
}

static void close_lines(struct nebula_conn *c)
{
    struct lines *l = lines_of(c);
    l->state = CLOSING;
    if (l->fd >= 0) {
        c->engine->watch(c, l->fd, 0);
        close(l->fd);
    }
    c->engine->soon(c);
}

/* There is no cancel: a line cannot be taken back, so a connection whose answer is late is closed. */
const struct nebula_driver nebula_driver = {
    .abi = NEBULA_DRIVER_ABI,
    .size = sizeof nebula_driver,
    .conn_size = sizeof(struct lines),
    .open = open_lines,
    .send = send_line,
    .close = close_lines,
    .ready = ready,
    .soon = soon,
};
