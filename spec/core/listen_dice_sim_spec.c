/* Listeners under a server that breaks at random, in virtual time, a thousand seeds: whoever listens
 * hears all that is told from then on, once and in order; between two messages that he hears nothing
 * is missing, unless he heard of a gap; and each loss is one gap.
 *
 * What is told has a number, and the server's numbers count up, so that a listener is a small book:
 * the last number that he heard, and which one must come next at the latest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ear.h"
#include "sim/listening.h"

#define SEEDS 1000
#define STEPS 400
#define LISTENERS 6
#define CHANNELS 4
#define TALES 4096
#define LOSSES 512
#define LONG_QUEUE 1000 /* which is never full here */

struct book {
    int64_t listener;
    int32_t opening, hearing; /* tickets */
    bool channel[CHANNELS];
    int32_t queue;
    int64_t last;   /* number heard last */
    int64_t latest; /* the first one told since this is promised; 0: any may come next */
    int64_t least;  /* those before it were dropped */
    int32_t losses; /* that the ear had told of when it opened, and since */
    bool is_merged; /* gaps may have become one: which losses it was told of nobody knows */
};

struct play {
    struct rig rig;
    struct dice dice;
    struct tracer tracer;
    struct book book[LISTENERS];
    int32_t channel_of[TALES]; /* by number */
    int64_t told;
    int64_t whole_from[LOSSES]; /* the number told first after the ear was whole again */
    int32_t losses;
    int64_t heard, gaps;
};

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

/* From here on he hears. */
static void note_opening(struct play *p, int64_t ticket)
{
    for (int i = 0; i < LISTENERS; i++) {
        struct book *b = &p->book[i];
        if (b->opening == 0 || b->opening != ticket)
            continue;
        b->latest = p->told + 1;
        b->losses = p->losses;
    }
}

/* Nobody hears before all is in force again. */
static void happened(struct tracer *t, enum trace_what what, int64_t now_us, int32_t resource,
                     int64_t a, int64_t b, int64_t c)
{
    struct play *p = container_of(t, struct play, tracer);
    (void)now_us, (void)resource, (void)a, (void)b, (void)c;
    if (what == TRACE_GAP && p->losses < LOSSES)
        p->whole_from[p->losses++] = p->told + 1;
    if (what == TRACE_TICKET_ENDED)
        note_opening(p, a);
}

/* --- the books -------------------------------------------------------------------------------- */

/* How many of his were told between the two, without them. */
static int64_t between(const struct play *p, const struct book *b, int64_t from, int64_t to)
{
    int64_t count = 0;
    for (int64_t i = from + 1; i < to; i++)
        count += b->channel[p->channel_of[i]];
    return count;
}

static void hear_message(struct play *p, struct book *b, int64_t number)
{
    p->heard++;
    if (number < b->least)
        law_broken("%lld was said to be missed", (long long)number);
    if (number <= b->last)
        law_broken("%lld was heard after %lld", (long long)number, (long long)b->last);
    if (!b->channel[p->channel_of[number]])
        law_broken("%lld is of a channel that he does not listen to", (long long)number);
    if (b->latest > 0 && between(p, b, b->latest - 1, number) > 0)
        law_broken("something between %lld and %lld was not heard", (long long)b->latest,
                   (long long)number);
    b->last = number;
    if (b->latest <= number) /* before it is promised he may hear, of a channel that others hear */
        b->latest = number + 1;
}

static void hear_gap(struct play *p, struct book *b, const struct nebula_told *t)
{
    p->gaps++;
    bool is_full = t->gap == ERROR_FULL;
    if (!is_full && b->queue < LONG_QUEUE) /* gaps are dropped from a full queue as well */
        b->is_merged = true;
    if (is_full && !b->is_merged) { /* so many and not one more */
        bool is_exact = b->latest == b->last + 1;
        for (int64_t left = t->missed; left > 0 && b->latest <= p->told; b->latest++)
            left -= b->channel[p->channel_of[b->latest]];
        b->least = is_exact ? b->latest : 0;
    } else if (is_full || b->is_merged) {
        b->latest = 0;
    } else if (b->losses == p->losses) {
        law_broken("more gaps than losses");
    } else {
        b->latest = p->whole_from[b->losses++];
    }
}

static void take_note(struct play *p, struct book *b)
{
    struct nebula_told told;
    if (nebula_told(p->rig.nebula, b->hearing, &told) == 0) {
        if (told.gap != 0)
            hear_gap(p, b, &told);
        else
            hear_message(p, b, strtoll(told.bytes, NULL, 10));
    }
    rig_await(&p->rig, b->hearing, NULL);
    b->hearing = 0;
}

static void take_opening(struct play *p, struct book *b)
{
    struct nebula_reply reply;
    if (rig_await(&p->rig, b->opening, &reply) == ERROR_OK)
        b->listener = reply.listener;
    b->opening = 0;
}

/* --- what happens ----------------------------------------------------------------------------- */

static void begin(struct play *p, struct book *b)
{
    static const char *const all[CHANNELS] = {"1", "2", "3", "4"};
    const char *name[CHANNELS];
    int32_t count = 0;
    *b = (struct book){.queue = chance(p, 500) ? LONG_QUEUE : 3,
                       .latest = p->told + 1, /* where all channels are heard already */
                       .losses = p->losses};
    for (int i = 0; i < CHANNELS; i++) {
        b->channel[i] = chance(p, 400);
        if (b->channel[i])
            name[count++] = all[i];
    }
    if (count > 0)
        b->opening = listening_ask(&p->rig, b->queue, count, name);
}

static void end(struct play *p, struct book *b)
{
    if (b->opening != 0)
        nebula_cancel(p->rig.nebula, b->opening);
    if (b->listener != 0)
        nebula_unlisten(p->rig.nebula, b->listener);
    b->listener = 0;
}

static void act(struct play *p)
{
    struct book *b = &p->book[dice_below(&p->dice, LISTENERS)];
    if (b->listener == 0 && b->opening == 0 && b->hearing == 0)
        begin(p, b);
    else if (chance(p, 30))
        end(p, b);
    else if (b->listener != 0 && b->hearing == 0)
        b->hearing = nebula_hear(p->rig.nebula, b->listener, dice_between(&p->dice, 1, 20 * MS));
}

static void tell(struct play *p)
{
    int32_t channel = (int32_t)dice_below(&p->dice, CHANNELS);
    p->channel_of[p->told + 1] = channel;
    p->told = server_tell(p->rig.server, channel + 1);
}

static void look(struct play *p)
{
    for (int i = 0; i < LISTENERS; i++) {
        struct book *b = &p->book[i];
        if (b->opening > 0 && rig_is_answered(&p->rig, b->opening))
            take_opening(p, b);
        if (b->hearing > 0 && rig_is_answered(&p->rig, b->hearing))
            take_note(p, b);
        if (b->opening < 0 || b->hearing < 0)
            law_broken("refused: %s", nebula_error(p->rig.nebula));
    }
}

static void step(struct play *p)
{
    for (int64_t i = dice_below(&p->dice, 4); i > 0; i--)
        act(p);
    for (int64_t i = chance(p, 300) ? dice_below(&p->dice, 8) : 0; i > 0 && p->told < TALES - 1;
         i--)
        tell(p);
    if (chance(p, 8))
        server_crash(p->rig.server, world_time_us() + dice_below(&p->dice, 200 * MS));
    rig_pass(&p->rig, chance(p, 900) ? dice_below(&p->dice, 3 * MS) : dice_below(&p->dice, SECOND));
    look(p);
}

static void hear_all(struct play *p, struct book *b)
{
    bool is_over = b->listener == 0;
    while (!is_over && law_verdict() == NULL) {
        b->hearing = nebula_hear(p->rig.nebula, b->listener, MS);
        rig_pass(&p->rig, 10 * MS);
        is_over = p->rig.code[b->hearing] != ERROR_OK;
        take_note(p, b);
    }
}

static void tell_on_all(struct play *p)
{
    for (int32_t c = 0; c < CHANNELS && p->told < TALES - 1; c++) {
        p->channel_of[p->told + 1] = c;
        p->told = server_tell(p->rig.server, c + 1);
    }
    rig_pass(&p->rig, SECOND);
    for (int i = 0; i < LISTENERS; i++)
        hear_all(p, &p->book[i]);
}

/* The server is well: what is told now is heard by all, and with it all that there was. */
static void settle(struct play *p)
{
    server_calm(p->rig.server);
    for (int i = 0; i < LISTENERS; i++)
        if (p->book[i].hearing != 0)
            nebula_cancel(p->rig.nebula, p->book[i].hearing);
    rig_pass(&p->rig, 30 * SECOND);
    look(p);
    int32_t losses;
    do { /* a life may end at this very moment */
        losses = p->losses;
        tell_on_all(p);
    } while (losses != p->losses);
    for (int i = 0; i < LISTENERS; i++) {
        const struct book *b = &p->book[i];
        if (b->listener != 0 && between(p, b, b->last, p->told + 1) > 0)
            law_broken("the last words were not heard");
        if (b->listener != 0 && !b->is_merged && b->losses != p->losses)
            law_broken("%d losses, and a listener was told of %d", p->losses, b->losses);
    }
}

static void play_seed(struct play *p, uint64_t seed)
{
    rig_begin(&p->rig);
    p->dice.state = seed * 0x9e3779b97f4a7c15 + 1;
    p->rig.spec.pool.max = (int32_t)dice_between(&p->dice, 1, 3);
    p->rig.spec.pool.check_us = chance(p, 500) ? -1 : SECOND;
    p->rig.spec.pool.connect_us = 100 * MS;
    p->rig.spec.pool.life_us = chance(p, 500) ? 0 : 3 * SECOND;
    rig_open(&p->rig);
    p->tracer.happened = happened;
    engine_watch(p->rig.engine, &p->tracer);
    static const enum fault fault[] = {FAULT_REFUSED,   FAULT_DENIED,        FAULT_SLOW_OPEN,
                                       FAULT_LOST_IDLE, FAULT_LOST_SILENTLY, FAULT_OWN_FAILS,
                                       FAULT_OWN_SLOW,  FAULT_CLOSE_SLOW};
    for (size_t i = 0; i < COUNT(fault); i++)
        if (chance(p, 400))
            server_odds(p->rig.server, fault[i], (int)dice_between(&p->dice, 1, 150));
    if (p->rig.spec.pool.check_us < 0) /* who never asks never learns of it */
        server_odds(p->rig.server, FAULT_LOST_SILENTLY, 0);
    for (int i = 0; i < STEPS && law_verdict() == NULL; i++)
        step(p);
    if (law_verdict() == NULL)
        settle(p);
}

static void nothing_is_missed_without_a_gap(void **unused)
{
    (void)unused;
    const char *only = getenv("SEED");
    uint64_t first = only == NULL ? 1 : strtoull(only, NULL, 10);
    int64_t heard = 0, gaps = 0, losses = 0;
    for (uint64_t seed = first; seed < first + (only == NULL ? SEEDS : 1); seed++) {
        struct play *p = calloc(1, sizeof *p);
        play_seed(p, seed);
        const char *verdict = law_verdict() != NULL ? law_verdict() : rig_close(&p->rig);
        if (verdict != NULL)
            fail_msg("SEED=%llu: %s", (unsigned long long)seed, verdict);
        heard += p->heard;
        gaps += p->gaps;
        losses += p->losses;
        free(p);
    }
    print_message("# %lld messages and %lld gaps were heard, of %lld losses\n", (long long)heard,
                  (long long)gaps, (long long)losses);
    assert_true(only != NULL || (heard > 100000 && gaps > 5000 && losses > 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_missed_without_a_gap)};
    return cmocka_run_group_tests_name("listeners with dice", tests, NULL, NULL);
}
