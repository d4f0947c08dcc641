#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nebula.h"

#define SLICE_US 100000
#define LEAST_US 100000 /* of a drain: an idle worker needs a moment to hear of it */

struct signals {
    pthread_mutex_t mutex;
    struct nebula *engine; /* under the mutex; NULL once it is being closed */
    int64_t drain_us, cut_us;
    sigset_t set;
    pthread_t thread;
    atomic_int first;
    atomic_bool is_heard; /* by the worker */
    atomic_bool is_over;  /* what is heard now comes from signals_free() */
};

static _Noreturn void stop_at_once(int signum, const char *why)
{
    ssize_t unheard = write(STDERR_FILENO, why, strlen(why));
    (void)unheard;
    _exit(128 + signum);
}

/* nohup makes a program deaf to its terminal's end; a signal that is blocked would be heard all the
 * same. */
static bool is_ignored(int signum)
{
    struct sigaction action;
    return sigaction(signum, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* Who leads the group and ends it, as timeout(1) does, tells the process and then the group. */
static bool is_copy(const siginfo_t *first, const siginfo_t *second)
{
    return second->si_signo == first->si_signo && second->si_pid == first->si_pid &&
           first->si_pid == getpgrp();
}

/* The second signal, 0 when none came within the span, at whose beginning a copy of the first may
 * come. The time in which the process is stopped does not count, for it cannot drain meanwhile: SIGCONT
 * ends a slice with EINTR. */
static int wait_for_second(const struct signals *s, int64_t span_us, const siginfo_t *first)
{
    sigset_t hurry = s->set;
    sigdelset(&hurry, SIGHUP); /* the end of a terminal is told by the kernel and by the shell */
    for (int64_t left_us = span_us; left_us > 0;) {
        int64_t slice_us = left_us < SLICE_US ? left_us : SLICE_US;
        const struct timespec slice = {.tv_nsec = slice_us * 1000};
        siginfo_t second;
        bool has_come = sigtimedwait(&hurry, &second, &slice) > 0;
        if (has_come && !(first != NULL && left_us == span_us && is_copy(first, &second)))
            return second.si_signo;
        if (!has_come && errno == EAGAIN)
            left_us -= slice_us;
    }
    return 0;
}

static void *listen(void *data)
{
    struct signals *s = data;
    siginfo_t first;
    while (sigwaitinfo(&s->set, &first) < 0)
        ;
    if (atomic_load(&s->is_over))
        return NULL;
    atomic_store(&s->first, first.si_signo);
    pthread_mutex_lock(&s->mutex);
    if (s->engine != NULL)
        nebula_interrupt(s->engine);
    pthread_mutex_unlock(&s->mutex);

    int64_t drain_us = s->drain_us > LEAST_US ? s->drain_us : LEAST_US;
    int second = wait_for_second(s, drain_us, &first);
    if (second == 0 && atomic_load(&s->is_heard))
        second = wait_for_second(s, s->cut_us, NULL);
    if (atomic_load(&s->is_over))
        return NULL;
    if (second > 0)
        stop_at_once(second, "nebula: stopped at once\n");
    stop_at_once(first.si_signo,
                 "nebula: stopped: the workflow did not come back from its own work, so "
                 "nothing could be cancelled; what it had open is unknown\n");
}

struct signals *signals_new(struct nebula *engine, int64_t drain_us, int64_t cut_us)
{
    struct signals *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    pthread_mutex_init(&s->mutex, NULL);
    s->engine = engine;
    s->drain_us = drain_us;
    s->cut_us = cut_us;
    sigemptyset(&s->set);
    sigaddset(&s->set, SIGINT);
    sigaddset(&s->set, SIGTERM);
    if (!is_ignored(SIGHUP))
        sigaddset(&s->set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &s->set, NULL);
    if (pthread_create(&s->thread, NULL, listen, s) != 0) {
        pthread_sigmask(SIG_UNBLOCK, &s->set, NULL);
        pthread_mutex_destroy(&s->mutex);
        free(s);
        return NULL;
    }
    return s;
}

void signals_leave(struct signals *s)
{
    pthread_mutex_lock(&s->mutex);
    s->engine = NULL;
    pthread_mutex_unlock(&s->mutex);
}

void signals_free(struct signals **signals)
{
    struct signals *s = *signals;
    *signals = NULL;
    if (s == NULL)
        return;
    atomic_store(&s->is_over, true);
    pthread_kill(s->thread, SIGTERM);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void signals_heard(struct signals *s)
{
    atomic_store(&s->is_heard, true);
}

int signals_first(const struct signals *s)
{
    return atomic_load(&s->first);
}
