/* nebula_ledger.c - what several engines of a process count together. */
#include "nebula_border.h"

#include <stdlib.h>

#include "core/ledger.h"

struct nebula_ledger *nebula_ledger_new(int32_t workers)
{
    struct nebula_ledger *l = malloc(sizeof *l);
    bool is_possible = workers >= 1 && workers <= LEDGER_WORKERS_MOST;
    if (l == NULL || !is_possible || (l->ledger = ledger_new(workers)) == NULL) {
        free(l);
        return NULL;
    }
    l->workers = workers;
    return l;
}

void nebula_ledger_free(struct nebula_ledger **l)
{
    if (*l == NULL)
        return;
    ledger_free(&(*l)->ledger);
    free(*l);
    *l = NULL;
}
