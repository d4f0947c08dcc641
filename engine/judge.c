#include "judge.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/file.h"

#define STEPS_MOST 10000000 /* about a hundred for each of 10,000 declarations, ten times over */
#define STRIDE 1000         /* steps between two looks at the bounds */
#define WORK_MOST_US 500000 /* for what is long in one step: comparing strings of 4 MB */
#define MEMORY_MOST (64 << 20)
#define PIECE_MOST (4 << 20)
#define DEPTH_MOST 32
#define VALUES_MOST 500000
#define LEVELS_MOST 250 /* finding a level costs its depth */
#define MESSAGE_SIZE 512

/* A source (1 is the first, 0 none) and a line in it (0 unknown). */
struct place {
    int source, line;
};

struct judge {
    lua_State *lua;
    size_t used, most;
    int64_t steps, steps_most, work_end_us;
    bool is_over;       /* the bound of steps or work was reached */
    struct place place; /* where the source that runs was last seen */
};

/* One chunk to run, and how it went. */
struct job {
    struct judge *judge;
    const char *text;
    size_t size;
    int source; /* 0 for a prelude */
    bool is_read;
    int status;
    char message[MESSAGE_SIZE];
};

static const char mark;

static struct judge *judge_of(lua_State *J)
{
    void *judge;
    lua_getallocf(J, &judge);
    return judge;
}

/* --- where it is ----------------------------------------------------------------------------- */

/* The innermost function of a source, if any: preludes have names, sources have numbers. */
static void look(struct judge *j)
{
    lua_Debug at;
    for (int level = 0; level < LEVELS_MOST && lua_getstack(j->lua, level, &at); level++) {
        lua_getinfo(j->lua, "Sl", &at);
        int source = atoi(at.short_src);
        if (source > 0) {
            j->place = (struct place){source, at.currentline};
            return;
        }
    }
}

static int here(lua_State *J)
{
    struct judge *j = judge_of(J);
    look(j);
    lua_pushinteger(J, j->place.source);
    lua_pushinteger(J, j->place.line);
    return 2;
}

/* The handler of errors: their place is only known while the stack still stands. */
static int witness(lua_State *J)
{
    look(judge_of(J));
    return 1;
}

/* --- the bounds ------------------------------------------------------------------------------ */

static void *allocate(void *judge, void *block, size_t old, size_t size)
{
    struct judge *j = judge;
    if (size == 0) {
        free(block);
        j->used -= old;
        return NULL;
    }
    if (size > old && (size > PIECE_MOST || j->used - old + size > j->most)) {
        if (j->lua != NULL)
            look(j); /* no handler is called for lack of memory */
        return NULL;
    }
    void *moved = realloc(block, size);
    if (moved == NULL)
        return size <= old ? block : NULL;
    j->used += size - old;
    return moved;
}

/* The processor's time of this thread: a measure of work, the same on a busy machine. */
static int64_t work_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void count(lua_State *J, lua_Debug *at)
{
    (void)at;
    struct judge *j = judge_of(J);
    look(j); /* no handler is called when the stack is full */
    j->steps += STRIDE;
    if (!j->is_over && j->steps < j->steps_most && work_us() < j->work_end_us)
        return;
    j->is_over = true;
    /* From here on every step fails, so no pcall() goes on. */
    lua_sethook(J, count, LUA_MASKCOUNT, 1);
    lua_pushliteral(J,
                    "runs for too long: declarations are data, an endless loop in them has no end");
    lua_error(J);
}

/* --- running --------------------------------------------------------------------------------- */

static const char *give_text(lua_State *J, void *data, size_t *size)
{
    (void)J;
    struct job *job = data;
    if (job->is_read)
        return NULL;
    job->is_read = true;
    *size = job->size;
    return job->text;
}

/* Keeps the message without the place that Lua has put before it, and the place. */
static void keep_message(lua_State *J, struct job *job)
{
    const char *text = lua_tostring(J, -1);
    int source, line, prefix = 0;
    if (text == NULL)
        text = "raises an error that is no text";
    if (sscanf(text, "%d:%d: %n", &source, &line, &prefix) == 2 && source == job->source)
        job->judge->place = (struct place){source, line};
    else { /* a prelude as text, or as the program holds it */
        sscanf(text, "prelude:%*d: %n", &prefix);
        sscanf(text, "lua/nebula/declare/%*[a-z].lua:%*d: %n", &prefix);
    }
    snprintf(job->message, sizeof job->message, "%s", text + prefix);
}

/* Runs job (the one argument) in the judge. */
static int run_inside(lua_State *J)
{
    struct job *job = lua_touserdata(J, 1);
    char name[16] = "=prelude";
    if (job->source > 0)
        snprintf(name, sizeof name, "=%d", job->source);
    lua_settop(J, 0);
    lua_pushcfunction(J, witness);
    job->status = lua_loadx(J, give_text, job, name, job->source > 0 ? "t" : "bt");
    if (job->status == 0) {
        lua_getfield(J, LUA_REGISTRYINDEX, "room");
        if (job->source > 0) {
            lua_getfield(J, -1, "environment");
            lua_setfenv(J, 2);
            lua_settop(J, 2);
        }
        job->status = lua_pcall(J, lua_gettop(J) - 2, 0, 1);
    }
    if (job->status != 0)
        keep_message(J, job);
    return 0;
}

static bool run(struct job *job)
{
    lua_State *J = job->judge->lua;
    job->judge->place = (struct place){job->source, 0};
    int status = lua_cpcall(J, run_inside, job);
    if (status == 0)
        status = job->status;
    else
        lua_settop(J, 0);
    if (status == LUA_ERRMEM) {
        snprintf(job->message, sizeof job->message, "needs more memory than declarations may have");
        lua_gc(J, LUA_GCCOLLECT, 0); /* the next source begins without this one's garbage */
    }
    return status == 0;
}

static void open_libraries(lua_State *J)
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
        lua_pushcfunction(J, library[i]);
        lua_call(J, 0, 0);
    }
    for (size_t i = 0; i < COUNT(taken_away); i++) {
        lua_pushnil(J);
        lua_setglobal(J, taken_away[i]);
    }
}

static int prepare_inside(lua_State *J)
{
    open_libraries(J);
    luaJIT_setmode(J, 0,
                   LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* no hook fires in compiled loops */
    lua_createtable(J, 0, 4);
    lua_pushlightuserdata(J, (void *)(uintptr_t)&mark);
    lua_setfield(J, -2, "mark");
    lua_pushcfunction(J, here);
    lua_setfield(J, -2, "here");
    lua_setfield(J, LUA_REGISTRYINDEX, "room");
    lua_sethook(J, count, LUA_MASKCOUNT, STRIDE);
    return 0;
}

/* --- bringing it back ------------------------------------------------------------------------ */

/* From the judge to the caller's state. Nothing here allocates in the judge. */
struct copy {
    lua_State *from, *to;
    int values;
};

static void copy_value(struct copy *c, int index, int depth);

static void push_marked(struct copy *c, const char *what)
{
    lua_createtable(c->to, 0, 1);
    lua_pushlightuserdata(c->to, (void *)(uintptr_t)&mark);
    lua_pushstring(c->to, what);
    lua_rawset(c->to, -3);
}

static bool copy_scalar(struct copy *c, int index)
{
    size_t size;
    const char *text;
    switch (lua_type(c->from, index)) {
    case LUA_TBOOLEAN:
        lua_pushboolean(c->to, lua_toboolean(c->from, index));
        return true;
    case LUA_TNUMBER:
        lua_pushnumber(c->to, lua_tonumber(c->from, index));
        return true;
    case LUA_TSTRING:
        text = lua_tolstring(c->from, index, &size);
        lua_pushlstring(c->to, text, size);
        return true;
    }
    return false;
}

static void copy_key(struct copy *c, int index)
{
    int type = lua_type(c->from, index);
    bool is_mark = type == LUA_TLIGHTUSERDATA && lua_touserdata(c->from, index) == &mark;
    if (is_mark)
        lua_pushlightuserdata(c->to, (void *)(uintptr_t)&mark);
    else if (!copy_scalar(c, index))
        lua_pushfstring(c->to, "(%s)", lua_typename(c->from, type));
}

static void copy_table(struct copy *c, int index, int depth)
{
    if (depth >= DEPTH_MOST) {
        push_marked(c, "deep");
        return;
    }
    luaL_checkstack(c->to, 4, "declarations");
    lua_newtable(c->to);
    lua_pushnil(c->from);
    while (lua_next(c->from, index)) {
        int value = lua_gettop(c->from);
        copy_key(c, value - 1);
        copy_value(c, value, depth + 1);
        lua_rawset(c->to, -3);
        lua_pop(c->from, 1);
    }
}

static void copy_value(struct copy *c, int index, int depth)
{
    if (++c->values > VALUES_MOST)
        push_marked(c, "large");
    else if (lua_type(c->from, index) == LUA_TTABLE)
        copy_table(c, index, depth);
    else if (!copy_scalar(c, index))
        push_marked(c, "function");
}

/* Makes room on the judge's stack while an error there can still be caught. */
static int fetch_records(lua_State *J)
{
    lua_getfield(J, LUA_REGISTRYINDEX, "room");
    lua_getfield(J, -1, "records");
    lua_setfield(J, LUA_REGISTRYINDEX, "records");
    luaL_checkstack(J, 4 * DEPTH_MOST, "records");
    return 0;
}

static void push_records(lua_State *L, struct judge *j)
{
    j->most = SIZE_MAX; /* nothing of theirs runs any more */
    if (lua_cpcall(j->lua, fetch_records, NULL) != 0)
        luaL_error(L, "no memory to bring declarations back");
    struct copy c = {.from = j->lua, .to = L};
    lua_settop(j->lua, 0);
    lua_getfield(j->lua, LUA_REGISTRYINDEX, "records");
    copy_value(&c, 1, 0);
}

/* --- what Lua calls -------------------------------------------------------------------------- */

static void add_error(lua_State *L, int errors, const struct job *job)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, job->source);
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, job->judge->place.line);
    lua_setfield(L, -2, "line");
    lua_pushstring(L, job->message);
    lua_setfield(L, -2, "text");
    lua_rawseti(L, errors, (int)lua_objlen(L, errors) + 1);
}

/* Runs every chunk of the list at `list`; false when it makes no sense to go on. */
static bool run_list(lua_State *L, struct judge *j, int list, bool is_prelude, int errors)
{
    int chunks = (int)lua_objlen(L, list);
    for (int i = 1; i <= chunks; i++) {
        struct job job = {.judge = j, .source = is_prelude ? 0 : i};
        lua_rawgeti(L, list, i);
        job.text = luaL_checklstring(L, -1, &job.size);
        bool is_fine = run(&job);
        if (!is_fine)
            add_error(L, errors, &job);
        lua_pop(L, 1);
        if (!is_fine && (is_prelude || j->is_over))
            return !is_prelude;
    }
    return true;
}

/* Arguments: what evaluate() was given, and the judge, whose state is open. */
static int evaluate_inside(lua_State *L)
{
    struct judge *j = lua_touserdata(L, 2);
    lua_getfield(L, 1, "preludes"); /* 3 */
    lua_getfield(L, 1, "sources");  /* 4 */
    lua_newtable(L);                /* 5: errors */
    if (lua_cpcall(j->lua, prepare_inside, NULL) != 0)
        return luaL_error(L, "the judge has not memory enough to begin");
    if (run_list(L, j, 3, true, 5) && run_list(L, j, 4, false, 5))
        push_records(L, j);
    else
        lua_pushnil(L);
    lua_pushvalue(L, 5);
    return 2;
}

static lua_Integer option(lua_State *L, const char *name, lua_Integer fallback)
{
    lua_getfield(L, 1, name);
    lua_Integer value = luaL_optinteger(L, -1, fallback);
    lua_pop(L, 1);
    return value;
}

static int evaluate(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct judge j = {.most = SIZE_MAX, /* LuaJIT falls over its own half-made state */
                      .steps_most = option(L, "steps", STEPS_MOST),
                      .work_end_us = work_us() + WORK_MOST_US};
    size_t most = (size_t)option(L, "memory", MEMORY_MOST);
    lua_settop(L, 1);
    lua_pushcfunction(L, evaluate_inside);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &j);
    j.lua = lua_newstate(allocate, &j);
    if (j.lua == NULL)
        return luaL_error(L, "the judge has not memory enough to begin");
    j.most = most;
    int status = lua_pcall(L, 2, 2, 0);
    lua_close(j.lua);
    return status == 0 ? 2 : lua_error(L);
}

/* A block of bytes on its way into Lua, which may find no memory for it. */
struct block {
    char *bytes;
    size_t size;
};

static int push_block(lua_State *L)
{
    struct block *b = lua_touserdata(L, 1);
    lua_pushlstring(L, b->bytes, b->size);
    return 1;
}

static int push_names(lua_State *L)
{
    struct block *b = lua_touserdata(L, 1);
    lua_newtable(L);
    const char *name = b->bytes;
    for (int i = 1; *name != '\0'; i++) {
        const char *end = strchr(name, '\n');
        CHECK(end != NULL);
        lua_pushlstring(L, name, (size_t)(end - name));
        lua_rawseti(L, -2, i);
        name = end + 1;
    }
    return 1;
}

/* Expects the function that pushes it and a light b on the stack. Frees the bytes in any case. */
static int give_block(lua_State *L, struct block *b, const char *why)
{
    if (b->bytes == NULL) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    int status = lua_pcall(L, 1, 1, 0);
    free(b->bytes);
    return status == 0 ? 1 : lua_error(L);
}

static int read_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    size_t most = (size_t)luaL_checkinteger(L, 2);
    bool is_secret = lua_toboolean(L, 3);
    struct block b = {NULL, 0};
    char why[FILE_TEXT_SIZE];
    lua_pushcfunction(L, push_block);
    lua_pushlightuserdata(L, &b);
    b.bytes = (is_secret ? file_read_secret : file_read)(path, most, &b.size, why);
    return give_block(L, &b, why);
}

static int list_names(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1), *suffix = luaL_checkstring(L, 2);
    int most = (int)luaL_checkinteger(L, 3);
    struct block b = {NULL, 0};
    char why[FILE_TEXT_SIZE];
    lua_pushcfunction(L, push_names);
    lua_pushlightuserdata(L, &b);
    b.bytes = file_names(folder, suffix, most, why);
    return give_block(L, &b, why);
}

int luaopen_nebula_judge(lua_State *L)
{
    static const luaL_Reg function[] = {
        {"evaluate", evaluate}, {"read", read_file}, {"names", list_names}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, function);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&mark);
    lua_setfield(L, -2, "mark");
    return 1;
}
