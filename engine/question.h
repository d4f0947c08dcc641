/* question.h - functions in policies: asked on slow paths, answered in the judge, under bounds.
 *
 * The functions among the settings of a generation of declarations live in one Lua state for each
 * worker (chamber.h). It is made from the text that was declared, by the same preludes and by
 * kept.lua, and reads no file. A question is a table of texts, numbers and booleans that is new
 * each time. The answer is one of these or a flat table of some, in the shape that its asker
 * expects. nil is no answer: the default stands.
 *
 * A question leaves nothing behind. The names of a file cannot be set; what a function holds on to,
 * its upvalues and what is in them, is compared with what it was. Who changed it has no answer, and
 * the state is made anew. Nothing can be added to a table that is held: it would remember how large
 * it once was. So nothing is remembered, and who shares a policy, or a file of policies, cannot see
 * one another.
 *
 * Each question is bounded in steps, in work and in what it takes of memory. Whoever breaks a
 * bound, fails, or answers in another shape has no answer and a strike; with the last strike that
 * function is asked no more, until there is another generation. The others go on: where a breach
 * left more behind than garbage, the state is made anew before the next question. That takes as
 * long as to declare those sources, a tenth of a second at most, and is done once for a strike. A
 * source that fails then, or says something else, because it goes by chance, is left out, and its
 * functions are asked no more; those of the others are.
 *
 * Belongs to one thread. Nothing here is on the way to a lease.
 */
#ifndef QUESTION_H
#define QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUESTION_FIELDS_MOST 32 /* of a question, and of an answer */
#define QUESTION_TEXT_MOST 4096 /* bytes of a text in a question; what is longer is cut */
#define QUESTION_WHY_SIZE 512
#define QUESTION_LINES_MOST 8 /* that a question may have in the log */
#define QUESTION_LINE_SIZE 512

enum question_type {
    QUESTION_BOOLEAN = 0,
    QUESTION_NUMBER,
    QUESTION_TEXT,
    QUESTION_TABLE,
    QUESTION_ANY, /* of a shape alone: any of these; a table by names */
};

struct question_value {
    enum question_type type;
    bool is_true;
    double number;
    const char *text; /* of an answer: until the next question */
    size_t size;
};

struct question_field {
    const char *name;
    struct question_value value; /* no table */
};

struct question_member;

/* What an answer must be. */
struct question_shape {
    enum question_type type;
    double least, most;                    /* of a number */
    bool is_whole;                         /* a number without a fraction */
    size_t text_most;                      /* bytes of a text, and of each in what is any */
    const char *const *words;              /* a text is one of these, up to NULL; NULL: any text */
    const struct question_member *members; /* of a table */
    int member_count;                      /* at most QUESTION_FIELDS_MOST */
};

struct question_member {
    const char *name;
    struct question_shape shape; /* no table, and not any */
    bool is_required;
};

struct question_answer {
    struct question_value value;
    struct question_field fields[QUESTION_FIELDS_MOST]; /* of a table, those that are there */
    int field_count;
};

struct question_bounds {
    int32_t steps;   /* 0: 100,000 */
    int32_t time_us; /* of the processor; 0: 2,000 */
    int32_t memory;  /* bytes that one question takes, whatever it gives back; 0: 262,144 */
    int32_t strikes; /* 0: 3 */
};

enum question_why {
    QUESTION_STEPS = 0,
    QUESTION_TIME,
    QUESTION_MEMORY,
    QUESTION_ERROR,
    QUESTION_SHAPE,   /* the answer has another one */
    QUESTION_CHANGED, /* what it holds on to */
    QUESTION_LOST,    /* the state could not be made anew as it was; told once for each function */
};

struct question_breach {
    enum question_why why;
    int source, line;
    char text[QUESTION_WHY_SIZE]; /* a sentence that begins with its verb */
    int strikes;                  /* of this function, with this one */
    bool is_last;                 /* it is asked no more */
    bool is_anew;                 /* the state will be made anew before the next question */
};

enum question_end { QUESTION_ANSWERED = 0, QUESTION_SILENT, QUESTION_BREACHED };

/* One function. Kind and name are those of the declaration, the path is that of the setting. */
struct question {
    const char *kind, *name, *path;
    int source, line;
    const struct question_shape *shape;
    int strikes;
    bool is_aside, is_holding;
    bool is_lost; /* its source was left out, and that is still to be told */
    int kept;     /* its place in the state, which changes where sources are left out */
};

struct question_source {
    const char *bytes;
    size_t size;
};

/* What is asked; all of it is copied. */
struct question_given {
    const struct question_source *preludes, *sources;
    int prelude_count, source_count;
    struct question_bounds bounds;
};

struct question_failure {
    int source, line; /* 0: none of the sources, or unknown */
    char text[QUESTION_WHY_SIZE];
};

struct questions;

/* NULL with why: a source fails, is no text, or a bound of the judge is too small for it. */
struct questions *questions_new(const struct question_given *given, struct question_failure *why);
void questions_free(struct questions **q);

int questions_count(const struct questions *q);
const struct question *questions_at(const struct questions *q, int at);
/* Before it is asked. The shape is borrowed. */
void questions_expect(struct questions *q, int at, const struct question_shape *shape);
/* QUESTION_SILENT: it has nothing to say, or is asked no more. */
enum question_end questions_ask(struct questions *q, int at, const struct question_field *fields,
                                int count, struct question_answer *answer,
                                struct question_breach *breach);
/* What the function said by log.info, log.warn and log.error (levels 1, 2, 3) when it was asked last; and how many
 * lines more than there is room for. */
struct question_line {
    int level;
    char text[QUESTION_LINE_SIZE];
};
int questions_lines(const struct questions *q, const struct question_line **lines, int *lost);
/* The name of a breach: "steps" "time" "memory" "error" "shape" "changed" "lost". */
const char *question_reason(enum question_why why);

size_t questions_memory(const struct questions *q); /* bytes, garbage included */
int questions_made_anew(const struct questions *q); /* how often */

#endif
