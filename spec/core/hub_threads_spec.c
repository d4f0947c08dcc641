/* hub_threads_spec.c - channels of the process on real threads, whose tasks send, receive, select, give up, never come for
 * what they were given, and die with their worker. limit: 600 s
 *
 * MESSAGES=n is how many are sent (200000). hub_tsan_spec.sh runs it under the thread sanitizer.
 */
#include "hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

enum { THREADS = 4, TASKS = 8, CHANNELS = 3 };

static const int64_t bounds[CHANNELS] = {0, 100, 4000};

/* What became of a message, by its sender. */
enum { NOT_SENT = 0, SENT = 1, UNKNOWN = 2, RECEIVED = 4, TWICE = 8 };

struct task {
    struct hub_wait *wait;
    int32_t sending; /* the number of the message, or -1 */
    int32_t at;      /* in which of its cases */
};

struct thread {
    pthread_t thread;
    int32_t worker;
    uint64_t dice;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool is_woken;
    struct task task[TASKS];
    int32_t next;           /* number of its next message */
    atomic_uchar *messages; /* what became of each, by number */
    int32_t newest[CHANNELS][THREADS];
    long received, out_of_order, deaths, abandoned, handed_back;
};

struct letter {
    int32_t channel, sender, number;
    char padding[48];
};

static struct {
    struct hub *hub;
    struct hub_channel *channel[CHANNELS];
    struct thread thread[THREADS];
    int32_t each; /* how many messages a thread sends */
    bool is_rough;
    atomic_int senders; /* still at work */
} stage;

static uint32_t roll(struct thread *t, uint32_t sides)
{
    t->dice ^= t->dice << 13;
    t->dice ^= t->dice >> 7;
    t->dice ^= t->dice << 17;
    return (uint32_t)(t->dice >> 33) % sides;
}

static void wake(void *data)
{
    struct thread *t = data;
    pthread_mutex_lock(&t->mutex);
    t->is_woken = true;
    pthread_cond_signal(&t->woken);
    pthread_mutex_unlock(&t->mutex);
}

/* Until it is woken, or a little longer than that takes. */
static void rest(struct thread *t)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&t->mutex);
    while (!t->is_woken && pthread_cond_timedwait(&t->woken, &t->mutex, &until) == 0)
        ;
    t->is_woken = false;
    pthread_mutex_unlock(&t->mutex);
}

static void mark(struct thread *sender, int32_t number, unsigned char what)
{
    atomic_fetch_or(&sender->messages[number], what);
}

static void received(struct thread *t, struct hub_message *m)
{
    struct letter letter;
    memcpy(&letter, m->bytes, sizeof letter - sizeof letter.padding);
    hub_message_free(&m);
    struct thread *sender = &stage.thread[letter.sender];
    unsigned char before = atomic_fetch_or(&sender->messages[letter.number], RECEIVED);
    if (before & RECEIVED)
        mark(sender, letter.number, TWICE);
    int32_t *newest = &t->newest[letter.channel][letter.sender];
    t->out_of_order += letter.number <= *newest;
    *newest = letter.number;
    t->received++;
}

static void done(struct thread *t, struct task *task, struct hub_outcome out)
{
    if (out.message != NULL)
        received(t, out.message);
    else if (out.end == HUB_DONE && task->sending >= 0 && out.at == task->at)
        mark(t, task->sending, SENT);
    task->wait = NULL;
}

static struct hub_case letter_for(struct thread *t, struct task *task, int32_t channel)
{
    struct letter letter = {.channel = channel, .sender = t->worker, .number = t->next++};
    task->sending = letter.number;
    size_t size = sizeof letter - roll(t, sizeof letter.padding);
    return (struct hub_case){stage.channel[channel], hub_message_new((char *)&letter, size)};
}

static void wait_for(struct thread *t, struct task *task, struct hub_case *cases, int32_t count)
{
    struct hub_outcome out;
    int32_t ticket = (int32_t)(task - t->task) + 1;
    task->wait = hub_wait(stage.hub, t->worker, ticket, cases, count, &out);
    for (int32_t i = 0; i < count; i++)
        hub_message_free(&cases[i].message);
    if (task->wait == NULL)
        done(t, task, out);
}

/* One of the channels, or any of them; at most one is sent to. */
static void begin(struct thread *t, struct task *task)
{
    struct hub_case cases[CHANNELS];
    int32_t count = stage.is_rough && roll(t, 4) == 0 ? CHANNELS : 1,
            first = (int32_t)roll(t, CHANNELS);
    bool is_sending = t->next < stage.each && (!stage.is_rough || roll(t, 2) == 0);
    task->at = is_sending ? (int32_t)roll(t, (uint32_t)count) : -1;
    task->sending = -1;
    for (int32_t i = 0; i < count; i++) {
        int32_t channel = (first + i) % CHANNELS;
        cases[i] = i == task->at ? letter_for(t, task, channel)
                                 : (struct hub_case){.channel = stage.channel[channel]};
    }
    wait_for(t, task, cases, count);
}

/* All that its tasks wait for ends with it; whether they had sent nobody asks any more. */
static void die(struct thread *t)
{
    for (int i = 0; i < TASKS; i++) {
        if (t->task[i].wait != NULL && t->task[i].sending >= 0)
            mark(t, t->task[i].sending, UNKNOWN);
        t->task[i].wait = NULL;
    }
    hub_leave(stage.hub, t->worker);
    hub_join(stage.hub, t->worker, wake, t);
    t->deaths++;
}

static void give_up(struct thread *t, struct task *task)
{
    bool is_abandoned = stage.is_rough && roll(t, 2) == 0;
    struct hub_outcome out = hub_wait_end(stage.hub, &task->wait, is_abandoned);
    t->abandoned += is_abandoned;
    t->handed_back += is_abandoned && out.end == HUB_DONE && out.message == NULL;
    done(t, task, out);
}

static void hear(struct thread *t)
{
    for (int32_t ticket; (ticket = hub_told(stage.hub, t->worker)) != 0;) {
        struct task *task = &t->task[ticket - 1];
        CHECK(task->wait != NULL);
        if (stage.is_rough && roll(t, 8) == 0)
            give_up(t, task);
        else
            done(t, task, hub_wait_end(stage.hub, &task->wait, false));
    }
}

/* Alone, one after the other: what it hears of each sender has to be in order. */
static void *only_receive(void *data)
{
    struct thread *t = data;
    struct task *task = t->task;
    task->sending = -1;
    while (atomic_load(&stage.senders) > 0 || task->wait != NULL) {
        struct hub_case cases[CHANNELS];
        int32_t first = (int32_t)roll(t, CHANNELS);
        for (int32_t i = 0; i < CHANNELS; i++)
            cases[i] = (struct hub_case){.channel = stage.channel[(first + i) % CHANNELS]};
        if (task->wait == NULL)
            wait_for(t, task, cases, CHANNELS);
        hear(t);
        if (task->wait != NULL)
            rest(t);
        if (atomic_load(&stage.senders) == 0 && task->wait != NULL)
            done(t, task, hub_wait_end(stage.hub, &task->wait, false));
    }
    return NULL;
}

static void *work(void *data)
{
    struct thread *t = data;
    while (t->next < stage.each) {
        struct task *task = &t->task[roll(t, TASKS)];
        if (task->wait == NULL)
            begin(t, task);
        else if (roll(t, 20) == 0)
            give_up(t, task);
        else if (roll(t, 4) == 0)
            rest(t);
        hear(t);
        if (stage.is_rough && roll(t, 500) == 0)
            die(t);
        if (roll(t, 50) == 0)
            sched_yield();
    }
    for (int i = 0; i < TASKS; i++) {
        if (t->task[i].wait != NULL)
            done(t, &t->task[i], hub_wait_end(stage.hub, &t->task[i].wait, false));
    }
    atomic_fetch_sub(&stage.senders, 1);
    return NULL;
}

static int32_t wanted(void)
{
    const char *asked = getenv("MESSAGES");
    return asked == NULL ? 200000 : (int32_t)strtol(asked, NULL, 10);
}

static void raise_curtain(bool is_rough)
{
    memset(&stage, 0, sizeof stage);
    stage.hub = hub_new();
    stage.is_rough = is_rough;
    stage.each = wanted() / THREADS;
    for (int i = 0; i < CHANNELS; i++) {
        int64_t most;
        stage.channel[i] =
            hub_open(stage.hub, (const char *[]){"a", "b", "c"}[i], bounds[i], &most);
    }
    for (int32_t i = 0; i < THREADS; i++) {
        struct thread *t = &stage.thread[i];
        t->worker = i;
        t->dice = (uint64_t)i * 7919 + 12345;
        t->messages = calloc((size_t)stage.each + 1, sizeof *t->messages);
        memset(t->newest, -1, sizeof t->newest);
        pthread_mutex_init(&t->mutex, NULL);
        pthread_cond_init(&t->woken, NULL);
        hub_join(stage.hub, i, wake, t);
    }
}

static void play(void)
{
    atomic_store(&stage.senders, stage.is_rough ? THREADS : THREADS - 1);
    for (int i = 0; i < THREADS; i++) {
        bool is_sender = stage.is_rough || i > 0;
        pthread_create(&stage.thread[i].thread, NULL, is_sender ? work : only_receive,
                       &stage.thread[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(stage.thread[i].thread, NULL);
    for (int i = 0; i < CHANNELS; i++) {
        struct hub_outcome out;
        while (
            (out = hub_try(stage.hub, &(struct hub_case){.channel = stage.channel[i]}, 1)).message)
            received(&stage.thread[0], out.message);
        struct hub_state s = hub_state(stage.hub, stage.channel[i]);
        assert_int_equal(s.bytes + s.messages + s.receivers + s.senders, 0);
    }
}

/* Each message that was sent came once, none that was not, and of those whose sender died at most once. */
static void judge(long *sent_out)
{
    *sent_out = 0;
    for (int i = 0; i < THREADS; i++) {
        struct thread *t = &stage.thread[i];
        for (int32_t n = 0; n < t->next; n++) {
            int what = atomic_load(&t->messages[n]);
            if (what == NOT_SENT || what == UNKNOWN || what == (UNKNOWN | RECEIVED))
                continue;
            assert_int_equal(what, SENT | RECEIVED);
            (*sent_out)++;
        }
    }
}

static void drop_curtain(void)
{
    for (int i = 0; i < CHANNELS; i++)
        hub_forget(stage.hub, &stage.channel[i]);
    for (int i = 0; i < THREADS; i++) {
        hub_leave(stage.hub, i);
        free(stage.thread[i].messages);
        pthread_cond_destroy(&stage.thread[i].woken);
        pthread_mutex_destroy(&stage.thread[i].mutex);
    }
    hub_free(&stage.hub);
}

static void sum_up(const char *what, long sent)
{
    long received_all = 0, out_of_order = 0, deaths = 0, abandoned = 0, back = 0;
    for (int i = 0; i < THREADS; i++) {
        const struct thread *t = &stage.thread[i];
        received_all += t->received;
        out_of_order += t->out_of_order;
        deaths += t->deaths;
        abandoned += t->abandoned;
        back += t->handed_back;
    }
    printf("# %s: %ld sent, %ld received, %ld deaths, %ld abandoned, %ld of them with something, "
           "%ld out of order\n",
           what, sent, received_all, deaths, abandoned, back, out_of_order);
    assert_true(sent > stage.each); /* a quarter at least, or nothing was tried */
    if (!stage.is_rough)
        assert_int_equal(out_of_order, 0);
    else
        assert_true(deaths > 0 && back > 0);
}

static void plays(bool is_rough, const char *what)
{
    long sent;
    raise_curtain(is_rough);
    play();
    judge(&sent);
    sum_up(what, sent);
    drop_curtain();
}

static void everybody_hears_in_order_and_once(void **state)
{
    (void)state;
    plays(false, "calm");
}

static void nothing_is_lost_or_there_twice(void **state)
{
    (void)state;
    plays(true, "rough");
}

int main(void)
{
    const struct CMUnitTest specs[] = {
        cmocka_unit_test(everybody_hears_in_order_and_once),
        cmocka_unit_test(nothing_is_lost_or_there_twice),
    };
    return cmocka_run_group_tests(specs, NULL, NULL);
}
