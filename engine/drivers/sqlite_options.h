/* sqlite_options.h - a declaration's options as the SQLite driver understands them.
 *
 * Roles: 0 is `reader`, opened read-only, and 1 is `writer`. A database in memory belongs to its
 * one connection, so there role 0 is the writer and there is no other.
 */
#ifndef DRIVERS_SQLITE_OPTIONS_H
#define DRIVERS_SQLITE_OPTIONS_H

#include "core/driver.h"

struct sqlite_options {
    const char *file;        /* borrowed from the target, like all strings here */
    const char *journal;     /* wal (default), delete, truncate, persist */
    const char *synchronous; /* off, normal, full (default), extra */
    int64_t cache_size;      /* bytes; 0: SQLite's default, here and below */
    int64_t page_size;       /* of a file that is created */
    int64_t mmap_size;
    bool may_create;   /* option create: on (default), off */
    bool foreign_keys; /* on (default), off */
    bool is_memory, is_writer;
};

/* ERROR_OK, or ERROR_CONFIG with the sentence. */
enum error_code sqlite_options_read(struct sqlite_options *o, const struct target *t,
                                    struct error *e);

/* Whether the file lies where its journal works: a write-ahead log needs memory that all who use it
 * share, so all of them on one machine. ERROR_OK or ERROR_CONFIG. May block. */
enum error_code sqlite_options_check_place(const struct sqlite_options *o, struct error *e);

bool sqlite_options_is_wal(const struct sqlite_options *o);

#endif
