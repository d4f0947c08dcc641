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

static const char *state_word(int64_t number)
{
    return circuit_state_name((enum circuit_state)number);
}

static const char *why_word(int64_t number)
{
    return circuit_reason((enum circuit_why)number);
}

/* --- the table -------------------------------------------------------------------------------- */

const struct record_row *record_row(enum record_what what)
{
    /* clang-format off */
    static const struct record_row row[RECORDS] = {
        [RECORD_SERVED] = {"served", {{"waited_us"}, {"max"}},
            "It waited for a connection, one of so many, and got one."},
        [RECORD_REFUSED] = {"refused", {{"code", code_word}, {"waited_us"}, {"max"}},
            "It got no connection, or did not wait for one."},
        [RECORD_FAILED] = {"failed", {{"code", code_word}, {"after_us"}, {"outcome", outcome_word}},
            "An attempt that was sent ended badly."},
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
        [RECORD_FALLBACK] = {"fallback", {{"code", code_word}},
            "The fallback answered, because of that error."},
        [RECORD_CACHED] = {"cached", {{"age_us"}},
            "The cache answered."},
        [RECORD_CHAOS] = {"chaos", {{"code", code_word}, {"pause_us"}},
            "Something was done to it on purpose."},
        [RECORD_ENDED] = {"ended", {{"code", code_word}, {"after_us"}, {"outcome", outcome_word}},
            "It ended, so long after it was asked."},
        [RECORD_CIRCUIT_OPENED] = {"circuit_opened", {{"why", why_word}, {"bad"}, {"of"}},
            "The circuit opened: failures, slow, consecutive, probe, order."},
        [RECORD_CIRCUIT_HALF] = {"circuit_half", {{"was", state_word}},
            "It is half open, and probes go."},
        [RECORD_CIRCUIT_CLOSED] = {"circuit_closed", {{"was", state_word}},
            "It closed."},
    };
    /* clang-format on */
    CHECK((size_t)what < RECORDS);
    return &row[what];
}

struct records *records_new(struct resource *r)
{
    return r->records = calloc(1, sizeof *r->records);
}
