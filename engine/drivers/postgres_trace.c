/* postgres_trace.c - tells the server in whose trace a call is made, where the declaration asks for it.
 *
 * What tells it goes in the same write as the call, before it and with a Sync of its own, and only
 * when the session says something else: application_name, which pg_stat_activity and the log show,
 * ends with the trace, and nebula.traceparent, for functions that ask, is all of it. A call that is
 * in no trace, or in one that nobody records, leaves no trace of the call before it.
 *
 * A rollback puts settings back, and so does a reset. What the session says is then unknown, and
 * told again.
 */
#include <string.h>

#include "core/context.h"
#include "drivers/postgres.h"

#define NAME_MOST 30 /* of what was declared, beside a trace */
#define TRACE_DIGITS 32

/* Without a row or a column to send back. */
static const char words[] = "select where set_config('application_name', $1, false) is null "
                            "or set_config('nebula.traceparent', $2, false) is null";

/* "" for a call that is not traced. */
static const char *wanted(const struct request *r)
{
    return context_is_sampled(r->context) ? r->context->traceparent : "";
}

/* The server shows no more of a name than that, and a cut through a character would be refused. */
static void keep_ascii(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

void pg_trace_init(struct pg_trace *t, const struct target *target)
{
    *t = (struct pg_trace){.is_known = true};
    t->is_on = strcmp(target_get(target, "trace", "0"), "1") == 0;
    const char *declared = target_get(target, "application_name", NULL);
    if (declared != NULL)
        snprintf(t->name, sizeof t->name, "%s", declared);
    else
        snprintf(t->name, sizeof t->name, "nebula %s", target->resource);
    keep_ascii(t->name);
}

bool pg_trace_is_due(const struct postgres *p, const struct request *r)
{
    if (!p->trace.is_on || PQtransactionStatus(p->pg) == PQTRANS_INERROR)
        return false;
    return !p->trace.is_known || strcmp(p->trace.said, wanted(r)) != 0;
}

static void name_of(char *out, const char *name, const char *traceparent)
{
    if (*traceparent == '\0')
        snprintf(out, PG_NAME_MOST, "%s", name);
    else
        snprintf(out, PG_NAME_MOST, "%.*s %.*s", NAME_MOST, name, TRACE_DIGITS, traceparent + 3);
}

bool pg_trace_send(struct postgres *p, struct pg_flight *f)
{
    const struct request *r = f->request;
    struct pg_trace *t = &p->trace;
    char name[PG_NAME_MOST], statement[32];
    name_of(name, t->name, wanted(r));
    snprintf(statement, sizeof statement, "nebula_trace_%u", t->generation);
    const char *const value[] = {name, wanted(r)};
    if (!t->is_prepared && !PQsendPrepare(p->pg, statement, words, 0, NULL))
        return false;
    f->ahead = t->is_prepared ? 1 : 2;
    strcpy(t->said, wanted(r));
    t->is_known = t->is_prepared = true;
    return PQsendQueryPrepared(p->pg, statement, 2, value, NULL, NULL, 0) != 0;
}

void pg_trace_forget(struct pg_trace *t, bool is_dropped)
{
    t->is_known = false;
    if (is_dropped) {
        t->is_prepared = false;
        t->generation++;
    }
}
