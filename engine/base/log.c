/* log.c - see log.h.
 *
 * A line grows piece by piece, and a piece (an escape, a character, a mask) is in it whole or not
 * at all. The end of the buffer is kept free for what closes the line, so a cut line is still well
 * formed.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/utf8.h"

#define CLOSING 32    /* bytes kept for the closing quote, the mark of a cut, the end */
#define FIELD_MORE 48 /* a field's marks and colours, its number or a little text */

struct line {
    size_t size;
    bool is_cut;
    char bytes[LOG_LINE];
};

/* --- pieces ----------------------------------------------------------------------------------- */

static void put_bytes(struct line *line, const char *bytes, size_t size)
{
    if (line->is_cut || line->size + size > LOG_LINE - CLOSING) {
        line->is_cut = true;
        return;
    }
    memcpy(line->bytes + line->size, bytes, size);
    line->size += size;
}

static void put(struct line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

/* Into what is kept free, so it is there on a cut line too. */
static void put_closing(struct line *line, const char *text)
{
    size_t size = strlen(text);
    CHECK(line->size + size <= LOG_LINE);
    memcpy(line->bytes + line->size, text, size);
    line->size += size;
}

/* One character, so that it is one in every terminal and every parser. Returns the bytes taken. What
 * is for people alone goes on in another line, which none that begins with a time is mistaken for. */
static size_t put_char(struct line *line, const char *text, size_t size, bool is_quoted)
{
    uint32_t rune;
    size_t count = utf8_read(text, size, &rune);
    char escape[8];
    if (count == 0) {
        put(line, UTF8_BAD);
        return 1;
    }
    if (is_quoted && (rune == '"' || rune == '\\'))
        put_bytes(line, (const char[]){'\\', (char)rune}, 2);
    else if (rune == '\n')
        put(line, is_quoted ? "\\n" : "\n    ");
    else if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0)) {
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)rune);
        put(line, escape);
    } else
        put_bytes(line, text, count);
    return count;
}

static void put_masked(struct line *line, const struct secrets *secrets, const char *text,
                       bool is_quoted)
{
    size_t size = strlen(text);
    for (size_t at = 0; at < size && !line->is_cut;) {
        size_t secret = secret_at(secrets, text, size, at);
        if (secret > 0)
            put(line, SECRET_MASK);
        at += secret > 0 ? secret : put_char(line, text + at, size - at, is_quoted);
    }
}

/* --- values and fields ------------------------------------------------------------------------ */

static bool needs_quotes(const char *text)
{
    if (text[0] == '\0')
        return true;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || strchr("=\"\\\x7f", *text) != NULL)
            return true;
    return false;
}

static void put_value(const struct log *l, struct line *line, const char *text)
{
    bool is_quoted = l->format == LOG_JSON || needs_quotes(text);
    put(line, is_quoted ? "\"" : "");
    put_masked(line, l->secrets, text, is_quoted);
    put_closing(line, is_quoted ? "\"" : "");
}

static void put_colour(const struct log *l, struct line *line, const char *colour)
{
    if (l->is_coloured)
        put(line, colour);
}

static void put_key(const struct log *l, struct line *line, const char *key)
{
    if (l->format == LOG_JSON) {
        put(line, ",\"");
        put(line, key);
        put(line, "\":");
        return;
    }
    put(line, " ");
    put_colour(l, line, "\x1b[2m");
    put(line, key);
    put(line, "=");
    put_colour(l, line, "\x1b[0m");
}

static void put_field(const struct log *l, struct line *line, const struct log_field *f)
{
    if (line->size + strlen(f->key) + FIELD_MORE > LOG_LINE - CLOSING)
        line->is_cut = true;
    if (line->is_cut)
        return;
    put_key(l, line, f->key);
    if (f->text != NULL) {
        put_value(l, line, f->text);
        return;
    }
    char number[24];
    snprintf(number, sizeof number, "%" PRId64, f->number);
    put(line, number);
}

/* --- the three formats ------------------------------------------------------------------------ */

static void put_time(const struct log *l, struct line *line, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    int us = (int)(wall_us % 1000000);
    struct tm t = {0};
    char text[40];
    if (l->format == LOG_PRETTY)
        localtime_r(&seconds, &t);
    else
        gmtime_r(&seconds, &t);
    size_t size = strftime(text, sizeof text, l->format == LOG_PRETTY ? "%T" : "%FT%T", &t);
    if (l->format == LOG_PRETTY)
        snprintf(text + size, sizeof text - size, ".%03d", us / 1000);
    else
        snprintf(text + size, sizeof text - size, ".%06dZ", us);
    put(line, text);
}

/* So that a line which is cut has it too. */
static void put_writer(const struct log *l, struct line *line)
{
    if (l->writer.key != NULL)
        put_field(l, line, &l->writer);
}

static void put_pretty(const struct log *l, struct line *line, enum log_level level,
                       int64_t wall_us, const char *text)
{
    static const char *const colour[] = {"\x1b[2m", "\x1b[36m", "\x1b[33m", "\x1b[31m"};
    put_colour(l, line, "\x1b[2m");
    put_time(l, line, wall_us);
    put_colour(l, line, "\x1b[0m");
    put(line, " ");
    put_colour(l, line, colour[level]);
    put(line, log_level_name(level));
    put_colour(l, line, "\x1b[0m");
    put_bytes(line, "     ", 5 - strlen(log_level_name(level)));
    put_writer(l, line);
    put(line, " ");
    put_masked(line, l->secrets, text, false);
    put(line, " ");
}

static void put_head(const struct log *l, struct line *line, enum log_level level, int64_t wall_us,
                     const char *text)
{
    if (l->format == LOG_PRETTY) {
        put_pretty(l, line, level, wall_us, text);
        return;
    }
    bool is_json = l->format == LOG_JSON;
    put(line, is_json ? "{\"time\":\"" : "time=");
    put_time(l, line, wall_us);
    put(line, is_json ? "\",\"level\":\"" : " level=");
    put(line, log_level_name(level));
    put(line, is_json ? "\"" : "");
    put_writer(l, line);
    put(line, is_json ? ",\"text\":" : " text=");
    put_value(l, line, text);
}

static void put_end(const struct log *l, struct line *line)
{
    static const char *const cut[] = {
        [LOG_JSON] = ",\"truncated\":true", [LOG_LOGFMT] = " truncated=true", [LOG_PRETTY] = "..."};
    if (line->is_cut)
        put_closing(line, cut[l->format]);
    put_closing(line, l->format == LOG_JSON ? "}\n" : "\n");
}

/* --- out -------------------------------------------------------------------------------------- */

/* A reader that does not read must not stop the loop. One that is gone is ready: for an error. */
static bool is_ready(int fd)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};
    return poll(&out, 1, 0) > 0;
}

/* One write. A reader that has gone must not raise SIGPIPE in a program that did not ask for it. */
static bool send_line(int fd, const struct line *line)
{
    sigset_t pipe_only, before, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t sent;
    do
        sent = write(fd, line->bytes, line->size);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_only, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return sent == (ssize_t)line->size;
}

void log_init(struct log *l, int fd, enum log_format format, enum log_level level,
              const struct secrets *secrets)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    bool is_plain = (no_colour != NULL && no_colour[0] != '\0') ||
                    (terminal != NULL && strcmp(terminal, "dumb") == 0);
    *l = (struct log){.fd = fd, .format = format, .level = level, .secrets = secrets};
    l->is_coloured = format == LOG_PRETTY && !is_plain && isatty(fd);
    tzset(); /* once, so that no line has to */
}

static bool write_line(const struct log *l, enum log_level level, int64_t wall_us, const char *text,
                       const struct log_field *field, int fields)
{
    struct line line;
    if (!is_ready(l->fd))
        return false;
    line.size = 0;
    line.is_cut = false;
    put_head(l, &line, level, wall_us, text);
    for (int i = 0; i < fields; i++)
        put_field(l, &line, &field[i]);
    put_end(l, &line);
    return send_line(l->fd, &line);
}

static void tell_lost(struct log *l, int64_t wall_us)
{
    const struct log_field lines = {.key = "lines", .number = (int64_t)(l->lost - l->lost_told)};
    if (write_line(l, LOG_ERROR, wall_us, "lines of the log were lost here", &lines, 1))
        l->lost_told = l->lost;
}

void log_write(struct log *l, enum log_level level, int64_t wall_us, const char *text,
               const struct log_field *field, int fields)
{
    CHECK(level < LOG_NOTHING);
    if (level < l->level)
        return;
    if (l->lost > l->lost_told)
        tell_lost(l, wall_us);
    if (!write_line(l, level, wall_us, text, field, fields))
        l->lost++;
}

const char *log_level_name(enum log_level level)
{
    static const char *const name[] = {"debug", "info", "warn", "error", "nothing"};
    CHECK((size_t)level < COUNT(name));
    return name[level];
}
