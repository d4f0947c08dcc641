/* start.c - from the start of a process to the first row on its output: a workflow of one statement
 * beside the shell of SQLite.
 *
 * The file of the database is there, and empty but for its format. The CPU is the child's own.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "stage.h"

#define PAIRS 31

extern char **environ;

struct took {
    double wall_us, cpu_us;
};

static double cpu_us_of(const struct rusage *r)
{
    return (double)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1e6 +
           (double)(r->ru_utime.tv_usec + r->ru_stime.tv_usec);
}

static struct took time_start(const char *const *words)
{
    int out[2], status;
    char row[2] = "";
    pid_t pid;
    posix_spawn_file_actions_t actions;
    struct rusage used;
    CHECK(pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    double begun_us = bench_wall_us();
    CHECK(posix_spawnp(&pid, words[0], &actions, NULL, (char *const *)words, environ) == 0);
    close(out[1]);
    ssize_t size = read(out[0], row, sizeof row);
    double took_us = bench_wall_us() - begun_us;
    CHECK(size > 0 && row[0] == '1');
    close(out[0]);
    CHECK(wait4(pid, &status, 0, &used) == pid && status == 0);
    posix_spawn_file_actions_destroy(&actions);
    return (struct took){.wall_us = took_us, .cpu_us = cpu_us_of(&used)};
}

/* What ran before has emptied the caches of the machine; so both sides run once for themselves. */
static struct took time_warm_start(const char *const *words)
{
    time_start(words);
    return time_start(words);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

int main(void)
{
    const char *folder = bench_setting("BENCH_FOLDER");
    char workflow[256], declaration[256];
    snprintf(workflow, sizeof workflow, "%s/resources", folder);
    CHECK(mkdir(workflow, 0700) == 0);
    snprintf(workflow, sizeof workflow, "%s/first.lua", folder);
    snprintf(declaration, sizeof declaration, "%s/resources/db.lua", folder);
    write_file(workflow, "print(use(\"db\"):value(\"select 1\"))\n");
    write_file(declaration,
               "sqlite \"db\" { file = env \"BENCH_SQLITE\", policy = \"standard\" }\n");
    const char *const ours[] = {
        bench_setting("BENCH_NEBULA"), "run", "--log-level", "warn", workflow, NULL};
    const char *const other[] = {"sqlite3", bench_setting("BENCH_SQLITE"), "select 1", NULL};
    for (int i = 0; i < PAIRS; i++) {
        struct took a = time_warm_start(ours), b = time_warm_start(other),
                    c = time_warm_start(other);
        printf("pair start.sqlite %g %g %g %g\n", a.wall_us, b.wall_us, a.cpu_us, b.cpu_us);
        printf("pair noise.start %g %g %g %g\n", c.wall_us, b.wall_us, c.cpu_us, b.cpu_us);
    }
    return 0;
}
