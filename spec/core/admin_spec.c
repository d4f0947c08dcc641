/* admin_spec.c - the control socket among friends, strangers and fools.
 */
#include "core/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "nebula.h"
#include "support/stage.h"

struct desk {
    struct stage *stage;
    struct engine engine;
    struct admin *admin;
    char folder[64], path[96];
};

static void desk_begin(struct desk *d, void **state)
{
    struct error why;
    *d = (struct desk){.stage = *state};
    strcpy(d->folder, "/tmp/nebula-admin-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->path, sizeof d->path, "%s/1.sock", d->folder);
    assert_true(engine_init(&d->engine, d->stage->loop));
    d->engine.program = strdup("spec");
    d->admin = admin_open(&d->engine, d->path, &why);
    assert_non_null(d->admin);
}

static void desk_end(struct desk *d)
{
    admin_close(&d->admin);
    assert_int_not_equal(access(d->path, F_OK), 0);
    engine_fini(&d->engine);
    assert_int_equal(rmdir(d->folder), 0);
}

static int dial(const struct desk *d)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, d->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What the engine says until `lines` lines are there, or the end of what it says. */
static const char *hear(const struct desk *d, int fd, int lines)
{
    static char text[1 << 16];
    size_t size = 0;
    int64_t until_us = loop_refresh(d->stage->loop) + 5 * SECOND;
    while (loop_refresh(d->stage->loop) < until_us) {
        loop_turn(d->stage->loop, loop_now_us(d->stage->loop) + MS);
        ssize_t n = read(fd, text + size, sizeof text - 1 - size);
        if (n == 0)
            break;
        size += n > 0 ? (size_t)n : 0;
        text[size] = '\0';
        int found = 0;
        for (size_t i = 0; i < size; i++)
            found += text[i] == '\n';
        if (found >= lines)
            break;
    }
    text[size] = '\0';
    return text;
}

static void requests_are_answered_in_order(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    int fd = dial(&d);
    say(fd, "{\"verb\":\"ls\"}\n{\"verb\":\"inspect\",\"name\":\"shop\"}\n{\"ver");
    const char *told = hear(&d, fd, 2);
    assert_non_null(strstr(told, "\"program\":\"spec\""));
    assert_non_null(strstr(strchr(told, '\n'), "there is no resource of this name"));
    say(fd, "b\":\"ls\"}\n"); /* the rest of a line that came in two pieces */
    assert_non_null(strstr(hear(&d, fd, 1), "\"ok\":true"));
    close(fd);
    desk_end(&d);
}

static void a_program_with_any_name_is_told(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    d.engine.program[0] = '\xff';
    int fd = dial(&d);
    say(fd, "{\"verb\":\"ls\"}\n");
    assert_non_null(strstr(hear(&d, fd, 1), "\"program\":\"\xef\xbf\xbdpec\""));
    close(fd);
    desk_end(&d);
}

static void rubbish_is_refused_in_a_sentence(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    int fd = dial(&d);
    static const struct {
        const char *asked, *told;
    } row[] = {
        {"\n", "not a JSON object"},
        {"hello\n", "not a JSON object"},
        {"[1]\n", "with the member"},
        {"{\"verb\":5}\n", "with the member"},
        {"{\"verb\":\"ls\",\"verb\":\"ls\"}\n", "not a JSON object"},
        {"{\"verb\":\"drop\"}\n", "no such verb; there are: ls, inspect, stats, explain, pause, "
                                  "resume, drain, reconnect, resize\""},
        {"{\"verb\":\"pause\"}\n", "\\\"name\\\" is missing"},
        {"\x80\xff\n", "not a JSON object"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        say(fd, row[i].asked);
        const char *told = hear(&d, fd, 1);
        if (strstr(told, row[i].told) == NULL || strstr(told, "\"ok\":false") == NULL)
            fail_msg("%s was answered with %s", row[i].asked, told);
    }
    close(fd);
    desk_end(&d);
}

static void a_line_without_an_end_is_hung_up_on(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    int fd = dial(&d), other = dial(&d);
    static char piece[ADMIN_LINE];
    memset(piece, 'x', sizeof piece);
    for (size_t sent = 0; sent < sizeof piece;) {
        ssize_t n = send(fd, piece + sent, sizeof piece - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        loop_turn(d.stage->loop, 0);
    }
    assert_string_equal(hear(&d, fd, 1), "");
    say(other, "{\"verb\":\"ls\"}\n"); /* and the others do not notice */
    assert_non_null(strstr(hear(&d, other, 1), "\"ok\":true"));
    close(fd);
    close(other);
    desk_end(&d);
}

static void there_are_so_many_clients_and_no_more(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    int fd[ADMIN_CLIENTS + 1];
    for (int i = 0; i <= ADMIN_CLIENTS; i++) {
        fd[i] = dial(&d);
        for (int turn = 0; turn < 5; turn++)
            loop_turn(d.stage->loop, loop_refresh(d.stage->loop) + MS);
    }
    assert_string_equal(hear(&d, fd[ADMIN_CLIENTS], 1), ""); /* hung up on */
    close(fd[0]);
    say(fd[1], "{\"verb\":\"ls\"}\n");
    assert_non_null(strstr(hear(&d, fd[1], 1), "\"ok\":true"));
    int next = dial(&d); /* into the place that became free */
    say(next, "{\"verb\":\"ls\"}\n");
    assert_non_null(strstr(hear(&d, next, 1), "\"ok\":true"));
    close(next);
    for (int i = 1; i <= ADMIN_CLIENTS; i++)
        close(fd[i]);
    desk_end(&d);
}

static void a_client_who_does_not_listen_holds_up_nobody(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    int slow = dial(&d), other = dial(&d);
    int small = 1;
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 4000; i++) {
        (void)!send(slow, "{\"verb\":\"ls\"}\n", 14, MSG_NOSIGNAL);
        loop_turn(d.stage->loop, 0);
    }
    say(other, "{\"verb\":\"ls\"}\n");
    assert_non_null(strstr(hear(&d, other, 1), "\"ok\":true"));
    assert_non_null(strstr(hear(&d, slow, 100), "\"ok\":true")); /* and gets what it waited for */
    close(slow);
    close(other);
    for (int turn = 0; turn < 5; turn++)
        loop_turn(d.stage->loop, loop_refresh(d.stage->loop) + MS);
    desk_end(&d);
}

/* Before the C library's: the mask is the process's, and other threads make files meanwhile. */
static int masked;

mode_t umask(mode_t mask)
{
    masked++;
    return (mode_t)syscall(SYS_umask, mask);
}

static void the_socket_is_its_owners_alone(void **state)
{
    struct desk d;
    mode_t before = (mode_t)syscall(SYS_umask, 0);
    masked = 0;
    desk_begin(&d, state);
    syscall(SYS_umask, before);
    struct stat found;
    assert_int_equal(stat(d.path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(masked, 0);
    desk_end(&d);
}

static void a_dead_engines_socket_is_replaced_and_a_living_ones_is_not(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    struct error why;
    assert_null(admin_open(&d.engine, d.path, &why));
    assert_non_null(strstr(why.text, "in use"));
    char dead[128];
    snprintf(dead, sizeof dead, "%s/dead.sock", d.folder);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, dead);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    close(fd); /* the path stays */
    struct admin *second = admin_open(&d.engine, dead, &why);
    assert_non_null(second);
    admin_close(&second);
    desk_end(&d);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    struct error why;
    char file[128];
    snprintf(file, sizeof file, "%s/notes.txt", d.folder);
    FILE *notes = fopen(file, "w");
    assert_non_null(notes);
    fclose(notes);
    assert_null(admin_open(&d.engine, file, &why));
    assert_non_null(strstr(why.text, "in use"));
    assert_int_equal(unlink(file), 0); /* it is still there */
    desk_end(&d);
}

/* Whoever opens a socket must not wait for the engine that was stopped behind it. */
static void a_living_socket_with_a_full_queue_is_not_waited_for(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    struct error why;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char busy[96];
    snprintf(busy, sizeof busy, "%s/busy.sock", d.folder);
    strcpy(at.sun_path, busy);
    int fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd[0], (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd[0], 0), 0);
    assert_int_equal(connect(fd[1], (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_not_equal(connect(fd[2], (const struct sockaddr *)&at, sizeof at), 0);
    alarm(20); /* waiting would be for ever */
    assert_null(admin_open(&d.engine, busy, &why));
    alarm(0);
    assert_non_null(strstr(why.text, "in use"));
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    assert_int_equal(unlink(busy), 0); /* it is still there */
    desk_end(&d);
}

static void a_path_that_cannot_be_is_refused(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    struct error why;
    char endless[300];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(admin_open(&d.engine, endless, &why));
    assert_int_equal(why.code, ERROR_CONFIG);
    assert_null(admin_open(&d.engine, "", &why));
    assert_int_equal(why.code, ERROR_CONFIG);
    assert_null(admin_open(&d.engine, "/nowhere/at/all.sock", &why));
    assert_non_null(strstr(why.text, "/nowhere/at/all.sock"));
    int32_t code;
    assert_null(nebula_ask_begin("/nowhere/at/all.sock", "{}", SECOND, &code));
    assert_int_equal(code, ERROR_UNREACHABLE);
    assert_null(nebula_ask_begin(endless, "{}", SECOND, &code));
    assert_int_equal(code, ERROR_CONFIG);
    desk_end(&d);
}

/* --- the other side, on a thread of its own because it waits ---------------------------------- */

struct asker {
    const char *path;
    char *answer;
    atomic_int is_done;
};

static void *ask(void *data)
{
    struct asker *a = data;
    int32_t code;
    struct ask *asked = nebula_ask_begin(a->path, "{\"verb\":\"ls\"}", 10 * SECOND, &code);
    a->answer = asked == NULL ? NULL : nebula_ask_end(asked, &code);
    a->is_done = 1;
    return NULL;
}

static void another_process_gets_its_line(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    struct asker a = {.path = d.path};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
    while (!a.is_done)
        loop_turn(d.stage->loop, loop_refresh(d.stage->loop) + MS);
    pthread_join(thread, NULL);
    assert_non_null(a.answer);
    assert_non_null(strstr(a.answer, "\"program\":\"spec\""));
    assert_null(strchr(a.answer, '\n'));
    free(a.answer);
    loop_turn(d.stage->loop, loop_refresh(d.stage->loop) + MS);
    desk_end(&d);
}

/* The loop does not turn, as in an engine whose workflow computes. */
static void who_does_not_answer_is_not_waited_for_longer(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    int32_t code;
    struct ask *asked[ADMIN_CLIENTS + 2] = {0};
    int count = 0;
    int64_t begun_us = loop_refresh(d.stage->loop);
    while (count < (int)COUNT(asked) &&
           (asked[count] = nebula_ask_begin(d.path, "{}", 50 * MS, &code)) != NULL)
        count++;
    assert_in_range(count, 2, ADMIN_CLIENTS + 1);
    assert_int_equal(code, ERROR_BUSY);
    for (int i = 0; i < count; i++) {
        assert_null(nebula_ask_end(asked[i], &code));
        assert_int_equal(code, ERROR_DEADLINE);
    }
    assert_in_range(loop_refresh(d.stage->loop) - begun_us, 50 * MS, 5 * SECOND);
    desk_end(&d);
}

static void who_hangs_up_has_no_answer(void **state)
{
    struct desk d;
    desk_begin(&d, state);
    struct error why;
    int32_t code;
    struct ask *asked = nebula_ask_begin(d.path, "{}", 10 * SECOND, &code);
    assert_non_null(asked);
    admin_close(&d.admin);
    assert_null(nebula_ask_end(asked, &code));
    assert_int_equal(code, ERROR_LOST);
    d.admin = admin_open(&d.engine, d.path, &why);
    assert_non_null(d.admin);
    desk_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(requests_are_answered_in_order),
        STAGED(a_program_with_any_name_is_told),
        STAGED(rubbish_is_refused_in_a_sentence),
        STAGED(a_line_without_an_end_is_hung_up_on),
        STAGED(there_are_so_many_clients_and_no_more),
        STAGED(a_client_who_does_not_listen_holds_up_nobody),
        STAGED(the_socket_is_its_owners_alone),
        STAGED(a_dead_engines_socket_is_replaced_and_a_living_ones_is_not),
        STAGED(a_file_that_is_no_socket_is_left_alone),
        STAGED(a_living_socket_with_a_full_queue_is_not_waited_for),
        STAGED(a_path_that_cannot_be_is_refused),
        STAGED(another_process_gets_its_line),
        STAGED(who_does_not_answer_is_not_waited_for_longer),
        STAGED(who_hangs_up_has_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
