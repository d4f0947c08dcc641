/* nebula-hub.c - a driver for hub_spec.lua that says everything that a driver may say. */
#include <errno.h>
#include <nebula_driver.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frame.h"

#define DEPTH 8
#define ANY 1 /* the role for which every hub will do */

struct cell {
    uint32_t size;
    char *bytes;
};

struct rows {
    int32_t count;
    struct cell cell[];
};

struct hub {
    struct nebula_conn conn;
    int fd;
    enum { OPENING, OPEN, FAILED, CLOSING } state;
    bool is_main_wanted;
    int32_t role;
    const struct nebula_driver_request *asked[DEPTH]; /* in turn */
    int32_t count, parts;                             /* requests; parts that were replied to */
    struct rows *rows;                                /* of what ends next */
    char *out, in[2 * FRAME_MOST];
    size_t out_size, sent, got;
};

struct frame {
    char word[8];
    int32_t number[6];
    size_t size;
    const char *bytes;
};

static struct hub *hub_of(struct nebula_conn *c)
{
    return (struct hub *)c;
}

static void *more(void *room, size_t size)
{
    room = realloc(room, size);
    if (room == NULL)
        abort();
    return room;
}

/* --- rows: one column of text ----------------------------------------------------------------- */

static void cell(const void *result, int32_t at, int32_t column, struct nebula_value *out)
{
    const struct rows *rows = result;
    (void)column;
    *out = (struct nebula_value){
        .type = NEBULA_TEXT, .size = rows->cell[at].size, .bytes = rows->cell[at].bytes};
}

static void column(const void *result, int32_t column, struct nebula_column *out)
{
    (void)result;
    (void)column;
    *out = (struct nebula_column){.name = "text", .size = 4};
}

static void free_rows(void *result)
{
    struct rows *rows = result;
    for (int32_t i = 0; i < rows->count; i++)
        free(rows->cell[i].bytes);
    free(rows);
}

static const struct nebula_result_type rows_type = {
    .cell = cell, .column = column, .free = free_rows};

static void add(struct hub *h, const struct frame *f)
{
    int32_t count = h->rows == NULL ? 0 : h->rows->count;
    h->rows = more(h->rows, sizeof *h->rows + (size_t)(count + 1) * sizeof h->rows->cell[0]);
    h->rows->count = count + 1;
    h->rows->cell[count] = (struct cell){
        .size = (uint32_t)f->size, .bytes = memcpy(more(NULL, f->size + 1), f->bytes, f->size)};
}

/* --- what the server says --------------------------------------------------------------------- */

static void reply(struct hub *h, const struct frame *f, char *text)
{
    const struct nebula_driver_calls *engine = h->conn.engine;
    const struct nebula_driver_request *asked = h->asked[0];
    int32_t flags = f->number[2];
    struct nebula_driver_reply r = {
        .code = f->number[0],
        .changed = f->number[1],
        .more = (flags & HAS_MORE) != 0,
        .wants_input = (flags & WANTS_INPUT) != 0,
        .wants_writer = (flags & WANTS_WRITER) != 0,
        .wants_again = (flags & WANTS_AGAIN) != 0,
        .session = (flags & HAS_MORE) != 0 ? NEBULA_STREAMING : 0,
        .part = f->number[3],
        .line = f->number[4],
        .column = f->number[4] > 0 ? "value" : NULL,
        .text = text,
    };
    if (h->rows != NULL) {
        r.rows = h->rows->count;
        r.columns = 1;
        r.result = h->rows;
        r.result_type = &rows_type;
        h->rows = NULL;
    }
    if (h->parts < asked->parts) {
        engine->part_replied(&h->conn, ++h->parts, &r);
        return;
    }
    h->parts = 0;
    memmove(h->asked, h->asked + 1, (size_t)--h->count * sizeof h->asked[0]);
    engine->replied(&h->conn, &r); /* the next send() may come inside it, and so may close() */
}

static void greeted(struct hub *h, bool is_copy)
{
    if (is_copy && h->is_main_wanted) {
        h->conn.engine->failed(&h->conn, NEBULA_ERROR_UNFIT, "it is a copy");
        return;
    }
    h->state = OPEN;
    h->conn.engine->opened(&h->conn);
}

static void told(struct hub *h, const struct frame *f)
{
    size_t size = (size_t)f->number[5];
    char *channel = memcpy(more(NULL, size + 1), f->bytes, size);
    channel[size] = '\0';
    h->conn.engine->told(&h->conn, channel, f->bytes + size, (uint32_t)(f->size - size),
                         f->number[0]);
    free(channel);
}

static void hear(struct hub *h, const struct frame *f)
{
    if (strcmp(f->word, "role") == 0) {
        greeted(h, f->number[0] != 0);
    } else if (strcmp(f->word, "row") == 0) {
        add(h, f);
    } else if (strcmp(f->word, "told") == 0) {
        told(h, f);
    } else if (strcmp(f->word, "turned") == 0) {
        h->conn.engine->turned(&h->conn);
    } else {
        char *text = strndup(f->bytes, f->size);
        reply(h, f, text);
        free(text);
    }
}

/* How many bytes were one frame; 0 when it is not whole. */
static size_t read_frame(struct hub *h, struct frame *f)
{
    int32_t *n = f->number;
    char *line = memchr(h->in, '\n', h->got);
    if (line == NULL || sscanf(h->in, "%7s %d %d %d %d %d %d %zu", f->word, &n[0], &n[1], &n[2],
                               &n[3], &n[4], &n[5], &f->size) != 8)
        return 0;
    f->bytes = line + 1;
    size_t size = (size_t)(f->bytes - h->in) + f->size;
    return size <= h->got ? size : 0;
}

/* --- reading and writing ---------------------------------------------------------------------- */

static void push(struct hub *h)
{
    while (h->sent < h->out_size) {
        ssize_t n = send(h->fd, h->out + h->sent, h->out_size - h->sent, MSG_NOSIGNAL);
        if (n < 0)
            break; /* full; or lost, which reading tells */
        h->sent += (size_t)n;
    }
    bool is_all = h->sent == h->out_size;
    if (is_all)
        h->sent = h->out_size = 0;
    h->conn.engine->watch(&h->conn, h->fd, is_all ? NEBULA_READ : NEBULA_READ | NEBULA_WRITE);
}

static void ready(struct nebula_conn *c, int32_t events)
{
    struct hub *h = hub_of(c);
    struct frame f;
    if ((events & NEBULA_WRITE) != 0)
        push(h);
    if ((events & NEBULA_READ) == 0)
        return;
    ssize_t n = recv(h->fd, h->in + h->got, sizeof h->in - 1 - h->got, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        c->engine->failed(c, NEBULA_ERROR_LOST, "the hub hung up");
        return;
    }
    h->got += (size_t)n;
    h->in[h->got] = '\0';
    for (size_t size; h->state != CLOSING && (size = read_frame(h, &f)) > 0;) {
        hear(h, &f);
        memmove(h->in, h->in + size, h->got - size + 1);
        h->got -= size;
    }
}

static void write_frame(struct hub *h, const struct nebula_driver_request *r, int32_t verb,
                        const struct nebula_part *text)
{
    size_t head = 128;
    h->out = more(h->out, h->out_size + head + text->text_size);
    h->out_size +=
        (size_t)snprintf(h->out + h->out_size, head, "%d %d %d %d %s %u\n", verb,
                         verb == NEBULA_RUN ? h->role : r->window, r->parts, r->is_each,
                         r->traceparent[0] != '\0' ? r->traceparent : "-", text->text_size);
    memcpy(h->out + h->out_size, text->text, text->text_size);
    h->out_size += text->text_size;
}

/* --- the verbs -------------------------------------------------------------------------------- */

static void soon(struct nebula_conn *c)
{
    struct hub *h = hub_of(c);
    if (h->state == FAILED) {
        c->engine->failed(c, NEBULA_ERROR_UNREACHABLE, "there is no hub");
    } else if (h->state == CLOSING) {
        if (h->rows != NULL)
            free_rows(h->rows);
        free(h->out);
        c->engine->closed(c);
    }
}

static void open_hub(struct nebula_conn *c, const struct nebula_target *to)
{
    struct hub *h = hub_of(c);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    h->role = to->role;
    h->is_main_wanted = to->role != ANY && !to->is_easy;
    snprintf(at.sun_path, sizeof at.sun_path, "%s", c->engine->option(c, "path", ""));
    h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (h->fd >= 0 && connect(h->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        c->engine->watch(c, h->fd, NEBULA_READ))
        return;
    h->state = FAILED;
    c->engine->soon(c);
}

static void send_hub(struct nebula_conn *c, const struct nebula_driver_request *r)
{
    struct hub *h = hub_of(c);
    const struct nebula_part own = {.text = r->text, .text_size = r->text_size};
    h->asked[h->count++] = r;
    write_frame(h, r, r->verb, &own);
    for (int32_t i = 1; i <= r->parts; i++) {
        struct nebula_part part;
        c->engine->part(c, i, &part);
        write_frame(h, r, NEBULA_RUN, &part);
    }
    push(h);
}

static void close_hub(struct nebula_conn *c)
{
    struct hub *h = hub_of(c);
    h->state = CLOSING;
    if (h->fd >= 0) {
        c->engine->watch(c, h->fd, 0);
        close(h->fd);
    }
    c->engine->soon(c);
}

/* What is asked is in the text alone: nothing but hear and mute changes a session. */
static bool may_share(const struct nebula_driver_request *r)
{
    return strncmp(r->text, "hear", 4) != 0 && strncmp(r->text, "mute", 4) != 0;
}

static bool check(const struct nebula_target *to, char *why, uint32_t size)
{
    for (int32_t i = 0; i < to->options; i++)
        if (strcmp(to->option[i].name, "path") == 0 && to->option[i].value[0] != '/') {
            snprintf(why, size, "the path of endpoint %d does not begin with a slash",
                     to->option[i].endpoint);
            return false;
        }
    return true;
}

const struct nebula_driver nebula_driver = {
    .abi = NEBULA_DRIVER_ABI,
    .size = sizeof nebula_driver,
    .conn_size = sizeof(struct hub),
    .open = open_hub,
    .send = send_hub,
    .close = close_hub,
    .ready = ready,
    .soon = soon,
    .depth = DEPTH,
    .takes_batches = true,
    .may_share = may_share,
    .check = check,
};
