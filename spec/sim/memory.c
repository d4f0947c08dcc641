#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* The names are the linker's: a call of malloc() comes to __wrap_malloc(), __real_malloc() is
 * libc's. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);

#define PLACES (1 << 17)

/* An allocator has no argument to keep its books in. */
static struct {
    uintptr_t block[PLACES]; /* a hash table with linear probing; 0 is free */
    int64_t live, asked, failed, fail_at;
} books;

static size_t home_of(uintptr_t block)
{
    return (size_t)(block * 0x9e3779b97f4a7c15 >> 40) % PLACES;
}

static size_t place_of(uintptr_t block)
{
    size_t i = home_of(block);
    while (books.block[i] != 0 && books.block[i] != block)
        i = (i + 1) % PLACES;
    return i;
}

static void *remember(void *block)
{
    if (block == NULL)
        return NULL;
    CHECK(books.live < PLACES / 2);
    books.block[place_of((uintptr_t)block)] = (uintptr_t)block;
    books.live++;
    return block;
}

/* False for a block that a library allocated. */
static bool forget(void *block)
{
    size_t hole = place_of((uintptr_t)block);
    if (books.block[hole] == 0)
        return false;
    books.block[hole] = 0;
    books.live--;
    /* What was pushed along by this block moves up, so that a search never ends too soon. */
    for (size_t i = (hole + 1) % PLACES; books.block[i] != 0; i = (i + 1) % PLACES) {
        size_t home = home_of(books.block[i]);
        if ((i - home + PLACES) % PLACES < (i - hole + PLACES) % PLACES)
            continue;
        books.block[hole] = books.block[i];
        books.block[i] = 0;
        hole = i;
    }
    return true;
}

static bool may_succeed(void)
{
    books.asked++;
    if (books.fail_at == 0 || books.asked != books.fail_at)
        return true;
    books.failed++;
    return false;
}

void memory_begin(void)
{
    memset(&books, 0, sizeof books);
}

int64_t memory_live(void)
{
    return books.live;
}

int64_t memory_asked(void)
{
    return books.asked;
}

void memory_fail(int64_t nth)
{
    books.fail_at = nth == 0 ? 0 : books.asked + nth;
}

int64_t memory_failed(void)
{
    return books.failed;
}

void *outside_new(size_t size)
{
    void *block = __real_calloc(1, size);
    CHECK(block != NULL);
    return block;
}

void *outside_resize(void *block, size_t size)
{
    block = __real_realloc(block, size);
    CHECK(block != NULL);
    return block;
}

void outside_free(void *block)
{
    __real_free(block);
}

void *__wrap_malloc(size_t size)
{
    return may_succeed() ? remember(__real_malloc(size)) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_succeed() ? remember(__real_calloc(count, size)) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
    if (!may_succeed())
        return NULL;
    if (block != NULL)
        forget(block);
    return remember(__real_realloc(block, size));
}

void __wrap_free(void *block)
{
    if (block != NULL)
        forget(block);
    __real_free(block);
}

char *__wrap_strndup(const char *text, size_t most)
{
    size_t size = strnlen(text, most);
    char *copy = __wrap_malloc(size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, SIZE_MAX);
}
/* NOLINTEND(bugprone-reserved-identifier) */
