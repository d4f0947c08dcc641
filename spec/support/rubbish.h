/* rubbish.h - a server that speaks PostgreSQL's protocol and talks rubbish, on a thread of the
 * spec's.
 *
 * It answers each turn of its client with what such a client may expect, or with messages of every
 * type in any order; and then some bits are flipped, lengths changed, parts left out, doubled or
 * cut off. What it says on a connection is drawn from the seed: the same seed is the same rubbish.
 */
#ifndef SPEC_RUBBISH_H
#define SPEC_RUBBISH_H

#include <stdint.h>

struct rubbish;

struct rubbish *rubbish_start(void);
void rubbish_stop(struct rubbish **r);
const char *rubbish_port(const struct rubbish *r);
/* For the connections from here on; how many of 100 turns are answered with rubbish. */
void rubbish_seed(struct rubbish *r, uint64_t seed, int percent);

#endif
