#include "core/refused.h"

#include <stddef.h>

#include "core/again.h"
#include "core/asked.h"
#include "core/operation.h"
#include "core/tale.h"

/* Never pending, so there is nothing to abandon. */
static void refused_free(struct ticket *t)
{
    struct refused *f = (struct refused *)t;
    f->operation->resource->users--;
    rooms_give(&t->engine->rooms, f, sizeof *f);
}

static const struct ticket_type refused_ticket = {.free = refused_free};

struct refused *refused_of(struct ticket *t)
{
    return t->type == &refused_ticket ? (struct refused *)t : NULL;
}

struct error *refused_error(struct refused *f)
{
    if (f->error.code == ERROR_OK)
        circuits_explain(f->operation->guards, &f->why, &f->error);
    return &f->error;
}

/* A retry is before the circuit, but asks nothing before something has failed. */
static bool is_circuit_first(const struct stages *s)
{
    int i = s->count > 0 && s->at[0] == NEBULA_STAGE_RETRY;
    return i < s->count && s->at[i] == NEBULA_STAGE_CIRCUIT;
}

static void tell(struct refused *f, struct resource *r)
{
    struct engine *e = r->engine;
    struct tale s = tale_begin(e, e->task->context);
    s.by = f->operation;
    tale_circuit(r, &s, &f->why);
    if (asked_hears(f->operation, NEBULA_TELL_REFUSED))
        asked_refused(f->operation, refused_error(f), 0);
    tale_end(r, &s, ERROR_OPEN, OUTCOME_FAILED);
}

static int32_t refuse(struct operation *o, const struct circuits_refusal *why,
                      const struct nebula_request *request)
{
    struct resource *r = o->resource;
    struct engine *e = r->engine;
    struct refused *f = rooms_take(&e->rooms, sizeof *f, 0);
    if (f == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory for a call", r->name);
    int32_t number = ticket_begin(&f->ticket, e, &refused_ticket);
    if (number < 0) {
        rooms_give(&e->rooms, f, sizeof *f);
        return number;
    }
    f->operation = o;
    f->role = request->role;
    f->deadline_us = call_deadline_us(e, request->within_us, &o->policy);
    error_clear(&f->error);
    again_called(r);
    r->users++;
    r->failed++;
    f->why = *why;
    tell(f, r);
    ticket_end(&f->ticket, ERROR_OPEN);
    return number;
}

int32_t refused_begin(struct resource *r, const struct nebula_request *request)
{
    struct circuits_refusal why;
    struct operation *o = operation_find(r, request->operation);
    if (o == NULL || request->verb == NEBULA_BATCH || !is_circuit_first(&o->stages) ||
        !circuits_are_shut(o->guards, &why))
        return 0;
    return refuse(o, &why, request);
}
