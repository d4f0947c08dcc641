/* batch_spec.c - the parts of a call: what became of each, by attempt, and of all together. */
#include "core/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define MOST 8

/* --- sentences ---------------------------------------------------------------------------------- */

/* What is heard of each part by the end of an attempt: 'o' it went well, 'f' it failed, 'u' it was sent and not
 * answered, '.' not even that. Behind it: 'O' ok, 'F' failed, 'D' in doubt. */
static void hear(struct request *r, const char *said)
{
    batch_begin(r);
    for (int32_t i = 0; i < r->parts; i++) {
        struct request *part = &r->part[i].request;
        assert_true(part->reply.is_unanswered);
        assert_false(part->is_sent);
        assert_int_equal(part->reply.changed, -1);
        part->is_sent = said[i] != '.';
        part->reply.is_unanswered = said[i] == 'u' || said[i] == '.';
        if (said[i] == 'f')
            part->reply.error.code = ERROR_QUERY;
    }
}

static char letter(enum outcome outcome)
{
    static const char of[] = {[OUTCOME_OK] = 'O', [OUTCOME_FAILED] = 'F', [OUTCOME_IN_DOUBT] = 'D'};
    return of[outcome];
}

static void parts_and_their_whole(void **unused)
{
    (void)unused;
    static const struct {
        const char *first, *second; /* attempts; NULL: there is one */
        const char *parts;          /* in the end */
        char whole;
    } row[] = {
        {"oo", NULL, "OO", 'O'},
        {"o", NULL, "O", 'O'},
        {"ff", NULL, "FF", 'F'},
        {"..", NULL, "FF", 'F'},
        {"of", NULL, "OF", 'D'},
        {"fo", NULL, "FO", 'D'},
        {"uu", NULL, "DD", 'D'},
        {"ou", NULL, "OD", 'D'},
        {"fu", NULL, "FD", 'D'},
        {"ofu.", NULL, "OFDF", 'D'},
        {"", NULL, "", 'O'},
        {"ff", "oo", "OO", 'O'},
        {"uu", "oo", "OO", 'O'},
        {"uu", "ff", "DD", 'D'}, /* what may have been done no later failure undoes */
        {"uu", "..", "DD", 'D'},
        {"ff", "ff", "FF", 'F'},
        {"of", "ff", "DF", 'D'}, /* nor what was done */
        {"fu", "ff", "FD", 'D'},
        {"ou", "fo", "DO", 'D'},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct part part[MOST] = {{.outcome = OUTCOME_FAILED}};
        struct request r = {.part = part, .parts = (int32_t)strlen(row[i].first)};
        for (int32_t n = 0; n < MOST; n++)
            part[n].outcome = OUTCOME_FAILED;
        hear(&r, row[i].first);
        enum outcome whole = batch_end(&r);
        if (row[i].second != NULL) {
            batch_forget(&r);
            hear(&r, row[i].second);
            whole = batch_end(&r);
        }
        for (int32_t n = 0; n < r.parts; n++)
            if (letter(part[n].outcome) != row[i].parts[n])
                fail_msg("row %zu, part %d: %c", i, n, letter(part[n].outcome));
        if (letter(whole) != row[i].whole)
            fail_msg("row %zu: %c", i, letter(whole));
        batch_forget(&r);
    }
}

/* Three attempts: what the first left open stays so. */
static void a_doubt_outlives_any_number_of_attempts(void **unused)
{
    (void)unused;
    struct part part = {.outcome = OUTCOME_FAILED};
    struct request r = {.part = &part, .parts = 1};
    hear(&r, "u");
    batch_end(&r);
    for (int i = 0; i < 2; i++) {
        batch_forget(&r);
        assert_int_equal(part.outcome, OUTCOME_IN_DOUBT);
        hear(&r, "f");
        assert_int_equal(batch_end(&r), OUTCOME_IN_DOUBT);
    }
}

/* --- answers ------------------------------------------------------------------------------------ */

static int freed;

static void free_result(struct result *r)
{
    (void)r;
    freed++;
}

/* Each part has one, and so has the whole. */
static void answer_all(struct request *r)
{
    static const struct result_type type = {.free = free_result};
    static struct result result = {.type = &type};
    freed = 0;
    r->reply.result = &result;
    r->reply.changed = 7;
    for (int32_t i = 0; i < r->parts; i++) {
        struct reply *part = &r->part[i].request.reply;
        part->result = &result;
        part->changed = 7;
        part->is_unanswered = false;
        r->part[i].request.is_sent = true;
        r->part[i].is_answered = true;
    }
}

static void what_is_forgotten_is_freed_and_answers_nothing(void **unused)
{
    (void)unused;
    struct part part[MOST + 1] = {{.outcome = OUTCOME_FAILED}};
    struct request r = {.part = part, .parts = MOST};
    part[MOST].is_answered = true; /* is none of them */
    answer_all(&r);
    batch_forget(&r);
    assert_int_equal(freed, MOST);
    for (int32_t i = 0; i < MOST; i++) {
        assert_null(part[i].request.reply.result);
        assert_false(part[i].is_answered);
    }
    assert_true(part[MOST].is_answered);
    reply_fini(&r.reply);
}

/* It was sent, and nobody knows more. */
static void what_is_thrown_away_is_not_answered(void **unused)
{
    (void)unused;
    struct part part[MOST + 1] = {{.outcome = OUTCOME_FAILED}};
    struct request r = {.part = part, .parts = MOST};
    answer_all(&r);
    batch_unanswer(&r);
    assert_int_equal(freed, MOST + 1);
    assert_null(r.reply.result);
    assert_int_equal(r.reply.changed, -1);
    for (int32_t i = 0; i < MOST; i++) {
        const struct reply *reply = &part[i].request.reply;
        assert_null(reply->result);
        assert_int_equal(reply->changed, -1);
        assert_true(reply->is_unanswered);
    }
    assert_false(part[MOST].request.reply.is_unanswered);
    assert_int_equal(batch_end(&r), OUTCOME_IN_DOUBT);
    for (int32_t i = 0; i < MOST; i++)
        assert_false(part[i].is_answered);
}

static void what_was_answered_says_so(void **unused)
{
    (void)unused;
    struct part part[2] = {{.outcome = OUTCOME_FAILED}, {.outcome = OUTCOME_FAILED}};
    struct request r = {.part = part, .parts = 2};
    hear(&r, "fu");
    batch_end(&r);
    assert_true(part[0].is_answered);
    assert_false(part[1].is_answered);
}

/* Whoever looks before the next attempt has ended. */
static void between_two_attempts_what_was_done_is_in_doubt(void **unused)
{
    (void)unused;
    struct part part[2] = {{.outcome = OUTCOME_FAILED}, {.outcome = OUTCOME_FAILED}};
    struct request r = {.part = part, .parts = 2};
    hear(&r, "of");
    batch_end(&r);
    batch_forget(&r);
    assert_int_equal(part[0].outcome, OUTCOME_IN_DOUBT);
    assert_int_equal(part[1].outcome, OUTCOME_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_their_whole),
        cmocka_unit_test(a_doubt_outlives_any_number_of_attempts),
        cmocka_unit_test(what_is_forgotten_is_freed_and_answers_nothing),
        cmocka_unit_test(what_is_thrown_away_is_not_answered),
        cmocka_unit_test(what_was_answered_says_so),
        cmocka_unit_test(between_two_attempts_what_was_done_is_in_doubt),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
