/* Why a circuit refused, in words. */
#include <inttypes.h>

#include "core/circuits_inner.h"
#include "core/outage.h"

static void explain_all(const char *name, const struct circuits_refusal *r, struct error *out)
{
    if (r->cause.why == CIRCUIT_ORDER)
        error_set(out, ERROR_OPEN, "%s: its circuit was opened by order", name);
    else
        error_set(out, ERROR_OPEN, "%s: circuit %s, %" PRId64 " of %" PRId64 " calls %s", name,
                  r->is_half ? "half open" : "open", r->cause.bad, r->cause.of,
                  r->cause.why == CIRCUIT_SLOWNESS ? "were slow" : "failed");
}

static void explain_next(const char *name, const char *endpoint, const struct circuits_refusal *r,
                         struct error *out)
{
    if (r->cause.why == CIRCUIT_ORDER)
        error_set(out, ERROR_OPEN, "%s: the circuits of its endpoints were opened by order", name);
    else
        error_set(out, ERROR_OPEN,
                  "%s: the circuit of no endpoint lets it pass; next is %s, %s, %" PRId64
                  " of %" PRId64 " calls %s",
                  name, endpoint, r->is_half ? "half open" : "open", r->cause.bad, r->cause.of,
                  r->cause.why == CIRCUIT_SLOWNESS ? "were slow" : "failed");
}

void circuits_explain(const struct guards *g, const struct circuits_refusal *r, struct error *out)
{
    const struct resource *of = g->resource;
    if (r->at == CIRCUITS_OF_ALL)
        explain_all(of->name, r, out);
    else
        explain_next(of->name, outlook_name(of->outlook, r->at), r, out);
    out->retry_after_us = r->left_us;
}
