#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"

struct row {
    const char *name;
    enum error_action action;
    const char *text;
};

static const struct row table[ERROR_COUNT] = {
#define X(name, lua, action, text, look) [ERROR_##name] = {lua, ACTION_##action, text},
    ERROR_TABLE(X)
#undef X
};

static const struct row *row_of(enum error_code code)
{
    CHECK((size_t)code < ERROR_COUNT);
    return &table[code];
}

/* What does not fit is left out, down to a character. */
static void print(char *text, size_t size, const char *format, va_list args)
{
    if (vsnprintf(text, size, format, args) >= (int)size)
        utf8_trim(text);
}

enum error_code error_set_list(struct error *e, enum error_code code, const char *format,
                               va_list args)
{
    if (e == NULL)
        return code;
    char text[ERROR_TEXT_SIZE]; /* the arguments may lie in *e */
    print(text, sizeof text, format, args);
    error_clear(e);
    e->code = code;
    memcpy(e->text, text, sizeof text);
    return code;
}

enum error_code error_set(struct error *e, enum error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_set_list(e, code, format, args);
    va_end(args);
    return code;
}

void error_append(struct error *e, const char *format, ...)
{
    va_list args;
    size_t used = strlen(e->text);
    va_start(args, format);
    print(e->text + used, sizeof e->text - used, format, args);
    va_end(args);
}

const char *error_name(enum error_code code)
{
    return row_of(code)->name;
}

const char *error_manual(enum error_code code)
{
    return row_of(code)->text;
}

enum error_action error_action_of(enum error_code code)
{
    return row_of(code)->action;
}

bool error_is_hopeless(enum error_code code)
{
    enum error_action action = error_action_of(code);
    return action == ACTION_FIX || action == ACTION_ROTATE;
}

bool error_blames_server(enum error_code code)
{
    return code == ERROR_LOST || code == ERROR_DEADLINE || code == ERROR_SERVER ||
           code == ERROR_PROTOCOL || code == ERROR_STORAGE || code == ERROR_BUSY ||
           code == ERROR_UNREACHABLE;
}

bool error_is_ours(enum error_code code)
{
    return code == ERROR_CANCELLED || code == ERROR_CLOSED || code == ERROR_STALE ||
           code == ERROR_MEMORY || code == ERROR_UNFIT;
}

const char *error_action_name(enum error_action action)
{
    static const char *const name[] = {
        [ACTION_NONE] = "none",     [ACTION_RETRY] = "retry", [ACTION_WAIT] = "wait",
        [ACTION_ROTATE] = "rotate", [ACTION_FIX] = "fix",     [ACTION_STOP] = "stop",
        [ACTION_ASK] = "ask"};
    CHECK((size_t)action < COUNT(name));
    return name[action];
}
