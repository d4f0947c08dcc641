/* cas.h - the least that lending anything can cost: a compare-and-swap to take one of ten words,
 * and one to give it back.
 */
#ifndef BENCH_CAS_H
#define BENCH_CAS_H

#include <stdint.h>

/* Takes and gives so many times, in turn. Returns how often it was taken at once, to be checked. */
int64_t cas_pairs(int64_t pairs);

#endif
