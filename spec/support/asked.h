/* asked.h - functions of policies for specs, of which a yes or no is expected. Their sources have all
 * names that there are in the judge, pcall() and metatables too, and say question(f) or
 * question(f, held) for each: `held` as kept.lua would find it. */
#ifndef SPEC_ASKED_H
#define SPEC_ASKED_H

#include "question.h"

struct questions *asked_open(const char *source, struct question_bounds bounds);
/* The source of one function, whose parameter is e. Good until the next one. */
const char *asked_function(const char *body);
/* What comes of a question with one field, n: "yes" "no", what a breach is called, or "silent". */
const char *asked(struct questions *q, int at, double n);
const char *asked_why(struct questions *q, int at, double n, struct question_breach *breach);

#endif
