#include "frames.h"

#include <stdio.h>
#include <string.h>

#define DEEPEST 200 /* frames looked at */
#define LONGEST 20  /* lines shown */
#define PARKED 1    /* yield, in a coroutine that waits: lua/nebula/coroutine.lua */

static bool begins_with(const char *text, const char *prefix, size_t size)
{
    return strncmp(text, prefix, size) == 0;
}

/* As errors.is_ours() of lua/nebula/error.lua. */
static bool is_ours(const char *source, const char *home)
{
    static const char built_in[] = "=lua/nebula/";
    if (begins_with(source, built_in, sizeof built_in - 1))
        return true;
    size_t size = strlen(home);
    if (source[0] != '@' || !begins_with(source + 1, home, size))
        return false;
    const char *below = source + 1 + size;
    return begins_with(below, "/lua/nebula/", 12) || begins_with(below, "/resources/", 11);
}

/* Else its source is all of its text. */
static bool has_name(const lua_Debug *frame)
{
    return frame->source[0] == '@' || frame->source[0] == '=';
}

/* A frame of the workflow: its source and line. */
static bool is_theirs(lua_State *co, lua_Debug *frame, const char *home)
{
    return lua_getinfo(co, "S", frame) != 0 && !is_ours(frame->source, home) &&
           lua_getinfo(co, "l", frame) != 0 && frame->currentline > 0;
}

/* What is called in a frame, by its name there. */
static struct frames_call call_of(lua_State *co, lua_Debug *called, const lua_Debug *frame)
{
    struct frames_call call = {.source = frame->source, .line = frame->currentline};
    if (!has_name(frame))
        call.source = "=[string]";
    bool is_named = lua_getinfo(co, "n", called) != 0 && called->name != NULL;
    strncpy(call.name, is_named ? called->name : "a call", sizeof call.name - 1);
    return call;
}

bool frames_last_call(lua_State *co, const char *home, struct frames_call *out)
{
    lua_Debug frame, below;
    for (int level = PARKED; level < DEEPEST && lua_getstack(co, level, &frame) != 0; level++) {
        if (is_theirs(co, &frame, home)) {
            lua_getstack(co, level - 1, &below);
            *out = call_of(co, &below, &frame);
            return true;
        }
    }
    return false;
}

bool frames_called(lua_State *co, lua_Debug *called, const char *home, struct frames_call *out)
{
    lua_Debug caller;
    if (lua_getinfo(co, "S", called) == 0 || !is_ours(called->source, home) ||
        lua_getstack(co, 1, &caller) == 0 || !is_theirs(co, &caller, home))
        return false;
    *out = call_of(co, called, &caller);
    return true;
}

/* Asked for what is shown alone: LuaJIT crashes when it looks for the name of a handler after an
 * overflow. */
static int print_frame(lua_State *co, lua_Debug *frame, char *text, size_t size)
{
    const char *source = has_name(frame) ? frame->source + 1 : frame->short_src;
    if (frame->what[0] == 'm')
        return snprintf(text, size, "  %s:%d: in the main chunk\n", source, frame->currentline);
    if (lua_getinfo(co, "n", frame) != 0 && frame->name != NULL)
        return snprintf(text, size, "  %s:%d: in '%s'\n", source, frame->currentline, frame->name);
    return snprintf(text, size, "  %s:%d: in a function of line %d\n", source, frame->currentline,
                    frame->linedefined);
}

void frames_lines(lua_State *co, const char *home, char *text, size_t size)
{
    lua_Debug frame;
    size_t used = 0;
    int lines = 0;
    text[0] = '\0';
    for (int level = 0; level < DEEPEST && lines < LONGEST; level++) {
        if (lua_getstack(co, level, &frame) == 0)
            break;
        if (!is_theirs(co, &frame, home))
            continue;
        int printed = print_frame(co, &frame, text + used, size - used);
        if (printed < 0 || (size_t)printed >= size - used) {
            text[used] = '\0'; /* no half of a line */
            break;
        }
        used += (size_t)printed;
        lines++;
    }
    if (used > 0)
        text[used - 1] = '\0';
}
