#include "core/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/admin.h"

struct ask {
    int fd;
    int64_t until_us;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool dial(int fd, const struct sockaddr_un *at)
{
    return fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
}

static bool say(int fd, const char *request)
{
    return send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request) &&
           send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

struct ask *ask_begin(const char *path, const char *request, int64_t within_us, struct error *e)
{
    struct sockaddr_un at;
    if (!admin_address(&at, path, e))
        return NULL;
    struct ask *a = calloc(1, sizeof *a);
    if (a == NULL) {
        error_set(e, ERROR_MEMORY, "no memory to ask %s", path);
        return NULL;
    }
    a->until_us = now_us() + within_us;
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial(a->fd, &at) && say(a->fd, request))
        return a;
    bool is_busy = errno == EAGAIN; /* its queue of callers is full */
    error_set(e, is_busy ? ERROR_BUSY : ERROR_UNREACHABLE, "no answer at %s: %s", path,
              strerror(errno));
    if (a->fd >= 0)
        close(a->fd);
    free(a);
    return NULL;
}

/* False when there is no more to come in time. */
static bool is_readable(const struct ask *a)
{
    int64_t left_us = a->until_us - now_us();
    struct pollfd p = {.fd = a->fd, .events = POLLIN};
    return poll(&p, 1, left_us > 0 ? (int)(left_us / 1000) + 1 : 0) > 0;
}

/* Reads to the end of the line. NULL when it does not come, or there is no memory for it. */
static char *hear(const struct ask *a, enum error_code *why)
{
    size_t used = 0, size = 4096;
    char *line = malloc(size);
    *why = ERROR_MEMORY;
    while (line != NULL) {
        if (!is_readable(a)) {
            *why = ERROR_DEADLINE;
            break;
        }
        ssize_t n = read(a->fd, line + used, size - used);
        if (n <= 0) {
            *why = ERROR_LOST;
            break;
        }
        used += (size_t)n;
        if (line[used - 1] == '\n') {
            line[used - 1] = '\0';
            return line;
        }
        char *more = used == size ? realloc(line, size *= 2) : line;
        if (more == NULL)
            break;
        line = more;
    }
    free(line);
    return NULL;
}

char *ask_end(struct ask **ask, struct error *e)
{
    struct ask *a = *ask;
    *ask = NULL;
    enum error_code why;
    char *line = hear(a, &why);
    if (line == NULL)
        error_set(e, why, "no answer: %s", why == ERROR_DEADLINE ? "not in time" : error_name(why));
    close(a->fd);
    free(a);
    return line;
}
