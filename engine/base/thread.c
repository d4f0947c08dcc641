#include "base/thread.h"

#include <signal.h>
#include <sys/prctl.h>

#include "base/check.h"

/* The C library would take what `ulimit -s` says, or 2 MB when that is unlimited. SQLite needs up
 * to 3.1 MB: its LIKE calls itself for each wildcard of a pattern, of which there may be 25,000. */
#define STACK_SIZE (4 << 20)

bool thread_start(pthread_t *out, void *(*run)(void *data), void *data)
{
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0); /* the new thread inherits it */
    pthread_attr_t attr;
    CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, STACK_SIZE) == 0);
    bool ok = pthread_create(out, &attr, run, data) == 0;
    pthread_attr_destroy(&attr);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return ok;
}

void thread_name(const char *name)
{
    CHECK(prctl(PR_SET_NAME, name) == 0);
}
