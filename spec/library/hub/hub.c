/* hub.c PATH - a server for hub_spec.lua, at a Unix socket: names with values, channels on which it
 * tells, and a role that can turn. It says "ready" when it listens. One thing it does at a time. */
#include <errno.h>
#include <nebula.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frame.h"

#define CLIENTS 32
#define ITEMS 1000
#define WORD 32
#define HEARD 8
#define PARTS 16
#define ANY 1 /* the role */

struct item {
    char name[WORD], value[WORD];
};

struct store {
    int32_t count;
    struct item item[ITEMS];
};

struct client {
    int fd;
    char in[2 * FRAME_MOST], trace[64];
    size_t got;
    char heard[HEARD][WORD];
    int32_t cursor, verb, window, parts, is_each;
    bool is_dump, is_loading;
    char *load;
    size_t loaded;
    int32_t texts;
    char text[PARTS][2 * WORD];
    int32_t together;
};

struct answer {
    int32_t code, changed, flags;
    char text[2 * WORD], row[2 * WORD];
    bool has_row, has_turned, is_late;
};

static struct store store, before;
static struct client client[CLIENTS];
static bool is_copy;
static int32_t fickle;

/* --- saying ----------------------------------------------------------------------------------- */

static void say(const struct client *c, const char *head, const char *bytes, size_t size)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%s %zu\n", head, size);
    send(c->fd, line, (size_t)length, MSG_NOSIGNAL | MSG_MORE);
    if (size > 0)
        send(c->fd, bytes, size, MSG_NOSIGNAL);
    send(c->fd, "", 0, MSG_NOSIGNAL);
}

static void row(const struct client *c, const char *bytes, size_t size)
{
    say(c, "row 0 0 0 0 0 0", bytes, size);
}

static void end(const struct client *c, const struct answer *a, int flags, int part, int line)
{
    char head[96];
    if (a->has_turned)
        say(c, "turned 0 0 0 0 0 0", "", 0);
    if (a->has_row)
        row(c, a->row, strlen(a->row));
    snprintf(head, sizeof head, "end %d %d %d %d %d 0", a->code, a->changed, flags | a->flags, part,
             line);
    say(c, head, a->text, strlen(a->text));
}

static void fail(struct answer *a, int32_t code, const char *text)
{
    a->code = code;
    snprintf(a->text, sizeof a->text, "%s", text);
}

static void refuse(struct answer *a, int32_t code, int32_t flags)
{
    fail(a, code, "not here, or not now");
    a->flags = flags;
}

/* --- names and channels ----------------------------------------------------------------------- */

static struct item *find(const char *name)
{
    for (int32_t i = 0; i < store.count; i++)
        if (strcmp(store.item[i].name, name) == 0)
            return &store.item[i];
    return NULL;
}

static void put(struct answer *a, const char *name, const char *value)
{
    struct item *i = find(name);
    if (is_copy) {
        a->has_turned = true;
        fail(a, NEBULA_ERROR_READ_ONLY, "a copy takes no writes");
        return;
    }
    if (i == NULL)
        i = &store.item[store.count++];
    snprintf(i->name, sizeof i->name, "%s", name);
    snprintf(i->value, sizeof i->value, "%s", value);
    a->changed = 1;
}

static void get(struct answer *a, const char *name)
{
    const struct item *i = find(name);
    a->has_row = i != NULL;
    if (i != NULL)
        snprintf(a->row, sizeof a->row, "%s", i->value);
}

static bool hears(const struct client *c, const char *channel)
{
    for (int i = 0; i < HEARD; i++)
        if (strcmp(c->heard[i], channel) == 0)
            return true;
    return false;
}

static void tell(struct answer *a, int from, const char *channel, const char *text)
{
    char head[64], bytes[4 * WORD];
    int size = snprintf(bytes, sizeof bytes, "%s%s", channel, text);
    snprintf(head, sizeof head, "told %d 0 0 0 0 %zu", from, strlen(channel));
    for (int i = 0; i < CLIENTS; i++)
        if (client[i].fd > 0 && hears(&client[i], channel)) {
            say(&client[i], head, bytes, (size_t)size);
            a->changed++;
        }
}

/* Cuts off whoever hears something. */
static void hush(void)
{
    for (int i = 0; i < CLIENTS; i++)
        for (int j = 0; j < HEARD && client[i].fd > 0; j++)
            if (client[i].heard[j][0] != '\0')
                shutdown(client[i].fd, SHUT_RDWR);
}

/* hear "x";mute "y"; ... */
static bool tune(struct client *c, const char *text)
{
    char word[8], channel[WORD], none[WORD] = "";
    int size;
    for (; sscanf(text, "%5[a-z] \"%31[^\"]\";%n", word, channel, &size) == 2; text += size) {
        bool is_on = strcmp(word, "hear") == 0;
        for (int i = 0; i < HEARD; i++)
            if (strcmp(c->heard[i], is_on ? none : channel) == 0) {
                memcpy(c->heard[i], is_on ? channel : none, WORD);
                break;
            }
    }
    return *text == '\0';
}

/* --- statements ------------------------------------------------------------------------------- */

/* Answers the first when the last has come, so they must all be under way on this connection. */
static void together(struct client *c, struct answer *a, int32_t most)
{
    if (++c->together == most) {
        for (; c->together > 1; c->together--)
            end(c, a, 0, 0, 0);
        c->together = 0;
    } else {
        a->is_late = true;
    }
}

static struct answer run(struct client *c, const char *text)
{
    struct answer a = {.code = 0};
    char name[WORD], value[WORD];
    if (sscanf(text, "put %31s %31s", name, value) == 2 && c->verb == NEBULA_RUN &&
        c->window == ANY)
        refuse(&a, NEBULA_ERROR_READ_ONLY, WANTS_WRITER);
    else if (sscanf(text, "put %31s %31s", name, value) == 2)
        put(&a, name, value);
    else if (strcmp(text, "fickle") == 0 && ++fickle == 1)
        refuse(&a, NEBULA_ERROR_CANCELLED, WANTS_AGAIN);
    else if (strcmp(text, "fickle") == 0)
        a.changed = fickle;
    else if (sscanf(text, "get %31s", name) == 1)
        get(&a, name);
    else if (sscanf(text, "tell %31s %31s", name, value) == 2)
        tell(&a, (int)(c - client) + 1, name, value);
    else if (sscanf(text, "together %31s", value) == 1)
        together(c, &a, atoi(value));
    else if (strcmp(text, "hush") == 0)
        hush();
    else if (strcmp(text, "turn") == 0)
        is_copy = !is_copy;
    else if (strcmp(text, "never") == 0)
        a.is_late = true;
    else if ((a.has_row = strcmp(text, "trace") == 0))
        snprintf(a.row, sizeof a.row, "%s", c->trace);
    else if (strcmp(text, "check") != 0 && !tune(c, text))
        fail(&a, NEBULA_ERROR_QUERY, "nobody knows what that is");
    return a;
}

/* Each by itself is answered as soon as it is done. */
static void batch_each(struct client *c)
{
    const struct answer whole = {.code = 0};
    for (int i = 0; i < c->texts; i++) {
        struct answer a = run(c, c->text[i]);
        if (a.is_late)
            return;
        end(c, &a, 0, 0, 0);
    }
    end(c, &whole, 0, 0, 0);
}

static void batch_all(struct client *c)
{
    struct answer a[PARTS], whole = {.code = 0};
    int part = 0;
    before = store;
    for (int i = 0; i < c->texts; i++) {
        a[i] = run(c, c->text[i]);
        if (a[i].code != 0 && part == 0)
            part = i + 1;
    }
    if (part > 0) {
        store = before;
        whole = a[part - 1];
    }
    for (int i = 0; i < c->texts; i++) {
        if (part > 0 && i != part - 1)
            fail(memset(&a[i], 0, sizeof a[i]), whole.code, "not done, because of another");
        end(c, &a[i], 0, 0, 0);
    }
    end(c, &whole, 0, part, 0);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void pull(struct client *c)
{
    struct answer done = {.code = 0};
    char text[FRAME_MOST / 2];
    size_t size = 0;
    for (int32_t i = 0; i < c->window && c->cursor < store.count; i++) {
        const struct item *at = &store.item[c->cursor++];
        size += (size_t)sprintf(text + size, "%s %s\n", at->name, at->value);
        if (!c->is_dump) {
            row(c, text, size - 1);
            size = 0;
        }
    }
    if (size > 0) /* some lines are one chunk */
        row(c, text, size);
    done.changed = c->cursor;
    end(c, &done, c->cursor < store.count ? HAS_MORE : 0, 0, 0);
}

static void stream(struct client *c, const char *text)
{
    struct answer a = {.code = 0};
    c->cursor = 0;
    c->loaded = 0;
    c->is_dump = strcmp(text, "dump") == 0;
    c->is_loading = strcmp(text, "load") == 0;
    if (strcmp(text, "scan") == 0)
        pull(c);
    else if (c->is_dump || c->is_loading)
        end(c, &a, c->is_dump ? HAS_MORE : HAS_MORE | WANTS_INPUT, 0, 0);
    else
        end(c, (fail(&a, NEBULA_ERROR_QUERY, "that is no stream"), &a), 0, 0, 0);
}

static void push(struct client *c, const char *bytes, size_t size)
{
    struct answer a = {.code = 0};
    c->load = realloc(c->load, c->loaded + size + 1);
    memcpy(c->load + c->loaded, bytes, size);
    c->loaded += size;
    end(c, &a, HAS_MORE | WANTS_INPUT, 0, 0);
}

static void finish(struct client *c)
{
    struct answer a = {.code = 0};
    int32_t line = 1;
    before = store;
    c->load = realloc(c->load, c->loaded + 1);
    c->load[c->loaded] = '\0';
    for (char *at = strtok(c->load, "\n"); at != NULL && a.code == 0; at = strtok(NULL, "\n")) {
        char name[WORD], value[WORD];
        if (sscanf(at, "%31s %31s", name, value) == 2)
            put(&a, name, value);
        else
            fail(&a, NEBULA_ERROR_QUERY, "a name without a value");
        line += a.code == 0;
    }
    if (a.code != 0)
        store = before;
    else
        a.changed = line - 1;
    end(c, &a, 0, 0, a.code != 0 ? line : 0);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void serve(struct client *c, const char *bytes, size_t size)
{
    struct answer a = {.code = 0};
    switch ((enum nebula_verb)c->verb) {
    case NEBULA_RUN:
    case NEBULA_SCRIPT:
        a = run(c, bytes);
        if (!a.is_late)
            end(c, &a, 0, 0, 0);
        return;
    case NEBULA_STREAM:
        stream(c, bytes);
        return;
    case NEBULA_PULL:
        pull(c);
        return;
    case NEBULA_PUSH:
        push(c, bytes, size);
        return;
    case NEBULA_FINISH:
        finish(c);
        return;
    case NEBULA_STOP:
        end(c, &a, 0, 0, 0);
        return;
    case NEBULA_BATCH:
        c->texts = 0;
        return;
    case NEBULA_PREPARE:
        end(c, (fail(&a, NEBULA_ERROR_USAGE, "nothing is prepared here"), &a), 0, 0, 0);
        return;
    }
    abort();
}

static void take(struct client *c, char *bytes, size_t size)
{
    if (c->texts >= c->parts) {
        serve(c, bytes, size);
        return;
    }
    snprintf(c->text[c->texts++], sizeof c->text[0], "%s", bytes);
    if (c->texts == c->parts)
        c->is_each ? batch_each(c) : batch_all(c);
}

/* How many bytes were one frame; 0 when it is not whole. */
static size_t frame(struct client *c)
{
    static char bytes[FRAME_MOST + 1];
    int32_t verb, window, parts, is_each;
    size_t size;
    char *line = memchr(c->in, '\n', c->got);
    if (line == NULL || sscanf(c->in, "%d %d %d %d %63s %zu", &verb, &window, &parts, &is_each,
                               c->trace, &size) != 6)
        return 0;
    size_t head = (size_t)(line + 1 - c->in);
    if (c->got < head + size)
        return 0;
    memcpy(bytes, line + 1, size);
    bytes[size] = '\0';
    if (c->texts >= c->parts) { /* no part of a batch */
        c->verb = verb;
        c->window = window;
        c->is_each = is_each;
        c->parts = c->texts = parts;
    }
    take(c, bytes, size);
    return head + size;
}

static void hear(struct client *c)
{
    ssize_t n = recv(c->fd, c->in + c->got, sizeof c->in - 1 - c->got, 0);
    if (n <= 0) {
        close(c->fd);
        free(c->load);
        memset(c, 0, sizeof *c);
        return;
    }
    c->got += (size_t)n;
    c->in[c->got] = '\0';
    for (size_t size; (size = frame(c)) > 0;) {
        memmove(c->in, c->in + size, c->got - size + 1);
        c->got -= size;
    }
}

static void greet(int fd)
{
    struct client *c = client;
    while (c->fd > 0)
        c++;
    c->fd = fd;
    say(c, is_copy ? "role 1 0 0 0 0 0" : "role 0 0 0 0 0 0", "", 0);
}

int main(int count, char **argument)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (count < 2)
        return 2;
    is_copy = count > 2;
    snprintf(at.sun_path, sizeof at.sun_path, "%s", argument[1]);
    unlink(at.sun_path);
    if (bind(door, (struct sockaddr *)&at, sizeof at) != 0 || listen(door, CLIENTS) != 0)
        return 1;
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd fd[CLIENTS + 1] = {{.fd = door, .events = POLLIN}};
        for (int i = 0; i < CLIENTS; i++)
            fd[i + 1] =
                (struct pollfd){.fd = client[i].fd > 0 ? client[i].fd : -1, .events = POLLIN};
        if (poll(fd, CLIENTS + 1, -1) < 0)
            return 1;
        for (int i = 0; i < CLIENTS; i++)
            if (fd[i + 1].revents != 0)
                hear(&client[i]);
        if (fd[0].revents != 0)
            greet(accept4(door, NULL, NULL, SOCK_CLOEXEC));
    }
}
