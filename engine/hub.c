#include "hub_inner.h"

#include <stdlib.h>
#include <string.h>

/* --- the lock --------------------------------------------------------------------------------- */

void hub_lock(struct hub *h)
{
    pthread_mutex_lock(&h->mutex);
}

static void wake(struct hub_member *m)
{
    pthread_mutex_lock(&m->mutex);
    if (m->wake != NULL)
        m->wake(m->data);
    pthread_mutex_unlock(&m->mutex);
}

void hub_unlock(struct hub *h)
{
    struct list_node *n;
    while ((n = list_pop_head(&h->loose)) != NULL)
        hub_line_move(h, container_of(n, struct hub_channel, loose));
    uint64_t to_wake = h->to_wake;
    h->to_wake = 0;
    pthread_mutex_unlock(&h->mutex);
    for (; to_wake != 0; to_wake &= to_wake - 1)
        wake(&h->member[__builtin_ctzll(to_wake)]);
}

/* --- channels --------------------------------------------------------------------------------- */

static struct hub_channel *channel_new(const char *name, int64_t most)
{
    size_t size = strlen(name) + 1;
    struct hub_channel *ch = calloc(1, sizeof *ch + size);
    if (ch == NULL)
        return NULL;
    ch->most = (uint64_t)most;
    node_init(&ch->loose);
    list_init(&ch->messages);
    list_init(&ch->receivers);
    list_init(&ch->senders);
    memcpy(ch->name, name, size);
    return ch;
}

bool hub_is_forgotten(struct hub *h, struct hub_channel *ch)
{
    if (ch->known > 0 || !list_is_empty(&ch->messages))
        return false;
    list_remove(&h->loose, &ch->loose);
    CHECK(list_is_empty(&ch->receivers) && list_is_empty(&ch->senders));
    index_drop(&h->channels, ch->name);
    return true;
}

struct hub_channel *hub_open(struct hub *h, const char *name, int64_t most, int64_t *most_out)
{
    CHECK(most >= 0 && strlen(name) <= HUB_NAME_MOST);
    struct hub_channel *made = channel_new(name, most);
    hub_lock(h);
    struct hub_channel *ch = index_get(&h->channels, name);
    *most_out = ch != NULL ? (int64_t)ch->most : h->channels.used < HUB_CHANNELS_MOST ? -1 : 0;
    if (ch == NULL && *most_out < 0 && made != NULL && index_add(&h->channels, made->name, made)) {
        ch = made;
        made = NULL;
        *most_out = most;
    }
    if (ch != NULL && *most_out != most)
        ch = NULL;
    if (ch != NULL)
        ch->known++;
    hub_unlock(h);
    free(made);
    return ch;
}

void hub_forget(struct hub *h, struct hub_channel **channel)
{
    struct hub_channel *ch = *channel;
    *channel = NULL;
    hub_lock(h);
    CHECK(ch->known > 0);
    ch->known--;
    bool is_gone = hub_is_forgotten(h, ch);
    hub_unlock(h);
    if (is_gone)
        free(ch);
}

void hub_close(struct hub *h, struct hub_channel *ch)
{
    hub_lock(h);
    ch->is_closed = true;
    hub_line_close(h, ch);
    hub_unlock(h);
}

struct hub_state hub_state(struct hub *h, const struct hub_channel *ch)
{
    hub_lock(h);
    struct hub_state state = {
        .bytes = ch->held,
        .most = ch->most,
        .messages = ch->messages.count,
        .receivers = ch->receivers.count,
        .senders = ch->senders.count,
        .is_closed = ch->is_closed,
    };
    hub_unlock(h);
    return state;
}

/* --- messages --------------------------------------------------------------------------------- */

struct hub_message *hub_message_new(const char *bytes, size_t size)
{
    CHECK(size > 0 && size <= UINT32_MAX);
    struct hub_message *m = malloc(sizeof *m + size);
    if (m == NULL)
        return NULL;
    node_init(&m->node);
    m->number = 0;
    m->size = (uint32_t)size;
    memcpy(m->bytes, bytes, size);
    return m;
}

void hub_message_free(struct hub_message **m)
{
    free(*m);
    *m = NULL;
}

/* --- members ---------------------------------------------------------------------------------- */

void hub_join(struct hub *h, int32_t worker, void (*wake_it)(void *data), void *data)
{
    CHECK(worker >= 0 && worker < HUB_WORKERS_MOST);
    struct hub_member *m = &h->member[worker];
    pthread_mutex_lock(&m->mutex);
    m->wake = wake_it;
    m->data = data;
    pthread_mutex_unlock(&m->mutex);
    hub_lock(h);
    CHECK(!m->is_in);
    m->is_in = true;
    hub_unlock(h);
}

void hub_leave(struct hub *h, int32_t worker)
{
    struct hub_member *m = &h->member[worker];
    pthread_mutex_lock(&m->mutex);
    m->wake = NULL;
    pthread_mutex_unlock(&m->mutex);
    hub_lock(h);
    m->is_in = false;
    struct list_node *n;
    struct list left;
    list_init(&left);
    while ((n = list_head(&m->waits)) != NULL) {
        hub_line_finish(h, container_of(n, struct hub_wait, node), true);
        list_push_tail(&left, n);
    }
    hub_unlock(h); /* now all that goes back is back, and goes on in order */
    while ((n = list_pop_head(&left)) != NULL)
        hub_line_discard(container_of(n, struct hub_wait, node));
}

int32_t hub_told(struct hub *h, int32_t worker)
{
    struct hub_member *m = &h->member[worker];
    if (atomic_load(&m->told_count) == 0)
        return 0;
    hub_lock(h);
    struct list_node *n = list_pop_head(&m->told);
    atomic_store(&m->told_count, m->told.count);
    int32_t ticket = n == NULL ? 0 : container_of(n, struct hub_wait, told)->ticket;
    hub_unlock(h);
    return ticket;
}

/* --- life ------------------------------------------------------------------------------------- */

struct hub *hub_new(void)
{
    struct hub *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    pthread_mutex_init(&h->mutex, NULL);
    index_init(&h->channels);
    list_init(&h->loose);
    for (int32_t i = 0; i < HUB_WORKERS_MOST; i++) {
        pthread_mutex_init(&h->member[i].mutex, NULL);
        list_init(&h->member[i].waits);
        list_init(&h->member[i].told);
    }
    return h;
}

static void channel_free(struct hub *h, struct hub_channel *ch)
{
    struct hub_message *m;
    while ((m = hub_line_take(h, ch)) != NULL)
        free(m);
    list_remove(&h->loose, &ch->loose);
    free(ch);
}

void hub_free(struct hub **hub)
{
    struct hub *h = *hub;
    *hub = NULL;
    if (h == NULL)
        return;
    for (int32_t i = 0; i < HUB_WORKERS_MOST; i++) {
        CHECK(!h->member[i].is_in);
        pthread_mutex_destroy(&h->member[i].mutex);
    }
    for (uint32_t i = 0; i < h->channels.size; i++) {
        if (h->channels.entry[i].name != NULL)
            channel_free(h, h->channels.entry[i].thing);
    }
    index_fini(&h->channels);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}
