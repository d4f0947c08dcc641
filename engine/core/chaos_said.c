/* What may be said of chaos, and what is said of it to people. */
#include <stdio.h>

#include "core/chaos.h"

#define LONGEST_US (24 * 3600 * INT64_C(1000000)) /* who forgets it has it for a day */

/* --- what may be said ------------------------------------------------------------------------- */

static bool is_share(double share)
{
    return share >= 0 && share <= 1;
}

static bool is_time(int64_t span_us)
{
    return span_us >= 0 && span_us <= LONGEST_US;
}

/* What a server, or the way to it, may have against a request that it is not to blame for. */
static bool is_fault(int32_t code)
{
    return code == ERROR_LOST || code == ERROR_LOCKED || code == ERROR_CONFLICT ||
           code == ERROR_READ_ONLY || code == ERROR_STORAGE || code == ERROR_SERVER ||
           code == ERROR_PROTOCOL;
}

bool chaos_breaks(int32_t code)
{
    return code == ERROR_LOST || code == ERROR_PROTOCOL;
}

static enum error_code check_failing(const struct resource *r, const struct nebula_chaos *said,
                                     struct error *e)
{
    if (said->fail > 0 && !is_fault(said->code))
        return error_set(e, ERROR_CONFIG, "%s: chaos: requests cannot fail with error number %d",
                         r->name, said->code);
    if (said->is_cut && (said->fail <= 0 || said->code != ERROR_LOST))
        return error_set(e, ERROR_CONFIG, "%s: chaos: what is cut off fails, with lost", r->name);
    if (said->fail > 0 && chaos_breaks(said->code) && r->spec->is_data)
        return error_set(e, ERROR_CONFIG,
                         "%s: chaos: its session is the data, which would be lost with it",
                         r->name);
    return ERROR_OK;
}

enum error_code chaos_check(const struct resource *r, const struct nebula_chaos *said,
                            struct error *e)
{
    if (said->during_us == 0)
        return ERROR_OK;
    if (!is_time(said->during_us) || !is_time(said->delay_us) || !is_time(said->delay_most_us))
        return error_set(e, ERROR_CONFIG, "%s: chaos: a time is negative, or above 24 h", r->name);
    if (!is_share(said->fail) || !is_share(said->delay_share) || !is_share(said->connect))
        return error_set(e, ERROR_CONFIG, "%s: chaos: shares are 0 to 1", r->name);
    if (said->delay_most_us != 0 && said->delay_most_us < said->delay_us)
        return error_set(e, ERROR_CONFIG, "%s: chaos: the most of a delay is less than its least",
                         r->name);
    if (said->delay_quantile != 0 &&
        (!(said->delay_quantile >= 0.5 && said->delay_quantile < 1) || said->delay_most_us != 0))
        return error_set(e, ERROR_CONFIG,
                         "%s: chaos: a delay has a quantile of 0.5 to below 1, or a most", r->name);
    return check_failing(r, said, e);
}

/* --- for people ------------------------------------------------------------------------------- */

struct sentence {
    char *at, *end;
    const char *between;
};

__attribute__((format(printf, 2, 3))) static void add(struct sentence *s, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int size = vsnprintf(s->at, (size_t)(s->end - s->at), format, list);
    va_end(list);
    s->at += size < s->end - s->at ? size : s->end - s->at - 1;
}

/* "10 % of the requests", after what is before it. */
static void add_share(struct sentence *s, double share, const char *of)
{
    if (share < 1)
        add(s, "%s%.4g %% of the %s", s->between, share * 100, of);
    else
        add(s, "%sall %s", s->between, of);
    s->between = ", ";
}

static double milliseconds(int64_t span_us)
{
    return (double)span_us / 1000;
}

static void add_delay(struct sentence *s, const struct nebula_chaos *said)
{
    add_share(s, said->delay_share, "requests");
    add(s, " are held back for %.6g", milliseconds(said->delay_us));
    if (said->delay_most_us > said->delay_us)
        add(s, " to %.6g", milliseconds(said->delay_most_us));
    add(s, " ms");
    if (said->delay_quantile > 0)
        add(s, " at p%.4g", said->delay_quantile * 100);
}

void chaos_explain(const struct nebula_chaos *said, char text[CHAOS_TEXT_SIZE])
{
    struct sentence s = {.at = text, .end = text + CHAOS_TEXT_SIZE, .between = ""};
    text[0] = '\0';
    if (said->fail > 0) {
        add_share(&s, said->fail, "requests");
        if (said->is_cut)
            add(&s, " are cut off under way");
        else
            add(&s, " fail with %s", error_name((enum error_code)said->code));
    }
    if (said->delay_us + said->delay_most_us > 0)
        add_delay(&s, said);
    if (said->connect > 0) {
        add_share(&s, said->connect, "connects");
        add(&s, " fail");
    }
}
