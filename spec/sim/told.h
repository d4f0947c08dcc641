/* told.h - what the engines of a shift tell, asked in one of them. */
#ifndef SIM_TOLD_H
#define SIM_TOLD_H

#include <jansson.h>

#include "shift.h"

#define TOLD_INSPECT "{\"verb\":\"inspect\",\"name\":\"shop\"}"
#define TOLD_STATS "{\"verb\":\"stats\",\"name\":\"shop\"}"

json_t *told_in(struct shift *w, int i, const char *request); /* waits for it */
const char *told_state(struct shift *w, int i);               /* of shop, until the next one */

/* They are there. */
json_t *told_at(const json_t *o, const char *key);
int64_t told_number(const json_t *o, const char *key);
const char *told_text(const json_t *o, const char *key);

#endif
