#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void pass(struct proxy *p)
{
    p->sky = (struct weather){.rate = 0};
    p->fate = harmless;
    for (int i = p->links; i-- > 0;) {
        p->link[i]->fate = harmless;
        if (p->link[i]->is_mute)
            proxy_drop(p, i, false);
    }
    if (p->listener < 0)
        proxy_listen(p);
}

static void refuse(struct proxy *p)
{
    if (p->listener >= 0)
        close(p->listener);
    p->listener = -1;
}

static void half(struct proxy *p, int which)
{
    for (int i = 0; i < p->links; i++)
        link_half(p->link[i], which);
}

/* UP, DOWN, WAYS for both, -1 for no such word. */
static int way_named(const char *word)
{
    static const char *const name[] = {"up", "down", "both"};
    for (int w = UP; w <= WAYS; w++)
        if (strcmp(word, name[w]) == 0)
            return w;
    return -1;
}

static bool obey_number(struct proxy *p, const char *verb, int64_t number)
{
    if (number < 0)
        return false;
    if (strcmp(verb, "delay") == 0)
        p->sky.delay_us = number * 1000;
    else if (strcmp(verb, "rate") == 0)
        p->sky.rate = number;
    else
        return false;
    return true;
}

static bool obey_way(struct proxy *p, const char *verb, int which)
{
    if (strcmp(verb, "blackhole") == 0)
        for (int w = UP; w < WAYS; w++)
            p->sky.is_black[w] |= which == WAYS || which == w;
    else if (strcmp(verb, "half") == 0 && which != WAYS)
        half(p, which);
    else
        return false;
    return true;
}

/* Of all links, or once: of those that there are, or else of the next one. */
static void doom(struct proxy *p, const struct fate *fate, const char *once)
{
    p->is_once = strcmp(once, "once") == 0;
    bool is_done = p->is_once && p->links > 0;
    p->fate = is_done ? harmless : *fate;
    for (int i = p->links; i-- > 0;)
        if (link_doom(p->link[i], fate) != ALIVE)
            proxy_drop(p, i, false);
}

static bool truncate_links(struct proxy *p, const char *line)
{
    char way[8], how[8], once[8] = "";
    long long bytes = -1;
    int words = sscanf(line, "%*s %7s %lld %7s %7s", way, &bytes, how, once);
    int which = words >= 3 ? way_named(way) : -1;
    bool is_silent = words >= 3 && strcmp(how, "silence") == 0;
    if (which < 0 || which == WAYS || bytes < 0 || (!is_silent && strcmp(how, "close") != 0))
        return false;
    struct fate fate = harmless;
    fate.left[which] = bytes;
    fate.is_silent = is_silent;
    doom(p, &fate, once);
    return true;
}

static bool corrupt_links(struct proxy *p, const char *line)
{
    char way[8], how[24], once[8] = "";
    long long ahead = -1, count = -1;
    int words = sscanf(line, "%*s %7s %lld %lld %23s %7s", way, &ahead, &count, how, once);
    int which = words >= 4 ? way_named(way) : -1;
    if (which < 0 || which == WAYS || ahead < 0 || count < 0)
        return false;
    bool is_letter = how[0] == '=' && how[1] != '\0';
    char *end = how + 2;
    long long seed = is_letter ? 0 : strtoll(how, &end, 10);
    if (seed < 0 || end == how || *end != '\0')
        return false;
    struct fate fate = harmless;
    fate.spoil[which] =
        (struct spoil){.ahead = ahead,
                       .count = count,
                       .dice = ((uint64_t)seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1,
                       .letter = is_letter ? how[1] : -1};
    doom(p, &fate, once);
    return true;
}

static bool obey(struct proxy *p, const char *line)
{
    char verb[16], word[32] = "";
    int words = sscanf(line, "%15s %31s", verb, word);
    if (words == 2 && strcmp(verb, "truncate") == 0)
        return truncate_links(p, line);
    if (words == 2 && strcmp(verb, "corrupt") == 0)
        return corrupt_links(p, line);
    if (words == 2) {
        char *end;
        long long number = strtoll(word, &end, 10);
        int which = way_named(word);
        return which >= 0 ? obey_way(p, verb, which) : *end == '\0' && obey_number(p, verb, number);
    }
    if (words != 1)
        return false;
    if (strcmp(verb, "pass") == 0)
        pass(p);
    else if (strcmp(verb, "refuse") == 0)
        refuse(p);
    else if (strcmp(verb, "cut") == 0)
        while (p->links > 0)
            proxy_drop(p, 0, true);
    else
        return false;
    return true;
}

static void answer(struct proxy *p, const char *line)
{
    if (strcmp(line, "stats") == 0)
        printf("ok %d %llu %llu %llu %llu\n", p->links, (unsigned long long)p->accepted,
               (unsigned long long)p->bytes.passed[UP], (unsigned long long)p->bytes.passed[DOWN],
               (unsigned long long)p->bytes.spoiled);
    else if (obey(p, line))
        puts("ok");
    else
        printf("error: no such command: %s\n", line);
}

void proxy_read_commands(struct proxy *p)
{
    ssize_t size = read(STDIN_FILENO, p->line + p->line_size, sizeof p->line - 1 - p->line_size);
    if (size <= 0)
        exit(0);
    p->line_size += (size_t)size;
    for (;;) {
        char *end = memchr(p->line, '\n', p->line_size);
        if (end == NULL)
            break;
        *end = '\0';
        answer(p, p->line);
        p->line_size -= (size_t)(end + 1 - p->line);
        memmove(p->line, end + 1, p->line_size);
    }
    if (p->line_size == sizeof p->line - 1)
        p->line_size = 0; /* no command is that long */
}
