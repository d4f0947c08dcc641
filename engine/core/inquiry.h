/* inquiry.h - the ticket of a request that is answered by the whole process. */
#ifndef CORE_INQUIRY_H
#define CORE_INQUIRY_H

#include "core/ticket.h"

/* A ticket that ends with the answer, or a negative code. */
int32_t inquiry_begin(struct engine *e, const char *request);
/* The answer, the ticket's until it is given back; NULL when it has none or is of another kind. */
const char *inquiry_line(struct ticket *t);
/* What an ended ticket of this kind has to tell; NULL when the ticket is of another kind. */
struct error *inquiry_error(struct ticket *t);

#endif
