#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

#include "base/check.h"

bool thread_start(pthread_t *out, const char *name, void *(*run)(void *data), void *data)
{
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0); /* the new thread inherits it */
    bool ok = pthread_create(out, NULL, run, data) == 0;
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (!ok)
        return false;
    char shown[16];
    snprintf(shown, sizeof shown, "%s", name);
    pthread_setname_np(*out, shown);
    return true;
}
