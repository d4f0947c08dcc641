#include "core/backlog.h"

#include <stdlib.h>

void backlog_init(struct backlog *b, uint32_t most, int64_t bytes_most)
{
    *b = (struct backlog){.most = most, .bytes_most = bytes_most};
    messages_init(&b->queue);
}

void backlog_fini(struct backlog *b)
{
    struct message *m;
    while ((m = messages_shift(&b->queue)) != NULL)
        free(m);
    b->front = (struct gap){.missed = 0};
}

void gap_widen(struct gap *g, const struct gap *by)
{
    if (g->why.code == ERROR_OK || by->why.code != ERROR_FULL)
        g->why = by->why;
    g->missed += by->missed;
    g->span_us += by->span_us;
}

bool backlog_drop_oldest(struct backlog *b, const struct error *why)
{
    struct message *m = messages_shift(&b->queue);
    if (m == NULL)
        return false;
    const struct gap one = {.why = *why, .missed = 1};
    b->missed += !m->is_gap;
    gap_widen(&b->front, m->is_gap ? message_gap(m) : &one);
    free(m);
    return true;
}

bool backlog_is_over_full(const struct backlog *b)
{
    return b->queue.list.count > b->most || b->queue.bytes > b->bytes_most;
}

int64_t backlog_trim(struct backlog *b, const struct error *why)
{
    int64_t dropped = 0;
    b->gaps += b->front.why.code == ERROR_OK && backlog_is_over_full(b);
    while (backlog_is_over_full(b))
        dropped += backlog_drop_oldest(b, why);
    return dropped;
}

void backlog_miss(struct backlog *b, const struct gap *g)
{
    while (backlog_drop_oldest(b, &g->why))
        continue;
    b->missed += (uint64_t)g->missed;
    gap_widen(&b->front, g);
}
