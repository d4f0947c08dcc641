/* chamber.h - a Lua state of its own, in which what somebody else wrote runs under bounds.
 *
 * Sources are text, nothing is compiled to machine code, and there are no files, processes or other
 * states. What a source may use is decided by the preludes, trusted Lua that is run first: whatever
 * they leave out cannot be reached. What cannot be bounded they do not have themselves: coroutines,
 * xpcall, load and the like.
 *
 * Memory is bounded as a whole, for each piece (a string or a table), and as what is taken between
 * two chamber_begin(), whatever is given back: the same each time, wherever the collector is.
 *
 * Steps are instructions of Lua's, counted by a hook. No instruction takes longer than to walk over
 * one piece; the preludes see to it that no function of a library does. So the hook knows how many
 * steps cannot take longer than the time that is left, and looks at the clock when these are over.
 *
 * Once a bound was reached each step fails, so that no pcall() goes on.
 */
#ifndef CHAMBER_H
#define CHAMBER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAMBER_MESSAGE_SIZE 512
#define CHAMBER_ANY (SIZE_MAX / 8) /* bytes */

/* A source (1 is the first, 0 none) and a line in it (0 unknown). */
struct chamber_place {
    int source, line;
};

enum chamber_over { CHAMBER_FINE = 0, CHAMBER_STEPS, CHAMBER_TIME, CHAMBER_MEMORY };

/* From one chamber_begin() to the next. */
struct chamber_bounds {
    int64_t steps;   /* at least 1 */
    int64_t time_us; /* of the processor, for this thread */
    size_t memory;   /* bytes that are taken, whatever is given back */
    size_t piece;    /* bytes of a single string or table */
};

/* Lua's table of all strings, which is nobody's piece: it grows with whoever adds one too many, and
 * the collector makes it smaller. Each time there is a new block of twice or half the size, and then
 * the old one is freed. */
struct chamber_strings {
    void *block, *next;
    size_t size, next_size;
};

struct chamber {
    lua_State *lua;
    size_t used, most; /* bytes that it has, and may have */
    size_t widest;     /* the largest piece that it ever had */
    struct chamber_strings strings;
    struct chamber_bounds bounds;
    size_t taken;
    int64_t steps;
    int stride;              /* steps until the next look */
    int64_t wall_us, cpu_us; /* when it began, by both clocks */
    enum chamber_over over;
    struct chamber_place place; /* of the source that runs, where it was last seen */
};

/* One piece of Lua to run. */
struct chamber_chunk {
    const char *text;
    size_t size;
    int source;                         /* 0: trusted, a function of the room; bytecode will do */
    char message[CHAMBER_MESSAGE_SIZE]; /* what went wrong, without the place */
};

/* False when there is no memory for it; chamber_fini() is called in any case. `most` is what it
 * may have of memory. */
bool chamber_init(struct chamber *c, size_t most);
void chamber_fini(struct chamber *c);

/* Sets bounds for what comes; nothing is used of them yet. */
void chamber_begin(struct chamber *c, const struct chamber_bounds *bounds);

/* False when it failed; place and over say where and why. Memory that a chunk wanted in vain does
 * not keep the next one from running. */
bool chamber_run(struct chamber *c, struct chamber_chunk *chunk);

/* Collects all garbage, whatever the bounds are. */
void chamber_collect(struct chamber *c);

/* The table that all trusted chunks share: it has `mark`, and `here()`, which gives number and line
 * of the source that is running. They leave there `environment`, the globals of every source.
 * Raises when there is no memory. */
void chamber_push_room(lua_State *lua);

/* A value that sources cannot make: a light userdata. */
void *chamber_mark(void);

/* Where the function at the top of the stack, which it takes, begins. {0, 0}: in no source. */
struct chamber_place chamber_origin(lua_State *lua);

/* A handler for lua_pcall() in a chamber: notes the place while the stack still stands. */
int chamber_witness(lua_State *lua);

/* The message at the top of the stack, without the place that Lua has put before it; that place,
 * when it is one of the source that runs, is noted. Allocates nothing. */
void chamber_read_message(struct chamber *c, char message[CHAMBER_MESSAGE_SIZE]);

#endif
