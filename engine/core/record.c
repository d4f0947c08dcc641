#include "core/record.h"

#include <stdlib.h>

#include "rules/circuit.h"

/* --- words ------------------------------------------------------------------------------------ */

static const char *code_word(int64_t number)
{
    return error_name((enum error_code)number);
}

static const char *outcome_word(int64_t number)
{
    static const char *const word[] = {
        [OUTCOME_OK] = "ok", [OUTCOME_FAILED] = "failed", [OUTCOME_IN_DOUBT] = "in_doubt"};
    CHECK((uint64_t)number < COUNT(word));
    return word[number];
}

static const char *reason_word(int64_t number)
{
    static const char *const word[REASONS] = {
        [REASON_NOT_APPLIED] = "not_applied",
        [REASON_IDEMPOTENT] = "idempotent",
        [REASON_IN_DOUBT] = "in_doubt",
        [REASON_HOPELESS] = "hopeless",
        [REASON_TRIES] = "tries",
        [REASON_DEADLINE] = "deadline",
        [REASON_BUDGET] = "budget",
        [REASON_STOPPING] = "stopping",
        [REASON_SERVER] = "server",
        [REASON_MEMORY] = "memory",
    };
    CHECK((uint64_t)number < REASONS);
    return word[number];
}

static const char *planted_word(int64_t number)
{
    static const char *const word[PLANTED_SORTS] = {
        [PLANTED_HELD] = "held",         [PLANTED_BEHIND] = "behind",
        [PLANTED_FAILURE] = "fail",      [PLANTED_CUT_THERE] = "cut_there",
        [PLANTED_CUT_BACK] = "cut_back",
    };
    CHECK((uint64_t)number < PLANTED_SORTS);
    return word[number];
}

static const char *way_word(int64_t number)
{
    static const char *const word[NEBULA_WAYS] = {
        [NEBULA_WAY_LAST] = "last",
        [NEBULA_WAY_RESOURCE] = "resource",
        [NEBULA_WAY_VALUE] = "value",
        [NEBULA_WAY_CALL] = "call",
    };
    CHECK((uint64_t)number < NEBULA_WAYS);
    return word[number];
}

static const char *state_word(int64_t number)
{
    return circuit_state_name((enum circuit_state)number);
}

static const char *why_word(int64_t number)
{
    return circuit_reason((enum circuit_why)number);
}

/* --- the table -------------------------------------------------------------------------------- */

/* clang-format off */
static const struct record_row row[RECORDS] = {
    [RECORD_SERVED] = {"served", {{"waited_us"}, {"max"}},
        "It waited for a connection, one of so many, and got one."},
    [RECORD_REFUSED] = {"refused", {{"code", code_word}, {"waited_us"}, {"max"}},
        "It got no connection, or did not wait for one."},
    [RECORD_REFUSED_BY_CHAOS] = {"refused_by_chaos", {{"code", code_word}, {"waited_us"}, {"max"}},
        "The same, because an attempt to connect failed on purpose."},
    [RECORD_FAILED] = {"failed", {{"code", code_word}, {"after_us"}, {"outcome", outcome_word}},
        "An attempt that was sent ended badly."},
    [RECORD_FAILED_BY_CHAOS] = {"failed_by_chaos", {{"code", code_word}, {"after_us"}, {"outcome", outcome_word}},
        "The same, on purpose: the server is not to blame."},
    [RECORD_COUNTED] = {"counted", {{"state", state_word}, {"bad"}, {"of"}},
        "That counted for the circuit, which stands so since then: closed, with so many that failed of those in its window; else with those for which it opened."},
    [RECORD_AGAIN] = {"again", {{"pause_us"}, {"reason", reason_word}},
        "Another attempt follows after the pause: not_applied, the server certainly did not do it; idempotent, it may have."},
    [RECORD_NOT_AGAIN] = {"not_again", {{"reason", reason_word}},
        "None follows: in_doubt, it may have been done and is not idempotent; hopeless, it would end the same way; tries, deadline, budget; server, it asked for none; stopping, memory."},
    [RECORD_CIRCUIT] = {"circuit", {{"state", state_word}, {"bad"}, {"of"}},
        "The circuit refused it."},
    [RECORD_RATE_SERVED] = {"rate_served", {{"waited_us"}},
        "It waited until the rate let it go."},
    [RECORD_RATE_REFUSED] = {"rate_refused", {{"retry_after_us"}},
        "The rate refused it, and lets one go after that time."},
    [RECORD_LIMIT_SERVED] = {"limit_served", {{"waited_us"}, {"concurrent"}},
        "It waited for one of so many calls to end."},
    [RECORD_LIMIT_REFUSED] = {"limit_refused", {{"code", code_word}, {"waited_us"}, {"queue"}},
        "It found the queue of the limit full, or waited in it for too long."},
    [RECORD_SHED] = {"shed", {{"waited_us"}, {"target_us"}},
        "It was refused because that queue was slow for too long."},
    [RECORD_EARLY] = {"early", {{"left_us"}, {"median_us"}},
        "It was refused because it would hardly have made its deadline: half of such calls take that long."},
    [RECORD_HEDGED] = {"hedged", {{"after_us"}},
        "A copy was sent."},
    [RECORD_HEDGE_WON] = {"hedge_won", {{"copy"}, {"after_us"}},
        "A copy was the first to answer."},
    [RECORD_HEDGE_DENIED] = {"hedge_denied", {{"after_us"}},
        "No copy was sent, for there were too many."},
    [RECORD_CHAOS] = {"chaos", {{"fault", planted_word}, {"code", code_word}, {"delay_us"}},
        "Something is done to an attempt on purpose: held, for that time; behind, as what is before it on its connection is held; fail, with that error; cut_there, so that the server never hears of it; cut_back, so that nobody hears the answer. What is not held alone may be held too."},
    [RECORD_ENDED] = {"ended", {{"code", code_word}, {"after_us"}, {"outcome", outcome_word}},
        "It ended, so long after it was asked."},
    [RECORD_CACHED] = {"cached", {{"age_us"}},
        "The cache answered."},
    [RECORD_STALE] = {"stale", {{"age_us"}},
        "The cache answered with what is older than its ttl, and a newer answer is asked for."},
    [RECORD_MISSED] = {"missed", {{"age_us"}},
        "The cache did not answer: what it has is so old; -1, it has nothing."},
    [RECORD_JOINED] = {"joined", {{"code", code_word}, {"waited_us"}},
        "Another task had asked the same already, and its answer, or its error, was this one's after that time."},
    [RECORD_STALE_IF_ERROR] = {"stale_if_error", {{"code", code_word}, {"age_us"}},
        "The cache answered with what is older than its ttl, because of that error."},
    [RECORD_FALLBACK] = {"fallback", {{"step"}, {"way", way_word}, {"code", code_word}},
        "The fallback answered, because of that error: which of its steps, from 1, and what that is: resource, value, call."},
    [RECORD_FALLBACK_LAST] = {"fallback_last", {{"step"}, {"code", code_word}, {"age_us"}},
        "The same, with the last good answer, which is so old."},
    [RECORD_FALLBACK_NONE] = {"fallback_none", {{"step"}, {"way", way_word}, {"code", code_word}},
        "That step of the fallback was asked, and has nothing: because of that error of its own, or ok."},
    [RECORD_CIRCUIT_OPENED] = {"circuit_opened", {{"why", why_word}, {"bad"}, {"of"}},
        "The circuit opened: failures, slow, consecutive, probe, order."},
    [RECORD_CIRCUIT_HALF] = {"circuit_half", {{"was", state_word}},
        "It is half open, and probes go."},
    [RECORD_CIRCUIT_CLOSED] = {"circuit_closed", {{"was", state_word}},
        "It closed."},
    [RECORD_CHAOS_BEGAN] = {"chaos_began", {{"during_us"}},
        "From here on faults happen on purpose, for that time at most."},
    [RECORD_CHAOS_OVER] = {"chaos_over", {{"faults"}},
        "They do not any more; so many there were ever."},
    [RECORD_SIZED] = {"sized", {{"pool"}, {"from"}, {"to"}},
        "The strategy made one of its pools, the one of the role with that number from 1, smaller or larger: so many connections it may have."},
};
/* clang-format on */

const struct record_row *record_row(enum record_what what)
{
    CHECK((size_t)what < RECORDS);
    return &row[what];
}

struct records *records_new(struct resource *r)
{
    return r->records = calloc(1, sizeof *r->records);
}
