/* postgres_belief.c - what cannot be true of an answer, whoever says it.
 *
 * libpq reads what is well-formed, and believes it. What is well-formed may still be no answer to
 * what was asked: nothing is said of what became of a statement, an error comes as a notice, a
 * notice as an error, another statement is answered than a commit. A broken pooler says such
 * things, or a network that changes bytes. Such a connection is lost, and what was asked on it is in
 * doubt.
 */
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

void pg_disbelieve(struct postgres *p, const char *why)
{
    struct error e;
    error_set(&e, ERROR_PROTOCOL, "%s: the server %s", pg_resource(p), why);
    pg_lose(p, &e);
}

bool pg_is_answered(const struct pg_flight *f)
{
    const struct request *r = f->request;
    if (r->reply.error.code != ERROR_OK || r->verb == NEBULA_STOP)
        return true;
    return r->verb == NEBULA_PREPARE ? !f->is_preparing : f->is_complete;
}

/* Servers before 9.6 say it in their language alone. */
static bool is_said(const PGresult *res, const char *const *severity, size_t count)
{
    const char *said = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    for (size_t i = 0; said != NULL && i < count; i++)
        if (strcmp(said, severity[i]) == 0)
            return true;
    return false;
}

bool pg_is_notice(const PGresult *res)
{
    static const char *const severity[] = {"WARNING", "NOTICE", "INFO", "LOG", "DEBUG"};
    return is_said(res, severity, COUNT(severity));
}

/* The end of a session is no answer: libpq hands it on as a notice when it came before libpq was asked. */
void pg_doubt_notice(struct postgres *p, const PGresult *res)
{
    static const char *const severity[] = {"ERROR"};
    if (p->phase == PG_BUSY && is_said(res, severity, COUNT(severity)))
        p->is_contradicted = true;
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (state == NULL) /* libpq's words, of what it threw away */
        p->is_spoiled = true;
}

/* What a program gave does not fit its statement, or what it copies is no binary format: the server
 * has the same code for that as for bytes that nobody meant to say, and goes on as after any error. */
bool pg_is_misunderstood(const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
    const char *context = PQresultErrorField(res, PG_DIAG_CONTEXT);
    bool is_of_values = function != NULL && strcmp(function, "exec_bind_message") == 0;
    bool is_of_copy = context != NULL && strncmp(context, "COPY ", 5) == 0;
    return state != NULL && strcmp(state, "08P01") == 0 && !is_of_values && !is_of_copy;
}

bool pg_is_tag_of_commit(const char *tag)
{
    return strcmp(tag, "COMMIT") == 0 || strcmp(tag, "ROLLBACK") == 0 ||
           strcmp(tag, "PREPARE TRANSACTION") == 0 || strcmp(tag, "COMMIT PREPARED") == 0;
}
