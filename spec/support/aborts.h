/* aborts.h - that a CHECK fires. */
#ifndef SPEC_ABORTS_H
#define SPEC_ABORTS_H

#include <stdbool.h>

/* In a process of its own, whose last words nobody hears. */
bool aborts(void (*what)(void));

#endif
