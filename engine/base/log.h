/* log.h - what people and machines read afterwards: one line for each thing that happened.
 *
 * A line is a level, a text and fields. It is formatted into a buffer on the stack and leaves with
 * one write(2), so that lines of several writers do not mix; nothing is allocated. Secrets are
 * masked in every text. A line that would be longer than LOG_LINE is cut and says so. Logging never
 * fails: a line that cannot be written is counted and forgotten, and the next one that can says how
 * many were.
 *
 * Nor does it wait: a line for which there is no room at once is lost. A pipe that has room takes
 * LOG_LINE bytes, so a line waits only where another process fills the pipe in between, or on a
 * terminal or socket with room for a part of it.
 *
 * For one thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"

#define LOG_LINE 4096 /* bytes, the newline included: what a pipe takes in one piece */

enum log_format {
    LOG_JSON = 0, /* {"time":"2024-05-01T12:00:00.000000Z","level":"warn","text":"...", fields} */
    LOG_LOGFMT,   /* time=2024-05-01T12:00:00.000000Z level=warn text="..." resource=shop */
    LOG_PRETTY,   /* 12:00:00.000 warn  ...  resource=shop; the local time of day */
};
enum log_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NOTHING };

struct log_field {
    const char *key;  /* a word: letters, digits, underscores */
    const char *text; /* NULL: the number */
    int64_t number;
};

struct log {
    int fd; /* borrowed */
    enum log_format format;
    enum log_level level;          /* nothing below it is written */
    bool is_coloured;              /* pretty on a terminal, unless NO_COLOR is set or it is dumb */
    const struct secrets *secrets; /* borrowed, may be NULL */
    struct log_field writer;       /* stands before the text of every line; none without a key */
    uint64_t lost;                 /* lines that could not be written */
    uint64_t lost_told;            /* of them, how many a later line has told of */
};

void log_init(struct log *l, int fd, enum log_format format, enum log_level level,
              const struct secrets *secrets);

/* wall_us: since 1970, see base/world.h. field may be NULL when fields is 0. */
void log_write(struct log *l, enum log_level level, int64_t wall_us, const char *text,
               const struct log_field *field, int fields);

const char *log_level_name(enum log_level level); /* "warn" */

#endif
