/* fold.h - one worker's part is added to another's, which becomes that of both. See whole.h. */
#ifndef CORE_FOLD_H
#define CORE_FOLD_H

#include "core/gather.h"
#include "core/telling.h"

/* `ls`: its own numbers, and one resource. */
void fold_head(struct telling *t, json_t *to, json_t *from);
void fold_summary(struct telling *t, json_t *to, json_t *from);
/* Whoever did not answer may still have something. */
void fold_doubt(struct telling *t, json_t *resource);

/* INSPECT, STATS and EXPLAIN. What is in it says whose it is. */
void fold_begin(struct telling *t, struct finding *p, enum order_what what);
/* Takes what it needs out of `other`. */
void fold_in(struct telling *t, struct finding *p, struct finding *other, enum order_what what);
/* is_certain: every worker is in it. */
void fold_end(struct telling *t, struct finding *p, bool is_certain);

#endif
