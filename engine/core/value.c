#include "core/value.h"

void reply_fini(struct reply *r)
{
    if (r->result != NULL)
        r->result->type->free(r->result);
    r->result = NULL;
}
