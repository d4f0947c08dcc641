/* The SQLite driver when the machine fails under it: memory, disk, a file system that is not local.
 *
 * The linker gives our allocations and statfs() to this file; SQLite has its own doors for its
 * allocator and for the system calls of its files. An allocation is counted on whatever thread it
 * happens.
 */
#include "support/sqlite_place.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"

/* --- the machine ---------------------------------------------------------------------------- */

static atomic_long asked, fail_at; /* fail_at 0: nothing fails */
static atomic_int write_errno;     /* 0: the disk is well */
static atomic_long file_system;    /* 0: whatever it is */

/* NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
int __real_statfs(const char *path, struct statfs *out);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
int __wrap_statfs(const char *path, struct statfs *out);

static bool fails(void)
{
    return atomic_fetch_add(&asked, 1) + 1 == atomic_load(&fail_at);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

int __wrap_statfs(const char *path, struct statfs *out)
{
    int rc = __real_statfs(path, out);
    if (atomic_load(&file_system) != 0)
        out->f_type = (__typeof__(out->f_type))atomic_load(&file_system);
    return rc;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static sqlite3_mem_methods sqlite_memory; /* SQLite's own, which ours stand before */

static void *sqlite_malloc(int size)
{
    return fails() ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *block, int size)
{
    return fails() ? NULL : sqlite_memory.xRealloc(block, size);
}

static ssize_t disk_write(int fd, const void *bytes, size_t size, off_t at)
{
    int why = atomic_load(&write_errno);
    if (why == 0)
        return pwrite(fd, bytes, size, at);
    errno = why;
    return -1;
}

static int stand_before(void **unused)
{
    (void)unused;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory), SQLITE_OK);
    sqlite3_mem_methods ours = sqlite_memory;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours), SQLITE_OK);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    static const char *const name[] = {"pwrite", "pwrite64"}; /* it uses one of them */
    for (size_t i = 0; i < COUNT(name); i++)
        if (vfs->xGetSystemCall(vfs, name[i]) != NULL)
            vfs->xSetSystemCall(vfs, name[i], (sqlite3_syscall_ptr)disk_write);
    return 0;
}

/* --- what every test needs -------------------------------------------------------------------- */

static void lone_in(struct place *p, struct lone *l, int32_t role)
{
    const char *option[] = {"file", p->file, NULL};
    long nth = atomic_exchange(&fail_at, 0); /* what the test itself needs does not fail */
    lone_init(l, p->loop, &driver_sqlite, option, role);
    atomic_store(&fail_at, nth);
}

static int64_t count_rows(struct place *p)
{
    struct lone l;
    place_open(p, &l, READER);
    int64_t rows = place_number(&l, "select count(*) from t");
    lone_close(&l);
    return rows;
}

/* --- memory --------------------------------------------------------------------------------- */

/* Whether it was done; a failure is out of memory and nothing else. */
static bool attempt(struct lone *l, enum nebula_verb verb, const char *text)
{
    enum error_code code = lone_do(l, verb, text);
    if (code != ERROR_OK && code != ERROR_MEMORY)
        fail_msg("%s: %s (allocation %ld)", text, error_name(code), atomic_load(&fail_at));
    return code == ERROR_OK;
}

/* Returns how many rows were acknowledged. */
static int write_some(struct place *p)
{
    struct lone l;
    int rows = 0;
    lone_in(p, &l, WRITER);
    enum error_code code = lone_open(&l);
    if (code != ERROR_OK && code != ERROR_MEMORY)
        fail_msg("open: %s (allocation %ld)", l.error.text, atomic_load(&fail_at));
    if (code == ERROR_OK) {
        rows += 3 * attempt(&l, NEBULA_RUN,
                            "insert into t values ('a'), ('b'), ('c') "
                            "returning a, hex(zeroblob(20000)) as padding");
        rows += attempt(&l, NEBULA_STREAM, "insert into t values ('d') returning a");
        attempt(&l, NEBULA_STOP, "");
        rows += attempt(&l, NEBULA_SCRIPT, "insert into t values ('e')");
        attempt(&l, NEBULA_PREPARE, "select 1");
    }
    lone_close(&l);
    return rows;
}

static void read_some(struct place *p)
{
    struct lone l;
    lone_in(p, &l, READER);
    enum error_code code = lone_open(&l);
    if (code != ERROR_OK && code != ERROR_MEMORY)
        fail_msg("open: %s (allocation %ld)", l.error.text, atomic_load(&fail_at));
    if (code == ERROR_OK) {
        attempt(&l, NEBULA_RUN, "select *, 1.5, zeroblob(9000) from t");
        if (attempt(&l, NEBULA_STREAM, "values (1), (2), (3)"))
            attempt(&l, NEBULA_PULL, "");
    }
    lone_close(&l);
}

/* Runs it with every single allocation failing once; true while there was one to fail. */
static bool survives(long nth)
{
    struct place p;
    place_init(&p);
    struct lone l;
    lone_in(&p, &l, WRITER);
    assert_int_equal(lone_open(&l), ERROR_OK);
    assert_int_equal(lone_do(&l, NEBULA_SCRIPT, "create table t(a)"), ERROR_OK);
    lone_close(&l);
    atomic_store(&asked, 0);
    atomic_store(&fail_at, nth);
    int rows = write_some(&p);
    read_some(&p);
    bool is_over = atomic_load(&asked) < nth;
    atomic_store(&fail_at, 0);
    if (count_rows(&p) != rows)
        fail_msg("%d rows were acknowledged, %ld are there (allocation %ld)", rows,
                 (long)count_rows(&p), nth);
    place_fini(&p);
    return !is_over;
}

static void no_memory(void **unused)
{
    (void)unused;
    long nth = 1;
    while (survives(nth))
        nth++;
    print_message("%ld allocations failed\n", nth - 1);
    assert_true(nth > 300);
}

/* --- disk ----------------------------------------------------------------------------------- */

static void bad_disk(void **unused)
{
    (void)unused;
    static const struct {
        int why;
        const char *says;
    } row[] = {{ENOSPC, "make room"}, {EIO, "the disk or its file system failed"}};
    struct place p;
    place_init(&p);
    struct lone l;
    lone_in(&p, &l, WRITER);
    assert_int_equal(lone_open(&l), ERROR_OK);
    assert_int_equal(lone_do(&l, NEBULA_SCRIPT, "create table t(a)"), ERROR_OK);
    for (size_t i = 0; i < COUNT(row); i++) {
        atomic_store(&write_errno, row[i].why);
        struct request r = lone_request(NEBULA_RUN, "insert into t values (zeroblob(100000))");
        assert_int_equal(lone_call(&l, &r), ERROR_STORAGE);
        if (strstr(r.reply.error.text, row[i].says) == NULL)
            fail_msg("%s", r.reply.error.text);
        assert_non_null(strstr(r.reply.error.text, p.file));
        assert_int_equal(l.conn->session, 0);
        atomic_store(&write_errno, 0);
        assert_int_equal(lone_do(&l, NEBULA_RUN, "insert into t values (1)"), ERROR_OK);
        assert_int_equal(count_rows(&p), (int64_t)i + 1);
    }
    lone_close(&l);
    place_fini(&p);
}

/* --- network -------------------------------------------------------------------------------- */

static void far_file(void **unused)
{
    (void)unused;
    static const long network[] = {0x6969,           0x517b,     (long)0xff534d42,
                                   (long)0xfe534d42, 0x5346414f, 0x01021997};
    struct place p;
    place_init(&p);
    for (size_t i = 0; i < COUNT(network); i++) {
        atomic_store(&file_system, network[i]);
        for (int32_t role = READER; role <= WRITER; role++) {
            struct lone l;
            lone_in(&p, &l, role);
            assert_int_equal(lone_open(&l), ERROR_CONFIG);
            assert_non_null(strstr(l.error.text, "journal = \"delete\""));
            lone_close(&l);
        }
        assert_int_not_equal(access(p.file, F_OK), 0);
    }
    const char *option[] = {"file", p.file, "journal", "delete", NULL};
    struct lone l;
    lone_init(&l, p.loop, &driver_sqlite, option, READER);
    assert_int_equal(lone_open(&l), ERROR_OK);
    lone_close(&l);
    atomic_store(&file_system, 0);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory),
        cmocka_unit_test(bad_disk),
        cmocka_unit_test(far_file),
    };
    return cmocka_run_group_tests(tests, stand_before, NULL);
}
