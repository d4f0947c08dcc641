#include "watchdog.h"

#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frames.h"

#define PLACES_MOST 10000
#define TEXT 4096
#define AWAY_US (5 * WATCHDOG_LOOK_US) /* who looks so late was stopped, or starved, himself */

/* It is shown in words, because these can be read while they are written. */
union call_text {
    char text[WATCHDOG_TEXT];
    uint64_t word[WATCHDOG_WORDS];
};

/* What one has seen of another. */
struct seen {
    uint64_t turn;
    int64_t since_us;
};

struct post {
    struct watched watched; /* first: it is the post's address */
    pthread_mutex_t lock;   /* of what follows; the thread lives as long as it is there */
    pthread_t thread;
    bool is_there;
    /* the turn that was told of, and how often: whoever changes it is the one who tells */
    _Atomic uint64_t told;
    _Atomic int64_t since_us;
    struct seen *seen; /* its own, of the others */
    int64_t looked_us;
};

struct watchdog {
    int32_t workers;
    int64_t bound_us;
    struct post post[];
};

#define TOLD_BITS 6 /* of post.told; so often it has become twice as long */

/* A handler has no argument of its own. */
static _Thread_local struct watched *mine;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- where it is ------------------------------------------------------------------------------ */

/* In the worker that is told of, wherever its Lua can be stopped. */
static void say_where(lua_State *lua, lua_Debug *unused)
{
    (void)unused;
    if (mine == NULL)
        return;
    lua_sethook(lua, mine->hook, mine->hook_mask, mine->hook_count);
    if (atomic_load(&mine->turn) != atomic_load(&mine->asked))
        return; /* it has come back meanwhile */
    char lines[TEXT], text[TEXT + WATCHDOG_TEXT + 128];
    frames_lines(lua, mine->home, lines, sizeof lines);
    snprintf(text, sizeof text, "task %d computes at:\n%s%s%s", (int)atomic_load(&mine->task),
             lines[0] != '\0' ? lines : "  a place that is not in the workflow's own lines",
             mine->called[0] != '\0'
                 ? "\n  what it called of nebula since it was resumed, at last: "
                 : "",
             mine->called);
    mine->say(mine->data, text);
}

static void ask_for_hook(int signum)
{
    (void)signum;
    if (mine == NULL || atomic_load(&mine->turn) == 0 ||
        atomic_load(&mine->turn) != atomic_load(&mine->asked))
        return;
    if (lua_gethook(mine->lua) != say_where) {
        mine->hook = lua_gethook(mine->lua);
        mine->hook_mask = lua_gethookmask(mine->lua);
        mine->hook_count = lua_gethookcount(mine->lua);
    }
    lua_sethook(mine->lua, say_where, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static void ask_where(struct post *p, uint64_t turn)
{
    pthread_mutex_lock(&p->lock);
    if (p->is_there) {
        atomic_store(&p->watched.asked, turn);
        pthread_kill(p->thread, SIGURG);
    }
    pthread_mutex_unlock(&p->lock);
}

/* --- life ------------------------------------------------------------------------------------- */

struct watchdog *watchdog_new(int32_t workers, int64_t bound_us)
{
    size_t size = sizeof(struct watchdog) + (size_t)workers * sizeof(struct post);
    struct watchdog *d = aligned_alloc(64, (size + 63) / 64 * 64);
    if (d == NULL)
        return NULL;
    memset(d, 0, size);
    d->workers = workers;
    d->bound_us = bound_us;
    for (int32_t i = 0; i < workers; i++) {
        pthread_mutex_init(&d->post[i].lock, NULL);
        names_init(&d->post[i].watched.places);
        d->post[i].seen = calloc((size_t)workers, sizeof *d->post[i].seen);
        if (d->post[i].seen == NULL) {
            d->workers = i + 1;
            watchdog_free(&d);
            return NULL;
        }
    }
    struct sigaction action = {.sa_handler = ask_for_hook, .sa_flags = SA_RESTART};
    sigaction(SIGURG, &action, NULL);
    return d;
}

void watchdog_free(struct watchdog **watchdog)
{
    struct watchdog *d = *watchdog;
    *watchdog = NULL;
    if (d == NULL)
        return;
    signal(SIGURG, SIG_IGN);
    for (int32_t i = 0; i < d->workers; i++) {
        names_fini(&d->post[i].watched.places);
        pthread_mutex_destroy(&d->post[i].lock);
        free(d->post[i].seen);
    }
    free(d);
}

struct watched *watchdog_join(struct watchdog *d, int32_t worker, lua_State *lua, const char *home,
                              watchdog_say *say, void *data)
{
    struct post *p = &d->post[worker];
    struct watched *s = &p->watched;
    s->inner = luaL_ref(lua, LUA_REGISTRYINDEX);
    s->lua = lua;
    s->home = home;
    s->say = say;
    s->data = data;
    p->looked_us = now_us();
    mine = s;
    sigset_t asked; /* whoever started the program may have blocked it */
    sigemptyset(&asked);
    sigaddset(&asked, SIGURG);
    pthread_sigmask(SIG_UNBLOCK, &asked, NULL);
    pthread_mutex_lock(&p->lock);
    p->thread = pthread_self();
    p->is_there = true;
    pthread_mutex_unlock(&p->lock);
    return s;
}

void watchdog_leave(struct watched *s)
{
    struct post *p = (struct post *)s;
    watchdog_exit(s);
    pthread_mutex_lock(&p->lock);
    p->is_there = false;
    pthread_mutex_unlock(&p->lock);
    mine = NULL;
}

const char *watchdog_keep(struct watched *s, const char *place)
{
    const char *kept = s->places.known.used < PLACES_MOST ? names_keep(&s->places, place) : NULL;
    return kept != NULL ? kept : "an unknown place";
}

/* --- what is shown ---------------------------------------------------------------------------- */

/* The one in which it waits, when that is a coroutine of the workflow within it. */
static lua_State *innermost(struct watched *s, lua_State *co)
{
    lua_State *lua = s->lua, *found = co;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, s->inner);
    while (found != NULL) {
        co = found;
        lua_pushthread(co);
        lua_xmove(co, lua, 1);
        lua_rawget(lua, -2);
        found = lua_tothread(lua, -1);
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return co;
}

static char *append(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

static char *append_number(char *at, int number)
{
    char digits[12];
    size_t size = 0;
    do
        digits[size++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (size > 0)
        *at++ = digits[--size];
    return at;
}

/* "query at FILE:LINE", of a long name its end. It is made at every resume of a calm turn, where
 * printf would be the half of it. */
static size_t describe(const struct frames_call *call, union call_text *said)
{
    const char *source = call->source + (call->source[0] == '@' || call->source[0] == '=');
    size_t most = sizeof said->text - sizeof call->name - 24;
    size_t length = strlen(source), shown = length < most ? length : most;
    char *at = append(said->text, call->name, strlen(call->name));
    at = append(at, " at ", 4);
    if (shown < length)
        at = append(at, "...", 3);
    at = append(at, source + length - shown, shown);
    *at++ = ':';
    at = append_number(at, call->line);
    *at++ = '\0';
    return (size_t)(at - said->text);
}

void watchdog_note(struct watched *s, lua_State *co)
{
    union call_text said;
    struct frames_call call;
    said.word[0] = 0;
    size_t size = frames_last_call(innermost(s, co), s->home, &call) ? describe(&call, &said) : 1;
    for (size_t i = 0; i < (size + 7) / 8; i++)
        atomic_store_explicit(&s->call[i], said.word[i], memory_order_release);
}

static void note_call(lua_State *lua, lua_Debug *called)
{
    struct frames_call call;
    union call_text said;
    if (mine == NULL || !frames_called(lua, called, mine->home, &call))
        return;
    size_t size = describe(&call, &said);
    memcpy(mine->called, said.text, size);
}

void watchdog_note_calls(struct watched *s)
{
    lua_sethook(s->lua, note_call, LUA_MASKCALL, 0);
}

/* --- looking ---------------------------------------------------------------------------------- */

struct sight {
    int32_t task;
    const char *place;
    bool is_noted;
    union call_text call;
};

/* False when it was not the same turn all the while. */
static bool look_at(struct watched *s, uint64_t turn, struct sight *out)
{
    out->task = atomic_load_explicit(&s->task, memory_order_acquire);
    out->place = atomic_load_explicit(&s->place, memory_order_acquire);
    out->is_noted = atomic_load_explicit(&s->is_noted, memory_order_acquire);
    for (int i = 0; i < WATCHDOG_WORDS; i++)
        out->call.word[i] = atomic_load_explicit(&s->call[i], memory_order_acquire);
    out->call.text[sizeof out->call.text - 1] = '\0';
    return atomic_load_explicit(&s->turn, memory_order_acquire) == turn;
}

static void tell(const struct watched *teller, int32_t worker, int64_t span_us,
                 const struct sight *sight)
{
    char text[1024];
    const char *call = !sight->is_noted           ? "not noted, for many tasks ran in that turn"
                       : sight->call.text[0] != 0 ? sight->call.text
                                                  : "none yet";
    snprintf(text, sizeof text,
             "worker %d has not come back from Lua for %.1fs: task %d, started %s%s; the call it "
             "waited for last: %s",
             (int)worker, (double)span_us / 1e6, (int)sight->task,
             sight->place != NULL ? "at " : "as the workflow",
             sight->place != NULL ? sight->place : "", call);
    teller->say(teller->data, text);
}

static void tell_end(const struct watched *teller, int32_t worker, int64_t span_us)
{
    char text[128];
    snprintf(text, sizeof text, "worker %d has come back from Lua after %.1fs", (int)worker,
             (double)span_us / 1e6);
    teller->say(teller->data, text);
}

/* True when it was this one who took it upon himself. */
static bool takes(struct post *p, uint64_t before, uint64_t after)
{
    return atomic_compare_exchange_strong(&p->told, &before, after);
}

static void look_after(struct watchdog *d, struct watched *teller, struct seen *seen,
                       int32_t worker, int64_t now)
{
    struct post *p = &d->post[worker];
    uint64_t turn = atomic_load_explicit(&p->watched.turn, memory_order_acquire);
    uint64_t told = atomic_load(&p->told);
    if (told != 0 && told >> TOLD_BITS != turn && takes(p, told, 0)) {
        tell_end(teller, worker, now - atomic_load(&p->since_us));
        return;
    }
    if (turn == 0 || turn != seen->turn) {
        *seen = (struct seen){.turn = turn, .since_us = now};
        return;
    }
    uint32_t times = told >> TOLD_BITS == turn ? told & ((1U << TOLD_BITS) - 1) : 0;
    struct sight sight;
    if (now - seen->since_us < d->bound_us << times || !look_at(&p->watched, turn, &sight))
        return;
    atomic_store(&p->since_us, seen->since_us); /* whoever takes it has seen the same */
    if (!takes(p, told, turn << TOLD_BITS | (times + 1)))
        return;
    tell(teller, worker, now - seen->since_us, &sight);
    ask_where(p, turn);
}

void watchdog_look(struct watchdog *d, struct watched *s)
{
    struct post *p = (struct post *)s;
    int64_t now = now_us(), away_us = now - p->looked_us;
    p->looked_us = now;
    for (int32_t i = 0; i < d->workers; i++) {
        if (&d->post[i] == p)
            continue;
        if (away_us > AWAY_US)
            p->seen[i].since_us += away_us - WATCHDOG_LOOK_US;
        look_after(d, s, &p->seen[i], i, now);
    }
}
