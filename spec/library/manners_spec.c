/* manners_spec.c - the library is a guest: what it finds in the process it leaves as it is.
 *
 * No signal handler, no thread before there is work for one, no signal taken by a thread of its
 * own, no SIGPIPE, whatever hangs up. Each test forks, so that what it finds is a program that has
 * done nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nebula.h"

/* In a child, a test says what is wrong and ends. */
#define MUST(cond) ((cond) ? (void)0 : broken(__LINE__, #cond))

static void broken(int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", __FILE__, line, what);
    _exit(1);
}

static void in_a_child(void (*test)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        test();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static struct nebula *open_engine(const char *control, int log_fd)
{
    char text[256];
    const struct nebula_options options = {
        .name = "guest", .control = control, .log_level = log_fd < 0 ? 4 : 0, .log_fd = log_fd};
    struct nebula *n = nebula_open(&options, text, sizeof text);
    MUST(n != NULL);
    return n;
}

static int32_t declare(struct nebula *n, const char *text)
{
    char *why;
    MUST(nebula_declare_source(n, &(struct nebula_source){.text = text}, &why) == 1 && why == NULL);
    return nebula_find(n, "shop");
}

/* The code that a statement ends with. */
static int32_t ask(struct nebula *n, int32_t shop)
{
    const struct nebula_request r = {
        .resource = shop, .verb = NEBULA_RUN, .text = "select 7", .text_size = 8};
    int32_t ticket = nebula_call(n, &r);
    struct nebula_event event;
    MUST(ticket > 0);
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    MUST(event.ticket == ticket);
    nebula_done(n, ticket);
    return event.code;
}

#define IN_MEMORY "sqlite 'shop' { file = ':memory:', pool = { max = 1 } }"

/* --- signals and threads ----------------------------------------------------------------------- */

struct handler {
    void (*run)(int signum);
    int flags, is_blocked;
};

static void read_handlers(struct handler *all)
{
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction found = {.sa_handler = SIG_DFL};
        sigaction(i, NULL, &found);
        all[i] = (struct handler){
            .run = found.sa_handler, .flags = found.sa_flags, .is_blocked = sigismember(&mask, i)};
    }
}

static void signals_stay(void)
{
    static struct handler before[NSIG], after[NSIG];
    read_handlers(before);
    struct nebula *n = open_engine(NULL, -1);
    MUST(ask(n, declare(n, IN_MEMORY)) == 0);
    read_handlers(after);
    MUST(memcmp(before, after, sizeof before) == 0);
    nebula_close(&n);
    read_handlers(after);
    MUST(memcmp(before, after, sizeof before) == 0);
}

static void it_installs_no_signal_handler(void **state)
{
    (void)state;
    in_a_child(signals_stay);
}

#ifndef __SANITIZE_THREAD__ /* which starts threads of its own, one at a fork, one with the first of ours */

/* How many threads there are; all but the first must have every signal blocked that can be. */
static int threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *one;
    int count = 0;
    while ((one = readdir(tasks)) != NULL) {
        char path[300], line[256];
        if (one->d_name[0] == '.')
            continue;
        count++;
        if (atoi(one->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", one->d_name);
        FILE *status = fopen(path, "r");
        unsigned long long blocked = 0;
        while (status != NULL && fgets(line, sizeof line, status) != NULL)
            sscanf(line, "SigBlk: %llx", &blocked);
        static const int some[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE,
                                   SIGALRM, SIGTERM, SIGCHLD, SIGPROF, SIGWINCH};
        for (size_t i = 0; i < sizeof some / sizeof *some; i++)
            MUST(blocked >> (some[i] - 1) & 1);
        fclose(status);
    }
    closedir(tasks);
    return count;
}

static void threads_come_and_go(void)
{
    MUST(threads() == 1);
    struct nebula *n = open_engine(NULL, -1);
    int32_t shop = declare(n, IN_MEMORY);
    MUST(threads() == 1); /* declared is not opened */
    MUST(ask(n, shop) == 0);
    MUST(threads() > 1);
    nebula_close(&n);
    MUST(threads() == 1);
}

static void its_threads_hear_no_signal_and_end_with_it(void **state)
{
    (void)state;
    in_a_child(threads_come_and_go);
}

#endif

/* --- what hangs up ----------------------------------------------------------------------------- */

/* A server that takes each connection and hangs up. */
static pid_t hang_up_always(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    MUST(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0 &&
         getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    *port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct linger cut = {.l_onoff = 1};
        for (;;) {
            int peer = accept(fd, NULL, NULL);
            setsockopt(peer, SOL_SOCKET, SO_LINGER, &cut, sizeof cut);
            close(peer);
        }
    }
    close(fd);
    return pid;
}

static void peers_hang_up(void)
{
    char text[256], control[] = "/tmp/nebula-manners-XXXXXX.sock";
    int port, log[2];
    pid_t server = hang_up_always(&port);
    MUST(pipe(log) == 0);
    close(log[0]); /* nobody reads the log */
    MUST(mkstemps(control, 5) >= 0 && unlink(control) == 0);
    struct nebula *n = open_engine(control, log[1]);

    snprintf(text, sizeof text,
             "postgres 'shop' { host = '127.0.0.1', port = %d, user = 'x', sslmode = 'disable', "
             "pool = { connect = '200ms' } }",
             port);
    MUST(ask(n, declare(n, text)) != 0);
    nebula_log(n, 3, "nobody reads this");

    /* Who asked the control socket does not wait for the answer. */
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, control, sizeof control);
    for (int i = 0; i < 20; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        MUST(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
        MUST(write(fd, "{\"verb\":\"ls\"}\n", 14) == 14);
        close(fd);
        nebula_turn(n, 0);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    nebula_close(&n);
}

static void whoever_hangs_up_raises_no_sigpipe(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    in_a_child(peers_hang_up);
}

/* --- limits of the process --------------------------------------------------------------------- */

static void nothing_may_be_locked(void)
{
    MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}) == 0);
    MUST(getuid() != 0 || setuid(65534) == 0); /* root may lock whatever the limit says */
    struct nebula *n = open_engine(NULL, -1);
    declare(n, "postgres 'shop' { host = '127.0.0.1', port = 1, password = 'very secret words' }");
    const char *said = nebula_ask(n, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    MUST(strstr(said, "shop") != NULL && strstr(said, "very secret") == NULL);
    nebula_close(&n);
}

static void secrets_live_where_memory_cannot_be_locked(void **state)
{
    (void)state;
    in_a_child(nothing_may_be_locked);
}

static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* libuv has a pipe for the whole process, which comes with the first loop and stays. */
static void nothing_is_left(void)
{
    int before = 0;
    for (int i = 0; i < 20; i++) {
        struct nebula *n = open_engine(NULL, -1);
        MUST(nebula_fd(n) >= 0);
        MUST(ask(n, declare(n, IN_MEMORY)) == 0);
        nebula_close(&n);
        MUST(n == NULL);
        before = i == 0 ? descriptors() : before;
    }
    MUST(descriptors() == before);
}

static void nothing_is_left_of_it(void **state)
{
    (void)state;
    in_a_child(nothing_is_left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_installs_no_signal_handler),
#ifndef __SANITIZE_THREAD__
        cmocka_unit_test(its_threads_hear_no_signal_and_end_with_it),
#endif
        cmocka_unit_test(whoever_hangs_up_raises_no_sigpipe),
        cmocka_unit_test(secrets_live_where_memory_cannot_be_locked),
        cmocka_unit_test(nothing_is_left_of_it),
    };
    return cmocka_run_group_tests_name("the library's manners", tests, NULL, NULL);
}
