/* postgres_batch.c - a request of several statements: one round trip.
 *
 * All parts go out in one pipeline. All or nothing: one Sync behind the last, so that outside of a
 * transaction they are one, which the server commits at the Sync. Each by itself: a Sync behind
 * each. What could commit before the Sync (CALL, VACUUM ...) has no place before it, and what begins
 * or ends a transaction has none in a batch.
 *
 * Each part is a flight of its own, with its reply. The outcome of a part is certain once its Sync
 * was answered, or when the server's last words prove that it was not begun.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

/* --- before anything is sent ------------------------------------------------------------------ */

static const char *objection(struct postgres *p, const struct request *batch, const char *text)
{
    if (pg_is_control(text))
        return "begins or ends a transaction";
    if (pg_is_copy(text))
        return "is a COPY";
    if (!batch->is_each && (conn_of(p)->session & SESSION_IN_TRANSACTION) == 0 &&
        !pg_is_all_or_nothing(text))
        return "is no select, insert, update, delete, merge, values or table, and only those can "
               "be undone together: use a transaction, or each by itself";
    return NULL;
}

/* False: the batch's problem says which part is none, and why. */
static bool check_part(struct postgres *p, struct request *batch, int32_t i)
{
    struct request *r = &batch->part[i].request;
    const char *why = objection(p, batch, r->text);
    if (memchr(r->text, 0, r->text_size) != NULL)
        why = "has a zero byte";
    if (why != NULL)
        error_set(&r->reply.error, ERROR_QUERY, "%s: statement %d of the batch %s", pg_resource(p),
                  (int)i + 1, why);
    else if (pg_params_check(p, r))
        return true;
    batch->reply.error = r->reply.error;
    batch->reply.part = i + 1;
    return false;
}

/* Room for all replies, because one that cannot be kept would be in doubt. */
static bool make_rooms(struct pg_flight *f)
{
    for (int32_t i = 0; i < f->request->parts; i++) {
        struct pg_flight *part = &f->part[i];
        if (!part->is_over && part->rows == NULL && (part->rows = pg_rows_new(1)) == NULL)
            return false;
    }
    return true;
}

static bool prepare_parts(struct pg_flight *f)
{
    struct request *r = f->request;
    CHECK(r->parts > 0);
    f->part = calloc((size_t)r->parts, sizeof *f->part);
    if (f->part == NULL)
        return false;
    for (int32_t i = 0; i < r->parts; i++) {
        f->part[i].request = &r->part[i].request;
        f->part[i].changed = -1;
    }
    return make_rooms(f);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool send_parts(struct postgres *p, struct pg_flight *f)
{
    bool is_each = f->request->is_each;
    for (int32_t i = 0; i < f->request->parts; i++) {
        struct pg_flight *part = &f->part[i];
        if (part->is_over)
            continue;
        if (!pg_send_part(p, part, !is_each) || (is_each && !PQpipelineSync(p->pg)))
            return false;
    }
    return is_each || PQpipelineSync(p->pg);
}

static void skip_over(struct pg_flight *f)
{
    while (f->at < f->request->parts && f->part[f->at].is_over)
        f->at++;
}

static void send_all(struct postgres *p, struct pg_flight *f)
{
    if (!make_rooms(f)) {
        pg_refuse(p, f, ERROR_MEMORY, "no memory for a reply");
        return;
    }
    f->at = 0;
    skip_over(f);
    pg_sent(p, pg_enter_pipeline(p, f) && send_parts(p, f));
}

void pg_send_batch(struct postgres *p, struct pg_flight *f)
{
    for (int32_t i = 0; i < f->request->parts; i++)
        if (!check_part(p, f->request, i)) {
            pg_answer(p, f);
            return;
        }
    if (!prepare_parts(f))
        pg_refuse(p, f, ERROR_MEMORY, "no memory for a batch");
    else
        send_all(p, f);
}

/* --- what became of it ------------------------------------------------------------------------ */

static void settle(struct pg_flight *f, struct pg_flight *part)
{
    f->is_dirty |= part->is_dirty;
    part->is_over = true;
    part->request->reply.is_unanswered = false;
    pg_fill_reply(part);
}

/* The server did nothing of it, because of another one. */
static void settle_undone(struct postgres *p, struct pg_flight *f, struct pg_flight *part)
{
    const struct reply *why = &f->request->reply;
    if (why->part > 0)
        error_set(pg_problem(part), why->error.code,
                  "%s: not done, because statement %d of the batch failed", pg_resource(p),
                  (int)why->part);
    else
        error_set(pg_problem(part), why->error.code,
                  "%s: not done, because the batch could not be committed", pg_resource(p));
    settle(f, part);
}

/* The first part that failed is why the whole did. */
static void blame(struct pg_flight *f)
{
    struct reply *reply = &f->request->reply;
    for (int32_t i = 0; i < f->request->parts && reply->error.code == ERROR_OK; i++)
        if (pg_problem(&f->part[i])->code != ERROR_OK) {
            reply->error = *pg_problem(&f->part[i]);
            reply->part = i + 1;
        }
}

static void settle_all(struct postgres *p, struct pg_flight *f)
{
    blame(f);
    for (int32_t i = 0; i < f->request->parts; i++) {
        struct pg_flight *part = &f->part[i];
        if (pg_problem(f)->code == ERROR_OK || pg_problem(part)->code != ERROR_OK)
            settle(f, part);
        else
            settle_undone(p, f, part);
    }
}

/* --- again ------------------------------------------------------------------------------------ */

static bool has_stale(const struct pg_flight *f)
{
    for (int32_t i = 0; i < f->request->parts; i++)
        if (f->part[i].is_stale)
            return true;
    return false;
}

/* Once, and without names: statements that the server did not know any more, or not as they were. Of
 * a batch that is all or nothing everything is, because nothing was done. */
static bool run_again(struct postgres *p, struct pg_flight *f)
{
    if (f->is_again || p->is_cancelling || !has_stale(f) ||
        (conn_of(p)->session & SESSION_IN_TRANSACTION) != 0)
        return false;
    f->is_again = true;
    error_clear(pg_problem(f));
    for (int32_t i = 0; i < f->request->parts; i++) {
        struct pg_flight *part = &f->part[i];
        if (part->is_over)
            continue;
        struct request *r = part->request;
        pg_flight_fini(part);
        *part = (struct pg_flight){.request = r, .changed = -1, .is_again = true};
        error_clear(&r->reply.error);
    }
    send_all(p, f);
    return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct pg_flight *pg_batch_current(struct pg_flight *f)
{
    return f->at < f->request->parts ? &f->part[f->at] : f;
}

void pg_batch_took(struct pg_flight *f, struct pg_flight *part)
{
    if (part == f || --part->due > 0 || f->request->is_each)
        return;
    f->at++;
    skip_over(f);
}

static bool has_failed(const struct pg_flight *f)
{
    for (int32_t i = 0; i < f->request->parts; i++)
        if (f->request->part[i].request.reply.error.code != ERROR_OK)
            return true;
    return false;
}

/* False: the server cannot have meant what it said of those that its last Sync was for. */
static bool is_credible(const struct postgres *p, const struct pg_flight *f)
{
    bool may_be_undone = f->request->reply.error.code != ERROR_OK || has_failed(f);
    if (f->request->is_each)
        return !p->is_contradicted && pg_is_answered(&f->part[f->at]);
    for (int32_t i = 0; i < f->request->parts && !may_be_undone; i++)
        if (!pg_is_answered(&f->part[i]))
            return false;
    return !p->is_contradicted;
}

bool pg_batch_synced(struct postgres *p, struct pg_flight *f)
{
    if (!is_credible(p, f)) {
        pg_disbelieve(p, "did not say what became of each statement of a batch");
        return false;
    }
    if (f->request->is_each) {
        struct pg_flight *part = &f->part[f->at++];
        if (!part->is_stale || f->is_again || p->is_cancelling)
            settle(f, part);
        skip_over(f);
        if (f->at < f->request->parts)
            return false;
    }
    pg_leave_pipeline(p);
    if (run_again(p, f))
        return false;
    if (f->request->is_each)
        for (int32_t i = 0; i < f->request->parts; i++)
            if (!f->part[i].is_over)
                settle(f, &f->part[i]);
    if (!f->request->is_each)
        settle_all(p, f);
    return true;
}

bool pg_batch_is_refused(const struct pg_flight *f)
{
    return !f->request->is_each && has_failed(f) && !has_stale(f);
}

/* Of parts with a Sync each, those before had theirs, and those behind were not begun. */
static void settle_rest(struct postgres *p, struct pg_flight *f, bool is_proven)
{
    struct pg_flight *last = &f->part[f->at];
    f->request->reply.error = *pg_problem(last);
    f->request->reply.part = f->at + 1;
    if (is_proven)
        settle(f, last);
    for (int32_t i = f->at + 1; i < f->request->parts; i++)
        if (!f->part[i].is_over)
            settle_undone(p, f, &f->part[i]);
}

bool pg_batch_ends_session(struct postgres *p, struct pg_flight *f, bool is_proven)
{
    if (f->at == f->request->parts && !has_failed(f)) /* it may have been committed */
        return false;
    if (f->request->is_each)
        settle_rest(p, f, is_proven);
    else
        settle_all(p, f);
    return true;
}
