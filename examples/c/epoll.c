/* epoll.c - the engine in a loop that is somebody else's: one descriptor to watch, one function to call.
 *
 *   cc epoll.c $(pkg-config --cflags --libs nebula) -o epoll
 *   ./epoll [FOLDER]        as blocking.c
 *
 * The loop has a thing of its own to do, a timer that ticks. Meanwhile it has eight calls under way, of
 * which one takes longer than it may.
 */
#include <inttypes.h>
#include <nebula.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CALLS 8

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static const char quick[] = "select 7";
static const char endless[] =
    "with recursive a(i) as (select 1 union all select i + 1 from a where "
    "i < 1000000000) select count(*) from a";

static int32_t begin(struct nebula *n, int32_t shop, bool is_endless)
{
    struct nebula_request request = {
        .resource = shop,
        .verb = NEBULA_RUN,
        .text = is_endless ? endless : quick,
        .text_size = is_endless ? sizeof endless - 1 : sizeof quick - 1,
        .within_us = is_endless ? 50000 : 10000000,
    };
    int32_t ticket = nebula_call(n, &request);
    if (ticket < 0)
        die("call", nebula_error(n));
    return ticket;
}

/* What has ended. Each ticket is given back once. */
static int take(struct nebula *n, int *good, int *late)
{
    struct nebula_event event;
    int taken = 0;
    for (; nebula_next(n, &event); taken++) {
        struct nebula_value value = {.integer = 0};
        *late += event.code == NEBULA_ERROR_DEADLINE;
        *good += event.code == 0 && nebula_cell(n, event.ticket, 0, 0, &value) == 0 &&
                 value.type == NEBULA_INT && value.integer == 7;
        nebula_done(n, event.ticket);
    }
    return taken;
}

static int watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll", "no descriptor");
    return fd;
}

static int tick_every_ms(int ms)
{
    struct itimerspec every = {.it_interval.tv_nsec = ms * 1000000L,
                               .it_value.tv_nsec = ms * 1000000L};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    timerfd_settime(fd, 0, &every, NULL);
    return fd;
}

int main(int count, char **argument)
{
    char text[256], *why;
    const struct nebula_options options = {
        .name = "epoll", .log_format = 2, .log_level = 2, .log_fd = 2};
    struct nebula *n = nebula_open(&options, text, sizeof text);
    if (n == NULL)
        die("nebula", text);
    struct nebula_source source = {.folder = argument[1]};
    if (count < 2)
        source.text = "sqlite 'shop' { file = ':memory:', pool = { max = 1 } }";
    if (nebula_declare_source(n, &source, &why) < 0)
        die("declarations", why);
    int32_t shop = nebula_find(n, "shop");

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int timer = watch(epoll, tick_every_ms(10)), nebula = watch(epoll, nebula_fd(n));
    int ended = 0, good = 0, late = 0;
    int64_t ticks = 0;
    for (int i = 0; i < CALLS; i++)
        begin(n, shop, i == 0);
    while (ended < CALLS) {
        struct epoll_event event;
        uint64_t rang;
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        if (event.data.fd == nebula) {
            nebula_step(n);
            ended += take(n, &good, &late);
        } else if (read(timer, &rang, sizeof rang) == sizeof rang) {
            ticks += (int64_t)rang;
        }
    }
    printf("%d good, %d late, the loop ticked: %s\n", good, late, ticks > 0 ? "yes" : "no");
    close(timer);
    close(epoll);
    nebula_close(&n);
    return 0;
}
