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

/* Stands before the C library's: a name that begins with "held" needs a pass to come back. */
static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int entered, inside, passes;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void gate_pass(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.entered++;
    gate.inside++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.passes == 0)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.passes--;
    gate.inside--;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_open(int passes)
{
    pthread_mutex_lock(&gate.lock);
    gate.passes += passes;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_wait(const int *counter, int count)
{
    pthread_mutex_lock(&gate.lock);
    while (*counter != count)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGTERM) == 1);
    if (strncmp(host, "held", 4) == 0) {
        gate_pass();
        host = "127.0.0.1";
    }
    if (strcmp(host, "nobody.invalid") == 0)
        return EAI_NONAME; /* what a name server says, without asking one */
    lookup *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host, service, hints, found);
}

/* --- names ------------------------------------------------------------------------------------ */

#define CLERKS 4

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

/* Asks for `count` held names and waits until each clerk is inside with one. */
static void ask_held(struct stage *s, struct answer *a, struct resolve **r, int count)
{
    gate.entered = 0; /* nobody is inside: the clerks are of this stage's loop */
    for (int i = 0; i < count; i++) {
        a[i] = (struct answer){0};
        r[i] = loop_resolve(s->loop, "held", NULL, answered, &a[i]);
        assert_non_null(r[i]);
    }
    gate_wait(&gate.inside, count < CLERKS ? count : CLERKS);
}

static void four_are_looked_up_at_once_and_the_others_wait(void **state)
{
    struct stage *s = *state;
    struct answer a[7];
    struct resolve *r[7];
    ask_held(s, a, r, 7);
    loop_turn(s->loop, 0);
    for (int i = 0; i < 7; i++)
        assert_int_equal(a[i].count, 0);
    gate_open(7);
    for (int i = 0; i < 7; i++)
        turn_until(s->loop, &a[i].count, 1);
}

static void a_question_can_be_forgotten_at_any_time(void **state)
{
    struct stage *s = *state;
    struct answer a[7];
    struct resolve *r[7];
    ask_held(s, a, r, 7);
    resolve_forget(&r[0]); /* a clerk is busy with it */
    assert_null(r[0]);
    resolve_forget(&r[5]); /* in the queue */
    a[3].resolve = r[3];   /* in its own answer */
    gate_open(6);
    for (int i = 1; i < 7; i++)
        if (i != 5)
            turn_until(s->loop, &a[i].count, 1);
    assert_null(a[3].resolve);
    assert_int_equal(a[0].count + a[5].count, 0);
}

static void an_answer_on_its_way_can_be_forgotten(void **state)
{
    struct stage *s = *state;
    struct answer a[CLERKS + 1];
    struct resolve *r[CLERKS + 1];
    ask_held(s, a, r, CLERKS + 1);
    gate_open(1);
    gate_wait(&gate.entered,
              CLERKS + 1); /* a clerk took the last: its first answer is on its way */
    for (int i = 0; i <= CLERKS; i++)
        resolve_forget(&r[i]);
    gate_open(CLERKS);
    gate_wait(&gate.inside, 0);
    for (int i = 0; i <= CLERKS; i++)
        assert_int_equal(a[i].count, 0);
}

static void a_name_server_that_is_silent_holds_nobody_up(void **unused)
{
    (void)unused;
    void *state;
    struct answer a;
    struct resolve *r;
    stage_open(&state);
    ask_held(state, &a, &r, 1);
    resolve_forget(&r);
    stage_close(&state); /* returns though the clerk is inside */
    gate_open(1);
    gate_wait(&gate.inside, 0);
    assert_int_equal(a.count, 0);
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
