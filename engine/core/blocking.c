/* blocking.c - see blocking.h. One queue, one thread, one lock; the way back is loop_post(). */
#include "core/blocking.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/thread.h"

struct blocking {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *head, **tail; /* not begun, in the order given */
    bool is_ending;
    int under_way; /* given and not done: the loop's thread alone knows */
    const char *name;
};

static void arrived(struct note *n)
{
    struct job *j = container_of(n, struct job, note);
    j->blocking->under_way--;
    j->done(j);
}

/* The next job, NULL when the thread is to end. */
static struct job *next_job(struct blocking *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->head == NULL && !b->is_ending)
        pthread_cond_wait(&b->changed, &b->lock);
    struct job *j = b->head;
    if (j != NULL && (b->head = j->next) == NULL)
        b->tail = &b->head;
    pthread_mutex_unlock(&b->lock);
    return j;
}

static void *serve(void *data)
{
    struct blocking *b = data;
    struct job *j;
    thread_name(b->name);
    while ((j = next_job(b)) != NULL) {
        j->run(j);
        loop_post(b->loop, &j->note);
    }
    return NULL;
}

struct blocking *blocking_new(struct loop *loop, const char *name)
{
    struct blocking *b = malloc(sizeof *b);
    if (b == NULL)
        return NULL;
    *b = (struct blocking){.loop = loop, .name = name};
    b->tail = &b->head;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (thread_start(&b->thread, serve, b))
        return b;
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
    return NULL;
}

void blocking_run(struct blocking *b, struct job *j)
{
    j->blocking = b;
    j->next = NULL;
    j->note.arrived = arrived;
    b->under_way++;
    pthread_mutex_lock(&b->lock);
    *b->tail = j;
    b->tail = &j->next;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void blocking_free(struct blocking **b_in)
{
    struct blocking *b = *b_in;
    *b_in = NULL;
    CHECK(b->under_way == 0);
    pthread_mutex_lock(&b->lock);
    b->is_ending = true;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
    CHECK(pthread_join(b->thread, NULL) == 0);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
