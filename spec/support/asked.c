#include "support/asked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* A source says question(f, held): `held` as kept.lua would find it. */
static const char generous[] =
    "local room, kept = ..., {}\n"
    "room.environment = setmetatable({}, { __index = _G })\n"
    "function room.environment.question(f, held)\n"
    "  local source, line = room.origin(f)\n"
    "  kept[#kept + 1] = { f, held or false, source, line, 'policy', 'p' .. #kept, 'on' }\n"
    "end\n"
    "function room.keep() return kept end\n";

static const struct question_shape yes_or_no = {.type = QUESTION_BOOLEAN};

struct questions *asked_open(const char *source, struct question_bounds bounds)
{
    struct question_source prelude = {generous, sizeof generous - 1},
                           text = {source, strlen(source)};
    struct question_given given = {&prelude, &text, 1, 1, bounds};
    struct question_failure why;
    struct questions *q = questions_new(&given, &why);
    if (q == NULL)
        fail_msg("%d:%d: %s", why.source, why.line, why.text);
    for (int i = 0; i < questions_count(q); i++)
        questions_expect(q, i, &yes_or_no);
    return q;
}

const char *asked_function(const char *body)
{
    static char source[4096];
    snprintf(source, sizeof source, "question(function(e) %s end)", body);
    return source;
}

const char *asked_why(struct questions *q, int at, double n, struct question_breach *breach)
{
    struct question_field field = {"n", {.type = QUESTION_NUMBER, .number = n}};
    struct question_answer answer;
    *breach = (struct question_breach){.why = QUESTION_LOST};
    switch (questions_ask(q, at, &field, 1, &answer, breach)) {
    case QUESTION_ANSWERED:
        return answer.value.is_true ? "yes" : "no";
    case QUESTION_SILENT:
        return "silent";
    case QUESTION_BREACHED:
        break;
    }
    return question_reason(breach->why);
}

const char *asked(struct questions *q, int at, double n)
{
    struct question_breach breach;
    return asked_why(q, at, n, &breach);
}
