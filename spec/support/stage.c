#include "support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

int stage_open(void **state)
{
    struct stage *s = malloc(sizeof *s);
    assert_non_null(s);
    s->world = world_real();
    assert_non_null(s->world);
    s->loop = loop_new(s->world);
    assert_non_null(s->loop);
    *state = s;
    return 0;
}

int stage_close(void **state)
{
    struct stage *s = *state;
    loop_free(&s->loop);
    assert_null(s->loop);
    free(s->world);
    free(s);
    return 0;
}

void turn_until(struct loop *loop, const int *count, int want)
{
    int64_t end_us = loop_refresh(loop) + 60 * SECOND;
    while (*count < want && loop_now_us(loop) < end_us)
        loop_turn(loop, end_us);
    assert_int_equal(*count, want);
}
