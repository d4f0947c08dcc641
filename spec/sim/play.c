#include "play.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "nebula_balance.h"

static int64_t roll(struct play *p, int64_t low, int64_t high)
{
    return dice_between(&p->dice, low, high);
}

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

/* --- tasks ------------------------------------------------------------------------------------ */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* For whom it calls, where rules go by that. */
static void name_actor(struct play *p, const struct actor *a)
{
    static const char *const name[] = {"red", "green", "blue"};
    struct nebula *n = a->worker->nebula;
    nebula_task_enter(n, a->task);
    if (chance(p, 500) && nebula_task_tenant(n, name[roll(p, 0, COUNT(name) - 1)]) != 0 &&
        !p->is_starved)
        law_broken("a tenant was refused: %s", nebula_error(n));
    if (chance(p, 500))
        nebula_task_key(n, name[roll(p, 0, COUNT(name) - 1)], 3);
    nebula_task_enter(n, 0);
}

static void open_actor(struct play *p, struct worker *w)
{
    for (int i = 0; i < p->actors; i++) {
        struct actor *a = &w->actor[i], *parent = &w->actor[roll(p, 0, p->actors - 1)];
        if (a->task != 0)
            continue;
        bool has_parent = parent->task != 0 && chance(p, 300);
        int32_t task = nebula_task_open(w->nebula, has_parent ? parent->task : 0);
        if (task <= 0 && p->is_starved)
            return;
        if (task <= 0) {
            law_broken("a task was refused: %s", nebula_error(w->nebula));
            return;
        }
        *a = (struct actor){
            .worker = w, .task = task, .deadline_us = has_parent ? parent->deadline_us : NEVER};
        name_actor(p, a);
        return;
    }
}

void play_forget_actor(struct play *p, struct actor *a)
{
    struct worker *w = a->worker;
    holding_drop(p, a);
    for (int32_t t = 1; t <= w->most_ticket; t++) {
        struct op *op = &w->op[t];
        if (op->kind == OP_NONE || op->actor != a)
            continue;
        for (int32_t i = 0; i <= op->more && op->id != 0 && op->kind == OP_CALL; i++)
            claim_settle(p, op->id + i, CLAIM_AT_MOST_ONCE);
        op->kind = OP_NONE;
        w->ops--;
    }
    *a = (struct actor){.worker = w};
}

void play_close_actor(struct play *p, struct actor *a)
{
    for (int32_t t = 1; t <= a->worker->most_ticket; t++)
        if (a->worker->op[t].actor == a)
            obeyed_meet_leaving(a->worker, t);
    nebula_task_close(a->worker->nebula, a->task);
    play_forget_actor(p, a);
}

static void bound_actor(struct play *p, struct actor *a)
{
    int64_t at_us = chance(p, 300) ? NEVER : world_time_us() + roll(p, 0, SECOND);
    if (a->busy > 0) /* a deadline holds for what is asked from now on */
        return;
    int64_t before_us = nebula_task_deadline(a->worker->nebula, at_us == NEVER ? 0 : at_us);
    if (before_us != (a->deadline_us == NEVER ? 0 : a->deadline_us))
        law_broken("a task's deadline was %lld and not %lld", (long long)before_us,
                   (long long)a->deadline_us);
    a->deadline_us = at_us;
}

static void cancel_actor(struct play *p, struct actor *a)
{
    if (a->is_cancelled && a->busy == 0) {
        a->deadline_us = world_time_us() + roll(p, 0, 200 * MS);
        nebula_task_grace(a->worker->nebula, a->task, a->deadline_us);
        a->is_cancelled = false;
        return;
    }
    nebula_task_cancel(a->worker->nebula, a->task);
    a->is_cancelled = true;
}

/* --- tickets ---------------------------------------------------------------------------------- */

/* False for a refusal, which must have a reason. */
bool play_begin(struct play *p, const struct op *op, int32_t ticket)
{
    struct worker *w = op->actor->worker;
    if (ticket <= 0) {
        p->refused++;
        enum error_code code = (enum error_code) - ticket;
        bool is_excused = code == ERROR_MEMORY && p->is_starved;
        if (code == ERROR_USAGE || code == ERROR_LIMIT || ticket == 0 ||
            (code == ERROR_MEMORY && !is_excused))
            law_broken("refused with %s: %s", nebula_error_name(-ticket), nebula_error(w->nebula));
        if (code == ERROR_CANCELLED && !op->actor->is_cancelled)
            law_broken("refused as cancelled, but its task was not");
        return false;
    }
    if (op->actor->is_cancelled)
        law_broken("a cancelled task was given a ticket");
    if (ticket >= OPS || w->op[ticket].kind != OP_NONE) {
        law_broken("ticket %d was given out twice", ticket);
        return false;
    }
    w->op[ticket] = *op;
    w->ops++;
    op->actor->busy++;
    if (ticket > w->most_ticket)
        w->most_ticket = ticket;
    return true;
}

static void nap(struct play *p, struct actor *a)
{
    struct op op = {.actor = a, .begun_us = world_time_us()};
    op.deadline_us = a->deadline_us > op.begun_us ? a->deadline_us : op.begun_us;
    if (chance(p, 300)) {
        op.kind = OP_WAIT;
        if (a->deadline_us != NEVER || p->is_stopping || chance(p, 300))
            play_begin(p, &op, nebula_wait(a->worker->nebula));
        return;
    }
    int64_t span_us = chance(p, 300) ? 0 : roll(p, 0, 50 * MS);
    op.kind = OP_SLEEP;
    op.deadline_us = sooner(op.deadline_us, op.begun_us + span_us);
    play_begin(p, &op, nebula_sleep(a->worker->nebula, span_us));
}

static void start(struct play *p, struct actor *a)
{
    int32_t i = (int32_t)roll(p, 0, DECLARED - 1);
    struct op op = {.kind = OP_START,
                    .actor = a,
                    .resource = i,
                    .begun_us = world_time_us(),
                    .deadline_us = world_time_us() + p->declared[i].spec.pool.start_us};
    play_begin(p, &op, nebula_start(a->worker->nebula, a->worker->number[i]));
}

static int32_t any_ticket(struct play *p, const struct worker *w)
{
    if (w->ops == 0)
        return 0;
    int32_t t = (int32_t)roll(p, 1, w->most_ticket);
    bool is_free = w->op[t].kind == OP_NONE || w->op[t].kind == OP_RENEW;
    return is_free ? 0 : t; /* one that ended is left alone by whatever comes */
}

void play_disturb(struct play *p, struct worker *w)
{
    int32_t t = any_ticket(p, w);
    if (t == 0)
        return;
    if (w->op[t].kind == OP_WAIT || (w->op[t].kind != OP_SLEEP && chance(p, 200)))
        nebula_wake(w->nebula, t, ERROR_OK);
    else {
        obeyed_meet_leaving(w, t);
        nebula_cancel(w->nebula, t);
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

static const char *const word_text[WORDS] = {
    [WORD_ADD] = "add",     [WORD_PUT] = "put",       [WORD_GET] = "get",
    [WORD_BEGIN] = "begin", [WORD_COMMIT] = "commit", [WORD_UNDO] = "undo",
    [WORD_SET] = "set",     [WORD_FAIL] = "fail",     [WORD_ROWS] = "rows",
    [WORD_PULL] = "pull",   [WORD_STOP] = "stop",     [WORD_PREPARE] = "get",
    [WORD_BATCH] = "add",   [WORD_EACH] = "put",      [WORD_GIVE] = "give",
    [WORD_TAKE] = "take",   [WORD_PUSH] = "push",     [WORD_FINISH] = "finish",
};

static enum nebula_verb verb_of(enum word w)
{
    switch (w) {
    case WORD_ADD:
    case WORD_PUT:
    case WORD_GET:
    case WORD_FAIL:
        return NEBULA_RUN;
    case WORD_BEGIN:
    case WORD_COMMIT:
    case WORD_UNDO:
    case WORD_SET:
        return NEBULA_SCRIPT;
    case WORD_ROWS:
    case WORD_GIVE:
    case WORD_TAKE:
        return NEBULA_STREAM;
    case WORD_PUSH:
        return NEBULA_PUSH;
    case WORD_FINISH:
        return NEBULA_FINISH;
    case WORD_PULL:
        return NEBULA_PULL;
    case WORD_STOP:
        return NEBULA_STOP;
    case WORD_PREPARE:
        return NEBULA_PREPARE;
    case WORD_BATCH:
    case WORD_EACH:
        return NEBULA_BATCH;
    case WORDS:
        break;
    }
    UNREACHABLE();
}

/* What op says about its n-th id. */
static struct nebula_part say(const struct op *op, int64_t nth, char text[64])
{
    int size = snprintf(text, 64, "%s %lld %lld", word_text[op->word], (long long)op->lessee,
                        (long long)op->id + nth);
    return (struct nebula_part){.text = text, .text_size = (uint32_t)size};
}

/* Its rules may hold it in several places, each for as long as it may wait. */
static void bound_op(const struct play *p, struct op *op, int64_t within_us)
{
    const struct nebula_policy *policy = policies_of(p, op);
    op->begun_us = world_time_us();
    op->deadline_us = sooner(op->actor->deadline_us,
                             op->begun_us + (within_us > 0 ? within_us : policy->deadline_us));
    op->wait_until_us =
        op->is_ruled ? op->deadline_us : sooner(op->deadline_us, op->begun_us + policy->wait_us);
}

/* Fills in what the op did not say and asks for it. */
static bool call(struct play *p, struct op *op, int64_t lease)
{
    char text[MORE_MOST + 1][64];
    struct nebula_part part[MORE_MOST + 1];
    part[0] = say(op, 0, text[0]);
    for (int32_t i = 1; i <= op->more; i++)
        part[i] = say(op, i, text[i]);
    int64_t within_us = chance(p, 500)   ? 0
                        : chance(p, 700) ? roll(p, 1, 100 * MS)
                                         : roll(p, 1, SECOND);
    op->window = (int32_t)roll(p, 1, 4);
    struct nebula_request request = {
        .lease = lease,
        .resource = op->actor->worker->number[op->resource],
        .role = op->role,
        .verb = verb_of(op->word),
        .window = op->window,
        .text = part->text,
        .text_size = part->text_size,
        .part = part,
        .parts = op->more + 1,
        .is_each = op->word == WORD_EACH,
        .within_us = within_us,
        .is_idempotent = op->word == WORD_PUT || op->word == WORD_GET || op->word == WORD_EACH,
        .is_fail_fast = chance(p, 100),
    };
    policies_choose(p, op, &request);
    bound_op(p, op, within_us);
    p->asking = op;
    int32_t ticket = nebula_call(op->actor->worker->nebula, &request);
    p->asking = NULL;
    return play_begin(p, op, ticket);
}

static void call_once(struct play *p, struct actor *a)
{
    static const enum word once[] = {WORD_ADD,  WORD_ADD,   WORD_ADD,   WORD_PUT,
                                     WORD_PUT,  WORD_GET,   WORD_GET,   WORD_SET,
                                     WORD_FAIL, WORD_BEGIN, WORD_BATCH, WORD_EACH};
    struct op op = {.kind = OP_CALL, .actor = a, .resource = (int32_t)roll(p, 0, DECLARED - 1)};
    op.word = once[roll(p, 0, COUNT(once) - 1)];
    if (p->declared[op.resource].rulebook.is_slow && chance(p, 700))
        op.word = WORD_PUT; /* which may be copied */
    op.role = (int32_t)roll(p, 0, p->declared[op.resource].spec.roles - 1);
    op.lessee = ++p->lessees;
    op.id = claim_new(p, op.resource);
    bool is_batch = op.word == WORD_BATCH || op.word == WORD_EACH;
    op.more = is_batch ? (int32_t)roll(p, 0, MORE_MOST) : 0;
    for (int32_t i = 0; i < op.more; i++)
        claim_new(p, op.resource);
    bool is_asked = call(p, &op, 0);
    for (int32_t i = 0; i <= op.more && (!is_asked || !play_writes(&op)); i++)
        claim_settle(p, op.id + i, CLAIM_NEVER);
}

/* --- leases ----------------------------------------------------------------------------------- */

static void lease(struct play *p, struct actor *a)
{
    struct op op = {.kind = OP_LEASE, .actor = a, .resource = (int32_t)roll(p, 0, DECLARED - 1)};
    struct declared *d = &p->declared[op.resource];
    if (d->rulebook.is_slow && chance(p, 900)) /* there would be no room for copies */
        return;
    op.role = (int32_t)roll(p, 0, d->spec.roles - 1);
    int64_t within_us = chance(p, 300) ? 0 : roll(p, 1, 500 * MS);
    op.begun_us = world_time_us();
    op.deadline_us = op.begun_us + (within_us > 0 ? within_us : d->spec.policy.deadline_us);
    op.deadline_us = op.wait_until_us = sooner(op.deadline_us, a->deadline_us);
    int64_t got = nebula_lease(a->worker->nebula, a->worker->number[op.resource], op.role,
                               within_us, chance(p, 100));
    if (got > 0) {
        if (a->is_cancelled || op.begun_us >= a->deadline_us)
            law_broken("a task that is over was given a lease");
        play_served(p, &op);
        a->held = (struct holding){
            .lease = got, .resource = op.resource, .role = op.role, .lessee = ++p->lessees};
        return;
    }
    a->is_leasing = play_begin(p, &op, got == 0 ? nebula_ticket(a->worker->nebula) : (int32_t)got);
}

static enum word next_word(struct play *p, const struct holding *h)
{
    if (h->is_streaming)
        return chance(p, 800) ? WORD_PULL : WORD_STOP;
    if (h->is_taking)
        return copy_next(p, h);
    if (h->is_in_transaction) {
        static const enum word inside[] = {WORD_ADD,    WORD_ADD,  WORD_PUT,  WORD_GET,
                                           WORD_FAIL,   WORD_SET,  WORD_ROWS, WORD_COMMIT,
                                           WORD_COMMIT, WORD_UNDO, WORD_TAKE, WORD_GIVE};
        return h->ids >= IDS_IN_TX ? WORD_COMMIT : inside[roll(p, 0, COUNT(inside) - 1)];
    }
    static const enum word outside[] = {WORD_BEGIN, WORD_BEGIN, WORD_BEGIN, WORD_ADD,
                                        WORD_PUT,   WORD_GET,   WORD_SET,   WORD_PREPARE,
                                        WORD_ROWS,  WORD_GIVE,  WORD_TAKE,  WORD_TAKE};
    return outside[roll(p, 0, COUNT(outside) - 1)];
}

static void use_lease(struct play *p, struct actor *a)
{
    struct holding *h = &a->held;
    struct op op = {.kind = OP_ON_LEASE, .actor = a, .resource = h->resource, .role = h->role};
    op.word = next_word(p, h);
    op.lessee = h->lessee;
    bool writes = op.word == WORD_ADD || op.word == WORD_PUT, pushes = op.word == WORD_PUSH;
    bool brings = op.word == WORD_ROWS || op.word == WORD_GIVE;
    op.id = writes || pushes ? claim_new(p, h->resource) : brings ? roll(p, 1, 12) : 1;
    op.is_served = true;
    if (!call(p, &op, h->lease)) {
        if (writes || pushes)
            claim_settle(p, op.id, CLAIM_NEVER);
        h->is_doomed |= pushes;
        return;
    }
    h->busy++;
    copy_asked(h, &op);
    h->is_committing = op.word == WORD_COMMIT;
    if (writes && h->is_in_transaction)
        h->id[h->ids++] = op.id;
}

/* Who pushes does not wait for each. */
static void use_lease_often(struct play *p, struct actor *a)
{
    do
        use_lease(p, a);
    while (copy_may_push(&a->held) && a->held.busy > 0 && chance(p, 600));
}

static void release(struct play *p, struct actor *a)
{
    int32_t code = nebula_release(a->worker->nebula, a->held.lease,
                                  chance(p, 50) ? NEBULA_SPOILED : NEBULA_GOOD);
    if (code != 0 && code != -ERROR_STALE) /* stale: its connection was lost */
        law_broken("a lease could not be given back: %s", nebula_error(a->worker->nebula));
    if (code != 0 && strstr(nebula_error(a->worker->nebula), "ended already") != NULL)
        law_broken("whoever lost a lease hears that he gave it back before");
    a->stale = a->held.lease;
    holding_drop(p, a);
}

static void try_stale(struct actor *a)
{
    if (a->stale == 0)
        return;
    const struct nebula_request request = {
        .lease = a->stale, .verb = NEBULA_RUN, .text = "get 1 1"};
    int32_t called = nebula_call(a->worker->nebula, &request);
    if ((called != -ERROR_STALE && called != -ERROR_LOST) ||
        nebula_release(a->worker->nebula, a->stale, NEBULA_GOOD) != -ERROR_STALE)
        law_broken("a stale lease was good for something (%d)", called);
}

static void hold(struct play *p, struct actor *a)
{
    struct holding *h = &a->held;
    if (h->lease == 0 && !a->is_leasing)
        lease(p, a);
    else if (h->lease != 0 && h->busy == 0 && (h->is_broken || chance(p, 200)))
        release(p, a);
    else if (h->lease != 0 && h->busy > 0 && chance(p, 30))
        release(p, a); /* in the middle of its own statement */
    else if (h->lease != 0 && (h->busy == 0 || copy_may_push(h)))
        use_lease_often(p, a);
    else
        try_stale(a);
}

/* --- what a step is --------------------------------------------------------------------------- */

static void act_for(struct play *p, struct actor *a)
{
    struct worker *w = a->worker;
    nebula_task_enter(w->nebula, a->task);
    int64_t what = roll(p, 0, 99);
    if (what < 35 && a->busy < 4)
        call_once(p, a);
    else if (what < 75)
        hold(p, a);
    else if (what < 79 && a->busy < 4)
        hearer_act(p, a);
    else if (what < 83 && a->busy < 4)
        nap(p, a);
    else if (what < 85)
        start(p, a);
    else if (what < 89)
        bound_actor(p, a);
    else if (what < 91)
        cancel_actor(p, a);
    else if (what < 94)
        play_close_actor(p, a);
    else
        play_disturb(p, w);
    nebula_task_enter(w->nebula, 0);
}

void play_act(struct play *p)
{
    struct worker *w = troupe_pick(p);
    if (w == NULL)
        return;
    struct actor *a = &w->actor[roll(p, 0, p->actors - 1)];
    if (chance(p, 30))
        play_operate(p);
    else if (chance(p, 20))
        policies_act(p);
    else if (chance(p, 60))
        play_tell(p);
    else if (a->task != 0)
        act_for(p, a);
    else
        open_actor(p, w);
}
