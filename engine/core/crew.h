/* crew.h - the engines of one ledger as long as they live: who there is, and how one of them is reached.
 *
 * News for another worker are a struct of whoever sends them; they arrive on that worker's loop, in the
 * order in which one worker sent them, and are the receiver's from then on. Whoever leaves hears first
 * what was sent to him before, and nothing later: then sending says that nobody is there.
 */
#ifndef CORE_CREW_H
#define CORE_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/common.h"

/* To somebody who does not turn. With so many nobody orders any more; and with the lesser number nobody
 * asks him again. */
#define CREW_NEWS_MOST 1000
#define CREW_QUESTIONS_MOST 16

struct crew;
struct engine;

struct news {
    struct news *next;
    void (*arrived)(struct news *n, struct engine *there);
};

/* e has a ledger and a worker's number, and nobody else of the crew has it. False when out of memory. */
bool crew_join(struct engine *e);
/* Idempotent; nothing for an engine that is alone. */
void crew_leave(struct engine *e);

/* How many others there are. */
int32_t crew_others(const struct engine *e);
/* False when nobody is there: the news stay the caller's. Never to itself. */
bool crew_send(struct engine *e, int32_t worker, struct news *n);

/* For whoever has more to do than a turn should last: they arrive here once more, with the next one; and at once when
 * he leaves. */
void crew_again(struct engine *e, struct news *n);

/* How many are on their way to a worker that has not looked. */
int32_t crew_waiting(const struct engine *e, int32_t worker);
/* Whether there are too many for one of them, who is named in *why. */
bool crew_is_full(const struct engine *e, struct error *why);

/* The host has the loop's turn behind it. For whoever does not answer: since when he computes. */
void crew_turned(struct engine *e);
int64_t crew_turned_us(const struct engine *e, int32_t worker);

/* A number that is larger than any before, for what is ordered: the later one holds. */
int64_t crew_number(struct engine *e);

#endif
