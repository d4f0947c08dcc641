/* frames.h - where Lua is, in the lines of whoever wrote the workflow: frames of our own modules and
 * kinds are passed over. Allocates nothing and raises nothing.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct frames_call {
    char name[32];      /* as the workflow called it: "query" */
    const char *source; /* of its file; lives as long as the coroutine does not run */
    int line;
};

/* What a parked coroutine called at last, which made it wait; home is the engine's. False when it has
 * not begun, or no line of the workflow is left in it. */
bool frames_last_call(lua_State *co, const char *home, struct frames_call *out);
/* The same of what is being called, in a hook of Lua. False when it is none of ours, or ours that calls it. */
bool frames_called(lua_State *co, lua_Debug *called, const char *home, struct frames_call *out);
/* The lines of a coroutine that runs, innermost first, each on a line of its own; "" when there are none. */
void frames_lines(lua_State *co, const char *home, char *text, size_t size);

#endif
