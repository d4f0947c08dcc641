/* nebula-desk.c - the driver of the kind desk: requests to the line server of spec/support/desk.c, over TCP.
 *
 * A request is a line, its answer begins with a status. 503 is the server's word that it has not done it; 500 is no word
 * at all about that. Where `stops` is "true" a request that is cancelled is taken back by STOP, as HTTP/2 can; else its
 * connection is given up, as HTTP/1 does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <nebula_driver.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MOST 256

struct desk {
    struct nebula_conn conn; /* first */
    int fd;                  /* -1: none */
    enum { CONNECTING, OPEN, CLOSING } state;
    bool may_stop, is_stopping;
    /* What soon() is asked for. */
    bool is_refused, is_unsent;
    int32_t failure;
    const char *why;
    const struct nebula_driver_request *asked; /* NULL: nothing is under way */
    size_t to_send, sent, got;
    char out[2 * LINE_MOST], in[LINE_MOST];
};

static struct desk *desk_of(struct nebula_conn *c)
{
    return (struct desk *)c;
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

static const struct status {
    const char *said;
    int32_t code;
    bool is_partial;
} statuses[] = {
    {"200", NEBULA_ERROR_OK, false},       {"400", NEBULA_ERROR_QUERY, false},
    {"499", NEBULA_ERROR_CANCELLED, true}, {"500", NEBULA_ERROR_SERVER, true},
    {"503", NEBULA_ERROR_BUSY, false},
};

static const struct status *status_of(const char *line)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (strncmp(line, statuses[i].said, 3) == 0 && (line[3] == ' ' || line[3] == '\0'))
            return &statuses[i];
    return NULL;
}

/* The request has ended; the next one may come before this returns. */
static void reply(struct desk *d, const struct nebula_driver_reply *r)
{
    d->asked = NULL;
    d->conn.engine->replied(&d->conn, r);
}

static void answer(struct desk *d, const struct status *status, const char *line)
{
    struct nebula_driver_reply r = {
        .changed = -1, .code = status->code, .is_partial = status->is_partial};
    if (status->code != NEBULA_ERROR_OK) {
        r.text = line;
        r.state = status->said;
    } else if ((r.result = strdup(line)) != NULL) {
        r.rows = r.columns = 1;
        r.result_type = &line_type;
    } else {
        r.code = NEBULA_ERROR_MEMORY;
        r.is_partial = true; /* the server did it */
        r.text = "no memory for an answer";
    }
    reply(d, &r);
}

/* --- reading and writing ----------------------------------------------------------------------- */

static void fail(struct desk *d, int32_t code, const char *why)
{
    if (d->fd >= 0)
        d->conn.engine->watch(&d->conn, d->fd, 0);
    d->conn.engine->failed(&d->conn, code, why);
}

/* For a verb, inside which nothing is said. */
static void fail_soon(struct desk *d, int32_t code, const char *why)
{
    d->failure = code;
    d->why = why;
    d->conn.engine->soon(&d->conn);
}

static bool watch(struct desk *d)
{
    int32_t events = NEBULA_READ | (d->sent < d->to_send ? NEBULA_WRITE : 0);
    return d->conn.engine->watch(&d->conn, d->fd, events);
}

/* False when the server takes nothing any more. */
static bool push(struct desk *d)
{
    while (d->sent < d->to_send) {
        ssize_t n = send(d->fd, d->out + d->sent, d->to_send - d->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return false;
        d->sent += (size_t)n;
    }
    return watch(d);
}

/* Behind what is not sent yet. */
static bool say(struct desk *d, const char *text, size_t size)
{
    if (d->sent == d->to_send)
        d->sent = d->to_send = 0;
    memcpy(d->out + d->to_send, text, size);
    d->out[d->to_send + size] = '\n';
    d->to_send += size + 1;
    return push(d);
}

/* False: the connection has failed. */
static bool hear_line(struct desk *d, const char *line)
{
    const struct status *status = status_of(line);
    bool is_stopped = d->is_stopping && status != NULL && status->code == NEBULA_ERROR_CANCELLED;
    if (status == NULL || (d->asked == NULL && !is_stopped)) {
        fail(d, NEBULA_ERROR_PROTOCOL, "the server says something that nobody asked for");
        return false;
    }
    if (d->asked != NULL)
        answer(d, status, line);
    if (is_stopped) {
        d->is_stopping = false;
        d->conn.engine->cancelled(&d->conn);
    }
    return true;
}

static void pull(struct desk *d)
{
    ssize_t n = recv(d->fd, d->in + d->got, sizeof d->in - d->got, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fail(d, NEBULA_ERROR_LOST, "the server hung up");
        return;
    }
    d->got += (size_t)n;
    char *end;
    while (d->state == OPEN && (end = memchr(d->in, '\n', d->got)) != NULL) {
        char line[LINE_MOST];
        size_t size = (size_t)(end - d->in);
        memcpy(line, d->in, size);
        line[size] = '\0';
        d->got -= size + 1;
        memmove(d->in, end + 1, d->got);
        if (!hear_line(d, line))
            return;
    }
    if (d->state == OPEN && d->got == sizeof d->in)
        fail(d, NEBULA_ERROR_PROTOCOL, "the server's line has no end");
}

static void connected(struct desk *d)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
        fail(d, NEBULA_ERROR_UNREACHABLE,
             error == ECONNREFUSED ? "nobody listens there" : "no connection");
        return;
    }
    d->state = OPEN;
    if (watch(d))
        d->conn.engine->opened(&d->conn);
    else
        fail(d, NEBULA_ERROR_MEMORY, "no memory to wait for the server");
}

static void ready(struct nebula_conn *c, int32_t events)
{
    struct desk *d = desk_of(c);
    if (d->state == CONNECTING)
        connected(d);
    else if ((events & NEBULA_WRITE) != 0 && !push(d))
        fail(d, NEBULA_ERROR_LOST, "the server takes nothing any more");
    else if ((events & NEBULA_READ) != 0)
        pull(d);
}

/* --- the verbs --------------------------------------------------------------------------------- */

/* What a verb knew at once is said here. */
static void soon(struct nebula_conn *c)
{
    static const struct nebula_driver_reply
        refused = {.code = NEBULA_ERROR_USAGE, .text = "a short line is asked, and nothing else"},
        unsent = {.code = NEBULA_ERROR_LOST,
                  .session = NEBULA_UNUSABLE,
                  .text = "the server has hung up before"};
    struct desk *d = desk_of(c);
    bool is_refused = d->is_refused, is_unsent = d->is_unsent;
    d->is_refused = d->is_unsent = false;
    if (d->state == CLOSING)
        c->engine->closed(c);
    else if (d->failure != 0)
        fail(d, d->failure, d->why);
    else if (is_refused || is_unsent)
        reply(d, is_unsent ? &unsent : &refused);
}

static bool begin_to_connect(struct desk *d, const char *port)
{
    const int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0)
        return false;
    setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return (connect(d->fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS) &&
           d->conn.engine->watch(&d->conn, d->fd, NEBULA_WRITE);
}

static void open_desk(struct nebula_conn *c, const struct nebula_target *to)
{
    struct desk *d = desk_of(c);
    (void)to;
    d->may_stop = strcmp(c->engine->option(c, "stops", "false"), "true") == 0;
    if (!begin_to_connect(d, c->engine->option(c, "port", "0")))
        fail_soon(d, NEBULA_ERROR_UNREACHABLE, "no connection can be begun");
}

static void send_line(struct nebula_conn *c, const struct nebula_driver_request *r)
{
    struct desk *d = desk_of(c);
    d->asked = r;
    d->is_refused = (r->verb != NEBULA_RUN && r->verb != NEBULA_SCRIPT) || r->count != 0 ||
                    r->text_size >= LINE_MOST || memchr(r->text, '\n', r->text_size) != NULL;
    if (d->is_refused) {
        c->engine->soon(c);
    } else if (!say(d, r->text, r->text_size)) {
        d->is_unsent = d->sent == 0;
        if (d->is_unsent)
            c->engine->soon(c);
        else
            fail_soon(d, NEBULA_ERROR_LOST, "the server takes nothing any more");
    }
}

static void cancel_line(struct nebula_conn *c)
{
    struct desk *d = desk_of(c);
    d->is_stopping = true;
    if (!d->may_stop)
        fail_soon(d, NEBULA_ERROR_LOST, "what was asked cannot be taken back");
    else if (!say(d, "STOP", 4))
        fail_soon(d, NEBULA_ERROR_LOST, "the server takes nothing any more");
}

static void close_desk(struct nebula_conn *c)
{
    struct desk *d = desk_of(c);
    d->state = CLOSING;
    if (d->fd >= 0) {
        c->engine->watch(c, d->fd, 0);
        close(d->fd);
        d->fd = -1;
    }
    c->engine->soon(c);
}

const struct nebula_driver nebula_driver = {
    .abi = NEBULA_DRIVER_ABI,
    .size = sizeof nebula_driver,
    .conn_size = sizeof(struct desk),
    .open = open_desk,
    .send = send_line,
    .cancel = cancel_line,
    .close = close_desk,
    .ready = ready,
    .soon = soon,
};
