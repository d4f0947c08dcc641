#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "memory.h"
#include "play.h"

/* --- claims ----------------------------------------------------------------------------------- */

int64_t claim_new(struct play *p, int32_t resource)
{
    if (p->ids + 1 >= p->ids_size) {
        p->ids_size = p->ids_size * 2 + 1024;
        p->claim = outside_resize(p->claim, (size_t)p->ids_size * sizeof *p->claim);
    }
    p->claim[++p->ids] = (struct claim_row){.resource = (uint8_t)resource, .claim = CLAIM_OPEN};
    return p->ids;
}

void claim_settle(struct play *p, int64_t id, enum claim claim)
{
    p->claim[id].claim = (uint8_t)claim;
}

void claim_all(struct play *p, const int64_t *id, int64_t count, enum claim claim)
{
    for (int64_t i = 0; i < count; i++)
        claim_settle(p, id[i], claim);
}

static const char *claim_text(enum claim claim)
{
    static const char *const text[] = {[CLAIM_OPEN] = "never answered",
                                       [CLAIM_ONCE] = "applied once",
                                       [CLAIM_NEVER] = "not applied",
                                       [CLAIM_AT_MOST_ONCE] = "applied at most once"};
    return text[claim];
}

/* Every ok is there once, every failed one absent, every one in doubt there at most once; and
 * nothing else is. */
void claims_compare(struct play *p)
{
    int64_t sum[DECLARED] = {0};
    for (int64_t id = 1; id <= p->ids; id++) {
        enum claim claim = (enum claim)p->claim[id].claim;
        int32_t r = p->claim[id].resource;
        int applied = server_applied(p->declared[r].server, id);
        sum[r] += applied;
        bool holds = (claim == CLAIM_ONCE && applied == 1) ||
                     (claim == CLAIM_NEVER && applied == 0) ||
                     (claim == CLAIM_AT_MOST_ONCE && applied <= 1);
        if (!holds)
            law_broken("%s: id %lld was %s, but the server applied it %d times",
                       p->declared[r].spec.name, (long long)id, claim_text(claim), applied);
    }
    for (int32_t r = 0; r < DECLARED; r++) {
        if (sum[r] != server_total(p->declared[r].server))
            law_broken("%s: the server's sum is not what was submitted", p->declared[r].spec.name);
    }
}

static void settle_all(struct play *p, struct holding *h, enum claim claim)
{
    claim_all(p, h->id, h->ids, claim);
    h->ids = 0;
    h->is_in_transaction = false;
}

/* A transaction that is not committed has no effect. */
void holding_drop(struct play *p, struct actor *a)
{
    struct holding *h = &a->held;
    struct worker *w = a->worker;
    copy_drop(p, h);
    settle_all(p, h, h->busy > 0 && h->is_committing ? CLAIM_AT_MOST_ONCE : CLAIM_NEVER);
    /* A write on its own may be under way still. */
    for (int32_t t = 1; h->busy > 0 && t <= w->most_ticket; t++) {
        struct op *op = &w->op[t];
        if (op->kind == OP_ON_LEASE && op->lessee == h->lessee &&
            (op->word == WORD_ADD || op->word == WORD_PUT) && p->claim[op->id].claim == CLAIM_OPEN)
            claim_settle(p, op->id, CLAIM_AT_MOST_ONCE);
    }
    *h = (struct holding){.lease = 0};
}

/* --- in which order --------------------------------------------------------------------------- */

void play_served(struct play *p, struct op *op)
{
    op->is_served = true;
    int64_t late_us = SLACK_US + op->actor->worker->late_us;
    if (world_time_us() > op->wait_until_us + late_us && !p->is_starved)
        law_broken("%s: a waiter was served %lld us after its deadline",
                   p->declared[op->resource].spec.name,
                   (long long)(world_time_us() - op->wait_until_us));
    int64_t *newest = &op->actor->worker->newest_served[op->resource][op->role];
    if (op->begun_us > *newest)
        *newest = op->begun_us;
}

static bool is_batch(const struct op *op)
{
    return op->word == WORD_BATCH || op->word == WORD_EACH;
}

/* A call for which a connection is leased gets one that is young enough, by the time as its worker knows it. */
static void inspect_session(const struct declared *d, const struct heard *h, int64_t late_us)
{
    const struct nebula_pool *pool = &d->spec.pool;
    int64_t now_us = world_time_us();
    if (h->opened_us < d->fence_us)
        law_broken("%s: a connection of %lld us was lent, and all were renewed since then",
                   d->spec.name, (long long)(now_us - h->opened_us));
    if (pool->life_us > 0 && now_us > h->opened_us + pool->life_us + SLACK_US + late_us)
        law_broken("%s: a connection of %lld us was lent, %lld us is its life", d->spec.name,
                   (long long)(now_us - h->opened_us), (long long)pool->life_us);
}

static struct op *find_call_of(struct worker *w, int64_t lessee)
{
    for (int32_t t = 1; t <= w->most_ticket; t++) {
        struct op *op = &w->op[t];
        if (op->kind != OP_NONE && op->kind != OP_ANSWERED && op->lessee == lessee)
            return op;
    }
    return NULL;
}

static struct op *find_call(struct play *p, int64_t lessee)
{
    struct op *op = p->asking != NULL && p->asking->lessee == lessee ? p->asking : NULL;
    for (int i = 0; i < p->workers && op == NULL; i++)
        op = find_call_of(&p->worker[i], lessee);
    return op;
}

bool play_is_seen(const struct play *p, const struct op *op)
{
    return op->begun_us > p->declared[op->resource].chaos_us;
}

void play_heard(struct witness *w, const struct heard *h)
{
    struct play *p = container_of(w, struct play, witness);
    play_note(p, "%s hears lessee %lld about %lld", h->server, (long long)h->lessee,
              (long long)h->id);
    struct op *op = h->is_own ? NULL : find_call(p, h->lessee);
    if (op == NULL)
        return;
    struct declared *d = &p->declared[op->resource];
    if (world_time_us() > op->deadline_us + SLACK_US + op->actor->worker->late_us)
        law_broken("%s: a statement was sent after its deadline", d->spec.name);
    op->heard++;
    if (op->kind != OP_CALL || !play_is_seen(p, op))
        return;
    if (!op->is_served || !is_batch(op)) /* of a batch, by its first word */
        inspect_session(d, h, op->actor->worker->late_us);
    if (!op->is_served)
        play_served(p, op);
}

/* --- what was answered ------------------------------------------------------------------------ */

static void expect_row(struct play *p, int32_t ticket, const struct op *op,
                       const struct nebula_reply *r, int64_t first)
{
    if (r->rows == 0)
        return;
    struct nebula_value v;
    nebula_cell(op->actor->worker->nebula, ticket, r->rows - 1, 0, &v);
    if (v.integer != first + r->rows - 1)
        law_broken("%s: somebody got the row %lld of somebody else",
                   p->declared[op->resource].spec.name, (long long)v.integer);
}

static enum claim claim_of(const struct nebula_reply *r)
{
    switch ((enum outcome)r->outcome) {
    case OUTCOME_OK:
        return CLAIM_ONCE;
    case OUTCOME_FAILED:
        return CLAIM_NEVER;
    case OUTCOME_IN_DOUBT:
        return CLAIM_AT_MOST_ONCE;
    }
    UNREACHABLE();
}

bool play_writes(const struct op *op)
{
    return op->word == WORD_ADD || op->word == WORD_PUT || is_batch(op);
}

static void part_ended(struct play *p, int32_t ticket, const struct op *op, int32_t i)
{
    struct nebula *n = op->actor->worker->nebula;
    struct nebula_reply r;
    nebula_part(n, ticket, i + 1);
    nebula_reply(n, ticket, &r);
    if ((r.code == ERROR_OK) != (r.outcome == OUTCOME_OK))
        law_broken("part %d: code %s with outcome %d", i + 1, nebula_error_name(r.code), r.outcome);
    claim_settle(p, op->id + i, claim_of(&r));
}

static void call_ended(struct play *p, int32_t ticket, struct op *op, const struct nebula_reply *r)
{
    if ((r->code == ERROR_OK) != (r->outcome == OUTCOME_OK))
        law_broken("code %s with outcome %d", nebula_error_name(r->code), r->outcome);
    if (r->outcome == OUTCOME_IN_DOUBT && r->attempts == 0)
        law_broken("in doubt without having been sent");
    if (strcmp(r->state, "57014") == 0)
        law_broken("somebody was told that another one was cancelled");
    obeyed_answered(op, ticket, r);
    for (int32_t i = 0; i <= op->more && is_batch(op); i++)
        part_ended(p, ticket, op, i);
    if (play_writes(op) && !is_batch(op))
        claim_settle(p, op->id, claim_of(r));
    if (r->code == ERROR_OK && op->word != WORD_ROWS)
        expect_row(p, ticket, op, r, op->id);
}

static void transaction_ended(struct play *p, struct holding *h, const struct op *op,
                              const struct nebula_reply *r)
{
    if (op->word == WORD_BEGIN && r->code == ERROR_OK)
        h->is_in_transaction = true;
    else if (op->word == WORD_COMMIT && r->code == ERROR_OK)
        settle_all(p, h, CLAIM_ONCE);
    else if (op->word == WORD_COMMIT && r->outcome == OUTCOME_IN_DOUBT)
        settle_all(p, h, CLAIM_AT_MOST_ONCE);
    else if (r->code == ERROR_CONFLICT || (op->word == WORD_UNDO && r->code == ERROR_OK))
        settle_all(p, h, CLAIM_NEVER);
}

static void stream_moved(struct play *p, int32_t ticket, struct holding *h, const struct op *op,
                         const struct nebula_reply *r)
{
    bool begins = op->word == WORD_ROWS || op->word == WORD_GIVE;
    if (h->is_taking || (!begins && op->word != WORD_PULL && op->word != WORD_STOP))
        return;
    if (begins)
        h->next_row = 0;
    if (r->code == ERROR_OK)
        expect_row(p, ticket, op, r, h->next_row);
    if (r->rows > op->window)
        law_broken("%d rows came, and %d were asked for", r->rows, op->window);
    h->next_row += r->rows;
    h->is_streaming = r->code == ERROR_OK ? r->more : h->is_streaming && !begins;
}

static bool is_fatal(int32_t code)
{
    return code == ERROR_LOST || code == ERROR_MEMORY || code == ERROR_DEADLINE ||
           code == ERROR_CANCELLED || code == ERROR_STALE || code == ERROR_CLOSED;
}

static void statement_ended(struct play *p, int32_t ticket, struct op *op,
                            const struct nebula_reply *r)
{
    struct holding *h = &op->actor->held;
    if (h->lease == 0 || h->lessee != op->lessee)
        return; /* the lease was given back while it was under way */
    bool in_transaction = h->is_in_transaction;
    h->busy--;
    h->is_committing = false;
    if (play_writes(op) && !in_transaction)
        claim_settle(p, op->id, claim_of(r));
    else if (play_writes(op) && r->code != ERROR_OK) {
        claim_settle(p, op->id, CLAIM_NEVER);
        h->ids--; /* the last one: a lease has one write under way at most */
    }
    transaction_ended(p, h, op, r);
    stream_moved(p, ticket, h, op, r);
    copy_ended(p, h, op, r);
    if (r->code == ERROR_OK && (play_writes(op) || op->word == WORD_GET))
        expect_row(p, ticket, op, r, op->id);
    h->is_broken |= is_fatal(r->code);
}

static void lease_ended(struct play *p, struct op *op, const struct nebula_reply *r)
{
    struct actor *a = op->actor;
    a->is_leasing = false;
    if ((r->code == ERROR_OK) != (r->lease > 0))
        law_broken("a lease's ticket ended with %s and lease %lld", nebula_error_name(r->code),
                   (long long)r->lease);
    if (r->code != ERROR_OK)
        return;
    play_served(p, op);
    a->held = (struct holding){
        .lease = r->lease, .resource = op->resource, .role = op->role, .lessee = ++p->lessees};
}

static void expect_in_time(struct play *p, const struct op *op, const struct nebula_event *e)
{
    int64_t now_us = world_time_us();
    int64_t late_us = SLACK_US + op->actor->worker->late_us;
    if (op->deadline_us != NEVER && now_us > op->deadline_us + late_us)
        law_broken("%s: answered with %s %lld us after its deadline",
                   p->declared[op->resource].spec.name, nebula_error_name(e->code),
                   (long long)(now_us - op->deadline_us));
    if (op->kind == OP_SLEEP && e->code == ERROR_OK && now_us < op->deadline_us)
        law_broken("a sleep ended %lld us too soon", (long long)(op->deadline_us - now_us));
}

static void renewed(struct declared *d, const struct op *op)
{
    if (op->begun_us > d->fence_us)
        d->fence_us = op->begun_us;
}

static void answered(struct worker *w, const struct nebula_event *e)
{
    struct play *p = w->play;
    struct op *op = e->ticket > 0 && e->ticket < OPS ? &w->op[e->ticket] : NULL;
    if (op == NULL || op->kind == OP_NONE || op->kind == OP_ANSWERED) {
        law_broken("ticket %d was answered, but nobody waits for it", e->ticket);
        return;
    }
    struct nebula_reply r;
    nebula_reply(w->nebula, e->ticket, &r);
    if (r.code != e->code || (e->code != ERROR_OK && r.text[0] == '\0'))
        law_broken("event says %s, reply says %s", nebula_error_name(e->code),
                   nebula_error_name(r.code));
    play_note(p, "worker %d, ticket %d: word %d, lessee %lld about %lld: %s, outcome %d", w->index,
              e->ticket, op->word, (long long)op->lessee, (long long)op->id,
              nebula_error_name(e->code), r.outcome);
    expect_in_time(p, op, e);
    if (op->kind == OP_CALL)
        call_ended(p, e->ticket, op, &r);
    else if (op->kind == OP_ON_LEASE)
        statement_ended(p, e->ticket, op, &r);
    else if (op->kind == OP_LEASE)
        lease_ended(p, op, &r);
    else if (op->kind == OP_RENEW && e->code == ERROR_OK)
        renewed(&p->declared[op->resource], op);
    else if (op->kind == OP_ASK && e->code == ERROR_OK &&
             nebula_asked(w->nebula, e->ticket) == NULL)
        law_broken("the answer of all workers is none");
    else if (op->kind == OP_LISTEN || op->kind == OP_HEAR)
        hearer_answered(p, e->ticket, op, &r);
    op->actor->busy--;
    op->kind = OP_ANSWERED;
    p->answered++;
}

/* Most tickets are given back at once, some only when their late reply has come in. */
static void give_back(struct worker *w)
{
    for (int32_t t = 1; t <= w->most_ticket; t++) {
        if (w->op[t].kind != OP_ANSWERED || dice_hits(&w->play->dice, 300))
            continue;
        nebula_done(w->nebula, t);
        w->op[t].kind = OP_NONE;
        w->ops--;
    }
}

bool answers_are_in_order(const struct play *p, const struct op *op)
{
    return play_is_seen(p, op) && !policies_leave_out(p, op->resource);
}

/* Nobody is served after one who came 5 ms later in the same queue. Without memory the driver may
 * turn a statement away before its server hears of it, and so may chaos: it cannot be seen who was served. */
void answers_inspect(const struct worker *w)
{
    const struct play *p = w->play;
    int64_t now_us = world_time_us();
    for (int32_t t = 1; t <= w->most_ticket && !p->is_starved; t++) {
        const struct op *op = &w->op[t];
        if ((op->kind != OP_LEASE && op->kind != OP_CALL) || op->is_served || !play_is_seen(p, op))
            continue;
        if (!op->is_ruled && answers_are_in_order(p, op) &&
            w->newest_served[op->resource][op->role] > op->begun_us + FAIR_US &&
            op->wait_until_us > now_us)
            law_broken("%s: somebody who came %lld us later was served first",
                       p->declared[op->resource].spec.name,
                       (long long)(w->newest_served[op->resource][op->role] - op->begun_us));
        if (now_us > op->wait_until_us + SLACK_US)
            law_broken("%s: somebody waits %lld us past his deadline",
                       p->declared[op->resource].spec.name,
                       (long long)(now_us - op->wait_until_us));
    }
}

void answers_take(struct worker *w)
{
    struct nebula_event e;
    while (nebula_next(w->nebula, &e))
        answered(w, &e);
    policies_answer(w);
    give_back(w);
}
