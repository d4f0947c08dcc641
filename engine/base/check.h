/* check.h - the few things a reader must believe, said in code and kept in release builds. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, __func__, #cond))
#define UNREACHABLE() check_failed(__FILE__, __LINE__, __func__, "unreachable")

/* The struct around a member that a list, a timer or a callback hands back. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

__attribute__((cold)) static inline _Noreturn void check_failed(const char *file, int line,
                                                                const char *func, const char *what)
{
    fprintf(stderr, "%s:%d: %s: %s does not hold\n", file, line, func, what);
    abort();
}

#endif
