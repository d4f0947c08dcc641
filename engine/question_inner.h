/* question_inner.h - what the files of question.c share. */
#ifndef QUESTION_INNER_H
#define QUESTION_INNER_H

#include "chamber.h"
#include "question.h"

/* What stays at the bottom of the state's stack. */
enum question_slot { SLOT_WITNESS = 1, SLOT_ASK, SLOT_KEPT };

/* Fields of one of room.kept (lua/nebula/declare/kept.lua). */
enum question_kept {
    KEPT_FUNCTION = 1,
    KEPT_HELD,
    KEPT_SOURCE,
    KEPT_LINE,
    KEPT_KIND,
    KEPT_NAME,
    KEPT_PATH
};

struct question_text { /* of a prelude or a source */
    char *bytes;
    size_t size;
};

struct questions {
    struct chamber chamber;
    struct question_bounds bounds;
    struct question_text *texts; /* preludes, then sources */
    int prelude_count, text_count;
    struct question *of;
    int count;
    const struct question_field *fields; /* of the question that is asked */
    int field_count;
    size_t rest;      /* bytes that the state has when nothing is asked */
    bool must_change; /* it is to be made anew before the next question */
    int made_anew;
    struct question_line line[QUESTION_LINES_MOST]; /* of the last question */
    int lines, lines_lost;
};

/* The text of a source, 1 is the first; empty where it is left out. */
static inline struct question_text *question_text_of(const struct questions *q, int source)
{
    return &q->texts[q->prelude_count + source - 1];
}

/* Fills the state from the texts, the first time q->of too. ask, which gets q as its upvalue, will
 * be called there. False with why: there is no state. */
bool question_load(struct questions *q, lua_CFunction ask, struct question_failure *why);
/* Is all that this function holds on to as it was? */
bool question_is_intact(const struct questions *q, int at);
/* Reads the value at the top of the stack, which stays there; false with a sentence in why when it
 * has another shape. Allocates nothing there. */
bool question_read(lua_State *lua, const struct question_shape *shape,
                   struct question_answer *answer, char why[QUESTION_WHY_SIZE]);

#endif
