/* question_read.c - an answer, and whether it has the shape that its asker expects. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "question_inner.h"

static bool refuse(char why[QUESTION_WHY_SIZE], const char *what, const char *expected)
{
    snprintf(why, QUESTION_WHY_SIZE, "answers with %s, not with %s", what, expected);
    return false;
}

static const char *name_of(enum question_type type)
{
    static const char *const name[] = {"true or false", "a number", "a text", "a table",
                                       "a plain value"};
    return name[type];
}

static bool read_number(lua_State *lua, const struct question_shape *shape,
                        struct question_value *v, char why[QUESTION_WHY_SIZE])
{
    char expected[96], what[48];
    v->number = lua_tonumber(lua, -1);
    if (v->number >= shape->least && v->number <= shape->most &&
        (!shape->is_whole || floor(v->number) == v->number))
        return true;
    snprintf(expected, sizeof expected, "a %snumber from %.14g to %.14g",
             shape->is_whole ? "whole " : "", shape->least, shape->most);
    snprintf(what, sizeof what, "%.14g", v->number);
    return refuse(why, what, expected);
}

static bool is_word(const struct question_value *v, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strlen(*words) == v->size && memcmp(*words, v->text, v->size) == 0)
            return true;
    }
    return false;
}

/* What it said is not repeated: it may be anything. */
static bool read_text(lua_State *lua, const struct question_shape *shape, struct question_value *v,
                      char why[QUESTION_WHY_SIZE])
{
    v->text = lua_tolstring(lua, -1, &v->size);
    if (shape->words != NULL && !is_word(v, shape->words))
        return refuse(why, "a text", "one of those that are possible here");
    if (shape->words == NULL && v->size > shape->text_most) {
        char expected[48], what[48];
        snprintf(what, sizeof what, "a text of %zu bytes", v->size);
        snprintf(expected, sizeof expected, "%zu at most", shape->text_most);
        return refuse(why, what, expected);
    }
    return true;
}

/* What the value at the top is; QUESTION_ANY: nothing that could be an answer. */
static enum question_type type_of(lua_State *lua)
{
    switch (lua_type(lua, -1)) {
    case LUA_TBOOLEAN:
        return QUESTION_BOOLEAN;
    case LUA_TNUMBER:
        return QUESTION_NUMBER;
    case LUA_TSTRING:
        return QUESTION_TEXT;
    case LUA_TTABLE:
        return QUESTION_TABLE;
    default:
        return QUESTION_ANY;
    }
}

/* The value at the top; a table is left to the caller. */
static bool read_value(lua_State *lua, const struct question_shape *shape, struct question_value *v,
                       char why[QUESTION_WHY_SIZE])
{
    *v = (struct question_value){.type = type_of(lua)};
    if (v->type == QUESTION_ANY || (v->type != shape->type && shape->type != QUESTION_ANY)) {
        char what[32];
        snprintf(what, sizeof what, "a %s", lua_typename(lua, lua_type(lua, -1)));
        return refuse(why, what, name_of(shape->type));
    }
    switch (v->type) {
    case QUESTION_BOOLEAN:
        v->is_true = lua_toboolean(lua, -1);
        return true;
    case QUESTION_NUMBER:
        return read_number(lua, shape, v, why);
    case QUESTION_TEXT:
        return read_text(lua, shape, v, why);
    case QUESTION_TABLE:
        return true;
    case QUESTION_ANY:
        break;
    }
    UNREACHABLE();
}

static const struct question_member *member_of(lua_State *lua, const struct question_shape *shape,
                                               int key)
{
    size_t size;
    const char *name = lua_type(lua, key) == LUA_TSTRING ? lua_tolstring(lua, key, &size) : NULL;
    for (int i = 0; name != NULL && i < shape->member_count; i++) {
        if (strlen(shape->members[i].name) == size && strcmp(shape->members[i].name, name) == 0)
            return &shape->members[i];
    }
    return NULL;
}

/* Puts the member's name before the sentence. */
static bool refuse_member(char why[QUESTION_WHY_SIZE], const char *name)
{
    char inner[QUESTION_WHY_SIZE];
    memcpy(inner, why, sizeof inner);
    snprintf(why, QUESTION_WHY_SIZE, "in %.64s %.400s", name, inner);
    return false;
}

static bool has_all(const struct question_shape *shape, const struct question_answer *answer,
                    char why[QUESTION_WHY_SIZE])
{
    for (int i = 0; i < shape->member_count; i++) {
        bool is_there = !shape->members[i].is_required;
        for (int k = 0; !is_there && k < answer->field_count; k++)
            is_there = answer->fields[k].name == shape->members[i].name;
        if (!is_there) {
            snprintf(why, QUESTION_WHY_SIZE, "answers without %.64s", shape->members[i].name);
            return false;
        }
    }
    return true;
}

/* Ends at the first key that is none of the shape's, so it is as long as the shape. */
static bool read_table(lua_State *lua, const struct question_shape *shape,
                       struct question_answer *answer, char why[QUESTION_WHY_SIZE])
{
    int table = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        const struct question_member *member = member_of(lua, shape, table + 1);
        if (member == NULL) {
            snprintf(why, QUESTION_WHY_SIZE, "answers with what nobody asked for in its table");
            lua_settop(lua, table);
            return false;
        }
        struct question_field *field = &answer->fields[answer->field_count++];
        field->name = member->name;
        if (!read_value(lua, &member->shape, &field->value, why)) {
            lua_settop(lua, table);
            return refuse_member(why, member->name);
        }
        lua_settop(lua, table + 1);
    }
    return has_all(shape, answer, why);
}

static bool is_table(lua_State *lua)
{
    return type_of(lua) == QUESTION_TABLE;
}

/* A name is a text without a zero byte; what it names is no table. */
static bool read_named(lua_State *lua, const struct question_shape *shape,
                       struct question_answer *answer, char why[QUESTION_WHY_SIZE])
{
    size_t size = 0;
    const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tolstring(lua, -2, &size) : NULL;
    if (name == NULL || strlen(name) != size || answer->field_count == QUESTION_FIELDS_MOST) {
        snprintf(why, QUESTION_WHY_SIZE,
                 "answers with a table that is not %d values by name at most",
                 QUESTION_FIELDS_MOST);
        return false;
    }
    if (is_table(lua))
        return refuse(why, "a table in its table", "plain values by name");
    struct question_field *field = &answer->fields[answer->field_count++];
    field->name = name;
    return read_value(lua, shape, &field->value, why);
}

/* The names are those of the state: they are there until the next question. */
static bool read_any_table(lua_State *lua, const struct question_shape *shape,
                           struct question_answer *answer, char why[QUESTION_WHY_SIZE])
{
    int table = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        if (!read_named(lua, shape, answer, why)) {
            lua_settop(lua, table);
            return false;
        }
        lua_settop(lua, table + 1);
    }
    return true;
}

bool question_read(lua_State *lua, const struct question_shape *shape,
                   struct question_answer *answer, char why[QUESTION_WHY_SIZE])
{
    answer->field_count = 0;
    if (!read_value(lua, shape, &answer->value, why))
        return false;
    if (!is_table(lua))
        return true;
    return shape->type == QUESTION_ANY ? read_any_table(lua, shape, answer, why)
                                       : read_table(lua, shape, answer, why);
}
