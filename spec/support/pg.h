/* pg.h - a real PostgreSQL for specs in C: a child of the spec on a free port of 127.0.0.1, gone at
 * its end.
 *
 * It has a certificate (ca.crt in its folder is the authority, other.crt one that signed nothing)
 * and these roles:
 *
 *   app      password "sesame-open", owner of the database of that name; its session may do
 * anything secure   only over TLS, without a password narrow   allowed no connection at all: the
 * server is full for it
 *
 * What is broken here aborts the spec.
 */
#ifndef SPEC_PG_H
#define SPEC_PG_H

#include <stdbool.h>
#include <sys/types.h>

struct pg {
    pid_t pid;
    char folder[64]; /* data, socket, certificates */
    char port[8];
};

void pg_server_start(struct pg *s);
void pg_server_stop(struct pg *s); /* and removes all of it */

/* To every process of it: SIGSTOP freezes the whole server. */
void pg_server_signal_all(const struct pg *s, int signum);

/* Runs SQL as the administrator over the Unix socket, blocking; the first cell of the first row, ""
 * if there is none. Valid until the next call. */
const char *pg_server_ask(const struct pg *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Asks until the answer is `answer`, at most 20 s. */
bool pg_server_comes_to(const struct pg *s, const char *answer, const char *sql);

#endif
