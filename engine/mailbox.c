#include "mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "nebula.h"

void mailbox_init(struct mailbox *m)
{
    *m = (struct mailbox){.last = &m->first};
    pthread_mutex_init(&m->lock, NULL);
}

static void empty(struct mailbox *m)
{
    struct message *next;
    for (; m->first != NULL; m->first = next) {
        next = m->first->next;
        free(m->first);
    }
    m->last = &m->first;
    m->count = 0;
    m->bytes = 0;
    m->taken = m->posted;
}

void mailbox_fini(struct mailbox *m)
{
    empty(m);
    pthread_mutex_destroy(&m->lock);
}

/* Under the lock. Once is enough until the reader has seen all there is. */
static void wake(struct mailbox *m)
{
    if (!atomic_exchange_explicit(&m->has_news, true, memory_order_release) && m->reader != NULL)
        nebula_interrupt(m->reader);
}

void mailbox_read_by(struct mailbox *m, struct nebula *reader)
{
    pthread_mutex_lock(&m->lock);
    m->reader = reader;
    if (reader != NULL && mailbox_has_news(m))
        nebula_interrupt(reader);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_close(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    m->is_closed = true;
    m->reader = NULL;
    empty(m);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_reopen(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    empty(m);
    m->is_closed = m->is_over = false;
    m->left = m->back = 0;
    atomic_store(&m->has_news, false);
    pthread_mutex_unlock(&m->lock);
}

/* --- posting ---------------------------------------------------------------------------------- */

static enum error_code may_post(const struct mailbox *m, size_t size, bool is_urgent)
{
    if (m->is_closed)
        return ERROR_CLOSED;
    if (is_urgent)
        return m->count < MAILBOX_MESSAGES_MOST + MAILBOX_KEPT ? ERROR_OK : ERROR_FULL;
    bool has_room = m->count < MAILBOX_MESSAGES_MOST && m->bytes + size <= MAILBOX_BYTES_MOST;
    return has_room ? ERROR_OK : ERROR_FULL;
}

static void append(struct mailbox *m, struct message *message)
{
    *m->last = message;
    m->last = &message->next;
    m->count++;
    m->posted++;
    m->bytes += message->size;
    wake(m);
}

enum error_code mailbox_post(struct mailbox *m, int32_t from, const void *bytes, size_t size,
                             bool is_urgent)
{
    if (size > MAILBOX_BYTES_MOST)
        return ERROR_LIMIT;
    struct message *message = malloc(sizeof *message + size);
    if (message == NULL)
        return ERROR_MEMORY;
    message->next = NULL;
    message->from = from;
    message->size = size;
    memcpy(message->bytes, bytes, size);
    pthread_mutex_lock(&m->lock);
    enum error_code code = may_post(m, size, is_urgent);
    if (code == ERROR_OK)
        append(m, message);
    pthread_mutex_unlock(&m->lock);
    if (code != ERROR_OK)
        free(message);
    return code;
}

static uint64_t bit(int32_t worker)
{
    return UINT64_C(1) << worker;
}

void mailbox_post_left(struct mailbox *m, int32_t worker)
{
    CHECK(worker >= 0 && worker < MAILBOX_WORKERS_MOST);
    pthread_mutex_lock(&m->lock);
    m->left |= bit(worker);
    m->back &= ~bit(worker);
    m->behind[worker] = m->posted;
    wake(m);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_post_back(struct mailbox *m, int32_t worker)
{
    CHECK(worker >= 0 && worker < MAILBOX_WORKERS_MOST);
    pthread_mutex_lock(&m->lock);
    m->back |= bit(worker);
    wake(m);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_end(struct mailbox *m, int code)
{
    pthread_mutex_lock(&m->lock);
    if (!m->is_over)
        m->code = code;
    m->is_over = true;
    wake(m);
    pthread_mutex_unlock(&m->lock);
}

/* --- reading ---------------------------------------------------------------------------------- */

bool mailbox_is_over(struct mailbox *m, int *code_out)
{
    pthread_mutex_lock(&m->lock);
    bool is_over = m->is_over;
    *code_out = m->code;
    pthread_mutex_unlock(&m->lock);
    return is_over;
}

/* Under the lock, both. */
static struct message *take_first(struct mailbox *m)
{
    struct message *message = m->first;
    if (message == NULL)
        return NULL;
    m->first = message->next;
    if (m->first == NULL)
        m->last = &m->first;
    m->count--;
    m->taken++;
    m->bytes -= message->size;
    return message;
}

/* Whose leaving is before the next message, or whose coming back. */
static struct passage take_passage(struct mailbox *m)
{
    for (uint64_t left = m->left; left != 0; left &= left - 1) {
        int32_t worker = __builtin_ctzll(left);
        if (m->behind[worker] > m->taken)
            continue;
        m->left &= ~bit(worker);
        return (struct passage){.worker = worker};
    }
    uint64_t back = m->back & ~m->left; /* that he left is to be read first */
    if (back == 0)
        return (struct passage){.worker = -1};
    m->back &= ~(back & -back);
    return (struct passage){.worker = __builtin_ctzll(back), .is_back = true};
}

struct message *mailbox_take(struct mailbox *m, struct passage *p)
{
    pthread_mutex_lock(&m->lock);
    *p = take_passage(m);
    struct message *message = p->worker < 0 ? take_first(m) : NULL;
    if (message == NULL && p->worker < 0) /* that it has to end is looked at each time */
        atomic_store_explicit(&m->has_news, m->is_over, memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
    return message;
}
