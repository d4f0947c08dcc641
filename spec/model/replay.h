/* replay.h - the lines that replay.pml follows, for the checker that spin makes of it. */
#ifndef MODEL_REPLAY_H
#define MODEL_REPLAY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay_steps.h"

#define REPLAY_NUMBERS 8

struct replay_line {
    int step, worker, result, count, number[REPLAY_NUMBERS];
    char text[160];
};

static struct replay_line *replay_lines;
static int replay_count;

static int replay_step(const char *name)
{
    static const char *const step[] = {[STEP_JOIN] = "join",        [STEP_LEAVE] = "leave",
                                       [STEP_TAKE] = "take",        [STEP_ASK] = "ask",
                                       [STEP_WISH] = "wish",        [STEP_UNASK] = "unask",
                                       [STEP_GIVE] = "give",        [STEP_ASKED_US] = "asked_us",
                                       [STEP_HAND] = "hand",        [STEP_RECEIVE] = "receive",
                                       [STEP_RESIZE] = "resize",    [STEP_DOOM] = "doom",
                                       [STEP_LOOK] = "look",        [STEP_STOP] = "stop",
                                       [STEP_FORGET] = "forget",    [STEP_TAKE_BACK] = "take_back",
                                       [STEP_ASK_EACH] = "ask_each"};
    for (int i = 1; i < (int)(sizeof step / sizeof step[0]); i++)
        if (strcmp(step[i], name) == 0)
            return i;
    return 0;
}

static void replay_add(const char *text)
{
    char name[16];
    long long result, number;
    int read = 0, more;
    replay_lines = realloc(replay_lines, (size_t)(replay_count + 1) * sizeof *replay_lines);
    struct replay_line *l = &replay_lines[replay_count++];
    memset(l, 0, sizeof *l);
    snprintf(l->text, sizeof l->text, "%s", text);
    if (sscanf(text, "%*d %15s %d %lld %d%n", name, &l->worker, &result, &l->count, &read) < 4)
        return;
    l->step = replay_step(name);
    l->result = (int)result;
    for (int i = 0; i < l->count && i < REPLAY_NUMBERS; i++, read += more) {
        if (sscanf(text + read, "%lld%n", &number, &more) != 1)
            break;
        l->number[i] = (int)number;
    }
}

/* How many lines there are. */
static int replay_load(const char *file)
{
    char text[160];
    FILE *f = file == NULL ? NULL : fopen(file, "r");
    while (f != NULL && fgets(text, sizeof text, f) != NULL)
        replay_add(text);
    if (f != NULL)
        fclose(f);
    return replay_count;
}

static const struct replay_line *replay_line(int at)
{
    return &replay_lines[at];
}

static void replay_refuse(int at, const char *why)
{
    printf("refused: line %d: %s: %s", at + 1, why, replay_lines[at].text);
}

static void replay_end(int at)
{
    printf("followed: %d steps\n", at);
}

#endif
