/* sqlite_statement.h - the prepared statements of one connection, kept by their text.
 *
 * At most STATEMENTS_MOST are kept, and the one not used for longest leaves. A statement that is in
 * use (a stream) is not given a second time: whoever asks for the same text then gets one of his
 * own.
 */
#ifndef DRIVERS_SQLITE_STATEMENT_H
#define DRIVERS_SQLITE_STATEMENT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define STATEMENTS_MOST 128
#define STATEMENT_BUCKETS (2 * STATEMENTS_MOST)
#define STATEMENT_TEXT_MOST 65536 /* longer texts are not kept: they rarely come twice */

struct statement {
    struct list_node node;  /* in `used`, the one used last first; loose when not kept */
    struct statement *next; /* of the same bucket */
    sqlite3_stmt *stmt;
    uint32_t hash, size;
    bool is_kept, is_taken;
    char text[];
};

struct statements;

void statements_free(struct statements **all); /* none is taken; NULL before one is kept */

/* The one statement in text (NUL-terminated), ready to be bound; it is the caller's until given
 * back. Returns SQLite's code; SQLITE_MISUSE when there is more than one statement in the text,
 * SQLITE_EMPTY when there is none. */
int statement_take(struct statements **all, sqlite3 *db, const char *text, uint32_t size,
                   struct statement **out);
/* Resets it, so that it holds no lock, and NULLs *taken. Returns what the reset says: a failed
 * commit may show here. */
int statement_give(struct statement **taken);

#endif
