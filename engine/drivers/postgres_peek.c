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
#include <sys/socket.h>

#include "drivers/postgres.h"

#define READ_MOST                                                                                  \
    (16 * 1024)     /* bytes: the room that libpq reads into, and the most of a TLS record */
#define WORD_SIZE 6 /* bytes that tell the two words below from all others */

static int peek(PGconn *pg, char *out, int size)
{
    if (PQgssEncInUse(pg))
        return 0;
    if (!PQsslInUse(pg))
        return (int)recv(PQsocket(pg), out, (size_t)size, MSG_PEEK | MSG_DONTWAIT);
    SSL *tls = PQsslStruct(pg, "OpenSSL");
    return tls == NULL ? 0 : SSL_peek(tls, out, size);
}

/* An ErrorResponse or a ReadyForQuery: a letter and four bytes of a length, which begins with two
 * zeros. Nothing else that a server says to who copies looks like this, also when it is looked at
 * from its middle on: texts have single zeros between them, and behind the two at the end of a
 * message stands the letter of the next one. */
static bool is_end(const char *at)
{
    if (at[1] != 0 || at[2] != 0)
        return false;
    bool is_error = at[0] == 'E' && at[3] >= 0 && at[3] < 'A' && at[5] == 'S';
    return is_error || (at[0] == 'Z' && at[3] == 0 && at[4] == 5);
}

bool pg_peek_end(PGconn *pg)
{
    char bytes[READ_MOST];
    int size = peek(pg, bytes, sizeof bytes);
    for (int i = 0; i + WORD_SIZE <= size; i++)
        if (is_end(bytes + i))
            return true;
    return false;
}
