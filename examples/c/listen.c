/* listen.c - what a server tells by itself, heard in a loop that is somebody else's.
 *
 *   cc listen.c $(pkg-config --cflags --libs nebula) -o listen
 *   ./listen FOLDER CHANNEL...     on the resource "shop" that FOLDER/resources/NAME.lua declare: a
 *                                  PostgreSQL database
 *
 * The loop watches two descriptors, the engine's and the standard input, which is a terminal or a
 * pipe. Each line of it is told on the first channel, and whatever is told on any of them is printed.
 * It ends with its input.
 */
#include <errno.h>
#include <nebula.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct notes {
    struct nebula *n;
    int32_t shop;
    int32_t listening, hearing; /* tickets, 0: none */
    int64_t listener;
    int telling; /* calls under way */
    const char *channel;
    char line[8000]; /* input that is no whole line yet */
    size_t size;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int32_t ticket_of(struct nebula *n, int32_t ticket, const char *what)
{
    if (ticket < 0)
        die(what, nebula_error(n));
    return ticket;
}

/* --- hearing ---------------------------------------------------------------------------------- */

/* One note, or a gap: then something was missed, and whoever needs all of it looks for himself. What
 * told names lives until nebula_done(). */
static void show(struct nebula *n, int32_t ticket)
{
    struct nebula_told told;
    nebula_told(n, ticket, &told);
    if (told.gap != 0)
        printf("gap %s: %.*s\n", nebula_error_name(told.gap), (int)told.size, told.bytes);
    else
        printf("%s: %.*s\n", told.channel, (int)told.size, told.bytes);
}

static void hear_next(struct notes *s)
{
    s->hearing = ticket_of(s->n, nebula_hear(s->n, s->listener, 0), "hear");
}

/* A ticket that was given back is another one's soon, so it is forgotten here too. */
static void ended(struct notes *s, const struct nebula_event *event)
{
    bool is_listening = event->ticket == s->listening, is_note = event->ticket == s->hearing;
    struct nebula_reply reply;
    nebula_reply(s->n, event->ticket, &reply);
    if (event->code != 0)
        die(nebula_error_name(event->code), reply.text);
    if (is_note)
        show(s->n, event->ticket);
    nebula_done(s->n, event->ticket);
    if (is_listening) {
        s->listening = 0;
        s->listener = reply.listener;
        puts("listening");
    }
    if (is_listening || is_note)
        hear_next(s);
    else
        s->telling--;
}

static void step(struct notes *s)
{
    struct nebula_event event;
    nebula_step(s->n);
    while (nebula_next(s->n, &event))
        ended(s, &event);
}

/* --- telling ---------------------------------------------------------------------------------- */

/* The values are copied before this returns. */
static void tell(struct notes *s, const char *text, size_t size)
{
    static const char notify[] = "select pg_notify($1, $2)";
    const struct nebula_value value[] = {
        {.type = NEBULA_TEXT, .bytes = s->channel, .size = (uint32_t)strlen(s->channel)},
        {.type = NEBULA_TEXT, .bytes = text, .size = (uint32_t)size},
    };
    const struct nebula_request request = {.resource = s->shop,
                                           .verb = NEBULA_RUN,
                                           .text = notify,
                                           .text_size = sizeof notify - 1,
                                           .value = value,
                                           .count = 2};
    ticket_of(s->n, nebula_call(s->n, &request), "tell");
    s->telling++;
}

/* False at the end of the input. */
static bool read_lines(struct notes *s)
{
    ssize_t n = read(STDIN_FILENO, s->line + s->size, sizeof s->line - s->size);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    s->size += (size_t)n;
    char *end, *at = s->line;
    while ((end = memchr(at, '\n', s->size - (size_t)(at - s->line))) != NULL) {
        tell(s, at, (size_t)(end - at));
        at = end + 1;
    }
    s->size -= (size_t)(at - s->line);
    memmove(s->line, at, s->size);
    return s->size < sizeof s->line; /* no line is as long as a note may be */
}

/* --- the loop --------------------------------------------------------------------------------- */

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll", "a descriptor that cannot be watched");
}

static void go(struct notes *s)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool has_input = true;
    watch(epoll, nebula_fd(s->n));
    watch(epoll, STDIN_FILENO);
    while (has_input || s->telling > 0) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        if (event.data.fd == nebula_fd(s->n)) {
            step(s);
        } else if (!read_lines(s)) {
            has_input = false;
            epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        }
    }
    close(epoll);
}

int main(int count, char **argument)
{
    char text[256], *why;
    const struct nebula_options options = {
        .name = "listen", .log_format = 2, .log_level = 3, .log_fd = 2};
    if (count < 3)
        die("usage", "listen FOLDER CHANNEL...");
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct notes s = {.n = nebula_open(&options, text, sizeof text), .channel = argument[2]};
    if (s.n == NULL)
        die("nebula", text);
    const struct nebula_source source = {.folder = argument[1]};
    if (nebula_declare_source(s.n, &source, &why) < 0)
        die("declarations", why);
    s.shop = nebula_find(s.n, "shop");
    const struct nebula_channels channels = {.resource = s.shop,
                                             .count = count - 2,
                                             .name = (const char *const *)argument + 2,
                                             .queue = 1000,
                                             .bytes = 1000000};
    s.listening = ticket_of(s.n, nebula_listen(s.n, &channels), "listen");
    go(&s);
    nebula_close(&s.n); /* and with it the listener */
    return 0;
}
