#include "chamber.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

#define STRIDE 1000     /* the most steps between two looks at the clock, and at the place */
#define PIECE_NS 2      /* for each byte over which a step walks: twice what was measured */
#define LEVELS_MOST 250 /* finding a level costs its depth */
#define STATE_SIZE (16 << 10)
#define READ_SIZE 1024 /* bytes of a source between two looks at the clock while it is compiled */
#define STRINGS_FIRST ((size_t)256 * sizeof(void *)) /* the table of all strings, when it is new */

static const char mark;
static const char room; /* its address is the key of the room in the registry */

static struct chamber *chamber_of(lua_State *lua)
{
    void *chamber;
    lua_getallocf(lua, &chamber);
    return chamber;
}

void *chamber_mark(void)
{
    return (void *)(uintptr_t)&mark;
}

/* --- where it is ----------------------------------------------------------------------------- */

/* Preludes have names, sources have numbers. */
static int source_of(const lua_Debug *at)
{
    return atoi(at->short_src);
}

/* The innermost function of a source, if any. */
static void look(struct chamber *c)
{
    lua_Debug at;
    for (int level = 0; level < LEVELS_MOST && lua_getstack(c->lua, level, &at); level++) {
        lua_getinfo(c->lua, "Sl", &at);
        int source = source_of(&at);
        if (source > 0) {
            c->place = (struct chamber_place){source, at.currentline};
            return;
        }
    }
}

static int here(lua_State *lua)
{
    struct chamber *c = chamber_of(lua);
    look(c);
    lua_pushinteger(lua, c->place.source);
    lua_pushinteger(lua, c->place.line);
    return 2;
}

int chamber_witness(lua_State *lua)
{
    look(chamber_of(lua));
    return 1;
}

struct chamber_place chamber_origin(lua_State *lua)
{
    lua_Debug at;
    lua_getinfo(lua, ">S", &at);
    int source = source_of(&at);
    return source > 0 ? (struct chamber_place){source, at.linedefined}
                      : (struct chamber_place){0, 0};
}

/* --- the bounds ------------------------------------------------------------------------------ */

static void count(lua_State *lua, lua_Debug *at);

/* From here on each step fails: in the hook, or because there is no room to call it. The place is
 * noted now: no handler is called for lack of memory. */
static void end(struct chamber *c, enum chamber_over why)
{
    if (c->over != CHAMBER_FINE)
        return;
    c->over = why;
    if (c->lua == NULL)
        return;
    look(c);
    lua_sethook(c->lua, count, LUA_MASKCOUNT, 1);
}

static void *refuse(struct chamber *c)
{
    end(c, CHAMBER_MEMORY);
    return NULL;
}

static bool is_too_much(const struct chamber *c, size_t size, size_t more)
{
    return size > c->bounds.piece || c->taken + more > c->bounds.memory || c->used + more > c->most;
}

/* May a new block of this size be Lua's table of all strings? */
static bool may_be_strings(const struct chamber *c, size_t size)
{
    const struct chamber_strings *s = &c->strings;
    return (size == 2 * s->size || 2 * size == s->size) && c->used + size <= c->most;
}

static void take(struct chamber *c, size_t size, size_t more)
{
    c->taken += more;
    if (size > c->widest)
        c->widest = size;
}

/* The table of strings was moved when the old one is freed next. Else it was somebody's piece. */
static void settle_strings(struct chamber *c, const void *freed)
{
    struct chamber_strings *s = &c->strings;
    if (freed == s->block) {
        s->block = s->next;
        s->size = s->next_size;
    } else {
        take(c, s->next_size, s->next_size);
        if (is_too_much(c, s->next_size, 0))
            end(c, CHAMBER_MEMORY);
    }
    s->next = NULL;
}

static void *allocate(void *chamber, void *block, size_t old, size_t size)
{
    struct chamber *c = chamber;
    if (c->strings.next != NULL)
        settle_strings(c, size == 0 ? block : NULL);
    if (size == 0) {
        free(block);
        c->used -= old;
        return NULL;
    }
    bool is_strings = block == NULL && may_be_strings(c, size);
    if (size > old && !is_strings && is_too_much(c, size, size - old))
        return refuse(c);
    void *moved = realloc(block, size);
    if (moved == NULL)
        return size <= old ? block : refuse(c);
    c->used += size - old;
    if (c->lua == NULL && size == STRINGS_FIRST)
        c->strings = (struct chamber_strings){.block = moved, .size = size};
    if (is_strings) {
        c->strings.next = moved;
        c->strings.next_size = size;
    } else if (size > old) {
        take(c, size, size - old);
    }
    return moved;
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* By the processor's time of this thread: the same on a busy machine. To ask for it is dear, so the
 * wall clock, by which nothing takes less, is asked first. */
static int64_t worked_us(struct chamber *c)
{
    int64_t passed = clock_us(CLOCK_MONOTONIC) - c->wall_us;
    if (passed < c->bounds.time_us)
        return passed;
    int64_t worked = clock_us(CLOCK_THREAD_CPUTIME_ID) - c->cpu_us;
    c->wall_us += passed - worked; /* others had the processor */
    return worked;
}

/* The next look is when so many steps are over as cannot take longer than what is left. */
static void arm(struct chamber *c, int64_t left_us)
{
    size_t piece = c->widest > c->bounds.piece ? c->widest : c->bounds.piece;
    int64_t steps = left_us * 1000 / ((int64_t)piece * PIECE_NS + 1);
    int64_t most = c->bounds.steps - c->steps + 1;
    if (most > STRIDE)
        most = STRIDE;
    c->stride = (int)(steps > most ? most : steps < 1 ? 1 : steps);
    lua_sethook(c->lua, count, LUA_MASKCOUNT, c->stride);
}

_Noreturn static void cut(lua_State *lua, enum chamber_over over)
{
    if (over == CHAMBER_MEMORY)
        lua_pushliteral(lua, "needs more memory than declarations may have");
    else
        lua_pushliteral(
            lua, "runs for too long: declarations are data, an endless loop in them has no end");
    lua_error(lua);
    UNREACHABLE();
}

/* Called when the next step would be number steps + stride. */
static void count(lua_State *lua, lua_Debug *at)
{
    (void)at;
    struct chamber *c = chamber_of(lua);
    if (c->over != CHAMBER_FINE)
        cut(lua, c->over);
    int64_t before = c->steps, left_us = c->bounds.time_us - worked_us(c);
    c->steps += c->stride;
    if (c->steps > c->bounds.steps)
        end(c, CHAMBER_STEPS);
    else if (left_us <= 0)
        end(c, CHAMBER_TIME);
    if (c->over != CHAMBER_FINE)
        cut(lua, c->over);
    if (c->steps / STRIDE != before / STRIDE)
        look(c); /* no handler is called when the stack is full */
    arm(c, left_us);
}

void chamber_begin(struct chamber *c, const struct chamber_bounds *bounds)
{
    CHECK(bounds->steps >= 1);
    c->bounds = *bounds;
    c->strings.next = NULL; /* the last piece of the one before */
    c->taken = 0;
    c->steps = 0;
    c->over = CHAMBER_FINE;
    c->place = (struct chamber_place){0, 0};
    c->wall_us = clock_us(CLOCK_MONOTONIC);
    c->cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
    arm(c, bounds->time_us);
}

/* --- running --------------------------------------------------------------------------------- */

struct run {
    struct chamber *chamber;
    struct chamber_chunk *chunk;
    size_t read;
    int status;
};

/* No hook ends the compiler, which takes long for some texts: a source is given to it in pieces. */
static const char *give_text(lua_State *lua, void *data, size_t *size)
{
    struct run *run = data;
    struct chamber *c = run->chamber;
    if (run->chunk->source > 0 && worked_us(c) >= c->bounds.time_us) {
        end(c, CHAMBER_TIME);
        cut(lua, c->over);
    }
    const char *text = run->chunk->text + run->read;
    size_t left = run->chunk->size - run->read;
    *size = run->chunk->source > 0 && left > READ_SIZE ? READ_SIZE : left;
    run->read += *size;
    return *size > 0 ? text : NULL;
}

void chamber_read_message(struct chamber *c, char message[CHAMBER_MESSAGE_SIZE])
{
    bool is_text = lua_type(c->lua, -1) == LUA_TSTRING; /* to make one of a number takes memory */
    const char *text = is_text ? lua_tostring(c->lua, -1) : "raises an error that is no text";
    int source, line, prefix = 0;
    if (sscanf(text, "%9d:%9d: %n", &source, &line, &prefix) == 2 && prefix > 0 &&
        (source == c->place.source || c->place.source == 0))
        c->place = (struct chamber_place){source, line};
    else { /* a prelude as text, or as the program holds it */
        prefix = 0;
        sscanf(text, "prelude:%*d: %n", &prefix);
        sscanf(text, "lua/nebula/declare/%*[a-z].lua:%*d: %n", &prefix);
    }
    snprintf(message, CHAMBER_MESSAGE_SIZE, "%s", text + prefix);
}

/* Runs a chunk (the one argument). */
static int run_inside(lua_State *lua)
{
    struct run *run = lua_touserdata(lua, 1);
    int source = run->chunk->source;
    char name[16] = "=prelude";
    if (source > 0)
        snprintf(name, sizeof name, "=%d", source);
    lua_settop(lua, 0);
    lua_pushcfunction(lua, chamber_witness);
    run->status = lua_loadx(lua, give_text, run, name, source > 0 ? "t" : "bt");
    if (run->status == 0) {
        chamber_push_room(lua);
        if (source > 0) {
            lua_getfield(lua, -1, "environment");
            lua_setfenv(lua, 2);
            lua_settop(lua, 2);
        }
        run->status = lua_pcall(lua, lua_gettop(lua) - 2, 0, 1);
    }
    if (run->status != 0)
        chamber_read_message(run->chamber, run->chunk->message);
    return 0;
}

bool chamber_run(struct chamber *c, struct chamber_chunk *chunk)
{
    struct run run = {.chamber = c, .chunk = chunk};
    c->place = (struct chamber_place){chunk->source, 0};
    if (c->over == CHAMBER_MEMORY) {
        c->over = CHAMBER_FINE;
        arm(c, c->bounds.time_us - worked_us(c));
    }
    int status = lua_cpcall(c->lua, run_inside, &run);
    if (status == 0)
        status = run.status;
    else
        lua_settop(c->lua, 0);
    if (status == LUA_ERRMEM || c->over == CHAMBER_MEMORY) {
        snprintf(chunk->message, sizeof chunk->message,
                 "needs more memory than declarations may have");
        chamber_collect(c); /* the next one begins without this one's garbage */
    }
    return status == 0;
}

/* --- life ------------------------------------------------------------------------------------ */

void chamber_push_room(lua_State *lua)
{
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&room);
    lua_rawget(lua, LUA_REGISTRYINDEX);
}

static void open_libraries(lua_State *lua)
{
    static const lua_CFunction library[] = {luaopen_base, luaopen_table, luaopen_string,
                                            luaopen_math};
    /* Not even for preludes: files, chunks (bytecode too), other people's globals. An endless loop
     * in the handler of xpcall() is not ended by a hook, and coroutines in coroutines overflow the
     * stack of C. */
    static const char *const taken_away[] = {"collectgarbage", "coroutine", "dofile",  "getfenv",
                                             "load",           "loadfile",  "gcinfo",  "loadstring",
                                             "newproxy",       "print",     "setfenv", "xpcall"};
    for (size_t i = 0; i < COUNT(library); i++) {
        lua_pushcfunction(lua, library[i]);
        lua_call(lua, 0, 0);
    }
    for (size_t i = 0; i < COUNT(taken_away); i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, taken_away[i]);
    }
}

static int prepare(lua_State *lua)
{
    open_libraries(lua);
    /* No hook fires in compiled loops. */
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&room);
    lua_createtable(lua, 0, 4);
    lua_pushlightuserdata(lua, chamber_mark());
    lua_setfield(lua, -2, "mark");
    lua_pushcfunction(lua, here);
    lua_setfield(lua, -2, "here");
    lua_rawset(lua, LUA_REGISTRYINDEX);
    return 0;
}

/* LuaJIT falls over its own half-made state: all that it wants in the beginning must be there. */
static bool has_room(void)
{
    void *volatile block = malloc(STATE_SIZE); /* or the compiler believes that there is */
    bool is_there = block != NULL;
    free(block);
    return is_there;
}

bool chamber_init(struct chamber *c, size_t most)
{
    static const struct chamber_bounds any = {INT64_MAX, INT64_MAX, CHAMBER_ANY, CHAMBER_ANY};
    *c = (struct chamber){.most = CHAMBER_ANY, .bounds = any};
    if (!has_room())
        return false;
    c->lua = lua_newstate(allocate, c);
    c->most = most;
    return c->lua != NULL && lua_cpcall(c->lua, prepare, NULL) == 0;
}

void chamber_fini(struct chamber *c)
{
    if (c->lua != NULL)
        lua_close(c->lua);
    c->lua = NULL;
}

static int collect_inside(lua_State *lua)
{
    lua_gc(lua, LUA_GCCOLLECT, 0);
    return 0;
}

void chamber_collect(struct chamber *c)
{
    struct chamber before = *c;
    c->most = c->bounds.memory = c->bounds.piece = CHAMBER_ANY;
    if (lua_cpcall(c->lua, collect_inside, NULL) != 0)
        lua_pop(c->lua, 1);
    c->most = before.most;
    c->bounds = before.bounds;
}
