#include "hub_lua.h"

#include <lauxlib.h>
#include <stdint.h>

#include "base/check.h"
#include "hub.h"
#include "nebula.h"
#include "process.h"
#include "worker.h"

#define CASES_MOST 64
#define HANDLE "nebula.hub.channel"

struct handle {
    struct hub *hub;
    struct hub_channel *channel;
};

static struct worker *self(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

static void interrupt(void *engine)
{
    nebula_interrupt(engine);
}

static int no_memory(lua_State *lua)
{
    return luaL_error(lua, "not enough memory");
}

/* With the first channel the worker comes in. */
static struct hub *hub_of(lua_State *lua)
{
    struct worker *w = self(lua);
    if (w->hub != NULL)
        return w->hub;
    CHECK(w->engine != NULL);
    struct hub *hub = process_hub(w->process);
    if (hub == NULL)
        no_memory(lua);
    hub_join(hub, w->index, interrupt, w->engine);
    w->hub = hub;
    return hub;
}

static struct hub_channel *channel_at(lua_State *lua, int at)
{
    struct handle *handle = luaL_checkudata(lua, at, HANDLE);
    luaL_argcheck(lua, handle->channel != NULL, at, "a channel that was forgotten");
    return handle->channel;
}

static int channel_open(lua_State *lua)
{
    const char *name = luaL_checkstring(lua, 1);
    int64_t most = (int64_t)luaL_checknumber(lua, 2), other;
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    *handle = (struct handle){.hub = hub_of(lua)};
    luaL_getmetatable(lua, HANDLE);
    lua_setmetatable(lua, -2);
    handle->channel = hub_open(handle->hub, name, most, &other);
    if (handle->channel != NULL)
        return 1;
    if (other < 0)
        return no_memory(lua);
    lua_pushnil(lua);
    lua_pushstring(lua, other == 0 && most != 0 ? "full" : "other");
    lua_pushnumber(lua, (lua_Number)other);
    return 3;
}

static int channel_forget(lua_State *lua)
{
    struct handle *handle = luaL_checkudata(lua, 1, HANDLE);
    if (handle->channel != NULL)
        hub_forget(handle->hub, &handle->channel);
    return 0;
}

static int channel_close(lua_State *lua)
{
    hub_close(hub_of(lua), channel_at(lua, 1));
    return 0;
}

static int channel_state(lua_State *lua)
{
    struct hub_state s = hub_state(hub_of(lua), channel_at(lua, 1));
    lua_pushinteger(lua, s.messages);
    lua_pushnumber(lua, (lua_Number)s.bytes);
    lua_pushboolean(lua, s.is_closed);
    return 3;
}

/* --- cases ------------------------------------------------------------------------------------ */

static void free_messages(struct hub_case *cases, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        hub_message_free(&cases[i].message);
}

/* What stands on the stack from `at` on. Raises before anything is allocated, or when there is no
 * memory. */
static int32_t read_cases(lua_State *lua, int at, struct hub_case *cases)
{
    int32_t count = (lua_gettop(lua) - at + 1) / 2;
    luaL_argcheck(lua, count >= 1 && count <= CASES_MOST, at, "too many cases, or none");
    for (int32_t i = 0; i < count; i++) {
        cases[i] = (struct hub_case){.channel = channel_at(lua, at + 2 * i)};
        if (lua_toboolean(lua, at + 2 * i + 1))
            luaL_checktype(lua, at + 2 * i + 1, LUA_TSTRING);
    }
    for (int32_t i = 0; i < count; i++) {
        size_t size;
        const char *bytes = lua_tolstring(lua, at + 2 * i + 1, &size);
        if (bytes != NULL && (cases[i].message = hub_message_new(bytes, size)) == NULL) {
            free_messages(cases, i);
            no_memory(lua);
        }
    }
    return count;
}

/* There may be no memory for the string: then the message is still the worker's. */
static void push_message(lua_State *lua, struct hub_message *m)
{
    struct worker *w = self(lua);
    hub_message_free(&w->received);
    w->received = m;
    lua_pushlstring(lua, m->bytes, m->size);
    hub_message_free(&w->received);
}

static int push_outcome(lua_State *lua, struct hub_outcome out)
{
    if (out.end != HUB_DONE && out.end != HUB_CLOSED)
        return 0;
    lua_pushinteger(lua, out.at + 1);
    if (out.message != NULL)
        push_message(lua, out.message);
    else if (out.end == HUB_DONE)
        lua_pushboolean(lua, true);
    else
        lua_pushnil(lua);
    return 2;
}

static int try_cases(lua_State *lua)
{
    struct hub_case cases[CASES_MOST];
    int32_t count = read_cases(lua, 1, cases);
    struct hub_outcome out = hub_try(hub_of(lua), cases, count);
    free_messages(cases, count);
    return push_outcome(lua, out);
}

static int wait_for_cases(lua_State *lua)
{
    struct hub_case cases[CASES_MOST];
    int32_t ticket = (int32_t)luaL_checkinteger(lua, 1);
    luaL_argcheck(lua, ticket > 0, 1, "a ticket is expected");
    int32_t count = read_cases(lua, 2, cases);
    struct hub_outcome out;
    struct hub_wait *wait = hub_wait(hub_of(lua), self(lua)->index, ticket, cases, count, &out);
    free_messages(cases, count);
    if (wait != NULL) {
        lua_pushboolean(lua, false);
        lua_pushlightuserdata(lua, wait);
        return 2;
    }
    if (out.end == HUB_NO_MEMORY)
        return no_memory(lua);
    if (out.end != HUB_FULL)
        return push_outcome(lua, out);
    lua_pushnil(lua);
    lua_pushliteral(lua, "full");
    return 2;
}

static int finish_wait(lua_State *lua)
{
    struct hub_wait *wait = lua_touserdata(lua, 1);
    luaL_argcheck(lua, wait != NULL, 1, "a wait is expected");
    return push_outcome(lua, hub_wait_end(hub_of(lua), &wait, lua_toboolean(lua, 2)));
}

/* --- the module ------------------------------------------------------------------------------- */

int hub_open_module(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"open", channel_open},   {"forget", channel_forget}, {"close", channel_close},
        {"state", channel_state}, {"try", try_cases},         {"wait", wait_for_cases},
        {"finish", finish_wait},
    };
    luaL_newmetatable(lua, HANDLE);
    lua_pushcfunction(lua, channel_forget);
    lua_setfield(lua, -2, "__gc");
    lua_pop(lua, 1);
    lua_createtable(lua, 0, COUNT(functions));
    for (size_t i = 0; i < COUNT(functions); i++) {
        lua_pushlightuserdata(lua, self(lua));
        lua_pushcclosure(lua, functions[i].func, 1);
        lua_setfield(lua, -2, functions[i].name);
    }
    return 1;
}

void hub_hear(struct worker *w)
{
    int32_t ticket;
    while (w->hub != NULL && (ticket = hub_told(w->hub, w->index)) != 0)
        nebula_wake(w->engine, ticket, 0);
}

void hub_part(struct worker *w)
{
    if (w->hub != NULL)
        hub_leave(w->hub, w->index);
    w->hub = NULL;
    hub_message_free(&w->received);
}
