/* postgres_error.c - SQLSTATE, and libpq's sentences, to our codes.
 *
 * The server's answers carry a SQLSTATE. A failed handshake does not: libpq keeps only a text. It
 * is asked for its verbose form, in which the SQLSTATE stands between the severity and the message
 * whatever the server's language is. What remains is libpq's own: told apart by how far the
 * handshake had come.
 */
#include <ctype.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

struct row {
    const char *prefix; /* of the SQLSTATE; the first that fits counts */
    enum error_code code;
};

static const struct row table[] = {
    {"08P01", ERROR_QUERY}, /* what else it may be: pg_is_misunderstood() */
    {"08", ERROR_LOST},          {"23", ERROR_CONSTRAINT},
    {"25006", ERROR_READ_ONLY},  {"28", ERROR_DENIED},
    {"3D000", ERROR_CONFIG},                               /* no such database */
    {"40002", ERROR_CONSTRAINT}, {"40", ERROR_CONFLICT},   /* serialization failure, deadlock */
    {"44", ERROR_CONSTRAINT},    {"53100", ERROR_STORAGE}, /* disk full */
    {"53200", ERROR_SERVER},                               /* its memory, not ours */
    {"53300", ERROR_BUSY},       {"53", ERROR_SERVER},
    {"54", ERROR_LIMIT},         {"55006", ERROR_LOCKED},   /* object in use */
    {"55P03", ERROR_LOCKED},     {"57014", ERROR_DEADLINE}, /* the server's own */
    {"57P", ERROR_LOST},         {"57", ERROR_SERVER},
    {"58", ERROR_STORAGE},       {"72", ERROR_CONFLICT}, /* snapshot too old */
    {"F0", ERROR_SERVER},        {"HV", ERROR_SERVER},
    {"XX001", ERROR_STORAGE}, /* damaged data, damaged index */
    {"XX002", ERROR_STORAGE},    {"XX", ERROR_SERVER},
    {"0", ERROR_QUERY}, /* whatever else: the statement or what it was given */
    {"2", ERROR_QUERY},          {"3", ERROR_QUERY},
    {"4", ERROR_QUERY},          {"5", ERROR_QUERY},
    {"P", ERROR_QUERY},
};

enum error_code pg_state_code(const char *state)
{
    for (size_t i = 0; i < COUNT(table); i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].code;
    return ERROR_SERVER;
}

/* --- sentences -------------------------------------------------------------------------------- */

static void append(struct error *e, const char *before, const char *text, const char *after)
{
    if (text != NULL && *text != '\0')
        error_append(e, "%s%s%s", before, text, after);
}

static void set_state(struct error *e, const char *state)
{
    snprintf(e->state, sizeof e->state, "%.5s", state);
}

bool pg_is_fatal(const PGresult *res)
{
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/* An error from inside a procedure has a context, one from its words has a place in the text. */
bool pg_is_about_words(const PGresult *res)
{
    return PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION) != NULL &&
           PQresultErrorField(res, PG_DIAG_CONTEXT) == NULL;
}

void pg_error_of_result(struct error *e, const char *resource, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    CHECK(state != NULL);
    if (primary == NULL)
        primary = "no message";
    enum error_code code = pg_is_fatal(res) ? ERROR_LOST : pg_state_code(state);
    error_set(e, code, "%s: %s", resource, primary);
    set_state(e, state);
    append(e, " at character ", PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION), "");
    if (constraint != NULL && strstr(primary, constraint) == NULL)
        append(e, " (constraint ", constraint, ")");
    append(e, " (", PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL), ")");
    append(e, "; ", PQresultErrorField(res, PG_DIAG_MESSAGE_HINT), "");
}

static int first_line(const char *text)
{
    return (int)strcspn(text, "\n");
}

/* What libpq says of a socket that it has closed itself: not why. */
static bool is_afterthought(const char *text)
{
    static const char *const said[] = {"invalid socket", "connection not open"};
    for (size_t i = 0; i < COUNT(said); i++)
        if (strncmp(text, said[i], strlen(said[i])) == 0)
            return true;
    return false;
}

/* libpq adds what ended a session to what it said of its last statement; a further line of the same
 * sentence is indented. */
static const char *last_sentence(const char *text)
{
    const char *last = text;
    for (const char *at = strchr(text, '\n'); at != NULL; at = strchr(at + 1, '\n'))
        if (at[1] != '\0' && !isspace((unsigned char)at[1]) && !is_afterthought(at + 1))
            last = at + 1;
    return last;
}

void pg_error_of_loss(struct error *e, const char *resource, const PGconn *pg)
{
    const char *text = last_sentence(PQerrorMessage(pg));
    enum error_code code = strstr(text, "out of memory") != NULL ? ERROR_MEMORY : ERROR_LOST;
    error_set(e, code, "%s: %.*s", resource, first_line(text), text);
}

/* --- the handshake ---------------------------------------------------------------------------- */

/* "FATAL:  28P01: password ..." has one; the severity before it may be in any language. */
static const char *find_state(const char *text)
{
    for (const char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        const char *state = at + 3;
        int i = 0;
        while (i < 5 && (isdigit((unsigned char)state[i]) || isupper((unsigned char)state[i])))
            i++;
        if (i == 5 && state[5] == ':')
            return state;
    }
    return NULL;
}

static bool has_one_of(const char *text, const char *const *word, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(text, word[i]) != NULL)
            return true;
    return false;
}

/* No SQLSTATE: the sentence is libpq's. */
static enum error_code guess(const char *text, ConnStatusType was)
{
    static const char *const cut[] = {
        "closed the connection",
        "closed unexpectedly",
        "EOF detected",
        "reset by peer",
        "could not receive",
        "could not send",
        "timed out",
        "Broken pipe",
        "error response during SSL exchange"}; /* it had no process for us */
    static const char *const tls[] = {"SSL", "certificate", "TLS"};
    /* Behind those that do not say it, libcrypto had none. */
    static const char *const memory[] = {"out of memory",
                                         "cannot allocate memory",
                                         "malloc failure",
                                         "Memory allocation failure",
                                         "could not generate nonce",
                                         "could not encode",
                                         "could not calculate client proof",
                                         "could not verify server signature"};
    static const char *const unfit[] = {"session is read-only", "session is not read-only",
                                        "server is in hot standby mode",
                                        "server is not in hot standby mode"};
    /* Somebody is there, and not as the declaration wants it. */
    static const char *const declared[] = {"requirepeer specifies",
                                           "encryption required but was impossible"};
    if (has_one_of(text, memory, COUNT(memory)))
        return ERROR_MEMORY;
    if (has_one_of(text, declared, COUNT(declared)))
        return ERROR_CONFIG;
    if (has_one_of(text, unfit, COUNT(unfit)))
        return ERROR_UNFIT;
    if (has_one_of(text, cut, COUNT(cut)))
        return ERROR_UNREACHABLE;
    if (was == CONNECTION_SSL_STARTUP || has_one_of(text, tls, COUNT(tls)))
        return ERROR_CONFIG;
    if (was == CONNECTION_BAD) /* it never began: an option of ours, or nobody at the socket */
        return strncmp(text, "connection to", 13) == 0 ? ERROR_UNREACHABLE : ERROR_CONFIG;
    if (was == CONNECTION_STARTED || was == CONNECTION_MADE || was == CONNECTION_NEEDED)
        return ERROR_UNREACHABLE;
    return ERROR_DENIED; /* what the server wants to see, we do not have */
}

/* state: the text may go on behind it. No statement is at fault yet, so what would be one's is the
 * declaration's; a pooler says 08P01 of everything, also of a server that it waits for. */
static enum error_code code_of_open(const char *state)
{
    enum error_code code = pg_state_code(state);
    if (code == ERROR_LOST || strncmp(state, "08", 2) == 0) /* starting up, shutting down */
        return ERROR_UNREACHABLE;
    if (strncmp(state, "42501", 5) == 0)
        return ERROR_DENIED;
    return code == ERROR_QUERY ? ERROR_CONFIG : code;
}

/* libpq tells every attempt (with and without TLS) in turn; the last one decides. */
static const char *last_attempt(const char *text)
{
    const char *last = text;
    for (const char *at = text; (at = strstr(at, "\nconnection to server")) != NULL; at++)
        last = at + 1;
    return last;
}

void pg_error_of_open(struct error *e, const char *resource, const PGconn *pg, ConnStatusType was)
{
    const char *text = last_attempt(PQerrorMessage(pg));
    const char *state = find_state(text);
    enum error_code code = state != NULL ? code_of_open(state) : guess(text, was);
    if (state == NULL) {
        error_set(e, code, "%s: %.*s", resource, first_line(text), text);
    } else {
        const char *message = state + 5 + strspn(state + 5, ": ");
        error_set(e, code, "%s: %.*s", resource, first_line(message), message);
        set_state(e, state);
    }
}
