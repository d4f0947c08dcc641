/* batch.h - a call whose request has parts: what became of each.
 *
 * A part that the server answered has its own outcome, whatever became of the whole. What a request
 * without parts is asked for here is nothing.
 */
#ifndef CORE_BATCH_H
#define CORE_BATCH_H

#include "core/value.h"

#define BATCH_PARTS_MOST 1000
#define BATCH_BYTES_MOST (16 * 1024 * 1024) /* of texts and values, together */

/* An attempt is about to be sent. */
void batch_begin(struct request *r);
/* It has ended, or nobody waits for it any more. OK or FAILED when all parts are, else IN_DOUBT. */
enum outcome batch_end(struct request *r);
/* What came of it and of its parts is thrown away: it was sent, and is not answered. */
void batch_unanswer(struct request *r);
/* Frees what the parts brought: nobody looks at it, or there will be another attempt. */
void batch_forget(struct request *r);

#endif
