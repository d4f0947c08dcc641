/* question_load.c - the state in which questions are answered: how it is made, and whether it is as
 * it was. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "question_inner.h"

/* To make it is to declare its sources once more, without those that have no functions. One step is
 * as long as its largest piece, so pieces are smaller than those of declarations. */
#define LOAD_STEPS 10000000
#define LOAD_US 100000
#define LOAD_MEMORY (16 << 20)
#define LOAD_PIECE (256 << 10)
#define REST_MOST (2 << 20) /* bytes, which are looked through when garbage is collected */

static const char no_memory[] = "there is no memory for the judge of questions";

/* --- what kept.lua asks for ------------------------------------------------------------------ */

/* upvalue(function, n) -> is there one, its value */
static int upvalue(lua_State *lua)
{
    bool is_there = lua_getupvalue(lua, 1, (int)lua_tointeger(lua, 2)) != NULL;
    lua_pushboolean(lua, is_there);
    if (!is_there)
        return 1;
    lua_insert(lua, -2);
    return 2;
}

/* origin(function) -> source, line; 0, 0: in no source */
static int origin(lua_State *lua)
{
    struct chamber_place place = chamber_origin(lua);
    lua_pushinteger(lua, place.source);
    lua_pushinteger(lua, place.line);
    return 2;
}

/* say(level, text): a line for the log */
static int say(lua_State *lua)
{
    struct questions *q = lua_touserdata(lua, lua_upvalueindex(1));
    if (q->lines == QUESTION_LINES_MOST) {
        q->lines_lost++;
        return 0;
    }
    struct question_line *line = &q->line[q->lines++];
    line->level = (int)lua_tointeger(lua, 1);
    snprintf(line->text, sizeof line->text, "%s", luaL_checkstring(lua, 2));
    return 0;
}

static int furnish(lua_State *lua)
{
    struct questions *q = lua_touserdata(lua, 1);
    chamber_push_room(lua);
    lua_pushlightuserdata(lua, q);
    lua_pushcclosure(lua, say, 1);
    lua_setfield(lua, -2, "say");
    lua_pushcfunction(lua, upvalue);
    lua_setfield(lua, -2, "upvalue");
    lua_pushcfunction(lua, origin);
    lua_setfield(lua, -2, "origin");
    return 0;
}

/* --- making it ------------------------------------------------------------------------------- */

static bool fail(const struct questions *q, const char *text, struct question_failure *why)
{
    *why = (struct question_failure){q->chamber.place.source, q->chamber.place.line, ""};
    snprintf(why->text, sizeof why->text, "%s", text);
    return false;
}

static bool run_all(struct questions *q, struct question_failure *why)
{
    static const char keep[] = "local room = ... room.kept = room.keep()";
    for (int i = 0; i <= q->text_count; i++) {
        struct chamber_chunk chunk = {keep, sizeof keep - 1, 0, ""};
        if (i < q->text_count) {
            chunk.text = q->texts[i].bytes;
            chunk.size = q->texts[i].size;
            chunk.source = i < q->prelude_count ? 0 : i - q->prelude_count + 1;
        }
        if (!chamber_run(&q->chamber, &chunk))
            return fail(q, chunk.message, why);
    }
    return true;
}

struct settling {
    struct questions *q;
    lua_CFunction ask;
};

/* Into the registry, from where it can be pushed without memory. */
static int settle(lua_State *lua)
{
    const struct settling *s = lua_touserdata(lua, 1);
    lua_pushcfunction(lua, chamber_witness);
    lua_rawseti(lua, LUA_REGISTRYINDEX, SLOT_WITNESS);
    lua_pushlightuserdata(lua, s->q);
    lua_pushcclosure(lua, s->ask, 1);
    lua_rawseti(lua, LUA_REGISTRYINDEX, SLOT_ASK);
    chamber_push_room(lua);
    lua_getfield(lua, -1, "kept");
    luaL_checktype(lua, -1, LUA_TTABLE);
    lua_rawseti(lua, LUA_REGISTRYINDEX, SLOT_KEPT);
    return 0;
}

/* One field of one of the kept ones, at the top of the stack. */
static void push_kept(lua_State *lua, int at, enum question_kept field)
{
    lua_rawgeti(lua, SLOT_KEPT, at + 1);
    lua_rawgeti(lua, -1, field);
    lua_remove(lua, -2);
}

static int kept_number(lua_State *lua, int at, enum question_kept field)
{
    push_kept(lua, at, field);
    int number = (int)lua_tointeger(lua, -1);
    lua_pop(lua, 1);
    return number;
}

/* Stays as long as the state. */
static const char *kept_text(lua_State *lua, int at, enum question_kept field)
{
    push_kept(lua, at, field);
    CHECK(lua_type(lua, -1) == LUA_TSTRING);
    const char *text = lua_tostring(lua, -1);
    lua_pop(lua, 1);
    return text;
}

static bool is_holding(lua_State *lua, int at)
{
    push_kept(lua, at, KEPT_HELD);
    bool is_table = lua_istable(lua, -1);
    lua_pop(lua, 1);
    return is_table;
}

/* The three texts are one block, that of the kind. */
static bool read_one(lua_State *lua, int at, struct question *of)
{
    const char *kind = kept_text(lua, at, KEPT_KIND), *name = kept_text(lua, at, KEPT_NAME),
               *path = kept_text(lua, at, KEPT_PATH);
    size_t kind_size = strlen(kind) + 1, name_size = strlen(name) + 1, path_size = strlen(path) + 1;
    char *block = malloc(kind_size + name_size + path_size);
    if (block == NULL)
        return false;
    memcpy(block, kind, kind_size);
    memcpy(block + kind_size, name, name_size);
    memcpy(block + kind_size + name_size, path, path_size);
    of->kind = block;
    of->name = block + kind_size;
    of->path = block + kind_size + name_size;
    of->kept = at;
    of->source = kept_number(lua, at, KEPT_SOURCE);
    of->line = kept_number(lua, at, KEPT_LINE);
    of->is_holding = is_holding(lua, at);
    return true;
}

static bool read_kept(struct questions *q)
{
    int count = (int)lua_objlen(q->chamber.lua, SLOT_KEPT);
    q->of = calloc((size_t)count + 1, sizeof *q->of);
    if (q->of == NULL)
        return false;
    for (; q->count < count; q->count++) {
        if (!read_one(q->chamber.lua, q->count, &q->of[q->count]))
            return false;
    }
    return true;
}

static bool is_alike(lua_State *lua, int at, const struct question *of)
{
    return kept_number(lua, at, KEPT_SOURCE) == of->source &&
           kept_number(lua, at, KEPT_LINE) == of->line && is_holding(lua, at) == of->is_holding &&
           strcmp(kept_text(lua, at, KEPT_KIND), of->kind) == 0 &&
           strcmp(kept_text(lua, at, KEPT_NAME), of->name) == 0 &&
           strcmp(kept_text(lua, at, KEPT_PATH), of->path) == 0;
}

/* A source may do other things each time, because the order of pairs() is one of chance: the first
 * that did, or 0. Both lists go by sources, so where they part it is the lesser one. */
static int find_other(struct questions *q)
{
    lua_State *lua = q->chamber.lua;
    int count = (int)lua_objlen(lua, SLOT_KEPT), at = 0;
    for (int i = 0; i < q->count; i++) {
        struct question *of = &q->of[i];
        if (question_text_of(q, of->source)->size == 0)
            continue;
        int source = at < count ? kept_number(lua, at, KEPT_SOURCE) : of->source;
        if (at == count || !is_alike(lua, at, of))
            return source < of->source ? source : of->source;
        of->kept = at++;
    }
    return at < count ? kept_number(lua, at, KEPT_SOURCE) : 0;
}

static bool know(struct questions *q, struct question_failure *why)
{
    if (q->of == NULL)
        return read_kept(q) || fail(q, no_memory, why);
    q->chamber.place = (struct chamber_place){find_other(q), 0};
    return q->chamber.place.source == 0 || fail(q, "it now says something else", why);
}

bool question_load(struct questions *q, lua_CFunction ask, struct question_failure *why)
{
    static const struct chamber_bounds bounds = {LOAD_STEPS, LOAD_US, CHAMBER_ANY, LOAD_PIECE};
    if (!chamber_init(&q->chamber, LOAD_MEMORY))
        return fail(q, no_memory, why);
    chamber_begin(&q->chamber, &bounds);
    lua_State *lua = q->chamber.lua;
    if (lua_cpcall(lua, furnish, q) != 0)
        return fail(q, no_memory, why);
    if (!run_all(q, why))
        return false;
    if (lua_cpcall(lua, settle, &(struct settling){q, ask}) != 0)
        return fail(q, no_memory, why);
    for (int slot = SLOT_WITNESS; slot <= SLOT_KEPT; slot++)
        lua_rawgeti(lua, LUA_REGISTRYINDEX, slot);
    if (!know(q, why))
        return false;
    chamber_collect(&q->chamber);
    q->rest = q->chamber.used;
    q->chamber.place = (struct chamber_place){0, 0};
    return q->rest <= REST_MOST || fail(q, "the functions hold on to more than 2 MB", why);
}

/* --- is it as it was ------------------------------------------------------------------------- */

static uint64_t bits(lua_Number number)
{
    uint64_t out;
    memcpy(&out, &number, sizeof out);
    return out;
}

/* 0 and -0 are equal, and yet two: a function could keep that much. */
static bool is_same(lua_State *lua, int index, int held, int at)
{
    lua_rawgeti(lua, held, at);
    bool is_equal = lua_rawequal(lua, -1, index);
    if (lua_type(lua, -1) == LUA_TNUMBER && lua_type(lua, index) == LUA_TNUMBER)
        is_equal = bits(lua_tonumber(lua, -1)) == bits(lua_tonumber(lua, index));
    lua_pop(lua, 1);
    return is_equal;
}

/* The table lies behind `held`. Other keys, or the same in another order, are a change. */
static bool has_same_pairs(lua_State *lua, int held, int at, int count)
{
    int table = held + 1, seen = 0;
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        if (seen == count || !is_same(lua, table + 1, held, at + seen) ||
            !is_same(lua, table + 2, held, at + seen + 1))
            return false;
        seen += 2;
        lua_settop(lua, table + 1);
    }
    return seen == count;
}

static bool has_same_upvalues(lua_State *lua, int held, int at, int count)
{
    for (int i = 0; i < count; i++) {
        lua_getupvalue(lua, held + 1, i + 1);
        if (!is_same(lua, held + 2, held, at + i))
            return false;
        lua_settop(lua, held + 1);
    }
    return true;
}

static int held_number(lua_State *lua, int held, int at)
{
    lua_rawgeti(lua, held, at);
    int number = (int)lua_tointeger(lua, -1);
    lua_pop(lua, 1);
    return number;
}

bool question_is_intact(const struct questions *q, int at)
{
    lua_State *lua = q->chamber.lua;
    int top = lua_gettop(lua), held = top + 1;
    push_kept(lua, q->of[at].kept, KEPT_HELD);
    int i = 1;
    bool is_intact = true;
    for (lua_rawgeti(lua, held, i); is_intact && !lua_isnil(lua, -1); lua_rawgeti(lua, held, i)) {
        int count = held_number(lua, held, i + 1), length = held_number(lua, held, i + 2);
        if (lua_istable(lua, held + 1))
            is_intact = lua_objlen(lua, held + 1) == (size_t)length &&
                        has_same_pairs(lua, held, i + 3, count);
        else
            is_intact = has_same_upvalues(lua, held, i + 3, count);
        lua_settop(lua, held);
        i += 3 + count;
    }
    lua_settop(lua, top);
    return is_intact;
}
