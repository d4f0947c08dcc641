/* nebula_host.h - what the program asks of its engine beside nebula.h, and no embedder does. */
#ifndef NEBULA_HOST_H
#define NEBULA_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct nebula;

/* How long to wait before what has failed `failures` times in a row is tried again: a random part of
 * pause_us, which doubles with each failure up to pause_max_us. In us; failures is at least 1. */
int64_t nebula_backoff(struct nebula *n, int64_t pause_us, int64_t pause_max_us, int32_t failures);

/* An instance of a service of the program, for `ls`. */
struct nebula_instance {
    const char *service, *state;
    const char *reason; /* of its last failure, "" when it never failed */
    int32_t number, worker, restarts;
    int64_t since_s; /* of the state, on the wall */
    double pause_s;  /* how long it pauses, in all */
};
/* Copied, instead of what was told before of this service and number. False when out of memory. */
bool nebula_tell_instance(struct nebula *n, const struct nebula_instance *told);

#endif
