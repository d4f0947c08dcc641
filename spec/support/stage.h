/* stage.h - a real loop for each test: STAGED(test) gives the test a struct stage as its state. */
#ifndef SPEC_STAGE_H
#define SPEC_STAGE_H

#include "core/loop.h"

#define MS INT64_C(1000)
#define SECOND (1000 * MS)

#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_open, stage_close)

struct stage {
    struct world *world;
    struct loop *loop;
};

int stage_open(void **state);
int stage_close(void **state); /* nothing may be left on the loop */

/* Turns until *count is `want`; fails when a minute was not enough, or when it is more. */
void turn_until(struct loop *loop, const int *count, int want);

#endif
