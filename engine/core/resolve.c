/* resolve.c - see resolve.h.
 *
 * A question is in the queue, then a thread's, then a note on its way to the loop. Whether anybody
 * still waits for the answer is known to the loop's thread alone, so forgetting needs no word with
 * the thread that is busy with it.
 */
#include "core/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/list.h"
#include "base/thread.h"

#define THREADS_MOST 4
#define LEAVE_MS 200 /* how long resolver_free() waits for threads inside getaddrinfo() */

struct resolve {
    struct list_node node; /* in the queue; loose once a thread has it */
    struct note note;
    struct resolver *resolver;
    resolve_done *done; /* NULL: forgotten */
    void *data;
    struct error error;
    struct resolved found;
    const char *service; /* behind the host, NULL if there is none */
    char host[];
};

struct clerk {
    struct resolver *resolver;
    pthread_t thread;
    bool has_left;
};

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a question came, the end came, a clerk left */
    struct loop *loop;      /* NULL: the loop is gone */
    struct list queue;
    uint32_t idle;
    int clerks, left;
    bool is_abandoned; /* the last clerk frees it */
    struct clerk clerk[THREADS_MOST];
};

/* --- on the clerk's thread -------------------------------------------------------------------- */

static void keep(struct resolved *found, const struct addrinfo *a)
{
    for (; a != NULL && found->count < RESOLVE_MOST; a = a->ai_next) {
        if (a->ai_addrlen > sizeof found->address[0])
            continue;
        memcpy(&found->address[found->count], a->ai_addr, a->ai_addrlen);
        found->size[found->count++] = a->ai_addrlen;
    }
}

static void look_up(struct resolve *r)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char text[128] = "it has no address";
    int code = getaddrinfo(r->host, r->service, &hints, &list);
    const char *why = text;
    if (code == EAI_SYSTEM)
        why = strerror_r(errno, text, sizeof text);
    else if (code != 0)
        why = gai_strerror(code);
    if (code == 0) {
        keep(&r->found, list);
        freeaddrinfo(list);
    }
    if (r->found.count == 0)
        error_set(&r->error, ERROR_UNREACHABLE,
                  "cannot resolve the host name %.120s: %.60s. Check the name and the name server",
                  r->host, why);
}

/* The next question, NULL when the clerk is to leave. Under the lock. */
static struct resolve *next_question(struct resolver *v)
{
    while (v->loop != NULL && list_is_empty(&v->queue)) {
        v->idle++;
        pthread_cond_wait(&v->changed, &v->lock);
        v->idle--;
    }
    struct list_node *n = list_pop_head(&v->queue);
    return n == NULL ? NULL : container_of(n, struct resolve, node);
}

static void fini(struct resolver *v)
{
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* Under the lock, which it gives up. */
static void leave(struct clerk *c)
{
    struct resolver *v = c->resolver;
    c->has_left = true;
    v->left++;
    bool is_last = v->is_abandoned && v->left == v->clerks;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    if (is_last)
        fini(v);
}

static void *serve(void *data)
{
    struct clerk *c = data;
    struct resolver *v = c->resolver;
    struct resolve *r;
    thread_name("nebula-names");
    pthread_mutex_lock(&v->lock);
    while ((r = next_question(v)) != NULL) {
        pthread_mutex_unlock(&v->lock);
        look_up(r);
        pthread_mutex_lock(&v->lock);
        if (v->loop != NULL) /* and it stays while we hold the lock */
            loop_post(v->loop, &r->note);
        else
            free(r);
    }
    leave(c);
    return NULL;
}

/* --- on the loop's thread --------------------------------------------------------------------- */

static void arrived(struct note *n)
{
    struct resolve *r = container_of(n, struct resolve, note);
    if (r->done != NULL)
        r->done(r->data, &r->found, &r->error);
    free(r);
}

/* One clerk more when the idle ones do not suffice. False when there is none at all. Under the
 * lock. */
static bool has_clerk(struct resolver *v)
{
    if (v->queue.count < v->idle || v->clerks == THREADS_MOST)
        return true;
    struct clerk *c = &v->clerk[v->clerks];
    c->resolver = v;
    if (thread_start(&c->thread, serve, c))
        v->clerks++;
    return v->clerks > 0;
}

static struct resolve *question_new(const char *host, const char *service)
{
    size_t size = strlen(host) + 1, more = service == NULL ? 0 : strlen(service) + 1;
    struct resolve *r = malloc(sizeof *r + size + more);
    if (r == NULL)
        return NULL;
    *r = (struct resolve){.note.arrived = arrived};
    node_init(&r->node);
    memcpy(r->host, host, size);
    if (service != NULL)
        r->service = memcpy(r->host + size, service, more);
    return r;
}

struct resolver *resolver_new(struct loop *loop)
{
    struct resolver *v = malloc(sizeof *v);
    if (v == NULL)
        return NULL;
    *v = (struct resolver){.loop = loop};
    list_init(&v->queue);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&v->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&v->lock, NULL);
    return v;
}

struct resolve *resolver_ask(struct resolver *v, const char *host, const char *service,
                             resolve_done *done, void *data)
{
    struct resolve *r = question_new(host, service);
    if (r == NULL)
        return NULL;
    r->resolver = v;
    r->done = done;
    r->data = data;
    pthread_mutex_lock(&v->lock);
    bool ok = has_clerk(v);
    if (ok)
        list_push_tail(&v->queue, &r->node);
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    if (ok)
        return r;
    free(r);
    return NULL;
}

void resolver_forget(struct resolve **r_in)
{
    struct resolve *r = *r_in;
    *r_in = NULL;
    struct resolver *v = r->resolver;
    r->done = NULL;
    pthread_mutex_lock(&v->lock);
    bool is_queued = node_is_listed(&r->node);
    list_remove(&v->queue, &r->node);
    pthread_mutex_unlock(&v->lock);
    if (is_queued)
        free(r);
}

/* Waits until all clerks have left, or LEAVE_MS have passed. Under the lock. */
static void see_off(struct resolver *v)
{
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_nsec += LEAVE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (v->left < v->clerks)
        if (pthread_cond_timedwait(&v->changed, &v->lock, &until) == ETIMEDOUT)
            return;
}

void resolver_free(struct resolver **v_in)
{
    struct resolver *v = *v_in;
    *v_in = NULL;
    if (v == NULL)
        return;
    pthread_mutex_lock(&v->lock);
    CHECK(list_is_empty(&v->queue));
    v->loop = NULL;
    pthread_cond_broadcast(&v->changed);
    see_off(v);
    for (int i = 0; i < v->clerks; i++)
        CHECK((v->clerk[i].has_left ? pthread_join(v->clerk[i].thread, NULL)
                                    : pthread_detach(v->clerk[i].thread)) == 0);
    v->is_abandoned = v->left < v->clerks;
    bool is_abandoned = v->is_abandoned;
    pthread_mutex_unlock(&v->lock);
    if (!is_abandoned)
        fini(v);
}
