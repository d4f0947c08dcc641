/* sqlite_rows.h - rows that were copied out of a statement, readable on any thread.
 *
 * Text and blobs lie one behind the other in blocks that never move, so that a cell is read where
 * it lies.
 */
#ifndef DRIVERS_SQLITE_ROWS_H
#define DRIVERS_SQLITE_ROWS_H

#include <sqlite3.h>

#include "core/value.h"

#define ROWS_MOST_BYTES ((size_t)1 << 30) /* in one reply; more is streamed */

struct rows;

/* Empty, with the names of the statement's columns. NULL when out of memory. */
struct rows *rows_new(sqlite3_stmt *stmt);
/* The statement stands on a row: copies it. SQLITE_OK, SQLITE_NOMEM, or SQLITE_TOOBIG. */
int rows_add(struct rows *all, sqlite3_stmt *stmt);
struct result *rows_result(struct rows *all); /* freed by its type */
void rows_free(struct rows **all);

#endif
