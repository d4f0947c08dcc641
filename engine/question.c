#include "question.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "question_inner.h"

#define STEPS 100000
#define TIME_US 2000
#define MEMORY (256 << 10)
#define PIECE (32 << 10) /* of a question: no step takes longer than to walk over it */
#define STRIKES 3
/* What may be left of a question when all garbage was collected: the state's own buffers and its
 * table of strings, which grow. */
#define REST_MOST (2 * PIECE)

static const char *const reason[] = {
    [QUESTION_STEPS] = "steps", [QUESTION_TIME] = "time",   [QUESTION_MEMORY] = "memory",
    [QUESTION_ERROR] = "error", [QUESTION_SHAPE] = "shape", [QUESTION_CHANGED] = "changed",
    [QUESTION_LOST] = "lost",
};

const char *question_reason(enum question_why why)
{
    return reason[why];
}

/* --- inside the state ------------------------------------------------------------------------ */

static void push_value(lua_State *lua, const struct question_value *v)
{
    switch (v->type) {
    case QUESTION_BOOLEAN:
        lua_pushboolean(lua, v->is_true);
        return;
    case QUESTION_NUMBER:
        lua_pushnumber(lua, v->number);
        return;
    case QUESTION_TEXT:
        lua_pushlstring(lua, v->text, v->size < QUESTION_TEXT_MOST ? v->size : QUESTION_TEXT_MOST);
        return;
    case QUESTION_TABLE:
    case QUESTION_ANY:
        break;
    }
    UNREACHABLE();
}

/* ask(function) -> its answer */
static int ask(lua_State *lua)
{
    const struct questions *q = lua_touserdata(lua, lua_upvalueindex(1));
    lua_createtable(lua, 0, q->field_count);
    for (int i = 0; i < q->field_count; i++) {
        lua_pushstring(lua, q->fields[i].name);
        push_value(lua, &q->fields[i].value);
        lua_rawset(lua, 2);
    }
    lua_call(lua, 1, 1);
    return 1;
}

/* --- breaches -------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static enum question_end
breached(struct questions *q, struct question *of, struct question_breach *breach,
         const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(breach->text, sizeof breach->text, format, list);
    va_end(list);
    of->strikes++;
    of->is_aside = of->is_aside || of->strikes >= q->bounds.strikes;
    breach->strikes = of->strikes;
    breach->is_last = of->is_aside;
    breach->is_anew = q->must_change;
    return QUESTION_BREACHED;
}

/* The place at which it was cut, if it is known. */
static void place(const struct questions *q, const struct question *of,
                  struct question_breach *breach)
{
    breach->source = of->source;
    breach->line = q->chamber.place.line > 0 ? q->chamber.place.line : of->line;
}

static enum question_end broke_bound(struct questions *q, struct question *of,
                                     struct question_breach *breach)
{
    place(q, of, breach);
    chamber_collect(&q->chamber);
    if (q->chamber.used > q->rest + REST_MOST)
        q->must_change = true;
    switch (q->chamber.over) {
    case CHAMBER_STEPS:
        breach->why = QUESTION_STEPS;
        return breached(q, of, breach, "runs for more than %d steps", q->bounds.steps);
    case CHAMBER_TIME:
        breach->why = QUESTION_TIME;
        return breached(q, of, breach, "runs for more than %d us", q->bounds.time_us);
    case CHAMBER_MEMORY:
        breach->why = QUESTION_MEMORY;
        return breached(q, of, breach, "takes more than %d bytes, or %d in one piece",
                        q->bounds.memory, PIECE);
    case CHAMBER_FINE:
        break;
    }
    UNREACHABLE();
}

static enum question_end raised(struct questions *q, struct question *of,
                                struct question_breach *breach)
{
    char text[CHAMBER_MESSAGE_SIZE];
    chamber_read_message(&q->chamber, text);
    place(q, of, breach);
    breach->why = QUESTION_ERROR;
    return breached(q, of, breach, "fails: %s", text);
}

/* What has to do with its answer, not with a line of it. */
static enum question_end answered_badly(struct questions *q, struct question *of,
                                        enum question_why why, const char *text,
                                        struct question_breach *breach)
{
    *breach = (struct question_breach){.why = why, .source = of->source, .line = of->line};
    return breached(q, of, breach, "%s", text);
}

static void set_aside_all(struct questions *q)
{
    for (int i = 0; i < q->count; i++)
        q->of[i].is_aside = true;
}

static enum question_end lost(struct questions *q, struct question *of, const char *text,
                              struct question_breach *breach)
{
    of->is_aside = true;
    return answered_badly(q, of, QUESTION_LOST, text, breach);
}

/* False when it is nobody's source, or left out already. */
static bool leave_out(struct questions *q, int source)
{
    if (source == 0 || question_text_of(q, source)->size == 0)
        return false;
    question_text_of(q, source)->size = 0;
    for (int i = 0; i < q->count; i++)
        q->of[i].is_lost = q->of[i].is_lost || q->of[i].source == source;
    return true;
}

static bool make_anew(struct questions *q, struct question *of, struct question_breach *breach)
{
    struct question_failure why;
    q->must_change = false;
    q->made_anew++;
    do {
        chamber_fini(&q->chamber);
        if (question_load(q, ask, &why))
            return true;
    } while (leave_out(q, why.source));
    set_aside_all(q);
    char text[QUESTION_WHY_SIZE];
    snprintf(text, sizeof text, "cannot be asked, nor can any other: %.400s", why.text);
    lost(q, of, text, breach);
    return false;
}

/* --- asking ---------------------------------------------------------------------------------- */

/* What is done outside of pcall() allocates nothing. */
static int call(struct questions *q, int at)
{
    const struct chamber_bounds bounds = {q->bounds.steps, q->bounds.time_us,
                                          (size_t)q->bounds.memory, PIECE};
    lua_State *lua = q->chamber.lua;
    lua_settop(lua, SLOT_KEPT);
    lua_pushvalue(lua, SLOT_ASK);
    lua_rawgeti(lua, SLOT_KEPT, q->of[at].kept + 1);
    lua_rawgeti(lua, -1, KEPT_FUNCTION);
    lua_remove(lua, -2);
    chamber_begin(&q->chamber, &bounds);
    return lua_pcall(lua, 1, 1, SLOT_WITNESS);
}

enum question_end questions_ask(struct questions *q, int at, const struct question_field *fields,
                                int count, struct question_answer *answer,
                                struct question_breach *breach)
{
    CHECK(at >= 0 && at < q->count && count <= QUESTION_FIELDS_MOST);
    struct question *of = &q->of[at];
    CHECK(of->shape != NULL);
    if (of->is_aside)
        return QUESTION_SILENT;
    if (q->must_change && !make_anew(q, of, breach))
        return QUESTION_BREACHED;
    if (of->is_lost)
        return lost(q, of, "cannot be asked any more: its file does not say the same each time",
                    breach);
    q->fields = fields;
    q->field_count = count;
    q->lines = q->lines_lost = 0;
    int status = call(q, at);
    bool is_intact = !of->is_holding || question_is_intact(q, at);
    if (!is_intact)
        q->must_change = true;
    if (q->chamber.over != CHAMBER_FINE)
        return broke_bound(q, of, breach);
    if (status != 0)
        return raised(q, of, breach);
    if (!is_intact)
        return answered_badly(q, of, QUESTION_CHANGED,
                              "changes what it holds on to, which is not its own", breach);
    if (lua_isnil(q->chamber.lua, -1))
        return QUESTION_SILENT;
    char why[QUESTION_WHY_SIZE];
    if (!question_read(q->chamber.lua, of->shape, answer, why))
        return answered_badly(q, of, QUESTION_SHAPE, why, breach);
    return QUESTION_ANSWERED;
}

/* --- life ------------------------------------------------------------------------------------ */

static bool copy_texts(struct questions *q, const struct question_given *given)
{
    int count = given->prelude_count + given->source_count;
    q->texts = calloc((size_t)count + 1, sizeof *q->texts);
    if (q->texts == NULL)
        return false;
    q->prelude_count = given->prelude_count;
    for (; q->text_count < count; q->text_count++) {
        int i = q->text_count;
        const struct question_source *s = i < given->prelude_count
                                              ? &given->preludes[i]
                                              : &given->sources[i - given->prelude_count];
        char *bytes = malloc(s->size + 1);
        if (bytes == NULL)
            return false;
        memcpy(bytes, s->bytes, s->size);
        q->texts[i] = (struct question_text){bytes, s->size};
    }
    return true;
}

static int32_t or_default(int32_t given, int32_t fallback)
{
    CHECK(given >= 0);
    return given > 0 ? given : fallback;
}

struct questions *questions_new(const struct question_given *given, struct question_failure *why)
{
    const struct question_bounds *b = &given->bounds;
    struct questions *q = calloc(1, sizeof *q);
    if (q != NULL)
        q->bounds = (struct question_bounds){
            or_default(b->steps, STEPS), or_default(b->time_us, TIME_US),
            or_default(b->memory, MEMORY), or_default(b->strikes, STRIKES)};
    if (q == NULL || !copy_texts(q, given)) {
        *why = (struct question_failure){0, 0, "there is no memory for the judge of questions"};
        questions_free(&q);
    } else if (!question_load(q, ask, why)) {
        questions_free(&q);
    }
    return q;
}

void questions_free(struct questions **questions)
{
    struct questions *q = *questions;
    *questions = NULL;
    if (q == NULL)
        return;
    chamber_fini(&q->chamber);
    for (int i = 0; i < q->count; i++)
        free((void *)(uintptr_t)q->of[i].kind);
    free(q->of);
    for (int i = 0; i < q->text_count; i++)
        free(q->texts[i].bytes);
    free(q->texts);
    free(q);
}

int questions_count(const struct questions *q)
{
    return q->count;
}

const struct question *questions_at(const struct questions *q, int at)
{
    CHECK(at >= 0 && at < q->count);
    return &q->of[at];
}

void questions_expect(struct questions *q, int at, const struct question_shape *shape)
{
    CHECK(at >= 0 && at < q->count && shape->member_count <= QUESTION_FIELDS_MOST);
    q->of[at].shape = shape;
}

int questions_lines(const struct questions *q, const struct question_line **lines, int *lost)
{
    *lines = q->line;
    *lost = q->lines_lost;
    return q->lines;
}

size_t questions_memory(const struct questions *q)
{
    return q->chamber.used;
}

int questions_made_anew(const struct questions *q)
{
    return q->made_anew;
}
