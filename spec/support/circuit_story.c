#include "support/circuit_story.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define BEGIN_US (3600 * SECOND_US) /* an edge of buckets of any size in use */

const struct circuit_policy circuit_usual = {.window = 10,
                                             .least = 4,
                                             .percent = 50,
                                             .slow_percent = 80,
                                             .slow_us = SECOND_US,
                                             .probes = 2,
                                             .probe_us = 5 * TICK_US,
                                             .pause_us = SECOND_US,
                                             .pause_max_us = 8 * SECOND_US};

void circuit_story_begin(struct circuit_story *s, const struct circuit_policy *p)
{
    *s = (struct circuit_story){.policy = *p, .now_us = BEGIN_US};
}

static int32_t out(const struct circuit_story *s)
{
    int32_t count = 0;
    for (int32_t i = 0; i < CIRCUIT_PROBES_MOST; i++) {
        const struct circuit_permit *t = &s->circuit.kept.probes.permit[i];
        count += t->number != 0 && t->until_us > s->now_us;
    }
    return count;
}

const char *circuit_story_says(struct circuit_story *s)
{
    const struct circuit *c = &s->circuit;
    const char *state = circuit_state_name(c->state);
    switch (c->state) {
    case CIRCUIT_CLOSED:
        snprintf(s->now, sizeof s->now, "%s %d+%d/%d", state, (int)c->sum.failed, (int)c->sum.slow,
                 (int)c->sum.all);
        break;
    case CIRCUIT_OPEN:
        if (c->mode == CIRCUIT_FORCED_OPEN)
            return "open by order";
        snprintf(s->now, sizeof s->now, "%s %s %d/%d %lld", state, circuit_reason(c->cause.why),
                 (int)c->cause.bad, (int)c->cause.of, (long long)(c->until_us - s->now_us) / 1000);
        break;
    case CIRCUIT_HALF:
        snprintf(s->now, sizeof s->now, "%s %d+%d", state, c->kept.probes.good, out(s));
        break;
    }
    return s->now;
}

static void is_wrong(struct circuit_story *s, const char *what)
{
    fail_msg("\"%s\": %s at \"%s\", it is %s", s->whole, what, s->at, circuit_story_says(s));
}

/* A call begins. The word says the same, if nothing has moved. */
static uint64_t ask(struct circuit_story *s)
{
    uint64_t word = circuit_word(&s->circuit);
    uint64_t pass = circuit_allow(&s->circuit, &s->policy, s->now_us);
    bool is_closed = s->circuit.state == CIRCUIT_CLOSED;
    if (word == circuit_word(&s->circuit) && circuit_pass(word) != (is_closed ? pass : 0))
        is_wrong(s, "the word says something else");
    return pass;
}

static uint64_t passes(struct circuit_story *s)
{
    uint64_t pass = ask(s);
    if (pass == 0 || circuit_would_refuse(pass))
        is_wrong(s, "it does not pass");
    return pass;
}

/* What took just so long is not slow. */
static void end(struct circuit_story *s, uint64_t pass, char how)
{
    bool is_slow = how == 's' || how == 'z', is_failed = how == 'x' || how == 'z';
    uint32_t outcome = circuit_outcome(&s->policy, is_failed, s->policy.slow_us + is_slow);
    if (how == 'r')
        circuit_return(&s->circuit, pass);
    else if (how != '-')
        circuit_record(&s->circuit, &s->policy, pass, outcome, s->now_us, s->dice);
}

static void order(struct circuit_story *s, char mode)
{
    s->policy.mode = mode == 'a'   ? CIRCUIT_AUTOMATIC
                     : mode == 'o' ? CIRCUIT_FORCED_OPEN
                     : mode == 'c' ? CIRCUIT_FORCED_CLOSED
                                   : CIRCUIT_METRICS_ONLY;
    circuit_look(&s->circuit, &s->policy, s->now_us);
}

static void happen(struct circuit_story *s, char what)
{
    if (what >= 'A' && what <= 'H') {
        s->pass[(int)what] = passes(s);
    } else if (what >= 'a' && what <= 'h') {
        end(s, s->pass[toupper(what)], *++s->at);
    } else if (what == '@') {
        order(s, *++s->at);
    } else if (what == '>' || what == '<') {
        s->now_us += what == '>' ? TICK_US : -TICK_US;
    } else if (what == '-') {
        if (ask(s) != 0)
            is_wrong(s, "it passes");
    } else if (what == '~') {
        uint64_t pass = ask(s);
        if (!circuit_would_refuse(pass))
            is_wrong(s, "it would not be refused");
        end(s, pass, 'x');
    } else if (what == '?') {
        circuit_look(&s->circuit, &s->policy, s->now_us);
    } else {
        end(s, passes(s), what);
    }
}

void circuit_story_tell(struct circuit_story *s, const char *sentence)
{
    s->whole = sentence;
    for (s->at = sentence; *s->at != '\0'; s->at++) {
        long times = 1;
        if (isdigit((unsigned char)*s->at)) {
            char *behind;
            times = strtol(s->at, &behind, 10);
            s->at = behind;
        }
        const char *here = s->at;
        for (long i = 0; i < times; i++) {
            s->at = here;
            happen(s, *here);
        }
    }
}

void circuit_story_ends(const struct circuit_policy *p, const char *sentence, const char *says)
{
    struct circuit_story s;
    circuit_story_begin(&s, p);
    circuit_story_tell(&s, sentence);
    if (strcmp(circuit_story_says(&s), says) != 0)
        fail_msg("\"%s\": it is %s, not %s", sentence, s.now, says);
}

void circuit_story_all_end(const struct circuit_policy *p, const struct circuit_story_row *row,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        circuit_story_ends(p, row[i].sentence, row[i].says);
}
