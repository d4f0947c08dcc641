/* main.c - the program: `nebula`, and a command line like luajit's when it is called `nebula-lua`.
 *
 * It finds its home (home.h). Everything else is Lua's: lua/nebula/cli/, which the program has within
 * itself (modules.h).
 */
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "home.h"
#include "process.h"

/* A core would hold the secrets of every connection. */
static void keep_no_core(void)
{
    const char *asked = getenv("NEBULA_CORE");
    if (asked == NULL || strcmp(asked, "1") != 0)
        prctl(PR_SET_DUMPABLE, 0);
}

/* The C library would reserve 64 MB of addresses for each thread that allocates. Where they are
 * bounded (ulimit -v) it gets none, and each of its allocations is a page from the system: then the
 * proof of a password takes a second, and 18 MB. Elsewhere each keeps its own: a thread that loses
 * its processor inside the one heap of all would hold up the loop. */
static void share_the_heap(void)
{
    struct rlimit addresses;
    if (getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY)
        mallopt(M_ARENA_MAX, 1);
}

/* A database or a socket must never lie where output is written to. */
static bool has_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Output that is missing is a failure, whatever the work itself says. */
static int written(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    fprintf(stderr, "nebula: the output could not be written to its end\n");
    return code == 0 ? 1 : code;
}

int main(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "nebula";
    bool is_lua = strcmp(name, "nebula-lua") == 0;
    char home[PATH_MAX];
    if (!has_standard_streams()) {
        fprintf(stderr, "nebula: no descriptors to begin with: raise the limit (ulimit -n)\n");
        return 1;
    }
    if (!home_find(home, "/proc/self/exe")) {
        fprintf(stderr, "nebula: its own folder (with lua/nebula) is not above the program; "
                        "set NEBULA_HOME to it\n");
        return 1;
    }
    keep_no_core();
    share_the_heap();
    signal(SIGPIPE, SIG_IGN);
    struct process *process = process_new(home);
    if (process == NULL) {
        fprintf(stderr, "nebula: no memory to begin with\n");
        return 1;
    }
    int code = process_run(process, is_lua ? "nebula.cli.script" : "nebula.cli",
                           argc > 0 ? argc - 1 : 0, argv + 1);
    process_free(&process);
    return written(code);
}
