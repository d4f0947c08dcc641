#include "pg.h"

#include <libpq-fe.h>

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

/* $0 is the folder, $1 the folder of the server's programs. */
static const char make[] =
    "set -e; cd \"$0\"; umask 077; exec >make.log 2>&1\n"
    "\"$1/initdb\" -D data -U postgres -E UTF8 --locale=C --no-sync --auth=trust\n"
    "new='openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'\n"
    "$new -subj /CN=authority -keyout ca.key -out ca.crt\n"
    "$new -subj /CN=stranger -keyout other.key -out other.crt\n"
    "$new -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost \\\n"
    "  -addext basicConstraints=CA:FALSE -CA ca.crt -CAkey ca.key -keyout server.key -out "
    "server.crt\n"
    "chmod 755 . ; chmod 644 ca.crt other.crt\n"
    "cat >data/pg_hba.conf <<END\n"
    "local all all trust\n"
    "hostssl all secure all trust\n"
    "host all secure all reject\n"
    "host all narrow all trust\n"
    "host all all 127.0.0.1/32 scram-sha-256\n"
    "END\n"
    "\"$1/postgres\" --single -D data -c fsync=off postgres <<END\n"
    "create role app superuser login password 'sesame-open'\n"
    "create role secure login\n"
    "create role narrow login connection limit 0\n"
    "create database app owner app\n"
    "END\n";

static const char serve[] =
    "cd \"$0\"; exec \"$1/postgres\" -D data -p \"$2\" -k \"$0\" -c listen_addresses=127.0.0.1 "
    "-c fsync=off -c shared_buffers=32MB -c jit=off -c lc_messages=C -c ssl=on "
    "-c ssl_cert_file=../server.crt -c ssl_key_file=../server.key >>log 2>&1";

static const char *programs(void)
{
    static char path[256];
    FILE *f = popen("ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1", "r");
    CHECK(f != NULL);
    if (fgets(path, sizeof path, f) == NULL)
        path[0] = '\0';
    pclose(f);
    path[strcspn(path, "\n")] = '\0';
    CHECK(path[0] != '\0');
    return path;
}

/* PostgreSQL refuses to run as root. */
static void drop_root(void)
{
    if (getuid() != 0)
        return;
    const struct passwd *user = getpwnam("postgres");
    CHECK(user != NULL && initgroups("postgres", user->pw_gid) == 0);
    CHECK(setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0);
    CHECK(setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0);
}

static pid_t run(const struct pg *s, const char *script)
{
    const char *bin = programs();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        drop_root();
        prctl(PR_SET_PDEATHSIG, SIGQUIT);
        execl("/bin/sh", "sh", "-c", script, s->folder, bin, s->port, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void find_port(struct pg *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    snprintf(s->port, sizeof s->port, "%d", ntohs(a.sin_port));
    close(fd);
}

static PGconn *administrator(const struct pg *s)
{
    const char *const name[] = {"host", "port", "user", "dbname", NULL};
    const char *const value[] = {s->folder, s->port, "postgres", "app", NULL};
    return PQconnectdbParams(name, value, 0);
}

void pg_server_start(struct pg *s)
{
    int status;
    snprintf(s->folder, sizeof s->folder, "/tmp/nebula-pg-XXXXXX");
    CHECK(mkdtemp(s->folder) != NULL);
    if (getuid() == 0)
        CHECK(chown(s->folder, getpwnam("postgres")->pw_uid, getpwnam("postgres")->pw_gid) == 0);
    find_port(s);
    CHECK(waitpid(run(s, make), &status, 0) > 0 && status == 0);
    s->pid = run(s, serve);
    for (int i = 0;; i++) {
        PGconn *pg = administrator(s);
        bool is_up = PQstatus(pg) == CONNECTION_OK;
        PQfinish(pg);
        if (is_up)
            return;
        CHECK(i < 2000 && waitpid(s->pid, &status, WNOHANG) == 0);
        usleep(10000);
    }
}

void pg_server_stop(struct pg *s)
{
    char words[128];
    kill(s->pid, SIGQUIT);
    kill(s->pid, SIGCONT);
    CHECK(waitpid(s->pid, NULL, 0) == s->pid);
    snprintf(words, sizeof words, "rm -rf '%s'", s->folder);
    CHECK(system(words) == 0);
}

void pg_server_signal_all(const struct pg *s, int signum)
{
    char path[64];
    int child;
    kill(s->pid, signum);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)s->pid, (int)s->pid);
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    while (fscanf(f, "%d", &child) == 1)
        kill(child, signum);
    fclose(f);
}

const char *pg_server_ask(const struct pg *s, const char *format, ...)
{
    static char answer[1024];
    char sql[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    PGconn *pg = administrator(s);
    CHECK(PQstatus(pg) == CONNECTION_OK);
    PGresult *res = PQexec(pg, sql);
    CHECK(PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK);
    const char *cell = PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "";
    snprintf(answer, sizeof answer, "%s", cell);
    PQclear(res);
    PQfinish(pg);
    return answer;
}

bool pg_server_comes_to(const struct pg *s, const char *answer, const char *sql)
{
    for (int i = 0; i < 2000; i++) {
        if (strcmp(pg_server_ask(s, "%s", sql), answer) == 0)
            return true;
        usleep(10000);
    }
    return false;
}
