/* resolve_spec.c - names, looked up on threads that may be slow or never come back. */
#include "core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/stage.h"

/* --- names that answer when the spec says so -------------------------------------------------- */

/* Stands before the C library's: a name that begins with "held" answers when the gate opens. */
static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside;
    bool is_open;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGTERM) == 1);
    if (strncmp(host, "held", 4) == 0) {
        pthread_mutex_lock(&gate.lock);
        gate.inside++;
        pthread_cond_broadcast(&gate.changed);
        while (!gate.is_open)
            pthread_cond_wait(&gate.changed, &gate.lock);
        gate.inside--;
        pthread_cond_broadcast(&gate.changed);
        pthread_mutex_unlock(&gate.lock);
        host = "127.0.0.1";
    }
    if (strcmp(host, "nobody.invalid") == 0)
        return EAI_NONAME; /* what a name server says, without asking one */
    lookup *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host, service, hints, found);
}

static void gate_wait_inside(int count)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.inside != count)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_set(bool is_open)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_open = is_open;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

/* --- names ------------------------------------------------------------------------------------ */

struct answer {
    int count, addresses;
    enum error_code code;
    char text[ERROR_TEXT_SIZE];
    int family, port;
    struct resolve *resolve; /* forgotten in done() when set */
    pthread_t thread;
};

static void answered(void *data, const struct resolved *found, const struct error *error)
{
    struct answer *a = data;
    const struct sockaddr_in *first = (const void *)&found->address[0];
    a->count++;
    a->addresses = found->count;
    a->code = error->code;
    a->thread = pthread_self();
    memcpy(a->text, error->text, sizeof a->text);
    if (found->count > 0) {
        a->family = first->sin_family;
        a->port = ntohs(first->sin_port); /* in the same place for both families */
        assert_int_equal(found->size[0], first->sin_family == AF_INET
                                             ? sizeof(struct sockaddr_in)
                                             : sizeof(struct sockaddr_in6));
    }
    if (a->resolve != NULL)
        resolve_forget(&a->resolve);
}

static void a_name_is_resolved(void **state)
{
    struct stage *s = *state;
    static const char *const host[] = {"localhost", "127.0.0.1", "::1"};
    for (size_t i = 0; i < COUNT(host); i++) {
        struct answer a = {0};
        assert_non_null(loop_resolve(s->loop, host[i], "5432", answered, &a));
        assert_int_equal(a.count, 0);
        turn_until(s->loop, &a.count, 1);
        assert_int_equal(a.code, ERROR_OK);
        assert_true(a.addresses >= 1);
        assert_int_equal(a.port, 5432);
        assert_true(a.family == AF_INET || a.family == AF_INET6);
        assert_true(pthread_equal(a.thread, pthread_self()));
    }
}

static void a_name_that_does_not_exist_says_so(void **state)
{
    struct stage *s = *state;
    struct answer a = {0};
    assert_non_null(loop_resolve(s->loop, "nobody.invalid", NULL, answered, &a));
    turn_until(s->loop, &a.count, 1);
    assert_int_equal(a.code, ERROR_UNREACHABLE);
    assert_int_equal(a.addresses, 0);
    assert_non_null(strstr(a.text, "nobody.invalid"));
    assert_non_null(strstr(a.text, "not known"));
}

static void four_are_looked_up_at_once_and_the_others_wait(void **state)
{
    struct stage *s = *state;
    struct answer a[7] = {0};
    gate_set(false);
    for (size_t i = 0; i < COUNT(a); i++)
        assert_non_null(loop_resolve(s->loop, "held", NULL, answered, &a[i]));
    gate_wait_inside(4);
    loop_turn(s->loop, 0);
    for (size_t i = 0; i < COUNT(a); i++)
        assert_int_equal(a[i].count, 0);
    gate_set(true);
    for (size_t i = 0; i < COUNT(a); i++)
        turn_until(s->loop, &a[i].count, 1);
}

static void a_question_can_be_forgotten_at_any_time(void **state)
{
    struct stage *s = *state;
    struct answer a[7] = {0};
    struct resolve *r[7];
    gate_set(false);
    for (int i = 0; i < 7; i++)
        assert_non_null(r[i] = loop_resolve(s->loop, "held", NULL, answered, &a[i]));
    gate_wait_inside(4);
    resolve_forget(&r[0]); /* a thread is busy with it */
    assert_null(r[0]);
    resolve_forget(&r[5]); /* in the queue */
    a[3].resolve = r[3];   /* in its own answer */
    gate_set(true);
    for (int i = 1; i < 7; i++)
        if (i != 5)
            turn_until(s->loop, &a[i].count, 1);
    assert_null(a[3].resolve);
    assert_int_equal(a[0].count + a[5].count, 0);
}

static void an_answer_on_its_way_can_be_forgotten(void **state)
{
    struct stage *s = *state;
    struct answer a = {0};
    gate_set(false);
    struct resolve *r = loop_resolve(s->loop, "held", NULL, answered, &a);
    gate_wait_inside(1);
    gate_set(true);
    gate_wait_inside(0);
    resolve_forget(&r); /* and the loop is freed with the answer still in it, or not */
    assert_int_equal(a.count, 0);
}

static void a_name_server_that_is_silent_holds_nobody_up(void **unused)
{
    (void)unused;
    struct stage *s;
    struct answer a = {0};
    void *state;
    stage_open(&state);
    s = state;
    gate_set(false);
    struct resolve *r = loop_resolve(s->loop, "held", NULL, answered, &a);
    gate_wait_inside(1);
    resolve_forget(&r);
    loop_free(&s->loop); /* returns though the thread is inside */
    gate_set(true);
    gate_wait_inside(0);
    assert_int_equal(a.count, 0);
    free(s->world);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(a_name_is_resolved),
        STAGED(a_name_that_does_not_exist_says_so),
        STAGED(four_are_looked_up_at_once_and_the_others_wait),
        STAGED(a_question_can_be_forgotten_at_any_time),
        STAGED(an_answer_on_its_way_can_be_forgotten),
        cmocka_unit_test(a_name_server_that_is_silent_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
