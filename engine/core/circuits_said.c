/* What is said of a circuit, as the rule wants it; and why it refused, in words. */
#include <inttypes.h>

#include "core/circuits_inner.h"
#include "core/outage.h"

static enum circuit_mode mode_of(int32_t said)
{
    switch (said) {
    case NEBULA_CIRCUIT_OPEN:
        return CIRCUIT_FORCED_OPEN;
    case NEBULA_CIRCUIT_CLOSED:
        return CIRCUIT_FORCED_CLOSED;
    case NEBULA_CIRCUIT_METRICS:
        return CIRCUIT_METRICS_ONLY;
    default:
        return CIRCUIT_AUTOMATIC;
    }
}

struct circuit_policy circuits_policy(const struct nebula_circuit *said)
{
    return (struct circuit_policy){.mode = mode_of(said->mode),
                                   .window = said->window,
                                   .span_us = said->span_us,
                                   .least = said->least,
                                   .percent = said->percent,
                                   .slow_percent = said->slow_percent,
                                   .slow_us = said->slow_us,
                                   .consecutive = said->consecutive,
                                   .probes = said->probes,
                                   .probe_us = said->probe_us,
                                   .pause_us = said->pause_us,
                                   .pause_max_us = said->pause_max_us};
}

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
