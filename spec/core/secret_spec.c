/* secret_spec.c - no secret in any text, however it is written; and nothing of it left in memory. */
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

/* The linker gives the engine these: memory that cannot be had or locked, and a look at what is
 * given back. */
static struct {
    bool is_refused, is_unlocked;
    int mapped;
    bool was_wiped;
} memory;

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);
int __wrap_mlock(const void *at, size_t size);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (memory.is_refused)
        return (void *)-1;
    memory.mapped++;
    return __real_mmap(at, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size)
{
    const char *bytes = at;
    memory.was_wiped = true;
    for (size_t i = 0; i < size; i++)
        memory.was_wiped = memory.was_wiped && bytes[i] == 0;
    memory.mapped--;
    return __real_munmap(at, size);
}

/* A sanitizer's own mlock() locks nothing. */
int __wrap_mlock(const void *at, size_t size)
{
    return memory.is_unlocked ? -1 : (int)syscall(SYS_mlock, at, size);
}

static int set_up(void **state)
{
    struct secrets *s = malloc(sizeof *s);
    assert_non_null(s);
    secrets_init(s);
    memory.is_refused = memory.is_unlocked = false;
    memory.mapped = 0;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    secrets_fini(*state);
    assert_int_equal(memory.mapped, 0);
    free(*state);
    return 0;
}

static const char *add(struct secrets *s, const char *value)
{
    const char *copy = secrets_add(s, value, strlen(value));
    assert_non_null(copy);
    return copy;
}

static void assert_masked(const struct secrets *s, const char *text, const char *then)
{
    char buffer[256];
    snprintf(buffer, sizeof buffer, "%s", text);
    size_t size = secret_mask(s, buffer, strlen(buffer));
    assert_string_equal(buffer, then);
    assert_int_equal(size, strlen(then));
}

struct row {
    const char *text, *then;
};

static void assert_rows(const struct secrets *s, const struct row *row, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        assert_masked(s, row[i].text, row[i].then);
}

static void is_masked_wherever_it_stands(void **state)
{
    struct secrets *s = *state;
    add(s, "hunter2!");
    add(s, "aaaa");
    static const struct row row[] = {
        {"", ""},
        {"nothing here", "nothing here"},
        {"hunter2!", "***"},
        {"hunter2!hunter2!", "******"},
        {"password=hunter2! host=db", "password=*** host=db"},
        {"it is hunter2!", "it is ***"},
        {"hunter2", "hunter2"},
        {"Hunter2!", "Hunter2!"},
        {"aaaaa", "***a"},
        {"hunter2hunter2!", "hunter2***"},
    };
    assert_rows(s, row, COUNT(row));
}

static void is_masked_however_it_is_written(void **state)
{
    struct secrets *s = *state;
    add(s, "p\"s/w\n%\\\xc3\xa9\xf0\x9f\x94\x91");
    static const struct row row[] = {
        {"<p\"s/w\n%\\\xc3\xa9\xf0\x9f\x94\x91>", "<***>"},
        {"://u:p%22s%2Fw%0A%25%5C%C3%A9%F0%9F%94%91@h", "://u:***@h"},
        {"://u:p%22s/w%0a%25%5c%c3%a9%f0%9f%94%91@h", "://u:***@h"},
        {"%70%22%73%2f%77%0a%25%5c%c3%a9%f0%9f%94%91", "***"},
        {"{\"p\":\"p\\\"s/w\\n%\\\\\xc3\xa9\xf0\x9f\x94\x91\"}", "{\"p\":\"***\"}"},
        {"\"p\\\"s\\/w\\n%\\\\\\u00e9\\ud83d\\udd11\"", "\"***\""},
        {"\"p\\u0022s/w\\u000A%\\u005C\\u00E9\\uD83D\\uDD11\"", "\"***\""},
    };
    assert_rows(s, row, COUNT(row));
}

static void broken_writing_is_just_text(void **state)
{
    struct secrets *s = *state;
    add(s, "100%zz\\q");
    static const struct row row[] = {
        {"is 100%zz\\q.", "is ***."},
        {"%", "%"},
        {"%4", "%4"},
        {"%zz", "%zz"},
        {"\\", "\\"},
        {"\\u12", "\\u12"},
        {"\\ud800", "\\ud800"},
        {"\\ud800\\u0041x", "\\ud800\\u0041x"},
        {"\\uzzzz", "\\uzzzz"},
        {"%\x10\x11", "%\x10\x11"},
    };
    assert_rows(s, row, COUNT(row));
}

static void is_masked_when_the_end_cuts_it_off(void **state)
{
    struct secrets *s = *state;
    add(s, "post/secret");
    static const struct row row[] = {
        {"password=post/secre", "password=***"},
        {"password=post", "password=***"},
        {"password=pos", "password=pos"},
        {"url=post%2Fsecr", "url=***"},
        {"url=post%2", "url=***"},
        {"url=post%", "url=***"},
        {"text=\"post\\", "text=\"***"},
        {"text=\"post\\u00", "text=\"***"},
        {"post", "post"}, /* a text of its own */
    };
    assert_rows(s, row, COUNT(row));
}

static void a_short_one_is_masked_only_as_a_value(void **state)
{
    struct secrets *s = *state;
    add(s, "a1");
    add(s, "xyz");
    add(s, "");
    static const struct row row[] = {
        {"a1", "**"},
        {"xyz", "***"},
        {"password=xyz", "password=***"},
        {"password=xyz host=a1b", "password=*** host=a1b"},
        {"password='xyz'", "password='***'"},
        {"{\"p\":\"a1\"}", "{\"p\":\"**\"}"},
        {"http://u:xyz@host", "http://u:***@host"},
        {"xyz at the front, a1 inside", "xyz at the front, a1 inside"},
        {"=xyz_", "=xyz_"},
    };
    assert_rows(s, row, COUNT(row));
}

static void the_longest_of_several_wins(void **state)
{
    struct secrets *s = *state;
    add(s, "secret");
    add(s, "secret-word");
    assert_masked(s, "a secret-word, a secret", "a ***, a ***");
}

static void says_where_it_is_and_for_how_long(void **state)
{
    struct secrets *s = *state;
    add(s, "s/cret");
    static const char text[] = "x=s%2Fcret;";
    for (size_t at = 0; at < sizeof text - 1; at++)
        assert_int_equal(secret_at(s, text, sizeof text - 1, at), at == 2 ? 8 : 0);
    assert_int_equal(secret_at(NULL, text, sizeof text - 1, 2), 0);
}

static void lives_as_long_as_somebody_needs_it(void **state)
{
    struct secrets *s = *state;
    char value[] = "from a buffer";
    const char *one = add(s, value), *other = add(s, value);
    memset(value, 'x', sizeof value - 1);
    assert_ptr_equal(one, other);
    assert_string_equal(one, "from a buffer");
    secrets_drop(s, one);
    assert_masked(s, "it came from a buffer.", "it came ***.");
    memory.was_wiped = false;
    secrets_drop(s, other);
    assert_masked(s, "it came from a buffer.", "it came from a buffer.");
    assert_int_equal(memory.mapped, 0);
    assert_true(memory.was_wiped);
}

static void a_dropped_one_is_wiped_beside_living_ones(void **state)
{
    struct secrets *s = *state;
    const char *gone = add(s, "wipe me"), *stays = add(s, "let me be");
    secrets_drop(s, gone);
    assert_memory_equal(gone, "\0\0\0\0\0\0\0", 7); /* the page is there while `stays` is */
    assert_string_equal(stays, "let me be");
}

static void many_and_large_ones_find_room(void **state)
{
    struct secrets *s = *state;
    const char *copy[300];
    char value[64];
    static char large[20000];
    memset(large, 'L', sizeof large);
    for (size_t i = 0; i < COUNT(copy); i++) {
        snprintf(value, sizeof value, "value number %zu", i);
        copy[i] = add(s, value);
    }
    const char *big = secrets_add(s, large, sizeof large);
    assert_memory_equal(big, large, sizeof large);
    assert_true(memory.mapped > 2);
    for (size_t i = 0; i < COUNT(copy); i++) {
        snprintf(value, sizeof value, "value number %zu", i);
        assert_string_equal(copy[i], value);
        secrets_drop(s, copy[i]);
    }
    assert_int_equal(memory.mapped, 1);
}

static int64_t mask_time_ns(const struct secrets *s)
{
    static char text[65536];
    struct timespec from, to;
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = "word-0 \\u00e9 %C3%A9 = 'value' "[i % 30];
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    assert_int_equal(secret_mask(s, text, sizeof text - 1), sizeof text - 1);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + to.tv_nsec - from.tv_nsec;
}

/* Compared with each of them, it would cost three thousand times as much. */
static void many_cost_hardly_more_than_one(void **state)
{
    static const char *const form[] = {"a word of %d", "%d is the word", "%x-password", "\n%d%%"};
    struct secrets *s = *state;
    char value[64];
    add(s, "the only one");
    int64_t alone_ns = mask_time_ns(s);
    for (int i = 0; i < 3000; i++) {
        snprintf(value, sizeof value, form[i % 4], 100000 + i); /* NOLINT: these four */
        add(s, value);
    }
    assert_in_range(mask_time_ns(s), 0, 30 * alone_ns);
}

static void without_memory_it_says_so(void **state)
{
    struct secrets *s = *state;
    memory.is_refused = true;
    assert_null(secrets_add(s, "no room", 7));
    memory.is_refused = false;
    memory.is_unlocked = true;
    assert_true(s->is_locked);
    assert_non_null(secrets_add(s, "room", 4));
    assert_false(s->is_locked);
}

/* The line of /proc/self/smaps that tells the flags of the mapping around `at`. */
static void read_flags(const void *at, char *flags, int size)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    bool is_inside = false;
    while (fgets(flags, size, maps) != NULL) {
        char *from = NULL, *to = NULL;
        uintptr_t low = strtoull(flags, &from, 16);
        if (*from == '-') {
            uintptr_t high = strtoull(from + 1, &to, 16);
            is_inside = (uintptr_t)at >= low && (uintptr_t)at < high;
        }
        if (is_inside && strncmp(flags, "VmFlags:", 8) == 0)
            break;
    }
    fclose(maps);
}

static void is_locked_and_not_dumped(void **state)
{
    struct secrets *s = *state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    const char *copy = add(s, "locked");
    char flags[512];
    read_flags(copy, flags, sizeof flags);
    assert_non_null(strstr(flags, " dd")); /* not in a dump */
    assert_int_equal(s->is_locked, strstr(flags, " lo") != NULL);
    if (limit.rlim_cur >= 65536)
        assert_true(s->is_locked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_masked_wherever_it_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_masked_however_it_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_writing_is_just_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_masked_when_the_end_cuts_it_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_one_is_masked_only_as_a_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_of_several_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_where_it_is_and_for_how_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lives_as_long_as_somebody_needs_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_one_is_wiped_beside_living_ones, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_and_large_ones_find_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_cost_hardly_more_than_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_locked_and_not_dumped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
