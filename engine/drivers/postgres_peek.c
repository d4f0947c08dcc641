/* postgres_peek.c - what the server has said, before libpq reads it.
 *
 * While a COPY takes input, libpq looks for nothing but notices in what it has read: an error stays
 * in its buffer until the input has ended, and nothing tells that it is there. So who is to hear of
 * it earlier looks at what has come before libpq takes it, and leaves it where it is.
 *
 * What is under TLS is looked at through OpenSSL, of which libpq gives the session for such uses;
 * what GSSAPI encrypts is not.
 */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/check.h"
#include "drivers/postgres.h"

#define RECORD_MOST (16 * 1024) /* bytes of a TLS record, as many as libpq reads of it at a time */
#define HEAD_SIZE 6             /* bytes: a letter, a length, and the first one behind it */

static int peek(PGconn *pg, char *out, int size)
{
    if (PQgssEncInUse(pg))
        return 0;
    if (!PQsslInUse(pg))
        return (int)recv(PQsocket(pg), out, (size_t)size, MSG_PEEK | MSG_DONTWAIT);
    SSL *tls = PQsslStruct(pg, "OpenSSL");
    return tls == NULL ? 0 : SSL_peek(tls, out, size);
}

/* The severity, in the words of the server and then in English, which servers before 9.6 do not say. */
static bool is_severity(const char *at, const char *end)
{
    static const char *const severity[] = {"VERROR", "VFATAL", "VPANIC"};
    const char *english = at[0] == 'S' ? memchr(at, 0, (size_t)(end - at)) : NULL;
    for (size_t i = 0; english != NULL && i < COUNT(severity); i++)
        if ((size_t)(end - english) > strlen(severity[i]) + 1 &&
            strcmp(english + 1, severity[i]) == 0)
            return true;
    return false;
}

/* An ErrorResponse or a ReadyForQuery: a letter and four bytes of a length, which begins with two
 * zeros, and what both say next. It may be looked at from the middle of another message on, where
 * the number of a process that notifies has zeros too. */
static bool is_end(const char *at, const char *end)
{
    if (at[1] != 0 || at[2] != 0)
        return false;
    if (at[0] == 'E')
        return is_severity(at + 5, end);
    return at[0] == 'Z' && at[3] == 0 && at[4] == 5 && strchr("ITE", at[5]) != NULL;
}

static bool has_end(const char *bytes, int size)
{
    for (int i = 0; i + HEAD_SIZE <= size; i++)
        if (is_end(bytes + i, bytes + size))
            return true;
    return false;
}

/* All that has come, for libpq may have room for all of it. */
static int waiting(PGconn *pg)
{
    int size = 0;
    if (PQsslInUse(pg) || ioctl(PQsocket(pg), FIONREAD, &size) != 0 || size < RECORD_MOST)
        return RECORD_MOST;
    return size;
}

bool pg_peek_end(PGconn *pg)
{
    int size = waiting(pg);
    char *bytes = malloc((size_t)size);
    if (bytes == NULL)
        return false; /* then it is told at the end of the input */
    bool is_there = has_end(bytes, peek(pg, bytes, size));
    free(bytes);
    return is_there;
}
