/* stakes.h - some workers on one thread, each with a stake in the same permits: what specs of the ledger begin with.
 *
 * Nobody turns by himself: stakes_looks() is a turn.
 */
#ifndef STAKES_H
#define STAKES_H

#include "core/ledger.h"

#define STAKES 4

void stakes_begin(int32_t max);
void stakes_end(void); /* nobody holds anything */

struct stake *stake(int i);
struct loop *stake_loop(int i);
struct ledger *stakes_ledger(void);
void stake_join(int i, const char *identity, int32_t max);

/* Turns, once. How often it was told to look, since the last time. */
int stake_looks(int i);
bool stake_ask(int i, int64_t arrived_us);
int32_t stake_granted(int i); /* permits alone; there is no parcel */

#endif
