#include "process.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/thread.h"
#include "hub.h"
#include "mailbox.h"
#include "nebula.h"
#include "watchdog.h"
#include "worker.h"

#define BACK_S 1 /* what a worker that has to end has to come back from Lua */

enum stage { STAGE_LIVES = 1, STAGE_LEAVES, STAGE_IS_GONE };

struct member {
    struct process *process;
    int32_t index;
    struct mailbox mailbox;
    pthread_t thread;
    bool has_thread;
    enum stage stage; /* from here on under the process's lock */
    bool is_waiting;  /* for what is given */
    char why[WORKER_WHY];
};

struct process {
    const char *home;
    int32_t count;
    struct nebula_ledger *ledger;
    struct member *member;
    const char *entry; /* of all but worker 0 */
    sigset_t blocked;  /* in worker 0, and so in all */
    pthread_mutex_t lock;
    pthread_cond_t left; /* a member has, from its loop */
    struct hub *hub;     /* NULL until it is asked for */
    char *given;
    size_t given_size;
    bool is_given_kept;
    int32_t waiting;           /* for what is given */
    struct watchdog *watchdog; /* NULL: nobody looks */
};

/* --- members ---------------------------------------------------------------------------------- */

static struct member *members_new(struct process *p, int32_t count)
{
    struct member *member = calloc((size_t)count, sizeof *member);
    for (int32_t i = 0; member != NULL && i < count; i++) {
        member[i].process = p;
        member[i].index = i;
        mailbox_init(&member[i].mailbox);
    }
    return member;
}

static void members_free(struct member *member, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        mailbox_fini(&member[i].mailbox);
    free(member);
}

struct process *process_new(const char *home)
{
    struct process *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->home = home;
    p->count = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->left, &attr);
    pthread_condattr_destroy(&attr);
    p->member = members_new(p, 1);
    if (p->member == NULL)
        process_free(&p);
    return p;
}

static void forget_given(struct process *p)
{
    if (p->given != NULL) {
        explicit_bzero(p->given, p->given_size); /* there are secrets in it */
        munlock(p->given, p->given_size);
    }
    free(p->given);
    p->given = NULL;
}

void process_free(struct process **process)
{
    struct process *p = *process;
    *process = NULL;
    if (p->member != NULL)
        members_free(p->member, p->count);
    hub_free(&p->hub);
    nebula_ledger_free(&p->ledger);
    watchdog_free(&p->watchdog);
    forget_given(p);
    pthread_cond_destroy(&p->left);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

bool process_grow(struct process *p, int32_t workers)
{
    if (workers == 1)
        return true;
    CHECK(p->count == 1 && p->ledger == NULL);
    struct nebula_ledger *ledger = nebula_ledger_new(workers);
    struct member *member = ledger == NULL ? NULL : members_new(p, workers);
    if (member == NULL) {
        nebula_ledger_free(&ledger);
        return false;
    }
    members_free(p->member, p->count);
    p->ledger = ledger;
    p->member = member;
    p->count = workers;
    return true;
}

int32_t process_count(const struct process *p)
{
    return p->count;
}

struct nebula_ledger *process_ledger(const struct process *p)
{
    return p->ledger;
}

bool process_watch(struct process *p, int64_t bound_us)
{
    CHECK(p->watchdog == NULL && p->count > 1);
    p->watchdog = watchdog_new(p->count, bound_us);
    return p->watchdog != NULL;
}

struct watchdog *process_watchdog(const struct process *p)
{
    return p->watchdog;
}

struct mailbox *process_mailbox(struct process *p, int32_t worker)
{
    return worker >= 0 && worker < p->count ? &p->member[worker].mailbox : NULL;
}

struct hub *process_hub(struct process *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->hub == NULL)
        p->hub = hub_new();
    struct hub *hub = p->hub;
    pthread_mutex_unlock(&p->lock);
    return hub;
}

/* --- beginning -------------------------------------------------------------------------------- */

static void note_why(struct member *m, const char *why)
{
    pthread_mutex_lock(&m->process->lock);
    snprintf(m->why, sizeof m->why, "%s", why);
    pthread_mutex_unlock(&m->process->lock);
}

/* It is out of its loop: nobody posts to it from here on. */
static void leave(struct member *m)
{
    struct process *p = m->process;
    mailbox_close(&m->mailbox);
    process_has_begun(p, m->index);
    pthread_mutex_lock(&p->lock);
    m->stage = STAGE_LEAVES;
    pthread_cond_signal(&p->left);
    pthread_mutex_unlock(&p->lock);
}

/* The others hear of it when its engine is closed, and with it all that it did is over. */
static void tell_left(const struct member *m)
{
    struct process *p = m->process;
    for (int32_t i = 0; i < p->count; i++)
        if (i != m->index)
            mailbox_post_left(&p->member[i].mailbox, m->index);
}

static void *live(void *data)
{
    struct member *m = data;
    struct process *p = m->process;
    char name[16];
    snprintf(name, sizeof name, "nebula-w%d", m->index);
    thread_name(name);
    /* What a workflow starts begins with what is blocked here: a shell that hears of no child waits
     * for ever. */
    CHECK(pthread_sigmask(SIG_SETMASK, &p->blocked, NULL) == 0);
    struct worker *w = worker_new(p->home, p, m->index);
    if (w == NULL)
        note_why(m, "no memory to begin with");
    else if (worker_run(w, p->entry, 0, NULL) != 0)
        note_why(m, worker_why(w));
    leave(m);
    if (w != NULL) {
        worker_close(w);
        worker_free(&w);
    }
    pthread_mutex_lock(&p->lock);
    m->stage = STAGE_IS_GONE;
    pthread_mutex_unlock(&p->lock);
    tell_left(m);
    return NULL;
}

static void begin(struct member *m)
{
    pthread_mutex_lock(&m->process->lock);
    m->stage = STAGE_LIVES;
    m->is_waiting = true;
    m->why[0] = '\0';
    pthread_mutex_unlock(&m->process->lock);
    m->has_thread = thread_start(&m->thread, live, m);
    if (m->has_thread)
        return;
    note_why(m, "no memory or threads to begin with");
    leave(m);
    tell_left(m);
}

bool process_begin(struct process *p, const char *entry, const char *bytes, size_t size,
                   bool is_kept)
{
    p->given = malloc(size);
    if (p->given == NULL)
        return false;
    memcpy(p->given, bytes, size);
    p->given_size = size;
    p->waiting = p->count - 1;
    p->is_given_kept = is_kept;
    if (is_kept)
        mlock(p->given, size); /* where the limits allow */
    p->entry = entry;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &p->blocked) == 0);
    for (int32_t i = 1; i < p->count; i++)
        begin(&p->member[i]);
    return true;
}

bool process_replace(struct process *p, int32_t worker)
{
    struct member *m = &p->member[worker];
    CHECK(p->is_given_kept && worker > 0 && worker < p->count);
    pthread_mutex_lock(&p->lock);
    bool is_gone = m->stage == STAGE_IS_GONE || (m->stage == STAGE_LEAVES && !m->has_thread);
    pthread_mutex_unlock(&p->lock);
    if (!is_gone)
        return false;
    if (m->has_thread)
        CHECK(pthread_join(m->thread, NULL) == 0);
    mailbox_reopen(&m->mailbox);
    for (int32_t i = 1; i < p->count; i++) /* worker 0 does it */
        if (i != worker)
            mailbox_post_back(&p->member[i].mailbox, worker);
    begin(m);
    return true;
}

const char *process_given(struct process *p, size_t *size_out)
{
    *size_out = p->given_size;
    return p->given;
}

void process_has_begun(struct process *p, int32_t worker)
{
    struct member *m = &p->member[worker];
    pthread_mutex_lock(&p->lock);
    if (m->is_waiting && --p->waiting == 0 && !p->is_given_kept)
        forget_given(p);
    m->is_waiting = false;
    pthread_mutex_unlock(&p->lock);
}

void process_why(struct process *p, int32_t worker, char *text, size_t size)
{
    pthread_mutex_lock(&p->lock);
    snprintf(text, size, "%s", p->member[worker].why);
    pthread_mutex_unlock(&p->lock);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* The first of those that are still in their loop, or in Lua; NULL when there is none. */
static struct member *first_alive(struct process *p)
{
    for (int32_t i = 1; i < p->count; i++)
        if (p->member[i].stage == STAGE_LIVES)
            return &p->member[i];
    return NULL;
}

/* Who is still alive after BACK_S. */
static struct member *wait_for_all(struct process *p)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += BACK_S;
    pthread_mutex_lock(&p->lock);
    struct member *alive;
    int waited = 0;
    while ((alive = first_alive(p)) != NULL && waited == 0)
        waited = pthread_cond_timedwait(&p->left, &p->lock, &at);
    pthread_mutex_unlock(&p->lock);
    return alive;
}

/* Lua cannot be stopped from outside. */
static _Noreturn void stop_at_once(const struct member *alive, int code)
{
    fprintf(stderr,
            "nebula: stopped: worker %d did not come back from its own work; what it had open is "
            "unknown\n",
            alive->index);
    _exit(code);
}

static void end_others(struct process *p, const struct worker *first, int code)
{
    for (int32_t i = 1; i < p->count; i++)
        mailbox_end(&p->member[i].mailbox, 0);
    const struct member *alive = wait_for_all(p);
    int signum = worker_signal(first);
    if (alive != NULL)
        stop_at_once(alive, signum > 0 ? 128 + signum : code > 0 ? code : 1);
}

static void join_others(struct process *p)
{
    for (int32_t i = 1; i < p->count; i++)
        if (p->member[i].has_thread)
            CHECK(pthread_join(p->member[i].thread, NULL) == 0);
}

int process_run(struct process *p, const char *entry, int count, char **arguments)
{
    struct worker *w = worker_new(p->home, p, 0);
    if (w == NULL) {
        fprintf(stderr, "nebula: no memory to begin with\n");
        return 1;
    }
    int code = worker_run(w, entry, count, arguments);
    fflush(stdout); /* whoever reads it does not wait for all that closes */
    end_others(p, w, code);
    worker_close(w);
    join_others(p);
    worker_free(&w);
    return code;
}
