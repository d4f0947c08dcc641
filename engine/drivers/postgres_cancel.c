/* postgres_cancel.c - the thread that asks the server to stop.
 *
 * PQcancel() connects to the server a second time and waits until that hangs up, because only then
 * is it certain that the cancel cannot hit a later statement. It blocks, so it runs on a thread:
 * one for each connection that ever cancelled, started at its first cancel and kept. Shared, one
 * black hole would hold up the cancels of all.
 *
 * The option tcp_user_timeout bounds its socket while bytes of ours are unanswered by the other
 * machine. It does not bound the wait for a server that is stopped, whose machine still answers,
 * and libpq offers nothing that does. Then close must not wait for ever: the thread is abandoned
 * and frees itself when PQcancel() comes back. That is safe because the session it aims at is
 * nobody's any more.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/thread.h"
#include "drivers/postgres.h"

enum progress { RESTING = 0, ASKED, RETURNED };

struct pg_cancel {
    struct loop *loop;
    PGcancel *address;
    pthread_t thread;
    struct note note;
    void (*returned)(void *data);
    void *data;
    bool is_under_way; /* the loop's thread alone looks at it */

    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    enum progress progress;
    bool is_ending;
    bool is_abandoned;
};

static void destroy(struct pg_cancel *k)
{
    PQfreeCancel(k->address);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static void arrived(struct note *n)
{
    struct pg_cancel *k = container_of(n, struct pg_cancel, note);
    k->is_under_way = false;
    pthread_mutex_lock(&k->lock);
    k->progress = RESTING;
    pthread_mutex_unlock(&k->lock);
    k->returned(k->data);
}

/* With the lock held, before and after. What PQcancel() says does not matter: whether it reached
 * the server shows in the reply. */
static void ask(struct pg_cancel *k)
{
    pthread_mutex_unlock(&k->lock);
    char text[256];
    PQcancel(k->address, text, sizeof text);
    pthread_mutex_lock(&k->lock);
    k->progress = RETURNED;
    if (!k->is_abandoned)
        loop_post(k->loop, &k->note);
}

static void *serve(void *data)
{
    struct pg_cancel *k = data;
    thread_name("nebula-cancel");
    pthread_mutex_lock(&k->lock);
    while (!k->is_ending) {
        if (k->progress == ASKED)
            ask(k);
        else
            pthread_cond_wait(&k->changed, &k->lock);
    }
    bool is_abandoned = k->is_abandoned;
    pthread_mutex_unlock(&k->lock);
    if (is_abandoned)
        destroy(k);
    return NULL;
}

struct pg_cancel *pg_cancel_new(struct loop *loop, PGconn *pg, void (*returned)(void *data),
                                void *data)
{
    struct pg_cancel *k = malloc(sizeof *k);
    if (k == NULL)
        return NULL;
    *k = (struct pg_cancel){.loop = loop, .returned = returned, .data = data};
    k->note.arrived = arrived;
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    k->address = PQgetCancel(pg);
    if (k->address != NULL && thread_start(&k->thread, serve, k))
        return k;
    destroy(k);
    return NULL;
}

void pg_cancel_send(struct pg_cancel *k)
{
    CHECK(!k->is_under_way);
    k->is_under_way = true;
    pthread_mutex_lock(&k->lock);
    k->progress = ASKED;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void pg_cancel_move(struct pg_cancel *k, struct loop *loop)
{
    CHECK(!k->is_under_way);
    pthread_mutex_lock(&k->lock);
    k->loop = loop;
    pthread_mutex_unlock(&k->lock);
}

bool pg_cancel_is_under_way(const struct pg_cancel *k)
{
    return k != NULL && k->is_under_way;
}

void pg_cancel_free(struct pg_cancel **k_in)
{
    struct pg_cancel *k = *k_in;
    if (k == NULL)
        return;
    *k_in = NULL;
    CHECK(!k->is_under_way);
    pthread_mutex_lock(&k->lock);
    k->is_ending = true;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
    CHECK(pthread_join(k->thread, NULL) == 0);
    destroy(k);
}

bool pg_cancel_abandon(struct pg_cancel **k_in)
{
    struct pg_cancel *k = *k_in;
    pthread_mutex_lock(&k->lock);
    bool is_stuck = k->progress == ASKED;
    if (is_stuck) {
        k->is_ending = k->is_abandoned = true;
        CHECK(pthread_detach(k->thread) == 0);
        *k_in = NULL;
    }
    pthread_mutex_unlock(&k->lock);
    return is_stuck;
}
