/* postgres_session.c - what a statement leaves behind in the session, as far as its words tell.
 *
 * A connection that may not be as it was is reset before somebody else gets it; the price of a
 * false alarm is one round trip, so doubt counts as dirty. The server's command tag says what was
 * done: tags that are known to leave nothing are listed, every other one (SET, LISTEN, DECLARE
 * CURSOR, DO, CALL, PREPARE, LOAD ...) leaves traces. A function that changes the session under a
 * harmless tag is noticed when its name stands in the text; one that hides inside another function
 * is not, nobody could. Sequences do not count: every insert into a table with a serial column
 * moves the session's currval().
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "drivers/postgres.h"

static const char *const traceless[] = {"SELECT",     "INSERT",
                                        "UPDATE",     "DELETE",
                                        "BEGIN",      "COMMIT",
                                        "ROLLBACK",   "SAVEPOINT",
                                        "RELEASE",    "MERGE",
                                        "START",      "FETCH",
                                        "MOVE",       "CLOSE",
                                        "SHOW",       "EXPLAIN",
                                        "COPY",       "TRUNCATE",
                                        "LOCK",       "NOTIFY",
                                        "UNLISTEN",   "RESET",
                                        "DISCARD",    "ANALYZE",
                                        "VACUUM",     "DEALLOCATE",
                                        "CREATE",     "SET CONSTRAINTS",
                                        "ALTER",      "DROP",
                                        "GRANT",      "REVOKE",
                                        "COMMENT",    "REINDEX",
                                        "REFRESH",    "CLUSTER",
                                        "CHECKPOINT", "PREPARE TRANSACTION"};

static bool begins_with_word(const char *text, const char *word)
{
    if (((text[0] ^ word[0]) & ~0x20) != 0) /* most differ in their first letter */
        return false;
    size_t size = strlen(word);
    return strncasecmp(text, word, size) == 0 && !isalnum((unsigned char)text[size]) &&
           text[size] != '_';
}

static const char *skip_comment(const char *at)
{
    int depth = 0;
    do {
        bool opens = at[0] == '/' && at[1] == '*', closes = at[0] == '*' && at[1] == '/';
        depth += opens - closes;
        at += opens || closes ? 2 : 1;
    } while (depth > 0 && *at != '\0');
    return at;
}

/* To the next word: over blanks, comments and empty statements. */
static const char *skip(const char *at)
{
    for (;;) {
        if (isspace((unsigned char)*at) || *at == ';')
            at++;
        else if (at[0] == '-' && at[1] == '-')
            at += strcspn(at, "\n");
        else if (at[0] == '/' && at[1] == '*')
            at = skip_comment(at);
        else
            return at;
    }
}

static const char *second_word(const char *text)
{
    const char *at = skip(text);
    while (isalpha((unsigned char)*at))
        at++;
    return skip(at);
}

bool pg_text_is_suspect(const char *text)
{
    return strcasestr(text, "set_config") != NULL || strcasestr(text, "advisory_lock") != NULL ||
           strcasestr(text, "dblink_connect") != NULL;
}

static bool is_for_this_transaction(const char *text)
{
    return begins_with_word(skip(text), "SET") &&
           (begins_with_word(second_word(text), "LOCAL") ||
            begins_with_word(second_word(text), "TRANSACTION"));
}

bool pg_leaves_traces(const char *tag, const char *text, bool has_rows)
{
    bool may_create =
        strncmp(tag, "CREATE", 6) == 0 || (strncmp(tag, "SELECT", 6) == 0 && !has_rows);
    if (may_create) /* a table made for this session alone */
        return strcasestr(text, "temp") != NULL;
    for (size_t i = 0; i < COUNT(traceless); i++)
        if (begins_with_word(tag, traceless[i]))
            return false;
    return *tag != '\0' && !is_for_this_transaction(text);
}

bool pg_forgets_statements(const char *tag)
{
    return strcmp(tag, "DISCARD ALL") == 0 || strcmp(tag, "DEALLOCATE ALL") == 0;
}

bool pg_is_commit(const char *text)
{
    const char *at = skip(text);
    return begins_with_word(at, "COMMIT") || begins_with_word(at, "END") ||
           (begins_with_word(at, "PREPARE") && begins_with_word(second_word(text), "TRANSACTION"));
}

bool pg_is_copy(const char *text)
{
    return begins_with_word(skip(text), "COPY");
}

static bool begins_with_one_of(const char *text, const char *const *word, size_t count)
{
    const char *at = skip(text);
    for (size_t i = 0; i < count; i++)
        if (begins_with_word(at, word[i]))
            return true;
    return false;
}

bool pg_is_control(const char *text)
{
    static const char *const word[] = {"BEGIN",    "START", "COMMIT",    "END",
                                       "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"};
    return begins_with_one_of(text, word, COUNT(word)) || pg_is_commit(text);
}

/* It cannot commit anything by itself before it is complete, as COMMIT, CALL and DO can. */
bool pg_is_all_or_nothing(const char *text)
{
    static const char *const word[] = {"SELECT", "INSERT", "UPDATE", "DELETE",
                                       "MERGE",  "WITH",   "VALUES", "TABLE"};
    return begins_with_one_of(text, word, COUNT(word));
}

bool pg_is_undone_as_a_whole(const char *text)
{
    return pg_is_all_or_nothing(text) || pg_is_copy(text);
}

/* Outside of a transaction it may commit a part of what it does, and fail afterwards. */
bool pg_commits_parts(const char *text)
{
    static const char *const word[] = {"CALL", "DO", "VACUUM", "ANALYZE", "CLUSTER", "REINDEX"};
    static const char *const definition[] = {"CREATE", "ALTER", "DROP"};
    return begins_with_one_of(text, word, COUNT(word)) ||
           (begins_with_one_of(text, definition, COUNT(definition)) &&
            strcasestr(text, "concurrently") != NULL);
}

/* One statement that is its own transaction, and nobody after it can tell that it was there. */
bool pg_may_share(const struct driver *d, const struct request *r)
{
    (void)d;
    bool may_create = strcasestr(r->text, "into") != NULL && strcasestr(r->text, "temp") != NULL;
    return pg_is_all_or_nothing(r->text) && !pg_text_is_suspect(r->text) && !may_create;
}
