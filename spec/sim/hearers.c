/* hearers.c - tasks that listen: they hear all that is told from then on, once and in order, or of a
 * gap before what comes next. */
#include <stdio.h>
#include <stdlib.h>

#include "play.h"

static int64_t roll(struct play *p, int64_t low, int64_t high)
{
    return dice_between(&p->dice, low, high);
}

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* He hears all that is told from now on. */
void hearer_promised(struct play *p, struct actor *a)
{
    a->book.next = a->book.promised = p->declared[a->book.resource].told + 1;
}

/* --- what they do ----------------------------------------------------------------------------- */

static void begin_listening(struct play *p, struct actor *a)
{
    static const char *const all[CHANNELS] = {"1", "2", "3", "4"};
    const char *name[CHANNELS];
    struct nebula_channels c = {.name = name, .bytes = 1000};
    a->book = (struct book){.resource = (int32_t)roll(p, 0, DECLARED - 1)};
    hearer_promised(p, a); /* for when he is answered at once; a later answer promises less */
    for (int i = 0; i < CHANNELS; i++) {
        if (!chance(p, 500))
            continue;
        a->book.channels |= 1U << i;
        name[c.count++] = all[i];
    }
    if (c.count == 0)
        return;
    const struct declared *d = &p->declared[a->book.resource];
    struct op op = {.kind = OP_LISTEN, .actor = a, .resource = a->book.resource};
    c.resource = a->worker->number[a->book.resource];
    c.queue = chance(p, 500) ? 100 : (int32_t)roll(p, 1, 3);
    c.within_us = chance(p, 500) ? 0 : roll(p, 1, SECOND);
    op.begun_us = world_time_us();
    op.deadline_us = sooner(
        a->deadline_us, op.begun_us + (c.within_us > 0 ? c.within_us : d->spec.policy.deadline_us));
    a->book.busy = play_begin(p, &op, nebula_listen(a->worker->nebula, &c));
}

static void hear(struct play *p, struct actor *a)
{
    struct op op = {.kind = OP_HEAR, .actor = a, .resource = a->book.resource};
    int64_t within_us = roll(p, 1, 50 * MS);
    op.begun_us = world_time_us();
    op.deadline_us = sooner(a->deadline_us, op.begun_us + within_us);
    a->book.busy += play_begin(p, &op, nebula_hear(a->worker->nebula, a->book.listener, within_us));
}

static void leave(struct actor *a)
{
    struct nebula *n = a->worker->nebula;
    if (nebula_unlisten(n, a->book.listener) != 0)
        law_broken("a listener was gone before it left: %s", nebula_error(n));
    a->book.listener = 0;
}

void hearer_act(struct play *p, struct actor *a)
{
    if (a->book.listener == 0 && a->book.busy == 0)
        begin_listening(p, a);
    else if (a->book.listener != 0 && chance(p, 50))
        leave(a);
    else if (a->book.listener != 0 && a->book.busy < 2)
        hear(p, a);
}

void play_tell(struct play *p)
{
    struct declared *d = &p->declared[roll(p, 0, DECLARED - 1)];
    for (int64_t i = roll(p, 1, 4); i > 0 && d->told + 1 < TALES; i--) {
        int64_t channel = roll(p, 0, CHANNELS - 1);
        d->channel_of[d->told + 1] = (uint8_t)channel;
        d->told = server_tell(d->server, channel + 1);
        play_note(p, "%s tells %lld on %lld", d->spec.name, (long long)d->told,
                  (long long)channel + 1);
    }
}

/* --- what they hear --------------------------------------------------------------------------- */

static bool is_his(const struct declared *d, const struct book *b, int64_t number)
{
    return (b->channels >> d->channel_of[number] & 1U) != 0;
}

static void hear_message(const struct declared *d, struct book *b, int64_t number)
{
    if (number <= b->last)
        law_broken("%s: %lld was heard after %lld", d->spec.name, (long long)number,
                   (long long)b->last);
    if (!is_his(d, b, number))
        law_broken("%s: %lld is of a channel that he does not listen to", d->spec.name,
                   (long long)number);
    for (int64_t i = b->next; b->next > 0 && i < number; i++)
        if (is_his(d, b, i))
            law_broken("%s: %lld was heard, and %lld before it was not", d->spec.name,
                       (long long)number, (long long)i);
    b->last = number;
    /* What was under way when he was promised to hear he may hear, of a channel that others hear; also
     * as the first after a gap. */
    if (b->next <= number)
        b->next = number + 1;
    if (b->next < b->promised)
        b->next = b->promised;
}

static void hear_next(struct play *p, int32_t ticket, struct actor *a)
{
    struct nebula_told told;
    struct book *b = &a->book;
    if (nebula_told(a->worker->nebula, ticket, &told) != 0) {
        law_broken("a ticket has heard nothing: %s", nebula_error(a->worker->nebula));
        return;
    }
    play_note(p, "listener %lld hears %s", (long long)b->listener, told.bytes);
    if (told.gap != 0)
        b->next = 0;
    else
        hear_message(&p->declared[b->resource], b, strtoll(told.bytes, NULL, 10));
}

void hearer_answered(struct play *p, int32_t ticket, struct op *op, const struct nebula_reply *r)
{
    struct book *b = &op->actor->book;
    b->busy--;
    if (op->kind == OP_LISTEN && (r->code == ERROR_OK) != (r->listener > 0))
        law_broken("to listen ended with %s and listener %lld", nebula_error_name(r->code),
                   (long long)r->listener);
    if (op->kind == OP_LISTEN)
        b->listener = r->listener;
    else if (r->code == ERROR_OK)
        hear_next(p, ticket, op->actor);
}
