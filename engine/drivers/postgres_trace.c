/* postgres_trace.c - tells the server in whose trace a call is made, where the declaration asks for it.
 *
 * What tells it goes in the same write as the call, before it and with a Sync of its own, and only
 * when the session says something else: application_name, which pg_stat_activity and the log show,
 * ends with the trace, and nebula.traceparent, for functions that ask, is all of it. A call that is
 * in no trace, or in one that nobody records, leaves no trace of the call before it. From one span of
 * a trace to another the name stays as it is, and it is the dearer half: the server looks through all
 * its settings once more for those that clients are told of.
 *
 * A rollback puts settings back, and so does a reset. What the session says is then unknown, and
 * told again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "drivers/postgres.h"

#define NAME_MOST 30 /* of what was declared, beside a trace */
#define TRACE_DIGITS 32

/* Without a row or a column to send back. The first value is the traceparent. */
static const char *const words[PG_TELLINGS] = {
    [PG_TELLS_SPAN] = "select where set_config('nebula.traceparent', $1, false) is null",
    [PG_TELLS_BOTH] = "select where set_config('nebula.traceparent', $1, false) is null "
                      "or set_config('application_name', $2, false) is null",
};

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

void pg_trace_name(char *name_out, const struct target *target)
{
    const char *declared = target_get(target, "application_name", NULL);
    if (declared != NULL)
        snprintf(name_out, PG_NAME_MOST, "%s", declared);
    else
        snprintf(name_out, PG_NAME_MOST, "nebula %s", target->resource);
    keep_ascii(name_out);
}

bool pg_trace_init(struct pg_trace **t, const struct target *target)
{
    *t = NULL;
    if (strcmp(target_get(target, "trace", "0"), "1") != 0)
        return true;
    *t = calloc(1, sizeof **t);
    if (*t == NULL)
        return false;
    (*t)->is_known = true;
    pg_trace_name((*t)->name, target);
    return true;
}

bool pg_trace_is_due(const struct postgres *p, const struct request *r)
{
    if (p->trace == NULL || PQtransactionStatus(p->pg) == PQTRANS_INERROR)
        return false;
    return !p->trace->is_known || strcmp(p->trace->said, wanted(r)) != 0;
}

static void name_of(char *out, const char *name, const char *traceparent)
{
    if (*traceparent == '\0')
        snprintf(out, PG_NAME_MOST, "%s", name);
    else
        snprintf(out, PG_NAME_MOST, "%.*s %.*s", NAME_MOST, name, TRACE_DIGITS, traceparent + 3);
}

static bool is_same_trace(const char *a, const char *b)
{
    return *a != '\0' && *b != '\0' && strncmp(a + 3, b + 3, TRACE_DIGITS) == 0;
}

bool pg_trace_send(struct postgres *p, struct pg_flight *f)
{
    struct pg_trace *t = p->trace;
    const char *wants = wanted(f->request);
    enum pg_telling telling =
        t->is_known && is_same_trace(t->said, wants) ? PG_TELLS_SPAN : PG_TELLS_BOTH;
    char name[PG_NAME_MOST], statement[32];
    name_of(name, t->name, wants);
    snprintf(statement, sizeof statement, "nebula_trace_%u_%d", t->generation, telling);
    const char *const value[] = {wants, name};
    bool is_prepared = t->is_prepared[telling];
    if (!is_prepared && !PQsendPrepare(p->pg, statement, words[telling], 0, NULL))
        return false;
    f->ahead = is_prepared ? 1 : 2;
    strcpy(t->said, wants);
    t->is_known = t->is_prepared[telling] = true;
    return PQsendQueryPrepared(p->pg, statement, telling == PG_TELLS_SPAN ? 1 : 2, value, NULL,
                               NULL, 0) != 0;
}

void pg_trace_forget(struct pg_trace *t, bool is_dropped)
{
    if (t == NULL)
        return;
    t->is_known = false;
    if (is_dropped) {
        memset(t->is_prepared, 0, sizeof t->is_prepared);
        t->generation++;
    }
}
