/* ask.c - the part of the border for command lines, which have no engine: asking another one by its
 * control socket (admin.h), and masking as one would.
 *
 * Asking and hearing are two steps, so that many engines have the same time to answer. An engine
 * answers between two turns of its loop: one whose workflow computes, or whose process was stopped,
 * does not.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/admin.h"
#include "nebula.h"

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

struct ask *nebula_ask_begin(const char *path, const char *request, int64_t within_us,
                             int32_t *code_out)
{
    struct sockaddr_un at;
    struct error why;
    *code_out = ERROR_CONFIG;
    if (!admin_address(&at, path, &why))
        return NULL;
    *code_out = ERROR_MEMORY;
    struct ask *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    *code_out = 0;
    a->until_us = now_us() + within_us;
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial(a->fd, &at) && say(a->fd, request))
        return a;
    /* Again: its queue of callers is full. */
    *code_out = errno == EAGAIN ? ERROR_BUSY : ERROR_UNREACHABLE;
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
static char *hear(const struct ask *a, int32_t *why)
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

char *nebula_ask_end(struct ask *a, int32_t *code_out)
{
    int32_t why;
    char *line = hear(a, &why);
    *code_out = line == NULL ? why : 0;
    close(a->fd);
    free(a);
    return line;
}

char *nebula_mask(const char *text, const char *const *secret, int32_t secrets)
{
    struct secrets known;
    secrets_init(&known);
    char *masked = strdup(text);
    for (int32_t i = 0; masked != NULL && i < secrets; i++)
        if (secret[i][0] != '\0' && secrets_add(&known, secret[i], strlen(secret[i])) == NULL) {
            free(masked);
            masked = NULL;
        }
    if (masked != NULL)
        secret_mask(&known, masked, strlen(masked));
    secrets_fini(&known);
    return masked;
}

void nebula_free(void *answer)
{
    free(answer);
}
