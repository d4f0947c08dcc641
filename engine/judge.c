#include "judge.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "chamber.h"

#define STEPS_MOST 10000000 /* about a hundred for each of 10,000 declarations, ten times over */
#define WORK_MOST_US 500000 /* for what is long in one step: comparing strings of 4 MB */
#define MEMORY_MOST (64 << 20)
#define PIECE_MOST (4 << 20)
#define DEPTH_MOST 32
#define VALUES_MOST 500000

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
    lua_pushlightuserdata(c->to, chamber_mark());
    lua_pushstring(c->to, what);
    lua_rawset(c->to, -3);
}

/* With its place, when it is one of a source. */
static void push_function(struct copy *c, int index)
{
    lua_pushvalue(c->from, index);
    struct chamber_place place = chamber_origin(c->from);
    push_marked(c, "function");
    if (place.source == 0)
        return;
    lua_pushinteger(c->to, place.line);
    lua_setfield(c->to, -2, "line");
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
    bool is_mark = type == LUA_TLIGHTUSERDATA && lua_touserdata(c->from, index) == chamber_mark();
    if (is_mark)
        lua_pushlightuserdata(c->to, chamber_mark());
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
    else if (lua_type(c->from, index) == LUA_TFUNCTION)
        push_function(c, index);
    else if (!copy_scalar(c, index))
        push_marked(c, "function");
}

/* Makes room on the judge's stack while an error there can still be caught. */
static int fetch_records(lua_State *J)
{
    chamber_push_room(J);
    lua_getfield(J, -1, "records");
    lua_setfield(J, LUA_REGISTRYINDEX, "records");
    luaL_checkstack(J, 4 * DEPTH_MOST, "records");
    return 0;
}

static void push_records(lua_State *L, struct chamber *judge)
{
    judge->most = CHAMBER_ANY; /* nothing of theirs runs any more */
    if (lua_cpcall(judge->lua, fetch_records, NULL) != 0)
        luaL_error(L, "no memory to bring declarations back");
    struct copy c = {.from = judge->lua, .to = L};
    lua_settop(judge->lua, 0);
    lua_getfield(judge->lua, LUA_REGISTRYINDEX, "records");
    copy_value(&c, 1, 0);
}

/* --- what Lua calls -------------------------------------------------------------------------- */

static void add_error(lua_State *L, int errors, const struct chamber *judge,
                      const struct chamber_chunk *chunk)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, chunk->source);
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, judge->place.line);
    lua_setfield(L, -2, "line");
    lua_pushstring(L, chunk->message);
    lua_setfield(L, -2, "text");
    lua_rawseti(L, errors, (int)lua_objlen(L, errors) + 1);
}

/* Runs every chunk of the list at `list`; false when it makes no sense to go on. */
static bool run_list(lua_State *L, struct chamber *judge, int list, bool is_prelude, int errors)
{
    int chunks = (int)lua_objlen(L, list);
    for (int i = 1; i <= chunks; i++) {
        struct chamber_chunk chunk = {.source = is_prelude ? 0 : i};
        lua_rawgeti(L, list, i);
        chunk.text = luaL_checklstring(L, -1, &chunk.size);
        bool is_fine = chamber_run(judge, &chunk);
        if (!is_fine)
            add_error(L, errors, judge, &chunk);
        lua_pop(L, 1);
        bool is_over = judge->over == CHAMBER_STEPS || judge->over == CHAMBER_TIME;
        if (!is_fine && (is_prelude || is_over))
            return !is_prelude;
    }
    return true;
}

/* Arguments: what evaluate() was given, and the judge. */
static int evaluate_inside(lua_State *L)
{
    struct chamber *judge = lua_touserdata(L, 2);
    lua_getfield(L, 1, "preludes"); /* 3 */
    lua_getfield(L, 1, "sources");  /* 4 */
    lua_newtable(L);                /* 5: errors */
    if (run_list(L, judge, 3, true, 5) && run_list(L, judge, 4, false, 5))
        push_records(L, judge);
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
    struct chamber_bounds bounds = {.steps = option(L, "steps", STEPS_MOST),
                                    .time_us = WORK_MOST_US,
                                    .memory = CHAMBER_ANY,
                                    .piece = PIECE_MOST};
    size_t most = (size_t)option(L, "memory", MEMORY_MOST);
    lua_settop(L, 1);
    struct chamber judge;
    lua_pushcfunction(L, evaluate_inside);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &judge);
    if (!chamber_init(&judge, most)) {
        chamber_fini(&judge);
        return luaL_error(L, "the judge has not memory enough to begin");
    }
    chamber_begin(&judge, &bounds);
    int status = lua_pcall(L, 2, 2, 0);
    chamber_fini(&judge);
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
    lua_pushlightuserdata(L, chamber_mark());
    lua_setfield(L, -2, "mark");
    return 1;
}
