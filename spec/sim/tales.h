/* tales.h - what the engine of a rig tells of its calls, as short texts. */
#ifndef SIM_TALES_H
#define SIM_TALES_H

#include "core/record.h"
#include "told.h"

#define TENTH (10 * MS)

json_t *tales_ask(struct rig *r); /* as it answers; to be given back */
/* Records, one behind the other: what it is, the attempt, its numbers in order, and where its setting stands. Of times
 * the last digit of the ms is what the dice of the server say, and is 0. Until the next one. */
const char *tales_text(json_t *records);
/* So many calls have a tale, and this is the last one's. */
void tales_assert(struct rig *r, size_t calls, const char *tale);
/* A number of one of its records, -1 when there is none. */
int64_t tales_number(struct rig *r, const char *what, const char *key);

struct records *tales_records(const struct rig *r);
void tales_forget(const struct rig *r); /* all calls so far */

#endif
