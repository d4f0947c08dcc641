/* hit_spec.c - lending an idle connection and taking it back: no allocation, lock, clock or system
 * call, and no instruction that locks the bus.
 *
 * It is proved in four ways: the functions are wrapped and counted; a child that may not make any
 * system call lends as often as it may between two turns; another child is led through one lease and release
 * instruction by instruction, and each is looked at; and both functions are disassembled. So it is
 * not under coverage, which counts in the functions themselves.
 */
#include "nebula.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESOURCES 3
#define A_TURN 63 /* leases, then the turn goes on */
#define TURNS 200

/* --- what is counted, on this thread alone ---------------------------------------------------- */

static _Thread_local volatile bool is_counting;
static _Thread_local volatile int calls;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_clock_gettime(clockid_t clock, struct timespec *out);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

void *__wrap_malloc(size_t size)
{
    calls += is_counting;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    calls += is_counting;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    calls += is_counting;
    return __real_realloc(old, size);
}

void __wrap_free(void *old)
{
    calls += is_counting;
    __real_free(old);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    calls += is_counting;
    return __real_pthread_mutex_lock(lock);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    calls += is_counting;
    return __real_clock_gettime(clock, out);
}

/* --- three resources with ten idle connections ------------------------------------------------ */

struct hit {
    struct nebula *n;
    int32_t resource[RESOURCES];
    char folder[32], file[48];
};

static void wait_for(struct nebula *n, int32_t ticket)
{
    struct nebula_event event;
    while (!nebula_next(n, &event))
        nebula_turn(n, INT64_MAX);
    assert_int_equal(event.ticket, ticket);
    assert_int_equal(event.code, 0);
    nebula_done(n, ticket);
}

static int32_t declare(struct hit *h, const char *name, int32_t connections)
{
    const struct nebula_option file = {.name = "file", .value = h->file};
    const struct nebula_spec spec = {
        .name = name,
        .kind = "sqlite",
        .driver = "sqlite",
        .policy_name = "standard",
        .roles = 2,
        .writer = 1,
        .role_name = {"reader", "writer"},
        .role_max = {0, 1},
        .check = "select 1",
        .option = &file,
        .options = 1,
        .pool = {.min = connections,
                 .max = connections,
                 .queue = 10,
                 .connecting = 2,
                 .idle_us = 600000000,
                 .life_us = 1800000000,
                 .life_jitter = 10,
                 .check_us = 600000000,
                 .connect_us = 60000000,
                 .start_us = 60000000},
        .policy = {.deadline_us = 60000000, .wait_us = 60000000, .tries = 3, .budget = 20},
    };
    int32_t resource = nebula_declare(h->n, &spec);
    assert_true(resource > 0);
    wait_for(h->n, nebula_start(h->n, resource));
    return resource;
}

static int open_all(void **state)
{
    struct nebula_options options = {.name = "hit_spec", .log_level = 4, .log_fd = 2};
    struct hit *h = calloc(1, sizeof *h);
    assert_non_null(h);
    snprintf(h->folder, sizeof h->folder, "/tmp/nebula-spec-XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    snprintf(h->file, sizeof h->file, "%s/hit.db", h->folder);
    h->n = nebula_open(&options, NULL, 0);
    assert_non_null(h->n);
    h->resource[0] = declare(h, "a", 4);
    h->resource[1] = declare(h, "b", 3);
    h->resource[2] = declare(h, "c", 3);
    *state = h;
    return 0;
}

static int close_all(void **state)
{
    struct hit *h = *state;
    static const char *const end[] = {"", "-wal", "-shm"};
    nebula_close(&h->n);
    for (size_t i = 0; i < sizeof end / sizeof *end; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s%s", h->file, end[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(h->folder), 0);
    free(h);
    return 0;
}

/* How many were lent and came back, from one turn to the next. */
static int lend(const struct hit *h, int leases)
{
    int well = 0;
    for (int i = 0; i < leases; i++) {
        int64_t lease = nebula_lease(h->n, h->resource[i % RESOURCES], 0, 0, false);
        well += lease > 0 && nebula_release(h->n, lease, NEBULA_GOOD) == 0;
    }
    return well;
}

/* --- the proofs ------------------------------------------------------------------------------- */

static void the_count_sees_what_it_is_for(void **state)
{
    struct timespec now;
    (void)state;
    calls = 0;
    is_counting = true;
    void *volatile some = malloc(1);
    free(some);
    clock_gettime(CLOCK_MONOTONIC, &now);
    is_counting = false;
    assert_int_equal(calls, 3);
}

static void neither_allocates_nor_locks_nor_reads_the_clock(void **state)
{
    struct hit *h = *state;
    calls = 0;
    for (int i = 0; i < TURNS; i++) {
        nebula_turn(h->n, 0);
        is_counting = true;
        int well = lend(h, A_TURN);
        is_counting = false;
        assert_int_equal(well, A_TURN);
    }
    assert_int_equal(calls, 0);
}

/* So that somebody who only leases lets the turn go on, whoever he is. */
static void every_64th_is_a_ticket_of_the_next_turn(void **state)
{
    struct hit *h = *state;
    nebula_turn(h->n, 0);
    for (int i = 0; i < TURNS; i++) {
        struct nebula_event event;
        struct nebula_reply reply;
        assert_int_equal(lend(h, A_TURN), A_TURN);
        assert_int_equal(nebula_lease(h->n, h->resource[i % RESOURCES], 0, 0, i % 2 == 0), 0);
        int32_t ticket = nebula_ticket(h->n);
        assert_false(nebula_next(h->n, &event));
        nebula_turn(h->n, INT64_MAX);
        assert_true(nebula_next(h->n, &event));
        assert_int_equal(event.ticket, ticket);
        assert_int_equal(nebula_reply(h->n, ticket, &reply), 0);
        assert_int_equal(reply.code, 0);
        nebula_done(h->n, ticket);
        assert_int_equal(nebula_release(h->n, reply.lease, NEBULA_GOOD), 0);
    }
}

static int status_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

#ifndef __SANITIZE_ADDRESS__ /* which makes system calls of its own */
static void forbid_system_calls(void)
{
    struct sock_filter rule[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof rule / sizeof *rule, .filter = rule};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(2);
}

static void makes_no_system_call(void **state)
{
    struct hit *h = *state;
    nebula_turn(h->n, 0);
    pid_t child = fork();
    if (child == 0) {
        forbid_system_calls();
        _exit(lend(h, A_TURN) == A_TURN ? 0 : 3);
    }
    int status = status_of(child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);

    child = fork();
    if (child == 0) {
        forbid_system_calls();
        getppid();
        _exit(0);
    }
    status = status_of(child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
#endif

#ifdef __x86_64__
static bool is_prefix(unsigned char c)
{
    return c != 0 && strchr("\x66\x67\x2e\x36\x3e\x26\x64\x65\xf2\xf3", c) != NULL;
}

/* What must not stand on the path, by its first bytes: a lock prefix, an exchange with memory,
 * which locks by itself, a system call, and a read of the processor's clock. */
static const char *forbidden(const unsigned char *at)
{
    while (is_prefix(*at))
        at++;
    if (*at == 0xf0)
        return "lock";
    if ((*at & 0xf0) == 0x40)
        at++;
    if ((at[0] == 0x86 || at[0] == 0x87) && at[1] < 0xc0)
        return "xchg";
    if (at[0] == 0x0f && (at[1] == 0x05 || at[1] == 0x34))
        return "syscall";
    if (at[0] == 0x0f && (at[1] == 0x31 || (at[1] == 0x01 && at[2] == 0xf9)))
        return "rdtsc";
    return NULL;
}

static void peek(pid_t child, uint64_t at, unsigned char *bytes)
{
    for (size_t i = 0; i < 16; i += 8) {
        errno = 0;
        long word = ptrace(PTRACE_PEEKTEXT, child, (void *)(uintptr_t)(at + i), NULL);
        assert_int_equal(errno, 0);
        memcpy(bytes + i, &word, sizeof word);
    }
}

struct path {
    bool is_inside;
    uint64_t floor; /* of the stack, when it began */
    int begins, steps;
    const char *found;
};

static bool begins_path(uint64_t at)
{
    return at == (uint64_t)(uintptr_t)nebula_lease || at == (uint64_t)(uintptr_t)nebula_release;
}

/* From the first instruction of either function until it has returned, wherever it goes. */
static void look(struct path *p, pid_t child)
{
    struct user_regs_struct registers;
    unsigned char bytes[16];
    assert_int_equal(ptrace(PTRACE_GETREGS, child, NULL, &registers), 0);
    if (p->is_inside && registers.rsp > p->floor)
        p->is_inside = false;
    if (!p->is_inside && begins_path(registers.rip)) {
        p->is_inside = true;
        p->floor = registers.rsp;
        p->begins++;
    }
    if (!p->is_inside)
        return;
    p->steps++;
    peek(child, registers.rip, bytes);
    const char *found = forbidden(bytes);
    if (found != NULL)
        p->found = found;
}

static void each_instruction_is_harmless(void **state)
{
    struct path path = {.is_inside = false};
    struct hit *h = *state;
    nebula_turn(h->n, 0);
    lend(h, RESOURCES);
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(lend(*state, RESOURCES) == RESOURCES ? 0 : 3);
    }
    int status = status_of(child);
    while (WIFSTOPPED(status)) {
        look(&path, child);
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        status = status_of(child);
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_null(path.found);
    assert_int_equal(path.begins, 2 * RESOURCES);
    assert_true(path.steps > 20 * path.begins);
}

static void what_is_forbidden_is_known(void **state)
{
    (void)state;
    assert_string_equal(forbidden((const unsigned char *)"\xf0\x0f\xb1\x0f"), "lock");
    assert_string_equal(forbidden((const unsigned char *)"\x66\xf0\x0f\xb1"), "lock");
    assert_string_equal(forbidden((const unsigned char *)"\x48\x87\x07\x90"), "xchg");
    assert_string_equal(forbidden((const unsigned char *)"\x0f\x05\x90\x90"), "syscall");
    assert_string_equal(forbidden((const unsigned char *)"\x0f\x31\x90\x90"), "rdtsc");
    assert_null(forbidden((const unsigned char *)"\x48\x87\xc7\x90"));
    assert_null(forbidden((const unsigned char *)"\x48\x8b\x07\x90"));
}

/* All of both functions, the parts that did not run as well. */
static void disassembled_it_has_no_such_word(void **state)
{
    static const char command[] =
        "objdump -d --no-show-raw-insn --disassemble=nebula_lease /proc/%d/exe;"
        "objdump -d --no-show-raw-insn --disassemble=nebula_release /proc/%d/exe";
    static const char *const word[] = {"lock", "xchg", "syscall", "sysenter", "rdtsc", "int "};
    char text[sizeof command + 32], line[256];
    int lines = 0;
    (void)state;
    snprintf(text, sizeof text, command, (int)getpid(), (int)getpid());
    FILE *objdump = popen(text, "r");
    assert_non_null(objdump);
    while (fgets(line, sizeof line, objdump) != NULL) {
        const char *instruction = strchr(line, '\t');
        lines += instruction != NULL;
        for (size_t i = 0; instruction != NULL && i < sizeof word / sizeof *word; i++)
            if (strncmp(instruction + 1, word[i], strlen(word[i])) == 0)
                fail_msg("%s", line);
    }
    assert_int_equal(pclose(objdump), 0);
    assert_true(lines > 50);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_sees_what_it_is_for),
        cmocka_unit_test(neither_allocates_nor_locks_nor_reads_the_clock),
        cmocka_unit_test(every_64th_is_a_ticket_of_the_next_turn),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(makes_no_system_call),
#endif
#ifdef __x86_64__
        cmocka_unit_test(what_is_forbidden_is_known),
        cmocka_unit_test(each_instruction_is_harmless),
        cmocka_unit_test(disassembled_it_has_no_such_word),
#endif
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
