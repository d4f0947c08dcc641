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
    static const struct record_row row[RECORDS] = {
        [RECORD_SERVED] = {"served", {{"waited_us"}, {"max"}}},
        [RECORD_REFUSED] = {"refused", {{"code", code_word}, {"waited_us"}, {"max"}}},
        [RECORD_FAILED] = {"failed",
                           {{"code", code_word}, {"after_us"}, {"outcome", outcome_word}}},
        [RECORD_COUNTED] = {"counted", {{"state", state_word}, {"bad"}, {"of"}}},
        [RECORD_AGAIN] = {"again", {{"pause_us"}, {"reason", reason_word}}},
        [RECORD_NOT_AGAIN] = {"not_again", {{"reason", reason_word}}},
        [RECORD_CIRCUIT] = {"circuit", {{"state", state_word}, {"bad"}, {"of"}}},
        [RECORD_RATE_SERVED] = {"rate_served", {{"waited_us"}}},
        [RECORD_RATE_REFUSED] = {"rate_refused", {{"retry_after_us"}}},
        [RECORD_LIMIT_SERVED] = {"limit_served", {{"waited_us"}, {"concurrent"}}},
        [RECORD_LIMIT_REFUSED] = {"limit_refused", {{"code", code_word}, {"waited_us"}, {"queue"}}},
        [RECORD_SHED] = {"shed", {{"waited_us"}, {"target_us"}}},
        [RECORD_EARLY] = {"early", {{"left_us"}, {"median_us"}}},
        [RECORD_HEDGED] = {"hedged", {{"after_us"}}},
        [RECORD_HEDGE_WON] = {"hedge_won", {{"copy"}, {"after_us"}}},
        [RECORD_HEDGE_DENIED] = {"hedge_denied", {{"after_us"}}},
        [RECORD_FALLBACK] = {"fallback", {{"code", code_word}}},
        [RECORD_CACHED] = {"cached", {{"age_us"}}},
        [RECORD_CHAOS] = {"chaos", {{"code", code_word}, {"pause_us"}}},
        [RECORD_ENDED] = {"ended", {{"code", code_word}, {"after_us"}, {"outcome", outcome_word}}},
        [RECORD_CIRCUIT_OPENED] = {"circuit_opened", {{"why", why_word}, {"bad"}, {"of"}}},
        [RECORD_CIRCUIT_HALF] = {"circuit_half", {{"was", state_word}}},
        [RECORD_CIRCUIT_CLOSED] = {"circuit_closed", {{"was", state_word}}},
    };
    CHECK((size_t)what < RECORDS);
    return &row[what];
}

struct records *records_new(struct resource *r)
{
    return r->records = calloc(1, sizeof *r->records);
}
