/* loop_memory_spec.c - the n-th allocation of the loop and of what stands on it fails, for n from 1
 * until the scenario passes.
 *
 * malloc() and its family stand before the C library's (or the sanitizer's) in this program. libuv
 * keeps the real ones: it aborts when its table of descriptors cannot grow.
 */
#include "core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "base/table.h"
#include "core/blocking.h"
#include "support/stage.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *block, size_t size);

static struct {
    pthread_t thread; /* others are left alone: what getaddrinfo() does is its own */
    int left;         /* 0: off */
    bool has_failed;
} fault;

/* Called before the sanitizer is ready to look. */
#define UNSEEN __attribute__((no_sanitize("address", "thread")))

UNSEEN static bool fails(void)
{
    if (fault.left == 0 || !pthread_equal(pthread_self(), fault.thread) || --fault.left != 0)
        return false;
    fault.has_failed = true;
    errno = ENOMEM;
    return true;
}

UNSEEN void *malloc(size_t size)
{
    return fails() ? NULL : REAL(malloc)(size);
}

UNSEEN void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : REAL(calloc)(count, size);
}

UNSEEN void *realloc(void *block, size_t size)
{
    return fails() ? NULL : REAL(realloc)(block, size);
}

/* --- the scenario ----------------------------------------------------------------------------- */

static void resolved(void *data, const struct resolved *found, const struct error *error)
{
    assert_int_equal(error->code, ERROR_OK);
    assert_true(found->count > 0);
    ++*(int *)data;
}

static bool names_work(struct loop *loop)
{
    int count = 0;
    if (loop_resolve(loop, "127.0.0.1", "80", resolved, &count) == NULL)
        return false;
    turn_until(loop, &count, 1);
    return true;
}

struct ear {
    struct watch watch;
    int count;
};

static void hear(struct watch *w, int events)
{
    (void)events;
    container_of(w, struct ear, watch)->count++;
}

static bool watches_work(struct loop *loop)
{
    int p[2];
    assert_int_equal(pipe(p), 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    struct ear e = {.count = 0};
    watch_init(&e.watch, hear);
    bool ok = loop_watch(loop, &e.watch, p[0], WATCH_READ);
    assert_int_equal(watch_is_on(&e.watch), ok);
    if (ok)
        turn_until(loop, &e.count, 1);
    loop_unwatch(loop, &e.watch);
    close(p[0]);
    close(p[1]);
    return ok;
}

static void never(struct signal_watch *s, int signum)
{
    (void)s;
    fail_msg("signal %d", signum);
}

static bool signals_work(struct loop *loop)
{
    struct signal_watch s = {.arrived = never};
    bool ok = loop_signal(loop, &s, SIGUSR1);
    loop_unsignal(loop, &s);
    return ok;
}

struct errand {
    struct job job;
    int count;
};

static void run(struct job *j)
{
    (void)j;
}

static void done(struct job *j)
{
    container_of(j, struct errand, job)->count++;
}

static bool threads_work(struct loop *loop)
{
    struct blocking *b = blocking_new(loop, "spec");
    if (b == NULL)
        return false;
    struct errand e = {.job = {.run = run, .done = done}};
    blocking_run(b, &e.job);
    turn_until(loop, &e.count, 1);
    blocking_free(&b);
    return true;
}

static bool tables_work(void)
{
    enum { MANY = 100 };
    struct table t;
    int given = 0;
    table_init(&t, MANY);
    while (given < MANY && table_add(&t, &t) != 0)
        given++;
    for (int i = 1; i <= given; i++) { /* those before the failure are as they were */
        assert_ptr_equal(table_get(&t, i), &t);
        table_drop(&t, i);
    }
    table_fini(&t);
    return given == MANY;
}

static bool scenario(void)
{
    struct world *world = world_real();
    if (world == NULL)
        return false;
    struct loop *loop = loop_new(world);
    bool ok = loop != NULL && names_work(loop) && watches_work(loop) && signals_work(loop) &&
              threads_work(loop) && tables_work();
    if (loop != NULL)
        loop_free(&loop);
    free(world);
    return ok;
}

static void any_allocation_may_fail(void **unused)
{
    (void)unused;
    int failures = 0;
    assert_true(scenario()); /* a sanitizer has things of its own to allocate the first time */
    fault.thread = pthread_self();
    for (int nth = 1;; nth++) {
        fault.left = nth;
        fault.has_failed = false;
        bool ok = scenario();
        fault.left = 0;
        assert_int_not_equal(ok, fault.has_failed); /* a failure is told, and only a failure */
        if (ok)
            break;
        failures++;
    }
    assert_true(failures >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_allocation_may_fail)};
    uv_replace_allocator(REAL(malloc), REAL(realloc), REAL(calloc), free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
