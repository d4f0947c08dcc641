#include "question_lua.h"

#include <float.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "question.h"

#define HANDLE "nebula.question"
#define TEXT_MOST 4096 /* of an answer whose row says nothing, as of a setting */
#define NAME_MOST 64

struct handle {
    struct questions *questions; /* NULL: closed */
};

static struct questions *check_open(lua_State *lua)
{
    struct handle *handle = luaL_checkudata(lua, 1, HANDLE);
    luaL_argcheck(lua, handle->questions != NULL, 1, "these questions are closed");
    return handle->questions;
}

static int check_number(lua_State *lua, const struct questions *q)
{
    lua_Integer at = luaL_checkinteger(lua, 2);
    luaL_argcheck(lua, at >= 1 && at <= questions_count(q), 2, "there is no such question");
    return (int)at - 1;
}

/* --- opening --------------------------------------------------------------------------------- */

static int32_t bound(lua_State *lua, const char *name)
{
    lua_getfield(lua, 1, name);
    lua_Number value = luaL_optnumber(lua, -1, 0);
    lua_pop(lua, 1);
    if (!(value >= 0 && value <= INT32_MAX))
        luaL_error(lua, "%s is no bound", name);
    return (int32_t)value;
}

/* The texts of a list, which stay as long as the list does: in a block that Lua collects. */
static const struct question_source *read_texts(lua_State *lua, const char *name, int *count)
{
    lua_getfield(lua, 1, name);
    luaL_checktype(lua, -1, LUA_TTABLE);
    int list = lua_gettop(lua);
    *count = (int)lua_objlen(lua, list);
    struct question_source *texts = lua_newuserdata(lua, (size_t)(*count + 1) * sizeof *texts);
    for (int i = 0; i < *count; i++) {
        lua_rawgeti(lua, list, i + 1);
        texts[i].bytes = luaL_checklstring(lua, -1, &texts[i].size);
        lua_pop(lua, 1);
    }
    return texts;
}

static void set_text(lua_State *lua, const char *name, const char *text)
{
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

/* A new table that says where something is. */
static void push_place(lua_State *lua, int source, int line)
{
    lua_createtable(lua, 0, 7);
    lua_pushinteger(lua, source);
    lua_setfield(lua, -2, "source");
    lua_pushinteger(lua, line);
    lua_setfield(lua, -2, "line");
}

static int open_questions(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    struct question_given given = {.bounds = {bound(lua, "steps"), bound(lua, "time_us"),
                                              bound(lua, "memory"), bound(lua, "strikes")}};
    given.preludes = read_texts(lua, "preludes", &given.prelude_count);
    given.sources = read_texts(lua, "sources", &given.source_count);
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    handle->questions = NULL;
    luaL_getmetatable(lua, HANDLE);
    lua_setmetatable(lua, -2);
    lua_newtable(lua); /* what its shapes are made of */
    lua_setfenv(lua, -2);
    struct question_failure why;
    handle->questions = questions_new(&given, &why);
    if (handle->questions != NULL)
        return 1;
    lua_pushnil(lua);
    push_place(lua, why.source, why.line);
    set_text(lua, "text", why.text);
    return 2;
}

static int close_questions(lua_State *lua)
{
    struct handle *handle = luaL_checkudata(lua, 1, HANDLE);
    questions_free(&handle->questions);
    return 0;
}

/* --- shapes ---------------------------------------------------------------------------------- */

/* Kept as long as the questions, as is the value at the top, which it takes. */
static void keep(lua_State *lua)
{
    lua_getfenv(lua, 1);
    lua_insert(lua, -2);
    lua_rawseti(lua, -2, (int)lua_objlen(lua, -2) + 1);
    lua_pop(lua, 1);
}

static void *new_block(lua_State *lua, size_t size)
{
    void *block = memset(lua_newuserdata(lua, size), 0, size);
    keep(lua);
    return block;
}

static double row_number(lua_State *lua, int row, const char *name, double fallback)
{
    lua_getfield(lua, row, name);
    double value = luaL_optnumber(lua, -1, fallback);
    lua_pop(lua, 1);
    return value;
}

/* The row holds its words, and is kept. */
static const char *const *read_words(lua_State *lua, int row)
{
    lua_getfield(lua, row, "one_of");
    luaL_checktype(lua, -1, LUA_TTABLE);
    int count = (int)lua_objlen(lua, -1);
    const char **words = new_block(lua, (size_t)(count + 1) * sizeof *words);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, i + 1);
        words[i] = luaL_checkstring(lua, -1);
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return words;
}

static struct question_shape read_shape(lua_State *lua, int row, bool is_inner);

static void read_members(lua_State *lua, int row, struct question_shape *shape)
{
    struct question_member *members = new_block(lua, QUESTION_FIELDS_MOST * sizeof *members);
    lua_getfield(lua, row, "fields");
    luaL_checktype(lua, -1, LUA_TTABLE);
    int fields = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, fields)) {
        int inner = lua_gettop(lua);
        if (shape->member_count == QUESTION_FIELDS_MOST ||
            lua_type(lua, inner - 1) != LUA_TSTRING || !lua_istable(lua, inner))
            luaL_error(lua, "an answer's table has at most %d rows by name", QUESTION_FIELDS_MOST);
        lua_getfield(lua, inner, "required");
        members[shape->member_count++] = (struct question_member){
            lua_tostring(lua, inner - 1), read_shape(lua, inner, true), lua_toboolean(lua, -1)};
        lua_settop(lua, inner - 1);
    }
    lua_pop(lua, 1);
    shape->members = members;
}

static struct question_shape read_shape(lua_State *lua, int row, bool is_inner)
{
    static const char *const type[] = {"boolean", "number", "integer", "share", "string",
                                       "enum",    "table",  "any",     NULL};
    lua_getfield(lua, row, "type");
    int which = luaL_checkoption(lua, -1, NULL, type);
    lua_pop(lua, 1);
    struct question_shape shape = {.least = row_number(lua, row, "min", -DBL_MAX),
                                   .most = row_number(lua, row, "max", DBL_MAX)};
    const char *name = type[which];
    if (strcmp(name, "number") == 0 || strcmp(name, "integer") == 0) {
        shape.type = QUESTION_NUMBER;
        shape.is_whole = name[0] == 'i';
    } else if (strcmp(name, "share") == 0) {
        shape = (struct question_shape){.type = QUESTION_NUMBER, .least = 0, .most = 1};
    } else if (strcmp(name, "string") == 0) {
        shape.type = QUESTION_TEXT;
        shape.text_most = (size_t)row_number(lua, row, "max", TEXT_MOST);
    } else if (strcmp(name, "enum") == 0) {
        shape.type = QUESTION_TEXT;
        shape.words = read_words(lua, row);
    } else if (strcmp(name, "table") == 0) {
        luaL_argcheck(lua, !is_inner, 3, "an answer has no table in its table");
        shape.type = QUESTION_TABLE;
        read_members(lua, row, &shape);
    } else if (strcmp(name, "any") == 0) {
        luaL_argcheck(lua, !is_inner, 3, "what is any may be a table, and is not in one");
        shape.type = QUESTION_ANY;
        shape.text_most = (size_t)row_number(lua, row, "max", TEXT_MOST);
    }
    return shape;
}

static int expect(lua_State *lua)
{
    struct questions *q = check_open(lua);
    int at = check_number(lua, q);
    luaL_checktype(lua, 3, LUA_TTABLE);
    lua_settop(lua, 3);
    struct question_shape *shape = new_block(lua, sizeof *shape);
    *shape = read_shape(lua, 3, false);
    keep(lua); /* the row */
    questions_expect(q, at, shape);
    return 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

static void read_field(lua_State *lua, int value, struct question_value *v)
{
    switch (lua_type(lua, value)) {
    case LUA_TBOOLEAN:
        *v =
            (struct question_value){.type = QUESTION_BOOLEAN, .is_true = lua_toboolean(lua, value)};
        return;
    case LUA_TNUMBER:
        *v = (struct question_value){.type = QUESTION_NUMBER, .number = lua_tonumber(lua, value)};
        return;
    case LUA_TSTRING:
        v->type = QUESTION_TEXT;
        v->text = lua_tolstring(lua, value, &v->size);
        return;
    default:
        luaL_error(lua, "a field of a question is a text, a number or a boolean, not a %s",
                   luaL_typename(lua, value));
    }
}

static int read_fields(lua_State *lua, struct question_field fields[QUESTION_FIELDS_MOST])
{
    int count = 0;
    luaL_checktype(lua, 3, LUA_TTABLE);
    lua_settop(lua, 3);
    lua_pushnil(lua);
    while (lua_next(lua, 3)) {
        if (count == QUESTION_FIELDS_MOST || lua_type(lua, 4) != LUA_TSTRING)
            luaL_error(lua, "a question has at most %d fields by name", QUESTION_FIELDS_MOST);
        fields[count].name = lua_tostring(lua, 4);
        read_field(lua, 5, &fields[count++].value);
        lua_settop(lua, 4);
    }
    return count;
}

static void push_value(lua_State *lua, const struct question_value *v)
{
    if (v->type == QUESTION_BOOLEAN)
        lua_pushboolean(lua, v->is_true);
    else if (v->type == QUESTION_NUMBER)
        lua_pushnumber(lua, v->number);
    else
        lua_pushlstring(lua, v->text, v->size);
}

static void push_answer(lua_State *lua, const struct question_answer *answer)
{
    if (answer->value.type != QUESTION_TABLE) {
        push_value(lua, &answer->value);
        return;
    }
    lua_createtable(lua, 0, answer->field_count);
    for (int i = 0; i < answer->field_count; i++) {
        push_value(lua, &answer->fields[i].value);
        lua_setfield(lua, -2, answer->fields[i].name);
    }
}

static void push_breach(lua_State *lua, const struct question_breach *breach)
{
    push_place(lua, breach->source, breach->line);
    set_text(lua, "text", breach->text);
    set_text(lua, "why", question_reason(breach->why));
    lua_pushinteger(lua, breach->strikes);
    lua_setfield(lua, -2, "strikes");
    lua_pushboolean(lua, breach->is_last);
    lua_setfield(lua, -2, "is_last");
    lua_pushboolean(lua, breach->is_anew);
    lua_setfield(lua, -2, "is_anew");
}

static int ask(lua_State *lua)
{
    struct questions *q = check_open(lua);
    int at = check_number(lua, q);
    luaL_argcheck(lua, questions_at(q, at)->shape != NULL, 2, "nobody expects an answer of it");
    struct question_field fields[QUESTION_FIELDS_MOST];
    int count = read_fields(lua, fields);
    struct question_answer answer;
    struct question_breach breach;
    switch (questions_ask(q, at, fields, count, &answer, &breach)) {
    case QUESTION_ANSWERED:
        push_answer(lua, &answer);
        return 1;
    case QUESTION_SILENT:
        return 0;
    case QUESTION_BREACHED:
        lua_pushnil(lua);
        push_breach(lua, &breach);
        return 2;
    }
    UNREACHABLE();
}

/* lines() -> what the last one said: { level, text, level, text ... }, how many more; nothing when it said nothing */
static int lines(lua_State *lua)
{
    const struct question_line *line;
    int lost, count = questions_lines(check_open(lua), &line, &lost);
    if (count == 0)
        return 0;
    lua_createtable(lua, 2 * count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushinteger(lua, line[i].level);
        lua_rawseti(lua, -2, 2 * i + 1);
        lua_pushstring(lua, line[i].text);
        lua_rawseti(lua, -2, 2 * i + 2);
    }
    lua_pushinteger(lua, lost);
    return 2;
}

static int list(lua_State *lua)
{
    const struct questions *q = check_open(lua);
    lua_createtable(lua, questions_count(q), 0);
    for (int i = 0; i < questions_count(q); i++) {
        const struct question *of = questions_at(q, i);
        push_place(lua, of->source, of->line);
        set_text(lua, "kind", of->kind);
        set_text(lua, "name", of->name);
        set_text(lua, "path", of->path);
        lua_rawseti(lua, -2, i + 1);
    }
    return 1;
}

static int memory(lua_State *lua)
{
    lua_pushnumber(lua, (lua_Number)questions_memory(check_open(lua)));
    return 1;
}

static int made_anew(lua_State *lua)
{
    lua_pushinteger(lua, questions_made_anew(check_open(lua)));
    return 1;
}

int luaopen_nebula_question(lua_State *lua)
{
    static const luaL_Reg methods[] = {
        {"list", list},           {"expect", expect},         {"ask", ask},     {"memory", memory},
        {"made_anew", made_anew}, {"close", close_questions}, {"lines", lines}, {NULL, NULL}};
    luaL_newmetatable(lua, HANDLE);
    lua_newtable(lua);
    luaL_register(lua, NULL, methods);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, close_questions);
    lua_setfield(lua, -2, "__gc");
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, open_questions);
    lua_setfield(lua, -2, "open");
    return 1;
}
