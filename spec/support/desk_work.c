#include "desk.h"

#include <stdio.h>
#include <stdlib.h>

int32_t work_under_way(const struct work *w)
{
    return w->waiting + w->busy;
}

static int32_t soonest(const struct work *w)
{
    int32_t found = -1;
    for (int32_t i = 0; i < w->busy; i++)
        if (found < 0 || w->serving[i]->due_us < w->serving[found]->due_us)
            found = i;
    return found;
}

int64_t work_due_us(const struct work *w)
{
    int32_t i = soonest(w);
    return i < 0 ? INT64_MAX : w->serving[i]->due_us;
}

/* The clerks that are free from then on take who waits: so a late turn of the loop costs them nothing. */
static void begin(struct work *w, int64_t at_us)
{
    while (w->busy < w->clerks && w->first != NULL) {
        struct job *j = w->first;
        w->first = j->next;
        if (w->first == NULL)
            w->last = &w->first;
        w->waiting--;
        j->due_us = (j->came_us > at_us ? j->came_us : at_us) + w->takes_us;
        w->serving[w->busy++] = j;
    }
}

bool work_take(struct desk *d, struct client *c, int64_t id)
{
    struct work *w = &d->work;
    if (w->busy >= w->clerks && w->waiting >= w->waiting_most)
        return false;
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        perror("memory");
        exit(1);
    }
    *j = (struct job){.client = c, .id = id, .came_us = now_us()};
    c->job = j;
    *w->last = j;
    w->last = &j->next;
    w->waiting++;
    begin(w, j->came_us);
    if (work_under_way(w) > d->counts.highest)
        d->counts.highest = work_under_way(w);
    return true;
}

static void finish(struct desk *d, struct job *j)
{
    d->counts.wasted += j->client == NULL;
    if (j->client != NULL) {
        j->client->job = NULL;
        desk_answer(d, j->client, OK, j->id);
    }
    free(j);
}

void work_turn(struct desk *d)
{
    struct work *w = &d->work;
    int64_t now = now_us();
    while (work_due_us(w) <= now) {
        int32_t i = soonest(w);
        struct job *j = w->serving[i];
        int64_t at_us = j->due_us;
        w->serving[i] = w->serving[--w->busy];
        finish(d, j);
        begin(w, at_us);
    }
    begin(w, now);
}

static void take_out(struct work *w, struct job *j)
{
    for (int32_t i = 0; i < w->busy; i++)
        if (w->serving[i] == j) {
            w->serving[i] = w->serving[--w->busy];
            return;
        }
    struct job **at = &w->first;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    if (w->last == &j->next)
        w->last = at;
    w->waiting--;
}

void work_leave(struct work *w, struct client *c, bool is_over)
{
    struct job *j = c->job;
    c->job = NULL;
    if (j == NULL)
        return;
    j->client = NULL;
    if (is_over) {
        take_out(w, j);
        free(j);
    }
}

void work_forget(struct work *w)
{
    while (w->first != NULL) {
        struct job *j = w->first;
        w->first = j->next;
        free(j);
    }
    while (w->busy > 0)
        free(w->serving[--w->busy]);
    w->last = &w->first;
    w->waiting = 0;
}
