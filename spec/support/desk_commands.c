#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOWS_MOST 5000 /* that are told at once */

static bool set_clerks(struct desk *d, int32_t clerks)
{
    if (clerks < 0 || clerks > CLERKS_MOST)
        return false;
    d->work.clerks = clerks;
    return true;
}

static bool set_failure(struct desk *d, int32_t percent, const char *how, int32_t retry_ms)
{
    static const struct {
        const char *name;
        enum status status;
    } row[] = {{"503", BUSY}, {"500", BROKEN}, {"lost", LOST}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (strcmp(how, row[i].name) == 0 && percent >= 0 && percent <= 100) {
            d->fault.percent = percent;
            d->fault.status = row[i].status;
            d->fault.retry_ms = retry_ms;
            d->owed = 0;
            return true;
        }
    return false;
}

static void go_down(struct desk *d)
{
    desk_refuse(d);
    desk_cut(d);
    for (int32_t i = 0; i < d->clients; i++)
        d->client[i]->job = NULL;
    work_forget(&d->work);
}

static void pass(struct desk *d)
{
    d->fault = (struct fault){.percent = 0};
    d->work.clerks = d->usual.clerks;
    d->work.takes_us = d->usual.takes_us;
    if (d->listener < 0)
        desk_listen(d);
}

/* A verb and up to three numbers, the second of which may be a word. */
struct command {
    char verb[16], how[16];
    int words;
    long long a, b, c;
};

static struct command understand(const char *line)
{
    struct command c = {.words = 0};
    c.words = sscanf(line, "%15s %lld %15s %lld", c.verb, &c.a, c.how, &c.c);
    c.b = strtoll(c.how, NULL, 10);
    return c;
}

static bool obey_number(struct desk *d, const struct command *c)
{
    if (strcmp(c->verb, "clerks") == 0)
        return set_clerks(d, (int32_t)c->a);
    if (strcmp(c->verb, "slow") == 0 && c->a >= 0) {
        d->work.takes_us = d->usual.takes_us * c->a / 100;
        return true;
    }
    return false;
}

static bool obey_word(struct desk *d, const char *verb)
{
    if (strcmp(verb, "blackhole") == 0)
        d->fault.is_black = true;
    else if (strcmp(verb, "refuse") == 0)
        desk_refuse(d);
    else if (strcmp(verb, "cut") == 0)
        desk_cut(d);
    else if (strcmp(verb, "down") == 0)
        go_down(d);
    else if (strcmp(verb, "pass") == 0)
        pass(d);
    else if (strcmp(verb, "forget") == 0)
        counts_forget(&d->counts);
    else
        return false;
    return true;
}

static bool obey(struct desk *d, const struct command *c)
{
    if (c->words == 4 && strcmp(c->verb, "fail") == 0)
        return set_failure(d, (int32_t)c->a, c->how, (int32_t)c->c);
    if (c->words == 2)
        return obey_number(d, c);
    return c->words == 1 && obey_word(d, c->verb);
}

static void tell_counts(const struct desk *d)
{
    const struct counts *c = &d->counts;
    printf("ok %lld %lld %zu %d %d %d %lld", (long long)now_us(), (long long)c->seen, c->ids,
           (int)c->most, (int)work_under_way(&d->work), (int)c->highest, (long long)c->wasted);
    for (int i = 0; i < STATUSES; i++)
        printf(" %lld", (long long)c->answered[i]);
    putchar('\n');
}

static void tell_slices(const struct desk *d, const struct command *c)
{
    int64_t width_us = c->c * 1000;
    if (width_us < SLICE_US || (c->b - c->a) / width_us > WINDOWS_MOST) {
        puts("error: windows of at least 10 ms, and not so many");
        return;
    }
    printf("ok %lld", (long long)now_us());
    for (int64_t at = c->a; at < c->b; at += width_us) {
        struct slice s = counts_between(&d->counts, at, at + width_us);
        printf(" %d/%d", (int)s.seen, (int)s.ok);
    }
    putchar('\n');
}

static void answer(struct desk *d, const char *line)
{
    const struct command c = understand(line);
    if (c.words == 1 && strcmp(c.verb, "counts") == 0)
        tell_counts(d);
    else if (c.words == 4 && strcmp(c.verb, "slices") == 0)
        tell_slices(d, &c);
    else if (obey(d, &c))
        printf("ok %lld\n", (long long)now_us());
    else
        printf("error: no such command: %s\n", line);
}

void desk_read_commands(struct desk *d)
{
    ssize_t size = read(STDIN_FILENO, d->line + d->line_size, sizeof d->line - 1 - d->line_size);
    if (size <= 0)
        exit(0);
    d->line_size += (size_t)size;
    for (;;) {
        char *end = memchr(d->line, '\n', d->line_size);
        if (end == NULL)
            break;
        *end = '\0';
        answer(d, d->line);
        d->line_size -= (size_t)(end + 1 - d->line);
        memmove(d->line, end + 1, d->line_size);
    }
    if (d->line_size == sizeof d->line - 1)
        d->line_size = 0; /* no command is that long */
}
